"""What breaks a training is said so that the user can act on it."""

from types import SimpleNamespace

import pytest
import torch

from napari_utile.engine.training.failures import as_user_errors
from napari_utile.errors import UserError


def broken(error, best=None):
    step = SimpleNamespace(
        progress=SimpleNamespace(step=7, best=best),
        settings=SimpleNamespace(learning_rate=0.25),
        device="cuda:0",
        too_large=lambda: "Too large.",
    )
    with as_user_errors(step):
        raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FloatingPointError("at step 7"),
            r"at step 7: lower .* below 0\.25\. No model is kept",
        ),
        (torch.OutOfMemoryError("CUDA out of memory"), r"Too large\."),
        (
            RuntimeError("CUDA error: device-side assert"),
            r"cuda:0 can no longer .* after step 7",
        ),
    ],
)
def test_what_the_user_can_act_on(error, message):
    with pytest.raises(UserError, match=message):
        broken(error)


def test_the_best_model_is_named_if_there_is_one():
    with pytest.raises(UserError, match="The best model so far is kept"):
        broken(FloatingPointError("at step 7"), best=0.5)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), KeyError("oops")])
def test_a_defect_stays_what_it_is(error):
    with pytest.raises(type(error)) as kept:
        broken(error)
    assert kept.value is error
