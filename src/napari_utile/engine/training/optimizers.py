"""The update rules by which a network learns."""

import inspect
from functools import cache
from typing import Any

import torch
from torch import nn

from napari_utile.engine.training.muon import Muon, is_kernel
from napari_utile.settings.training import TrainSettings


def make_optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Build the update rule of a network. Only kernels decay, not biases and norms.

    Parameters
    ----------
    network : nn.Module
        Its parameters are updated.
    settings : TrainSettings
        `optimizer`, `learning_rate`, `momentum` and `weight_decay`.
    """
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if settings.optimizer == "sgd":
        sgd = without_compiler(torch.optim.SGD)
        return sgd(groups, lr=settings.learning_rate, momentum=settings.momentum)
    adam = without_compiler(Muon if settings.optimizer == "muon" else torch.optim.AdamW)
    return adam(groups, lr=settings.learning_rate, betas=(settings.momentum, 0.999))


@cache
def without_compiler(kind: type[torch.optim.Optimizer]) -> Any:
    """Return an optimizer that does not import torch's compiler: this takes seconds.

    PyTorch wraps methods of optimizers to keep them away from a compiler that is not used here,
    and imports it for that.

    Parameters
    ----------
    kind : subclass of torch.optim.Optimizer

    Returns
    -------
    subclass of `kind`
        With the functions that were wrapped; where they are not, it is the same as `kind`.
    """
    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in wrapped}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), methods | {"step": step})


FAR_TOO_MANY = 1e12
"""Steps that no training takes."""


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore what an optimizer of the same settings remembered of each parameter.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        As `make_optimizer` returns it. Its groups and options stay as they are, but for the
        learning rate of the last step.
    state : dict
        Of `state_dict`.

    Raises
    ------
    AttributeError, LookupError, TypeError, ValueError
        If it is that of another network or optimizer; nothing is restored then.
    """
    own = optimizer.state_dict()
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    for number, values in state["state"].items():
        parameter = parameters[number]
        if set(values) != _remembered(optimizer, parameter):
            raise ValueError("another optimizer")
        for name, value in values.items():
            shape = () if name == "step" else parameter.shape
            if value.shape != shape or value.dtype != torch.float32:
                raise ValueError(f"{name} of another parameter")
            if name == "step" and not 0 <= value < FAR_TOO_MANY:
                raise ValueError(f"{name} that no training has")
    rates = [group["lr"] for group in state["param_groups"]]
    if len(rates) != len(own["param_groups"]) or not all(map(_is_rate, rates)):
        raise ValueError("no such learning rates")
    groups = [
        group | {"lr": rate} for group, rate in zip(own["param_groups"], rates, strict=True)
    ]
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})


def _is_rate(value: object) -> bool:
    return isinstance(value, float) and 0 <= value < float("inf")


def _remembered(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> set[str]:
    """Return what an optimizer remembers of a parameter."""
    if isinstance(optimizer, torch.optim.SGD):
        return {"momentum_buffer"}
    if isinstance(optimizer, Muon):
        return {"momentum"} if is_kernel(parameter) else {"mean", "square", "step"}
    return {"step", "exp_avg", "exp_avg_sq"}
