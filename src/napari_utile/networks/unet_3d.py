"""The 3D U-Net, whose kernels and poolings follow the size of a voxel.

Sources: Cicek, Abdulkadir, Lienkamp, Brox & Ronneberger, "3D U-Net: learning dense volumetric
segmentation from sparse annotation", MICCAI 2016, sec. 2 and fig. 2; Isensee et al., "nnU-Net:
a self-configuring method for deep learning-based biomedical image segmentation", Nature Methods
18, 2021, supplementary note 2, for voxels that are not cubes.
"""

from math import isfinite
from typing import Literal

from torch import nn

from napari_utile.networks.layers import Convolutions, initialize, soften
from napari_utile.networks.tileable import Network
from napari_utile.networks.unet import UNet

Factors = tuple[int, int, int]


class UNet3D(UNet):
    """Contracting path, expanding path and skips in three dimensions.

    The defaults are the published network, with one channel and two classes.

    Parameters
    ----------
    in_channels : int, default 1
        Channels of the image.
    classes : int, default 2
        Maps of logits. 1 means one foreground map, to be read through a sigmoid.
    depth : int, default 3
        Number of poolings.
    width : int, default 64
        Features that leave the first level; each level has twice as many as the one above.
        The first convolution of a level has half of them, so that features double in front of
        a pooling, and nothing is squeezed there (Cicek et al., sec. 2).
    padding : {"valid", "same"}, default "valid"
        Convolutions without padding, as published, or padded by zeros.
    norm : {None, "batch"}, default "batch"
        Normalization behind each convolution.
    dropout : float, default 0
        Rate behind the last two levels of the contracting path.
    spacing : (float, float, float), default (1, 1, 1)
        Size of a voxel along (Z, Y, X), in any unit; see `levels`.
    activation : {"softmax", "sigmoid"}, default "softmax"
        How logits are to be read: as classes of which each voxel has one, or each map by
        itself.

    Notes
    -----
    Unpadded convolutions shrink the map: a volume of 116 x 132 x 132 voxels gives logits of
    28 x 44 x 44, as in fig. 2.
    """

    ndim = 3
    paper = (
        "Cicek et al.: 3D U-Net. MICCAI 2016",
        "https://doi.org/10.1007/978-3-319-46723-8_49",
    )

    def __init__(
        self,
        in_channels: int = 1,
        classes: int = 2,
        depth: int = 3,
        width: int = 64,
        padding: Literal["valid", "same"] = "valid",
        norm: Literal["batch"] | None = "batch",
        dropout: float = 0.0,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        activation: Literal["softmax", "sigmoid"] = "softmax",
    ):
        Network.__init__(self)
        if padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
        if activation not in ("softmax", "sigmoid"):
            raise ValueError(f"activation must be 'softmax' or 'sigmoid', got {activation!r}")
        self.in_channels, self.classes = in_channels, classes
        self.depth, self.width, self.padding, self.norm = depth, width, padding, norm
        self.dropout, self.activation = dropout, activation
        self.spacing = checked_spacing(spacing)
        kernels, self.poolings = levels(self.spacing, depth)
        self._looks_along = tuple(side > 1 for side in kernels[-1])
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoders = nn.ModuleList(
            Convolutions([i, max(1, o // 2), o], norm, kernel)
            for i, o, kernel in zip([in_channels, *widths], widths, kernels, strict=False)
        )
        self.drop = nn.Dropout(dropout)
        up = [*zip(widths, kernels, self.poolings, strict=False)][::-1]  # the deepest first
        self.upsamplers = nn.ModuleList(
            nn.ConvTranspose3d(2 * w, 2 * w, kernel_size=factors, stride=factors)
            for w, _, factors in up
        )
        self.decoders = nn.ModuleList(
            Convolutions([(3 if self.skips else 2) * w, w, w], norm, kernel)
            for w, kernel, _ in up
        )
        self.classify = nn.Conv3d(width, classes, kernel_size=1)
        self.apply(initialize)
        if not self.skips:
            soften(self.classify)

    @property
    def depths(self) -> tuple[int | None, ...]:
        """Number of poolings per axis; None along an axis that no kernel looks along."""
        counts = (sum(factors[axis] > 1 for factors in self.poolings) for axis in range(3))
        return tuple(
            count if looks else None
            for count, looks in zip(counts, self._looks_along, strict=True)
        )


class EncoderDecoder3D(UNet3D):
    """The 3D U-Net without its skips: the plain CNN that shows what the skips add.

    Everything else, the parameters too, is as in `UNet3D`; the first convolution of each
    level of the expanding path sees fewer features, and the first logits are small.
    """

    skips = False


def levels(
    spacing: tuple[float, float, float], depth: int
) -> tuple[tuple[Factors, ...], tuple[Factors, ...]]:
    """Return kernels and poolings of each level, by the size of a voxel.

    An axis is pooled while its spacing is less than twice the finest, so that voxels become
    cubes; until then kernels are 1 wide along it.

    Parameters
    ----------
    spacing : (float, float, float)
        Size of a voxel along (Z, Y, X).
    depth : int
        Number of poolings.

    Returns
    -------
    kernels : tuple of (int, int, int)
        For each of the ``depth + 1`` levels, 3 or 1 along (Z, Y, X).
    poolings : tuple of (int, int, int)
        Behind each level but the last, 2 or 1 along (Z, Y, X).

    References
    ----------
    Isensee et al., "nnU-Net", Nature Methods 18, 2021, supplementary note 2.

    Examples
    --------
    >>> levels((40, 10, 10), 2)
    (((1, 3, 3), (1, 3, 3), (3, 3, 3)), ((1, 2, 2), (1, 2, 2)))
    """
    sides = list(spacing)
    kernels: list[Factors] = []
    poolings: list[Factors] = []
    for _ in range(depth + 1):
        is_fine = [side < 2 * min(sides) for side in sides]
        z, y, x = is_fine
        kernels.append((1 + 2 * z, 1 + 2 * y, 1 + 2 * x))
        poolings.append((1 + z, 1 + y, 1 + x))
        sides = [side * (1 + fine) for side, fine in zip(sides, is_fine, strict=True)]
    return tuple(kernels), tuple(poolings[:-1])


def checked_spacing(spacing: tuple[float, ...]) -> tuple[float, float, float]:
    """Return the size of a voxel as three floats.

    Raises
    ------
    ValueError
        If it is not three positive lengths.
    """
    sides = tuple(map(float, spacing))
    if len(sides) != 3 or not all(isfinite(side) and side > 0 for side in sides):
        raise ValueError(f"spacing must be three positive lengths, got {spacing}")
    return sides
