"""The 2D U-Net.

Source: Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 2, 3 and fig. 1.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from napari_utile.networks.layers import (
    Convolutions,
    center_crop,
    check_multiples,
    initialize,
    pooled,
    soften,
)
from napari_utile.networks.tileable import Network, PixelsPerAxis


class UNet(Network):
    """Contracting path, expanding path, and skips that copy and crop between them.

    The defaults are the published network.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the image.
    classes : int, default 2
        Maps of logits. 1 means one foreground map, to be read through a sigmoid.
    depth : int, default 4
        Number of poolings. Each halves the resolution and doubles the features.
    width : int, default 64
        Features at full resolution.
    padding : {"valid", "same"}, default "valid"
        Convolutions without padding, as published, or padded by zeros.
    norm : {None, "batch"}, default None
        Normalization behind each 3 x 3 convolution.
    dropout : float, default 0.5
        Rate behind the last two levels of the contracting path. The paper has the place,
        not the rate.

    Notes
    -----
    Unpadded convolutions shrink the map: a 572 x 572 image gives 388 x 388 logits. The
    caller brings the missing `margin` pixels on each side; see `arrays.tiling`.
    """

    skips = True
    paper = (
        "Ronneberger, Fischer & Brox: U-Net. MICCAI 2015",
        "https://doi.org/10.1007/978-3-319-24574-4_28",
    )

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 2,
        depth: int = 4,
        width: int = 64,
        padding: Literal["valid", "same"] = "valid",
        norm: Literal["batch"] | None = None,
        dropout: float = 0.5,
    ):
        super().__init__()
        if padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
        self.in_channels, self.classes = in_channels, classes
        self.depth, self.width, self.padding, self.norm = depth, width, padding, norm
        self.dropout = dropout
        widths = [width * 2**level for level in range(depth + 1)]
        joined = 2 if self.skips else 1
        self.poolings: tuple[tuple[int, ...], ...] = depth * ((2, 2),)
        self.encoders = nn.ModuleList(
            Convolutions([i, o, o], norm)
            for i, o in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.drop = nn.Dropout(dropout)
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(2 * w, w, kernel_size=2, stride=2) for w in reversed(widths[:-1])
        )
        self.decoders = nn.ModuleList(
            Convolutions([joined * w, w, w], norm) for w in reversed(widths[:-1])
        )
        self.classify: nn.Conv2d | nn.Conv3d = nn.Conv2d(width, classes, kernel_size=1)
        self.apply(initialize)
        if not self.skips:
            soften(self.classify)

    @property
    def depths(self) -> tuple[int | None, ...]:
        """Number of poolings per axis; None along an axis that no kernel looks along."""
        return self.ndim * (self.depth,)

    @property
    def stride_alignment(self) -> PixelsPerAxis:
        """Pixels to whose multiples tiles are laid, per axis: 2^depth."""
        return tuple(2 ** (depth or 0) for depth in self.depths)

    @property
    def margin(self) -> PixelsPerAxis:
        """Pixels of context that a tile needs on each side, per axis.

        The convolutions eat 2 pixels on each side at every level of both paths, which is
        6 * 2^depth - 4. A padded network pools at multiples of 2^depth from the corner of
        its input; two more pixels give its tiles that same phase.
        """
        eaten = [0 if depth is None else 6 * 2**depth - 4 for depth in self.depths]
        return tuple(each + cut for each, cut in zip(eaten, self._surplus, strict=True))

    @property
    def input_phase(self) -> PixelsPerAxis:
        """Input size modulo 2^depth: -4, as the paper's 572 is 576 - 4."""
        return tuple(0 if depth is None else -4 % 2**depth for depth in self.depths)

    @property
    def _surplus(self) -> PixelsPerAxis:
        """Pixels that a padded network leaves over on each side of a tile, per axis."""
        return tuple(2 * (self.padding == "same" and d is not None) for d in self.depths)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, Y, X) to logits.

        Returns
        -------
        Tensor, shape (N, K, Y - 2 margin, X - 2 margin), or (N, K, Y, X) if padded

        Raises
        ------
        ValueError
            If the map in front of a pooling would be odd, or nothing would be left.
        """
        self._check_size(x)
        return self._logits(x, padding=int(self.padding == "same"))

    def forward_tile(self, x: Tensor) -> Tensor:
        """Map a tile that brings its margin to the logits of its middle, never padding.

        A padded network gives what it gives far from the border of a large image: same
        parameters, real context in place of zeros.
        """
        logits = self._logits(x, padding=0)
        for axis, cut in enumerate(self._surplus, start=2):
            logits = logits.narrow(axis, cut, logits.shape[axis] - 2 * cut)
        return logits

    def _logits(self, x: Tensor, padding: int) -> Tensor:
        *encoders, bottom = self.encoders
        maps = []
        for encode, factors in zip(encoders, self.poolings, strict=True):
            x = encode(x, padding)
            if encode is encoders[-1]:
                x = self.drop(x)
            maps.append(x)
            x = pooled(x, factors)
        x = self.drop(bottom(x, padding))
        for upsample, decode in zip(self.upsamplers, self.decoders, strict=True):
            x = upsample(x)
            skip = maps.pop()
            if self.skips:
                x = torch.cat([center_crop(skip, x), x], dim=1)
            x = decode(x, padding)
        return self.classify(x)

    def _check_size(self, x: Tensor) -> None:
        """Refuse an image that the network would have to crop or cannot take at all."""
        sides, steps = tuple(x.shape[-self.ndim :]), self.stride_alignment
        if self.padding == "same":
            check_multiples(x, steps)
            return
        axes = zip(sides, steps, self.margin, self.input_phase, strict=True)
        if any(
            (side - phase) % step or side <= 2 * margin for side, step, margin, phase in axes
        ):
            names = " and ".join("ZYX"[-self.ndim :])
            raise ValueError(
                f"{names} must be multiples of {steps[-1]} minus 4 and larger than "
                f"{2 * self.margin[-1]}, got {sides}; the next is "
                f"{self.input_size(self.ndim * (1,))[-1]}"
            )
