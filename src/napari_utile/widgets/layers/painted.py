"""Counts of what is painted in a labels layer, kept up without holding up the window.

Strokes are added as they are reported. Whatever else may have changed pixels, such as undo,
makes planes be counted again, in a thread.
"""

from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from math import prod
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from napari.layers import Labels
from numpy.typing import ArrayLike
from qtpy.QtCore import QObject, QTimer, Signal

from napari_utile.arrays.painted import IdCounts, PaintedPixels, PlaneIndex, count_ids
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.layers.stacks import is_in_memory, level_0

MOST_COUNTED, MOST_READ = 2**29, 2**26
"""Pixels, in memory and elsewhere, of labels that are counted as a whole; of larger ones only
the planes that are looked at."""
MOST_AGAIN = 2**25
"""Pixels that are counted again whenever something else than a stroke may have changed them."""
REST = 200
"""Milliseconds without another change after which planes are counted again."""
PULSE = 0.1
"""Seconds between two reports of the thread."""
Counted = tuple[PlaneIndex, int, IdCounts]
"""A plane, the number of strokes that it had when its counting began, and the result."""


class PaintedWatch(QObject):
    """Follows what is painted in one labels layer.

    Parameters
    ----------
    layer : Labels
    is_empty : bool, default False
        Whether it is new, and known to be empty.

    Attributes
    ----------
    pixels : PaintedPixels
        What is known by now.
    version : int
        Grows with every change of it.
    """

    changed = Signal()
    """The counts are others, or more is known."""

    def __init__(self, layer: Labels, is_empty: bool = False):
        super().__init__()
        self.version = 0
        self._layer = layer
        self._queue: deque[PlaneIndex] = deque()
        self._strokes: Counter[PlaneIndex] = Counter()  # of each plane
        self._work: Background | None = None
        self._in_view: PlaneIndex | None = None
        self._rest, self._pulse = QTimer(self), QTimer(self)
        for timer, wait, slot in (
            (self._rest, REST, self._count_again),
            (self._pulse, round(1000 * PULSE), self.changed),
        ):
            timer.setSingleShot(True)
            timer.setInterval(wait)
            timer.timeout.connect(slot)
        events = layer.events  # napari holds methods weakly
        events.paint.connect(self._on_paint)
        events.set_data.connect(self._on_refresh)
        events.data.connect(self._on_data)
        self._begin(is_empty)

    def look_at(self, index: PlaneIndex) -> None:
        """Count a plane next if it is not known: it is in view."""
        self._in_view = index
        if not self.pixels.knows(index):
            self._count([index])

    def stop(self) -> None:
        """Leave the work in the thread, if there is any."""
        if self._work:
            self._work.end()
        self._work = None
        self._queue = deque()  # the thread keeps the old one

    def _begin(self, is_empty: bool = False) -> None:
        """Count everything, or nothing yet if that is too much."""
        self.stop()
        self._strokes = Counter()
        data = level_0(self._layer)
        self.pixels = PaintedPixels(tuple(data.shape), is_empty)
        most = MOST_COUNTED if is_in_memory(data) else MOST_READ
        if not is_empty and prod(data.shape) <= most:
            self._count(np.ndindex(*data.shape[:-2]))

    def _count(self, planes: Iterable[PlaneIndex]) -> None:
        """Count planes in a thread, these before others that wait."""
        wanted = dict.fromkeys(planes)
        waiting = [index for index in self._queue if index not in wanted]
        self._queue.clear()
        self._queue.extend([*wanted, *waiting])
        if self._work is None and self._queue:
            data, queue, strokes = level_0(self._layer), self._queue, self._strokes

            def work() -> Generator[list[Counted] | None, None, None]:
                yield from _count_queue(data, queue, strokes)

            self._work = Background(work, self._on_end, self._on_end, self._take)

    def _take(self, counted: list[Counted] | None) -> None:
        """Take what the thread counted; what was painted on meanwhile is counted again."""
        again = []
        for index, strokes, counts in counted or ():
            if strokes == self._strokes[index]:
                self.pixels.set_plane(index, counts)
            else:
                again.append(index)
        self._queue.extend(again)
        self._announce()

    def _on_end(self, _result: Any) -> None:
        self._work = None
        if self._queue and not isinstance(_result, Exception):
            self._count([])

    def _announce(self) -> None:
        self.version += 1
        if not self._pulse.isActive():
            self._pulse.start()

    # what changes pixels

    def _on_paint(self, event: Any) -> None:
        """Add a stroke: boxes or pixels with their ids before and after."""
        try:
            changes = [*_changes(event.value)]
        except (AttributeError, TypeError, ValueError):  # told in another way
            self._on_data()
            return
        for index, old, new in changes:
            self._strokes[index] += 1
            self.pixels.paint(index, old, new)
        self._announce()

    def _on_refresh(self, _event: Any = None) -> None:
        """Look once the viewer rests: a stroke may have been undone, or a script painted."""
        self._rest.start()

    def _on_data(self, _event: Any = None) -> None:
        self._begin()
        self._in_view = None  # until a panel says

    def _count_again(self) -> None:
        """Count the plane in view and those with strokes: what is undone was painted here."""
        data, size = level_0(self._layer), self.pixels.plane_size
        if tuple(data.shape) != self.pixels.shape:
            self._on_data()
            return
        if not is_in_memory(data) or size > MOST_AGAIN:
            return
        planes = [index for index, count in self._strokes.items() if count]
        planes = planes[-(MOST_AGAIN // size) :]
        if self._in_view is not None:
            planes = [self._in_view, *planes]
        self._count(index for index in planes if self.pixels.knows(index))


_WATCHES: WeakKeyDictionary[Labels, Any] = WeakKeyDictionary()


def watch_of(layer: Labels, is_empty: bool = False) -> PaintedWatch:
    """Return the watch of a layer: one for all panels, for as long as one keeps it.

    Parameters
    ----------
    layer : Labels
    is_empty : bool, default False
        Whether it is new, and known to be empty.

    Returns
    -------
    PaintedWatch
    """
    known = _WATCHES.get(layer)
    watch = known() if known else None
    if watch is None:
        watch = PaintedWatch(layer, is_empty)
        _WATCHES[layer] = ref(watch)
    return watch


def _count_queue(
    data: Any, queue: deque[PlaneIndex], strokes: Counter[PlaneIndex]
) -> Iterator[list[Counted] | None]:
    """Count planes from a queue until it is empty."""
    found: list[Counted] = []
    last = monotonic()
    while queue:
        try:
            index = queue.popleft()
        except IndexError:  # the window took the last one back
            break
        before = strokes[index]
        found.append((index, before, count_ids(np.asarray(data[index]))))
        if monotonic() - last > PULSE:
            yield found
            found, last = [], monotonic()
    yield found


def _changes(atoms: Any) -> Iterator[tuple[PlaneIndex, ArrayLike, ArrayLike]]:
    """Return the planes that a stroke changed, with ids before and after.

    napari tells either a box of slices, a mask of the changed pixels in it, their old ids and
    the new one; or the indices of the pixels, their old ids and the new ones.
    """
    for atom in atoms:
        if len(atom) == 4:
            box, mask, old, new = atom
            yield from _changes_in_box(box, mask, np.asarray(old), new)
        else:
            pixels, old, new = atom
            yield from _changes_of_pixels(pixels, np.asarray(old), np.asarray(new))


def _changes_in_box(
    box: tuple[slice, ...], mask: Any, old: Any, new: int
) -> Iterator[tuple[PlaneIndex, ArrayLike, ArrayLike]]:
    starts = [side.start for side in box[:-2]]
    if mask is None:
        for inside in np.ndindex(*old.shape[:-2]):
            yield _further(starts, inside), old[inside], new
        return
    first = 0
    for inside in np.ndindex(*mask.shape[:-2]):
        count = int(np.count_nonzero(mask[inside]))
        if count:
            yield _further(starts, inside), old[first : first + count], new
        first += count


def _further(starts: list[int], inside: tuple[int, ...]) -> PlaneIndex:
    return tuple(start + i for start, i in zip(starts, inside, strict=True))


def _changes_of_pixels(
    pixels: Any, old: Any, new: Any
) -> Iterator[tuple[PlaneIndex, ArrayLike, ArrayLike]]:
    leading = np.atleast_2d(np.array([np.ravel(axis) for axis in pixels[:-2]]))
    if not leading.size:
        yield (), old, new
        return
    planes, of = np.unique(leading, axis=1, return_inverse=True)
    for number, plane in enumerate(planes.T):
        here = np.ravel(of) == number
        yield tuple(map(int, plane)), old[here], new[here] if new.ndim else new
