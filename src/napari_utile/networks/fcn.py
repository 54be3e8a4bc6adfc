"""The fully convolutional network FCN-8s.

Source: Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015, sec. 3, 4 and fig. 3, on VGG16 (Simonyan & Zisserman, ICLR 2015).
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_utile.networks.layers import (
    Convolutions,
    center_crop,
    check_multiples,
    convolve,
    initialize,
    soften,
)
from napari_utile.networks.tileable import Network, PixelsPerAxis

CONVOLUTIONS = (2, 2, 3, 3, 3)
"""In front of each of the five poolings."""
CELL = 2 ** len(CONVOLUTIONS)
"""Pixels of the image per pixel of the last pooling, along each axis."""


class FCN(Network):
    """A classifier made of convolutions, whose coarse scores are refined by finer layers.

    The defaults are the published network, scaled by `width`.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the image.
    classes : int, default 2
        Maps of logits. 1 means one foreground map, to be read through a sigmoid.
    width : int, default 64
        Features at full resolution; 8 times as many at the last pooling, 64 times (4096) in
        the two layers that were fully connected.
    norm : {None, "batch"}, default None
        Normalization behind each 3 x 3 convolution.
    dropout : float, default 0.5
        Rate behind the two layers that were fully connected.

    Notes
    -----
    The network pads each convolution, the 7 x 7 one too. The authors' own pads the image by
    100 zeros instead and crops the result, which is the same far from the border, but for
    the phase of its poolings: 100 is no multiple of 32.

    Scores are upsampled bilinearly. In the two steps of 2 that is where learning starts; the
    last step of 8 is fixed, as published (sec. 4.3). The scoring layers start small where the
    paper has zeros, which would give the layers below no gradient in the first step.
    """

    paper = (
        "Long, Shelhamer & Darrell: Fully Convolutional Networks. CVPR 2015",
        "https://doi.org/10.1109/CVPR.2015.7298965",
    )

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 2,
        width: int = 64,
        norm: Literal["batch"] | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.in_channels, self.classes = in_channels, classes
        self.width, self.norm, self.dropout = width, norm, dropout
        widths = [width * 2 ** min(level, 3) for level in range(len(CONVOLUTIONS))]
        self.encoders = nn.ModuleList(
            Convolutions([i, *count * [o]], norm)
            for i, o, count in zip(
                [in_channels, *widths[:-1]], widths, CONVOLUTIONS, strict=True
            )
        )
        self.connect = nn.ModuleList(
            [nn.Conv2d(widths[-1], 64 * width, 7), nn.Conv2d(64 * width, 64 * width, 1)]
        )
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Conv2d(64 * width, classes, 1)
        self.refine = nn.ModuleList(nn.Conv2d(widths[level], classes, 1) for level in (3, 2))
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(classes, classes, 4, stride=2, padding=1, bias=False)
            for _ in range(2)
        )
        self.apply(initialize)
        for score in (self.classify, *self.refine):
            soften(score)
        self.upsamplers.apply(interpolate)

    @property
    def stride_alignment(self) -> PixelsPerAxis:
        """Pixels to whose multiples tiles are laid, per axis: 32."""
        return self.ndim * (CELL,)

    @property
    def eaten(self) -> int:
        """Pixels that the convolutions in front of the last pooling eat on each side."""
        return sum(count * 2**level for level, count in enumerate(CONVOLUTIONS))

    @property
    def margin(self) -> PixelsPerAxis:
        """Pixels of context that a tile needs on each side, per axis.

        The 7 x 7 convolution eats 3 cells of 32 pixels; one more is interpolated from a
        neighbour that the tile does not have.
        """
        return self.ndim * (self.eaten + 4 * CELL,)

    @property
    def input_phase(self) -> PixelsPerAxis:
        """Input size of a tile modulo 32, per axis."""
        return self.ndim * (2 * self.eaten % CELL,)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, Y, X), multiples of 32, to logits (N, K, Y, X)."""
        check_multiples(x, self.stride_alignment)
        return self._logits(x, padded=True)

    def forward_tile(self, x: Tensor) -> Tensor:
        """Map a tile that brings its margin to the logits of its middle, never padding."""
        return self._logits(x, padded=False)[..., CELL:-CELL, CELL:-CELL]

    def _logits(self, x: Tensor, padded: bool) -> Tensor:
        maps = []
        for encode in self.encoders:
            x = functional.max_pool2d(encode(x, padding=int(padded)), 2)
            maps.append(x)
        for convolution, padding in zip(self.connect, (3 * padded, 0), strict=True):
            x = self.drop(functional.relu(convolve(x, convolution, padding), inplace=True))
        scores = self.classify(x)
        for upsample, refine, finer in zip(
            self.upsamplers, self.refine, maps[3:1:-1], strict=True
        ):
            scores = upsample(scores)
            scores = scores + center_crop(refine(finer), scores)
        return functional.interpolate(scores, scale_factor=8, mode="bilinear")


def interpolate(module: nn.Module) -> None:
    """Set an upsampling by 2 to bilinear interpolation of each map on its own."""
    if isinstance(module, nn.ConvTranspose2d):
        falloff = torch.tensor([0.25, 0.75, 0.75, 0.25])
        nn.init.zeros_(module.weight)
        with torch.no_grad():
            for k in range(module.in_channels):
                module.weight[k, k] = torch.outer(falloff, falloff)
