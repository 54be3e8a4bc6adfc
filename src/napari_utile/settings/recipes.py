"""Named sets of options of a training."""

from typing import Any

PAPER = {
    "width": 64,
    "padding": "valid",
    "norm": "none",
    "dropout": 0.5,
    "optimizer": "sgd",
    "learning_rate": 1e-3,
    "momentum": 0.99,
    "weight_decay": 0.0,
    "schedule": "constant",
    "tile": 388,
    "batch": 1,
    "deformed": 1.0,
    "w0": 10.0,
    "class_balance": True,
}
"""What Ronneberger et al. (2015) did. They give no learning rate and no dropout rate."""


PHOTOS: dict[str, Any] = {
    "split": "image",
    "tile": 128,
    "sampling": "foreground",
    "w0": 0.0,
    "elastic": 6.0,
    "rotation": 15.0,
    "deformed": 0.8,
    "gray": 0.4,
}
"""For photos of scenes: up stays up, objects are few and of any size, gaps are no borders."""


VOLUMES: dict[str, Any] = {"depth": 3, "batch": 2}
"""Of networks of volumes, as published (Cicek et al. 2016): each pooling doubles the margin of
a tile on six sides."""


RECIPES: dict[str, dict[str, Any]] = {"paper": PAPER, "photos": PHOTOS}
"""Named sets of options. An option that a set does not name has its default."""
