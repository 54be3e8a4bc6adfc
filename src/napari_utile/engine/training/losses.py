"""The losses that a network can be trained with, each a weighted mean over tiles.

A loss is a sum over the tiles of a batch, divided by a sum over the same tiles: both add up
over the parts into which a batch is divided when memory runs out, and over processes, so that
loss and gradient are exactly those of the whole batch. What is no such mean, as one Dice over
all tiles of a batch, has no place in this interface, and `Loss` refuses it.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.optimizers import without_compiler


class Loss(ABC):
    """What training minimizes: at least 0, and 0 for a perfect prediction.

    A loss defines `values`, one per pixel or one per tile; all else follows from them.
    """

    is_bounded = False
    """Whether it is small even for parameters that have diverged, and stands still there."""

    @abstractmethod
    def values(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        """Return the loss of each pixel, or of each tile.

        Parameters
        ----------
        logits : Tensor of float32, shape (N, K, Y, X)
            K = 1 is one foreground map, to be read through a sigmoid.
        classes : Tensor of uint8, shape (N, Y, X)
            Class of each pixel; 0 where the pixel is unannotated.
        weights : Tensor of float32, shape (N, Y, X)
            The weight map; 0 where the pixel is unannotated.

        Returns
        -------
        Tensor, shape (N, Y, X) or (N,)
            Of pixels, whose weighted mean is the loss; or of tiles, each of which counts as
            much as its pixels weigh. The values of a tile depend on no other tile.
        """

    def weighted_sum(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        """Add up the values of tiles, each times its weights.

        Parameters
        ----------
        logits : Tensor, shape (N, K, Y, X)
            In any precision; the sum is computed in float32.
        classes : Tensor of uint8, shape (N, Y, X)
            Class of each pixel; `IGNORE` counts for nothing.
        weights : Tensor of float32, shape (N, Y, X)
            The weight map.

        Returns
        -------
        Tensor
            A scalar; `total_weight` of the whole batch divides it.

        Raises
        ------
        ValueError
            If `values` returns neither one value per pixel nor one per tile.
        """
        annotated = classes != IGNORE
        weights = weights * annotated
        values = self.values(logits.float(), classes * annotated, weights)
        if values.shape not in (weights.shape, weights.shape[:1]):
            raise ValueError(
                f"{type(self).__name__} must give one value per pixel or one per tile of "
                f"{tuple(weights.shape)}, got {tuple(values.shape)}"
            )
        return (weights * per_pixel(values, weights)).sum()

    def mean(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        """Return the loss of tiles, a scalar; 0 if nothing is annotated."""
        total = self.total_weight(classes, weights)
        return self.weighted_sum(logits, classes, weights) / total

    def total_weight(self, classes: Tensor, weights: Tensor) -> Tensor:
        """Add up the weights of all that is annotated, to divide a `weighted_sum` by.

        Parameters
        ----------
        classes : Tensor of uint8, shape (N, Y, X)
            Class of each pixel; `IGNORE` counts for nothing.
        weights : Tensor of float32, shape (N, Y, X)
            The weight map.

        Returns
        -------
        Tensor
            A scalar, at least 1e-12.
        """
        return (weights * (classes != IGNORE)).sum().clamp_min(1e-12)

    def totals(self, classes: Tensor, weights: Tensor, count: int) -> NDArray[Any]:
        """Return the weight of each class, of which `guess` takes those of all planes.

        Parameters
        ----------
        classes : Tensor of uint8, shape (1, Y, X)
            On the CPU.
        weights : Tensor of float32, shape (1, Y, X)
        count : int
            Number of classes.

        Returns
        -------
        ndarray of float64, shape (count,)
            The sum is the `total_weight`.
        """
        annotated = classes != IGNORE
        return np.bincount(classes[annotated], weights[annotated], minlength=count)

    def guess(self, totals: NDArray[Any]) -> float:
        """Return the lowest loss of a prediction that is the same at every pixel.

        Parameters
        ----------
        totals : ndarray of float, shape (N, K)
            Weight of each class in each of N tiles or planes, see `totals`; K is at least 2.

        Returns
        -------
        float
            The scale of the loss: what looks at the image is below it. It is found by descent
            from the shares of the classes.
        """
        count, k = totals.shape
        # for a constant prediction, one pixel per class stands for all pixels of that class
        weights = torch.from_numpy(totals / max(totals.sum(), 1e-12)).float()[:, None]
        classes = torch.arange(k, dtype=torch.uint8).expand(count, 1, k)
        guess = weights.sum((0, 1)).clamp_min(1e-6).log().requires_grad_()
        descent = without_compiler(torch.optim.LBFGS)(
            [guess], max_iter=100, line_search_fn="strong_wolfe"
        )

        @torch.enable_grad()
        def evaluate() -> Tensor:
            descent.zero_grad()
            loss = self.mean(guess[:, None, None].expand(count, k, 1, k), classes, weights)
            loss.backward()
            return loss

        descent.step(evaluate)
        return evaluate().item()


class CrossEntropy(Loss):
    """Cross entropy of each pixel.

    Source: Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 3, eq. 1 (a sum there; the
    mean keeps the learning rate independent of the tile).
    """

    def values(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        if logits.shape[1] == 1:  # soft-max over two classes becomes the sigmoid
            return functional.binary_cross_entropy_with_logits(
                logits[:, 0], classes.float(), reduction="none"
            )
        return functional.cross_entropy(logits, classes.long(), reduction="none")

    def guess(self, totals: NDArray[Any]) -> float:
        """Return the entropy of the shares of all classes, in nats."""
        pooled = totals.sum(axis=0)
        shares = pooled[pooled > 0] / max(pooled.sum(), 1e-12)
        return float(-(shares * np.log(shares)).sum())


class Dice(Loss):
    """1 - soft Dice of each tile, the mean over the classes that the tile shows.

    For probabilities p, truth g (1 for pixels of the class, else 0) and weights w, the Dice
    of a class is ``2 sum(w p g) / (sum(w p^2) + sum(w g^2))``, over the pixels of the tile.

    Source: Milletari, Navab & Ahmadi, "V-Net", 3DV 2016, eq. 3, for one class and without
    weights. Background is a class here: it is what a tile without an object learns from. A
    class that the tile does not show would be a constant 0, and is left out. Each tile has a
    Dice of its own, not the batch one: it is then the same in however many parts the batch is
    computed.
    """

    is_bounded = True

    def values(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        probabilities = logits.softmax(1)
        truth = functional.one_hot(classes.long(), logits.shape[1]).movedim(-1, 1)
        weights = weights[:, None]
        overlaps = _sum_of_pixels(weights * probabilities * truth)
        squares = _sum_of_pixels(weights * (probabilities.square() + truth))
        is_shown = _sum_of_pixels(weights * truth) > 0
        dice = is_shown * 2 * overlaps / squares.clamp_min(1e-12)
        return 1 - dice.sum(1) / is_shown.sum(1).clamp_min(1)


class SumOfLosses(Loss):
    """The sum of several losses."""

    def __init__(self, *losses: Loss):
        self.losses = losses

    def values(self, logits: Tensor, classes: Tensor, weights: Tensor) -> Tensor:
        first, *others = (loss.values(logits, classes, weights) for loss in self.losses)
        values = per_pixel(first, weights)
        for other in others:
            values = values + per_pixel(other, weights)
        return values


LOSSES: dict[str, Loss] = {
    "cross-entropy": CrossEntropy(),
    "dice": Dice(),
    "both": SumOfLosses(CrossEntropy(), Dice()),
}
"""Name of a loss, as in `TrainSettings.loss`, -> the loss."""


def per_pixel(values: Tensor, weights: Tensor) -> Tensor:
    """Return values of pixels, or of tiles (N,), such that they multiply (N, Y, X) weights."""
    return (
        values.reshape(len(values), *(weights.ndim - 1) * (1,)) if values.ndim == 1 else values
    )


def _sum_of_pixels(maps: Tensor) -> Tensor:
    """Sum (N, K, Y, X) to (N, K)."""
    return maps.flatten(2).sum(2)
