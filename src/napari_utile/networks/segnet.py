"""SegNet: a decoder that puts values back where the encoder found them.

Source: Badrinarayanan, Kendall & Cipolla, "SegNet", arXiv 1511.00561 (IEEE TPAMI 2017),
sec. 3 and fig. 2; its encoder is that of VGG16 (Simonyan & Zisserman, ICLR 2015).
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
)
from napari_utile.networks.tileable import Network, PixelsPerAxis

TIE_TOLERANCE = 1e-4
"""Feature values, which are about 1, closer than this count as ties in max pooling."""


class SegNet(Network):
    """Contracting path, and an expanding path that unpools by the places of the maxima.

    The defaults are the published network, which is padded.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the image.
    classes : int, default 2
        Maps of logits. 1 means one foreground map, to be read through a sigmoid.
    depth : int, default 5
        Number of poolings. The first two levels have two convolutions in each path, the
        others three.
    width : int, default 64
        Features at full resolution; doubled at each level, to 8 times as many at most.
    norm : {None, "batch"}, default "batch"
        Normalization behind each 3 x 3 convolution but the last.

    Notes
    -----
    Unpooling writes each value to the pixel of its 2 x 2 cell that held the maximum, and
    zeros to the other three. The place is kept as a map of ones, which is cropped like any
    other: a place within the cell means the same in a tile and in the whole image.
    """

    paper = (
        "Badrinarayanan, Kendall & Cipolla: SegNet. IEEE TPAMI 39(12), 2017",
        "https://doi.org/10.1109/TPAMI.2016.2644615",
    )

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 2,
        depth: int = 5,
        width: int = 64,
        norm: Literal["batch"] | None = "batch",
    ):
        super().__init__()
        self.in_channels, self.classes = in_channels, classes
        self.depth, self.width, self.norm = depth, width, norm
        widths = [width * 2 ** min(level, 3) for level in range(depth)]
        self.convolutions = [2 if level < 2 else 3 for level in range(depth)]
        """Of each level, in either path."""
        above = [in_channels, *widths[:-1]]
        chains = list(zip(above, widths, self.convolutions, strict=True))
        self.encoders = nn.ModuleList(
            Convolutions([a, *count * [w]], norm) for a, w, count in chains
        )
        # the last convolution of a level gives the features of the level above
        self.decoders = nn.ModuleList(
            Convolutions([*count * [w], a], norm) for a, w, count in reversed(chains[1:])
        )
        self.decoders.append(Convolutions([width, width], norm))
        self.classify = nn.Conv2d(width, classes, kernel_size=3)
        self.apply(initialize)

    @property
    def stride_alignment(self) -> PixelsPerAxis:
        """Pixels to whose multiples tiles are laid, per axis: 2^depth."""
        return self.ndim * (2**self.depth,)

    @property
    def eaten(self) -> int:
        """Pixels that the convolutions of one path eat on each side."""
        return sum(count * 2**level for level, count in enumerate(self.convolutions))

    @property
    def surplus(self) -> int:
        """Pixels on each side of an unpadded result that lie before the first multiple."""
        return -self.eaten % 2**self.depth

    @property
    def margin(self) -> PixelsPerAxis:
        """Pixels of context that a tile needs on each side, per axis."""
        return self.ndim * (2 * self.eaten + self.surplus,)

    @property
    def input_phase(self) -> PixelsPerAxis:
        """Input size of a tile modulo 2^depth, per axis."""
        return self.ndim * (2 * self.eaten % 2**self.depth,)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, Y, X), whose sides are multiples of 2^depth, to logits."""
        check_multiples(x, self.stride_alignment)
        return self._logits(x, padding=1)

    def forward_tile(self, x: Tensor) -> Tensor:
        """Map a tile that brings its margin to the logits of its middle, never padding."""
        logits, cut = self._logits(x, padding=0), self.surplus
        return logits[..., cut : logits.shape[-2] - cut, cut : logits.shape[-1] - cut]

    def _logits(self, x: Tensor, padding: int) -> Tensor:
        places = []
        for encode in self.encoders:
            x = encode(x, padding)
            places.append(places_of_maxima(x))
            x = functional.max_pool2d(x, 2)
        for decode in self.decoders:
            x = functional.interpolate(x, scale_factor=2)
            x = decode(x * center_crop(places.pop(), x), padding)
        return convolve(x, self.classify, padding)


@torch.no_grad()
def places_of_maxima(x: Tensor) -> Tensor:
    """Mark the largest value of each 2 x 2 cell by 1, the others by 0.

    Of values that are equal but for rounding it is the first, or flat parts of an image
    would be unpooled differently in each tile.
    """
    rows, columns = (torch.arange(side, device=x.device) % 2 for side in x.shape[-2:])
    order = (2 * rows[:, None] + columns).to(x.dtype)
    maxima, indices = functional.max_pool2d(x - TIE_TOLERANCE * order, 2, return_indices=True)
    return functional.max_unpool2d(torch.ones_like(maxima), indices, (2, 2))
