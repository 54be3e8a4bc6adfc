"""The loss of foreground and affinities, and what it compares them with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_utile.arrays.instances.affinities import UNANNOTATED, pair_windows
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.engine.training.losses import Loss


def learnt_maps(ids: Tensor, offsets: Sequence[Offset]) -> tuple[Tensor, Tensor]:
    """Return what foreground and affinities should be, and where that is known.

    Parameters
    ----------
    ids : Tensor of int32, shape (N, Z, Y, X)
        See `signed_ids`.
    offsets : sequence of tuple of int
        From each voxel to its partner.

    Returns
    -------
    truth : Tensor of float32, shape (N, 1 + offsets, Z, Y, X)
        1 for foreground, and where a voxel and its partner are in the same object.
    known : Tensor of bool, same shape
        False where a voxel or its partner is unannotated, or the partner lies outside.
    """
    is_known, objects = ids != UNANNOTATED, ids.abs()
    shape = (len(ids), 1 + len(offsets), *ids.shape[1:])
    truth = torch.zeros(shape, device=ids.device)
    known = torch.zeros(shape, dtype=torch.bool, device=ids.device)
    truth[:, 0], known[:, 0] = ids > 0, is_known
    for channel, offset in enumerate(offsets, start=1):
        windows = pair_windows(tuple(ids.shape[1:]), offset)
        here, there = ((slice(None), *window) for window in windows)
        a, b = objects[here], objects[there]
        truth[:, channel][here] = ((a == b) & (a > 0)).float()
        known[:, channel][here] = is_known[here] & is_known[there]
    return truth, known


class AffinityLoss(Loss):
    """Binary cross entropy of foreground and affinities, the mean over all that is known.

    In place of classes it takes ids, see `signed_ids`.

    Parameters
    ----------
    offsets : sequence of tuple of int
        Of the affinities, which are the channels behind the foreground.

    References
    ----------
    Lee, Zung, Li, Jain & Seung, "Superhuman accuracy on the SNEMI3D connectomics challenge",
    2017, sec. 2.2, for affinities of voxels that are far apart.
    """

    def __init__(self, offsets: Sequence[Offset]):
        self.offsets = tuple(offsets)

    def values(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        """Return the sum over the channels of each voxel that are known, (N, Z, Y, X)."""
        truth, known = learnt_maps(classes, self.offsets)
        entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        return (entropy * known).sum(1)

    def weighted_sum(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        return (weights * self.values(logits.float(), classes, weights)).sum()

    def total_weight(self, classes: Tensor, weights: Tensor) -> Tensor:
        _, known = learnt_maps(classes, self.offsets)
        return (weights * known.sum(1)).sum().clamp_min(1e-12)

    def totals(self, classes: Tensor, weights: Tensor, count: int) -> NDArray[Any]:
        """Return the weight of 0 and of 1 in each channel, (channels, 2)."""
        truth, known = learnt_maps(classes, self.offsets)
        each = (weights[:, None] * known).double()
        ones, all_ = ((each * part).sum((0, 2, 3, 4)) for part in (truth, 1))
        return torch.stack([all_ - ones, ones], dim=1).numpy()

    def guess(self, totals: NDArray[Any]) -> float:
        """Return the entropy of the share of 1 in each channel, the mean over all pairs."""
        pooled = totals.sum(axis=0)
        shares = pooled / np.maximum(pooled.sum(axis=1, keepdims=True), 1e-12)
        entropies = pooled * np.log(np.where(pooled > 0, shares, 1))
        return float(-entropies.sum() / max(pooled.sum(), 1e-12))
