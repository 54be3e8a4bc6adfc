"""Turned, mirrored and deformed tiles of volumes: as `warp`, with one axis more.

Sources: Ronneberger, Fischer & Brox, "U-Net", MICCAI 2015, sec. 3.1, for the coarse grid of
displacements; Cicek et al., "3D U-Net", MICCAI 2016, sec. 3, for its use in three dimensions.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.augmentation.warp import (
    Layers,
    Turn,
    mirror_place,
    spline_basis,
    taps,
)
from napari_utile.arrays.compiled import Array, compiled

_fast = partial(compiled, fastmath={"contract"})  # as in `warp`


class VolumePlacement(NamedTuple):
    """Where the voxels of a tile come from.

    Voxel (k, i, j) comes from ``centre + turn @ offset + displacement``, where `offset` leads
    there from the middle of the tile.
    """

    centre: tuple[float, float, float]
    """(z, y, x) of the middle of the tile in the volume, in voxels."""
    turn: NDArray[np.float32]
    """(3, 3), from offsets (z, y, x) in the tile to offsets in the volume."""
    displacements: NDArray[np.float32]
    """(3, 3, 3, 3), along z, y and x, in voxels; knots at the ends and the middle of each axis.
    """

    @property
    def is_on_voxels(self) -> bool:
        """Whether voxels come from whole voxels, if the first one does."""
        return not self.displacements.any() and bool(np.isin(self.turn, (-1, 0, 1)).all())


def volume_turn(turn: Turn, is_mirrored_z: bool, exchanged: int) -> NDArray[np.float32]:
    """Return the turn of a `VolumePlacement`.

    Parameters
    ----------
    turn : ((float, float), (float, float))
        Of the slices, see `warp.turned`.
    is_mirrored_z : bool
        Whether the order of the slices is reversed.
    exchanged : int
        The axis that changes places with z: 0 for none, 1 for y, 2 for x.

    Returns
    -------
    ndarray of float32, shape (3, 3)

    Examples
    --------
    >>> volume_turn(((1.0, 0.0), (0.0, 1.0)), True, 2)
    array([[ 0.,  0.,  1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  0.]], dtype=float32)
    """
    matrix = np.zeros((3, 3), np.float32)
    matrix[0, 0] = -1 if is_mirrored_z else 1
    matrix[1:, 1:] = turn
    order = [0, 1, 2]
    order[0], order[exchanged] = exchanged, 0
    return matrix[order]


def warp_volume(volume: Layers, placement: VolumePlacement, tile: Layers) -> None:
    """Write the voxels of a tile, read from a volume that is mirrored at its borders.

    Parameters
    ----------
    volume : Layers
        With one axis more than those of a plane: (C, Z, Y, X) and (Z, Y, X). C-contiguous.
    placement : VolumePlacement
        Where the voxels of the tile come from.
    tile : Layers
        Written in place. Classes and weights are of its middle, and may be smaller by a margin.

    Notes
    -----
    Gray values are interpolated as by `warp`, between 4 x 4 x 4 voxels. A tile whose voxels are
    voxels of the volume is copied, which gives the same values.
    """
    shape = tile.image.shape[1:]
    middle = [(side - 1) / 2 for side in shape]
    corner = np.array(placement.centre) - placement.turn.astype(float) @ middle
    if placement.is_on_voxels and (corner == np.floor(corner)).all():
        _copy_tile(volume, corner.astype(np.int64), placement.turn.astype(np.int64), tile)
        return
    bases = [spline_basis(side) for side in shape]
    _warp_box(volume, placement, bases[0], bases[1], bases[2], tile)


@_fast
def _copy_tile(volume: Layers, corner: Array, turn: Array, tile: Layers) -> None:
    """Copy voxels that are turned and mirrored only; `corner` is where the first comes from."""
    channels, depth, height, width = volume.image.shape
    _, planes, rows, columns = tile.image.shape
    inner = tile.classes.shape
    mz, my, mx = (planes - inner[0]) // 2, (rows - inner[1]) // 2, (columns - inner[2]) // 2
    for k in range(planes):
        for i in range(rows):
            in_middle = 0 <= k - mz < inner[0] and 0 <= i - my < inner[1]
            for j in range(columns):
                p = mirror_place(
                    corner[0] + turn[0, 0] * k + turn[0, 1] * i + turn[0, 2] * j, depth
                )
                q = mirror_place(
                    corner[1] + turn[1, 0] * k + turn[1, 1] * i + turn[1, 2] * j, height
                )
                r = mirror_place(
                    corner[2] + turn[2, 0] * k + turn[2, 1] * i + turn[2, 2] * j, width
                )
                for c in range(channels):
                    tile.image[c, k, i, j] = volume.image[c, p, q, r]
                if in_middle and 0 <= j - mx < inner[2]:
                    tile.classes[k - mz, i - my, j - mx] = volume.classes[p, q, r]
                    tile.weights[k - mz, i - my, j - mx] = volume.weights[p, q, r]


@_fast
def _warp_box(
    volume: Layers,
    placement: VolumePlacement,
    basis_z: Array,
    basis_y: Array,
    basis_x: Array,
    tile: Layers,
) -> None:
    """See `warp_volume`. Row by row: places, taps, gray values, then classes and weights."""
    channels, depth, height, width = volume.image.shape
    _, planes, rows, columns = tile.image.shape
    inner = tile.classes.shape
    mz, my, mx = (planes - inner[0]) // 2, (rows - inner[1]) // 2, (columns - inner[2]) // 2
    # Places are counted from the whole voxel below the centre: float32 has digits for the tile.
    cz, cy, cx = (
        int(np.floor(placement.centre[0])),
        int(np.floor(placement.centre[1])),
        int(np.floor(placement.centre[2])),
    )
    z, y, x = (
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
        np.empty(columns, np.float32),
    )
    front, top, left = (
        np.empty(columns, np.int64),
        np.empty(columns, np.int64),
        np.empty(columns, np.int64),
    )
    behind, above, beside = (
        np.empty((4, columns), np.float32),
        np.empty((4, columns), np.float32),
        np.empty((4, columns), np.float32),
    )
    half = np.float32(0.5)
    for k in range(planes):
        for i in range(rows):
            for axis, found in ((0, z), (1, y), (2, x)):
                _places_of_row(k, i, placement, basis_z, basis_y, basis_x, axis, found)
            taps(z, cz, front, behind)
            taps(y, cy, top, above)
            taps(x, cx, left, beside)
            for c in range(channels):
                image, row = volume.image[c], tile.image[c, k, i]
                for j in range(columns):
                    is_inside = (
                        0 <= front[j] <= depth - 4
                        and 0 <= top[j] <= height - 4
                        and 0 <= left[j] <= width - 4
                    )
                    value = np.float32(0)
                    for a in range(4):
                        p = front[j] + a if is_inside else mirror_place(front[j] + a, depth)
                        plane = np.float32(0)
                        for b in range(4):
                            q = top[j] + b if is_inside else mirror_place(top[j] + b, height)
                            line = np.float32(0)
                            for d in range(4):
                                r = left[j] + d
                                r = r if is_inside else mirror_place(r, width)
                                line += beside[d, j] * image[p, q, r]
                            plane += above[b, j] * line
                        value += behind[a, j] * plane
                    row[j] = value
            # Classes are ids, and weights follow their borders: the nearest voxel.
            if 0 <= k - mz < inner[0] and 0 <= i - my < inner[1]:
                for j in range(inner[2]):
                    p = mirror_place(cz + int(np.floor(z[j + mx] + half)), depth)
                    q = mirror_place(cy + int(np.floor(y[j + mx] + half)), height)
                    r = mirror_place(cx + int(np.floor(x[j + mx] + half)), width)
                    tile.classes[k - mz, i - my, j] = volume.classes[p, q, r]
                    tile.weights[k - mz, i - my, j] = volume.weights[p, q, r]


@_fast
def _places_of_row(
    k: int,
    i: int,
    placement: VolumePlacement,
    basis_z: Array,
    basis_y: Array,
    basis_x: Array,
    axis: int,
    found: Array,
) -> None:
    """Write where the voxels of row (k, i) come from along an axis, from the floored centre."""
    planes, rows, columns = len(basis_z), len(basis_y), len(found)
    turn, grid = placement.turn, placement.displacements
    dz = np.float32(k) - np.float32((planes - 1) / 2)
    dy = np.float32(i) - np.float32((rows - 1) / 2)
    middle = np.float32((columns - 1) / 2)
    centre = placement.centre[axis]
    start = np.float32(centre - np.floor(centre)) + turn[axis, 0] * dz + turn[axis, 1] * dy
    # A tensor-product spline: along z and y first, which gives three knots for this row.
    first, second, third = np.float32(0), np.float32(0), np.float32(0)
    for a in range(3):
        for b in range(3):
            weight = basis_z[k, a] * basis_y[i, b]
            first += weight * grid[a, b, 0, axis]
            second += weight * grid[a, b, 1, axis]
            third += weight * grid[a, b, 2, axis]
    for j in range(columns):
        bend = basis_x[j, 0] * first + basis_x[j, 1] * second + basis_x[j, 2] * third
        found[j] = start + turn[axis, 2] * (np.float32(j) - middle) + bend
