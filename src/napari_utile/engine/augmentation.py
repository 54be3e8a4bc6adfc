"""Random deformation of tiles, on the device that trains.

One field of source positions is drawn per tile and used for image, classes and weights
alike, so they cannot drift apart; then the gray values of the image are changed.

Source: the U-Net paper, sec. 3.1: shift, rotation, gray values, and "random displacement
vectors on a coarse 3 by 3 grid" from a Gaussian of 10 px, interpolated bicubically.
"""

from dataclasses import dataclass
from math import pi, radians

import torch
from torch import Generator, Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Deformation:
    """How strongly tiles are changed.

    Parameters
    ----------
    elastic : float
        Standard deviation of the displacements of the 3 x 3 grid, in pixels.
    rotation : float
        Largest angle, in degrees.
    flips : bool
        Mirror half of the tiles.
    gray : float
        Largest relative change of contrast, and of brightness in standard deviations.
    share : float
        Of the tiles that are rotated by any angle and deformed. The others are flipped and
        turned by quarters: no pixel of theirs is interpolated, so they keep the noise that
        the images to come will have.
    """

    elastic: float = 10.0
    rotation: float = 180.0
    flips: bool = True
    gray: float = 0.2
    share: float = 1.0


def source_positions(
    centre: Tensor, size: int, deformation: Deformation, generator: Generator
) -> Tensor:
    """Draw where each pixel of a tile comes from.

    Parameters
    ----------
    centre : Tensor, shape (2,)
        (y, x) of the middle of the tile in the plane, in pixels; the random shift.
    size : int
        Side of the tile, in pixels.

    Returns
    -------
    Tensor of float32, shape (size, size, 2)
        (y, x) in pixels of the plane; may lie outside it.
    """
    device = centre.device
    ramp = torch.arange(size, device=device, dtype=torch.float32) - (size - 1) / 2
    offsets = torch.stack(torch.meshgrid(ramp, ramp, indexing="ij"), dim=-1)
    angle, side, kind = torch.rand(3, generator=generator, device=device)
    interpolated = bool(kind < deformation.share)
    if interpolated:
        angle = (2 * angle - 1) * radians(deformation.rotation)
    else:
        quarters = 4 if deformation.rotation >= 90 else 1
        angle = (angle * quarters).floor() * (pi / 2)
        centre = (centre - ramp[0]).round() + ramp[0]  # the tile's pixels lie on the plane's
    mirror = torch.where((side < 0.5) & deformation.flips, -1.0, 1.0)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([torch.stack([cos, -sin * mirror]), torch.stack([sin, cos * mirror])])
    positions = centre + offsets @ turn.T
    if interpolated and deformation.elastic:
        grid = torch.randn(1, 2, 3, 3, generator=generator, device=device) * deformation.elastic
        field = functional.interpolate(grid, size, mode="bicubic", align_corners=True)
        positions = positions + field[0].permute(1, 2, 0)
    return positions


def sample(plane: Tensor, positions: Tensor, mode: str) -> Tensor:
    """Read a plane at positions between its pixels, mirrored at its border.

    Parameters
    ----------
    plane : Tensor, shape (C, Y, X)
        Pixels.
    positions : Tensor, shape (y, x, 2)
        As from `source_positions`.
    mode : {"bicubic", "bilinear", "nearest"}
        Interpolation.

    Returns
    -------
    Tensor, shape (C, y, x)
    """
    extent = torch.tensor(plane.shape[-2:], device=plane.device, dtype=torch.float32) - 1
    unit = 2 * positions / extent.clamp_min(1) - 1  # -1 and 1 are the outermost pixels
    return functional.grid_sample(
        plane[None].float(),
        unit.flip(-1)[None],
        mode=mode,
        padding_mode="reflection",
        align_corners=True,
    )[0]


def change_gray(image: Tensor, deformation: Deformation, generator: Generator) -> Tensor:
    """Change contrast and brightness of a normalized image (C, Y, X), each channel alike."""
    contrast, brightness = 2 * torch.rand(2, generator=generator, device=image.device) - 1
    return image * (1 + deformation.gray * contrast) + deformation.gray * brightness
