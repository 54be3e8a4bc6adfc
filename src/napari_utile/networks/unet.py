"""The 2D U-Net.

Source: Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 2, 3 and fig. 1.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_utile.networks.layers import (
    Convolutions,
    center_crop,
    check_multiples,
    initialize,
    soften,
)


class UNet(nn.Module):
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
    trains_on_windows = False
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
        widths = [width * 2**level for level in range(depth + 1)]
        joined = 2 if self.skips else 1
        self.encoders = nn.ModuleList(
            Convolutions([i, o, o], norm)
            for i, o in zip([in_channels, *widths[:-1]], widths, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose2d(2 * w, w, kernel_size=2, stride=2) for w in reversed(widths[:-1])
        )
        self.decoders = nn.ModuleList(
            Convolutions([joined * w, w, w], norm) for w in reversed(widths[:-1])
        )
        self.classify = nn.Conv2d(width, classes, kernel_size=1)
        self.apply(initialize)
        if not self.skips:
            soften(self.classify)

    @property
    def arguments(self) -> dict[str, Any]:
        """What the network was constructed with."""
        return {
            "in_channels": self.in_channels,
            "classes": self.classes,
            "depth": self.depth,
            "width": self.width,
            "padding": self.padding,
            "norm": self.norm,
            "dropout": self.dropout.p,
        }

    @property
    def stride_alignment(self) -> int:
        """Pixels to whose multiples tiles are laid, so that every pooling keeps its phase."""
        return 2**self.depth

    @property
    def margin(self) -> int:
        """Pixels of context that a tile needs on each side.

        The convolutions eat 2 pixels on each side at every level of both paths, which is
        6 * 2^depth - 4. A padded network pools at multiples of 2^depth from the corner of
        its input; two more pixels give its tiles that same phase.
        """
        eaten = 6 * 2**self.depth - 4
        return eaten if self.padding == "valid" else eaten + 2

    def input_size(self, output: int) -> int:
        """Give the side of the smallest tile, margins included, that covers `output` pixels.

        The map in front of each pooling must be even, so sides are -4 modulo 2^depth (the
        paper's 572 = 576 - 4).
        """
        needed = output + 2 * self.margin
        return needed + (-4 - needed) % self.stride_alignment

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

        Parameters
        ----------
        x : Tensor, shape (N, C, Y, X)
            Sides from `input_size`; the first `margin` pixels are context.

        Returns
        -------
        Tensor, shape (N, K, Y - 2 margin, X - 2 margin)
        """
        logits = self._logits(x, padding=0)
        return logits if self.padding == "valid" else logits[..., 2:-2, 2:-2]

    def _logits(self, x: Tensor, padding: int) -> Tensor:
        *encoders, bottom = self.encoders
        maps = []
        for encode in encoders:
            x = encode(x, padding)
            if encode is encoders[-1]:
                x = self.dropout(x)
            maps.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.dropout(bottom(x, padding))
        for upsample, decode in zip(self.upsamplers, self.decoders, strict=True):
            x = upsample(x)
            skip = maps.pop()
            if self.skips:
                x = torch.cat([center_crop(skip, x), x], dim=1)
            x = decode(x, padding)
        return self.classify(x)

    def _check_size(self, x: Tensor) -> None:
        """Refuse an image that the network would have to crop or cannot take at all."""
        sides, step = tuple(x.shape[-2:]), self.stride_alignment
        if self.padding == "same":
            check_multiples(x, step)
        elif any((side + 4) % step or side <= 2 * self.margin for side in sides):
            raise ValueError(
                f"Y and X must be multiples of {step} minus 4 and larger than "
                f"{2 * self.margin}, got {sides}; the next is {self.input_size(1)}"
            )
