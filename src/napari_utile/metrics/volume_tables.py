"""The overlaps of a volume that need neighbours, block by block: memory does not grow with it.

read    ....................        a block, a rim of 1 voxel before it, and a halo
inner      :##########:
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_utile.metrics.contacts import (
    Contacts,
    block_contacts,
    joined_contacts,
    joined_slices,
    no_contacts,
)
from napari_utile.metrics.overlap import (
    Contingency,
    LabelsOrMask,
    as_int64,
    contingency,
    join_tables,
)

BLOCK = (32, 256, 256)
"""Size of a block (z, y, x) in voxels."""
REACH = 32
"""Voxels by which objects grow at most where borders are thinned: what is further away was
missed, and is no border."""
HALOS = (4, REACH)
"""Voxels around a block that are read: at first, and if an object further away is nearest."""
DEPTH = 2
"""Voxels that are taken off an overlap in the slice: what is left is no shift of a border."""

Window = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class VolumeTables:
    """What a volume is found to be, beside its plain overlaps.

    Parameters
    ----------
    thinned : Contingency
        Of the prediction with thinned borders, see `grown`.
    core : Contingency
        Of the pixels that are surrounded, `DEPTH` pixels along both axes of the slice, by
        pixels of the same two objects.
    splits : Contacts
        Surfaces between predicted objects, grown over borders, inside of true ones.
    merges : Contacts
        Surfaces between true objects, grown over borders, inside of predicted ones.
    """

    thinned: Contingency
    core: Contingency
    splits: Contacts
    merges: Contacts


def volume_tables(
    prediction: Any, truth: Any, ignored: Any = None, block: tuple[int, int, int] = BLOCK
) -> Generator[int, None, VolumeTables]:
    """Compare two volumes block by block.

    Parameters
    ----------
    prediction, truth : array-like of int, shape (Z, Y, X)
        Instances, 0 is background and what is ignored; read by windows.
    ignored : array-like of bool, shape (Z, Y, X), optional
        Pixels that count nowhere.
    block : (int, int, int)
        Voxels that are computed at once. The result does not depend on it, but for voxels
        that are equally near to two objects.

    Yields
    ------
    int
        Each slice that is done.
    """
    shape, layers = tuple(truth.shape), _Layers()
    starts = [range(0, size, step) for size, step in zip(shape, block, strict=True)]
    for z in starts[0]:
        for y, x in product(*starts[1:]):
            window = tuple(
                slice(start, min(start + step, size))
                for start, step, size in zip((z, y, x), block, shape, strict=True)
            )
            layers.add(_Block.read(prediction, truth, window), _ignored_part(ignored, window))
        layers.end()
        yield from range(z, min(z + block[0], shape[0]))
    return layers.tables()


def _ignored_part(array: Any, window: Window) -> NDArray[Any] | None:
    return None if array is None else np.asarray(array[window])


@dataclass(frozen=True, eq=False)
class _Block:
    """A block of both sides with what is around it.

    `inner` is the block with its rim in the arrays, `rim` its width before the block per axis,
    and `corner` the place of the first voxel of `inner`.
    """

    prediction: LabelsOrMask
    truth: LabelsOrMask
    grown_prediction: LabelsOrMask
    grown_truth: LabelsOrMask
    inner: Window
    rim: tuple[int, ...]
    corner: tuple[int, ...]

    @classmethod
    def read(cls, prediction: Any, truth: Any, window: Window) -> "_Block":
        """Read a block, with a wider halo if it is needed."""
        rim = tuple(int(side.start > 0) for side in window)
        corner = tuple(side.start - r for side, r in zip(window, rim, strict=True))
        for halo in HALOS:
            read = tuple(
                slice(max(start - halo, 0), min(side.stop + halo, size))
                for start, side, size in zip(corner, window, truth.shape, strict=True)
            )
            inner = tuple(
                slice(start - whole.start, side.stop - whole.start)
                for start, side, whole in zip(corner, window, read, strict=True)
            )
            sides = np.asarray(prediction[read]), np.asarray(truth[read])
            predicted = grown(sides[0], (sides[1] > 0)[inner], inner, halo)
            true = grown(sides[1], (sides[0] > 0)[inner], inner, halo)
            if halo == REACH or not (predicted is None or true is None):
                break
        assert predicted is not None
        assert true is not None
        return cls(*sides, predicted, true, inner, rim, corner)

    @property
    def own(self) -> Window:
        """The block without its rim, in `inner`."""
        return tuple(slice(r, None) for r in self.rim)


def grown(
    labels: LabelsOrMask, wanted: NDArray[np.bool_], inner: Window, halo: int = REACH
) -> LabelsOrMask | None:
    """Grow objects over background that is wanted: each voxel to the nearest, within `REACH`.

    Parameters
    ----------
    labels : ndarray of int
        A part of a volume.
    wanted : ndarray of bool, shape of the inner part
        Only there objects grow.
    inner : tuple of slice
        The inner part.
    halo : int, default `REACH`
        Voxels around the inner part that were read, as far as there are some.

    Returns
    -------
    ndarray of int, shape of the inner part; or None
        None if an object outside of what was read may be the nearest one.
    """
    found = labels[inner]
    free = wanted & (found == 0)
    if not free.any():
        return found
    if not labels.any():
        return found if halo == REACH else None
    distance, nearest = distance_transform_edt(labels == 0, return_indices=True)
    far = distance[inner][free]
    if halo < REACH and far.max() > halo:
        return None
    found = found.copy()
    values = labels[tuple(axis[inner][free] for axis in nearest)]
    found[free] = np.where(far <= REACH, values, 0)
    return found


def core_of(first: LabelsOrMask, second: LabelsOrMask) -> NDArray[np.bool_]:
    """Return where `DEPTH` pixels along both axes of a slice have the same two ids.

    Beyond the border of the arrays all have.

    Parameters
    ----------
    first, second : ndarray of int, shape (Z, Y, X)
    """
    core = np.ones(first.shape, bool)
    for axis in (1, 2):
        here, there = [slice(None)] * 3, [slice(None)] * 3
        here[axis], there[axis] = slice(1, None), slice(None, -1)
        now, before = tuple(here), tuple(there)
        same = (first[now] == first[before]) & (second[now] == second[before])
        around = [(DEPTH, DEPTH) if each == axis else (0, 0) for each in range(3)]
        steps = np.pad(same, around, constant_values=True)
        for shift in range(2 * DEPTH):  # each step from DEPTH before to DEPTH behind
            here[axis] = slice(shift, shift + first.shape[axis])
            core &= steps[tuple(here)]
    return core


@dataclass
class _Layers:
    """Collects blocks, and joins those of a layer when it ends."""

    thinned: list[Contingency] = field(default_factory=list)
    core: list[Contingency] = field(default_factory=list)
    splits: list[Contacts] = field(default_factory=list)
    merges: list[Contacts] = field(default_factory=list)
    found: list[Contacts] = field(default_factory=lambda: [no_contacts(), no_contacts()])

    def add(self, block: _Block, ignored: NDArray[np.bool_] | None) -> None:
        """Add a block."""
        own, inner = block.own, block.inner
        prediction, truth = block.prediction[inner], block.truth[inner]
        thinned = contingency(block.grown_prediction[own], truth[own], ignored)
        self.thinned.append(thinned)
        core = core_of(block.prediction, block.truth)[inner][own]
        core &= truth[own] > 0
        sides = (np.where(core, side[own], 0) for side in (prediction, truth))
        self.core.append(contingency(*sides))
        where = block.rim, block.corner
        numbers = [as_int64(s) for s in (truth, block.grown_prediction, prediction)]
        self.splits.append(block_contacts(numbers[0], numbers[1], *where))
        self.merges.append(block_contacts(numbers[2], as_int64(block.grown_truth), *where))

    def end(self) -> None:
        """End a layer: what is kept of it is as large as the number of its objects."""
        self.thinned, self.core = [join_tables(self.thinned)], [join_tables(self.core)]
        for i, rows in enumerate((self.splits, self.merges)):
            layer = joined_slices(np.concatenate(rows))
            self.found[i] = joined_contacts(np.concatenate([self.found[i], layer]))
            rows.clear()

    def tables(self) -> VolumeTables:
        """Return what was found."""
        return VolumeTables(self.thinned[0], self.core[0], *self.found)
