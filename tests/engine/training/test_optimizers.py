"""Update rules, and what of a network decays."""

import sys

import pytest
import torch

from napari_utile.engine.training.optimizers import make_optimizer, restore_optimizer
from napari_utile.networks import UNet
from napari_utile.settings.training import TrainSettings


def tiny(**options):
    torch.manual_seed(0)
    return UNet(1, 2, depth=1, width=2, padding="same", dropout=0, **options)


@pytest.mark.parametrize("name", ["muon", "adamw", "sgd"])
def test_kernels_decay_and_nothing_else(name):
    network = tiny(norm="batch")
    optimizer = make_optimizer(network, TrainSettings(optimizer=name, weight_decay=0.1))
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    expected = {id(p): 0.1 * (p.ndim == 4) for p in network.parameters()}
    assert decay == expected


@pytest.mark.parametrize(
    ("name", "kind"), [("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_steps_are_those_of_pytorch_without_its_compiler(name, kind, monkeypatch):
    settings, twins = TrainSettings(optimizer=name), (tiny(), tiny())
    own, (kernels, others) = make_optimizer(twins[0], settings), ([], [])
    for parameter in twins[1].parameters():
        (kernels if parameter.ndim > 1 else others).append(parameter)
    groups = [{"params": kernels, "weight_decay": settings.weight_decay}]
    groups += [{"params": others, "weight_decay": 0.0}]
    options = {k: own.defaults[k] for k in ("lr", "betas", "momentum") if k in own.defaults}
    other = kind(groups, **options)
    for _ in range(3):
        descend(twins[1], other)
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)  # it cannot be imported
    for _ in range(3):
        descend(twins[0], own)
        own.load_state_dict(own.state_dict())
    assert isinstance(own, kind)
    for mine, its in zip(*(twin.parameters() for twin in twins), strict=True):
        torch.testing.assert_close(mine, its, rtol=0, atol=0)


def descend(network, optimizer):
    optimizer.zero_grad()
    sum(p.square().sum() for p in network.parameters()).backward()
    optimizer.step()


@pytest.mark.parametrize("name", ["muon", "adamw"])
@pytest.mark.parametrize("momentum", [0.5, 0.99])
def test_momentum_is_beta_one_of_adam(momentum, name):
    optimizer = make_optimizer(tiny(), TrainSettings(optimizer=name, momentum=momentum))
    assert {group["betas"] for group in optimizer.param_groups} == {(momentum, 0.999)}


@pytest.mark.parametrize("name", ["muon", "adamw"])
@pytest.mark.parametrize("count", [-5.0, 1e30, float("nan")])
def test_a_count_of_steps_that_no_training_has_is_not_restored(name, count):
    """Of a damaged checkpoint. Minus 5 steps divide by less than nothing."""
    settings = TrainSettings(optimizer=name)
    network = tiny(norm="batch")
    optimizer = make_optimizer(network, settings)
    sum(p.square().sum() for p in network.parameters()).backward()
    optimizer.step()
    state = optimizer.state_dict()
    restore_optimizer(make_optimizer(network, settings), state)
    counts = [values["step"] for values in state["state"].values() if "step" in values]
    counts[0].fill_(count)
    with pytest.raises(ValueError, match="step that no training has"):
        restore_optimizer(make_optimizer(network, settings), state)
