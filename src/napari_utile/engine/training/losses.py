"""The loss of a network, weighted pixel by pixel."""

from torch import Tensor
from torch.nn import functional

from napari_utile.arrays.labels import IGNORE


def weighted_cross_entropy(
    logits: Tensor, classes: Tensor, weights: Tensor, total: Tensor | None = None
) -> Tensor:
    """Average the cross entropy of the pixels with the weights of the map.

    Parameters
    ----------
    logits : Tensor, shape (N, K, Y, X)
        K = 1 is one foreground map: soft-max over two classes becomes the sigmoid.
    classes : Tensor of uint8, shape (N, Y, X)
        Class of each pixel; `IGNORE` counts for nothing.
    weights : Tensor of float32, shape (N, Y, X)
        The weight map.
    total : Tensor, optional
        What to divide by: `total_weight` of a whole batch of which this is a part, so that
        the losses of its parts add up to its loss, and their gradients to its gradient.

    Returns
    -------
    Tensor
        sum(w * cross entropy) / sum(w), a scalar; 0 if nothing is annotated.

    References
    ----------
    Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 3, eq. 1 (a sum there; the mean
    keeps the learning rate independent of the tile).
    """
    logits = logits.float()
    annotated = classes != IGNORE
    weights = weights * annotated
    if logits.shape[1] == 1:
        foreground = (classes * annotated).float()
        per_pixel = functional.binary_cross_entropy_with_logits(
            logits[:, 0], foreground, reduction="none"
        )
    else:
        per_pixel = functional.cross_entropy(
            logits, classes.long() * annotated, reduction="none"
        )
    if total is None:
        total = total_weight(classes, weights)
    return (weights * per_pixel).sum() / total


def total_weight(classes: Tensor, weights: Tensor) -> Tensor:
    """Add up the weights of what is annotated; never 0, so that one can divide by it."""
    return (weights * (classes != IGNORE)).sum().clamp_min(1e-12)
