"""Parts that several networks share: convolutions, crops, initialization."""

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

CONVOLUTION_LAYERS = (nn.Conv2d, nn.Conv3d)
TRANSPOSED_LAYERS = (nn.ConvTranspose2d, nn.ConvTranspose3d)
NORM_LAYERS = (nn.BatchNorm2d, nn.BatchNorm3d)
"""Layers of images and of volumes."""


class Convolutions(nn.Module):
    """A chain of 3 x 3 convolutions, each followed by a ReLU; padded or not as each call says.

    Parameters
    ----------
    channels : sequence of int
        What goes in, and what each convolution gives.
    norm : {None, "batch"}
        Normalization in front of each ReLU. Instance and group norm are left out: they look
        at statistics of the tile, and tiles would disagree where they meet.
    kernel : tuple of int, default (3, 3)
        Size of the kernels per axis, odd; its length is the number of spatial axes.
    """

    def __init__(
        self, channels: Sequence[int], norm: str | None, kernel: tuple[int, ...] = (3, 3)
    ):
        super().__init__()
        if norm not in (None, "batch"):
            raise ValueError(f"norm must be None or 'batch', got {norm!r}")
        convolution, batch_norm = (
            CONVOLUTION_LAYERS[len(kernel) - 2],
            NORM_LAYERS[len(kernel) - 2],
        )
        self.convolutions = nn.ModuleList(
            convolution(i, o, kernel_size=kernel)  # type: ignore[arg-type]
            for i, o in pairwise(channels)
        )
        self.norms = nn.ModuleList(
            batch_norm(o) if norm == "batch" else nn.Identity() for o in channels[1:]
        )

    def forward(self, x: Tensor, padding: int) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = functional.relu(norm(convolve(x, convolution, padding)), inplace=True)
        return x

    def fold_norms(self) -> None:
        """Merge each normalization into the convolution before it.

        The output in evaluation mode stays the same, but for rounding.
        """
        for i, (convolution, norm) in enumerate(
            zip(self.convolutions, self.norms, strict=True)
        ):
            if isinstance(convolution, CONVOLUTION_LAYERS) and isinstance(norm, NORM_LAYERS):
                self.convolutions[i] = fuse_conv_bn_eval(convolution, norm)
                self.norms[i] = nn.Identity()


def convolve(x: Tensor, convolution: nn.Module, padding: int) -> Tensor:
    """Return a convolution of `x` with another padding than its own.

    Parameters
    ----------
    x : Tensor, shape (N, C, Y, X) or (N, C, Z, Y, X)
    convolution : nn.Module
        Of `CONVOLUTION_LAYERS`.
    padding : int
        Zeros on each side of an axis, but no more than the kernel eats there.
    """
    kernel: Tensor = convolution.weight  # type: ignore[assignment]
    bias: Tensor = convolution.bias  # type: ignore[assignment]
    dilation: tuple[int, ...] = convolution.dilation  # type: ignore[assignment]
    zeros = [min(padding, side // 2) for side in kernel.shape[2:]]
    if kernel.ndim == 4:
        return functional.conv2d(x, kernel, bias, padding=zeros, dilation=dilation)
    return functional.conv3d(x, kernel, bias, padding=zeros, dilation=dilation)


def memory_format(ndim: int) -> torch.memory_format:
    """Return the order in memory that convolutions of a tensor of `ndim` axes are fastest with.

    Channels last, for images (N, C, Y, X) and volumes (N, C, Z, Y, X).
    """
    return torch.channels_last_3d if ndim == 5 else torch.channels_last


def pooled(x: Tensor, factors: tuple[int, ...]) -> Tensor:
    """Return the maxima of boxes of `factors` pixels per axis: (2, 2), or (1, 2, 2)."""
    if len(factors) == 2:
        return functional.max_pool2d(x, factors)
    return functional.max_pool3d(x, factors)


def center_crop(x: Tensor, like: Tensor) -> Tensor:
    """Cut the middle of a map to the size of another.

    Parameters
    ----------
    x, like : Tensor, shape (N, C, Y, X)
        `x` is at least as large as `like` along each spatial axis.

    Returns
    -------
    Tensor, shape (N, C of `x`, Y of `like`, X of `like`)
    """
    starts = [(a - b) // 2 for a, b in zip(x.shape[2:], like.shape[2:], strict=True)]
    for axis, (start, size) in enumerate(zip(starts, like.shape[2:], strict=True), start=2):
        x = x.narrow(axis, start, size)
    return x


def check_multiples(x: Tensor, steps: tuple[int, ...]) -> None:
    """Refuse an image that poolings would have to crop.

    Parameters
    ----------
    x : Tensor, shape (N, C, Y, X)
    steps : tuple of int
        Of what the size must be a multiple, per axis.

    Raises
    ------
    ValueError
        If it is not.
    """
    sides = tuple(x.shape[-len(steps) :])
    if any(side % step for side, step in zip(sides, steps, strict=True)):
        raise ValueError(f"Y and X must be multiples of {steps[-1]}, got {sides}")


def initialize(module: nn.Module) -> None:
    """Draw from a Gaussian of standard deviation sqrt(2 / N) for N incoming nodes.

    Source: He, Zhang, Ren & Sun, "Delving Deep into Rectifiers", ICCV 2015, eq. 10; for a
    U-Net, Ronneberger et al. (2015), sec. 3.
    """
    if not isinstance(module, CONVOLUTION_LAYERS + TRANSPOSED_LAYERS):
        return
    if module.weight.is_meta:  # without values; torch would import its compiler to draw none
        return
    # each pixel of a 2 x 2 up-convolution of stride 2 sees one pixel of every channel
    seen = 1 if isinstance(module, TRANSPOSED_LAYERS) else module.weight[0, 0].numel()
    nn.init.normal_(module.weight, std=sqrt(2 / (module.in_channels * seen)))
    if module.bias is not None:
        nn.init.zeros_(module.bias)


@torch.no_grad()
def soften(classifier: nn.Conv2d | nn.Conv3d) -> None:
    """Divide the first logits by 5, so that learning does not begin by silencing features.

    The variance of He et al. is that in front of a ReLU. Behind a classifier there is none,
    and its first logits are as large as wrong. A network without another way to its pixels
    may then learn first to give the same everywhere, and stay there for hundreds of steps.
    """
    classifier.weight /= 5
