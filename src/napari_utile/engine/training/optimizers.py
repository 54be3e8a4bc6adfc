"""The update rules by which a network learns."""

import torch
from torch import nn

from napari_utile.engine.training.muon import Muon
from napari_utile.settings import TrainSettings


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
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=settings.momentum)
    betas = (settings.momentum, 0.999)
    if settings.optimizer == "muon":
        return Muon(groups, lr=settings.learning_rate, betas=betas)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas)
