"""Options that take effect, and those that do not."""

import pytest
import torch

from napari_utile.engine.training.options import effective_settings, unused_options
from napari_utile.settings.training import TrainSettings

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("options", "unused"),
    [
        ({"network": "unet", "padding": "valid"}, []),
        ({"network": "segnet", "depth": 4}, []),
        ({"network": "segnet", "depth": 4, "dropout": 0.1}, ["segnet has no dropout: 0.1"]),
        ({"network": "fcn", "depth": 3}, ["fcn has no depth: 3"]),
        (
            {"network": "sliding-window", "depth": 4, "norm": "none", "tile": 64},
            ["sliding-window has no norm: none", "sliding-window has no tile: 64"],
        ),
        ({"network": "sliding-window", "w0": 4}, ["sliding-window has no w0: 4.0"]),
        ({"network": "sliding-window", "w0": 0, "sampling": "classes"}, []),
        ({"network": "fcn", "recipe": "paper"}, []),
        ({"network": "unet-3d", "target": "affinities"}, []),
    ],
)
def test_options_that_a_network_lacks_are_named(options, unused):
    said = list(unused_options(TrainSettings(**options)))
    assert [sentence.partition("The network ")[2] for sentence in said] == [
        f"{text} is not used." for text in unused
    ]


def test_affinities_are_learnt_without_weights():
    asked = TrainSettings(network="unet-3d", target="affinities", w0=4, loss="dice")
    used = effective_settings(asked)
    assert (used.w0, used.loss, used.output) == (0, "cross-entropy", "sigmoid")
    assert effective_settings(used) == used and not [*unused_options(used)]
    assert [*unused_options(asked)] == [
        f"Affinities are learnt without {name} is not used."
        for name in ("loss: dice", "w0: 4.0")
    ]


def test_windows_are_balanced_whatever_was_asked_for():
    asked = TrainSettings(network="sliding-window", w0=4, class_balance=True, width=3)
    used = effective_settings(asked)
    assert (used.sampling, used.w0, used.class_balance, used.width) == ("classes", 0, False, 3)
    assert effective_settings(used) == used
    unet = TrainSettings(network="unet", w0=4)
    assert effective_settings(unet) is unet
