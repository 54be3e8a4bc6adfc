"""Labels as runs of equal pixels: objects are wide, so that there are few.

They are smaller than pixels to keep, faster to compare, and to give other ids.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled


class Runs(NamedTuple):
    """Labels in raster order, run by run."""

    values: NDArray[np.unsignedinteger[Any]]
    """Label of each run, (R,)."""
    stops: NDArray[np.int64]
    """Raster index behind its last pixel, (R,)."""

    @classmethod
    def of(cls, labels: NDArray[np.integer[Any]]) -> "Runs":
        """Return the runs of labels of any shape, all of them below 2^32.

        Examples
        --------
        >>> Runs.of(np.array([[0, 2, 2], [2, 1, 1]]))
        Runs(values=array([0, 2, 1], dtype=uint32), stops=array([1, 4, 6]))
        """
        stops = _stops(labels.ravel())
        return cls(labels.ravel()[stops - 1].astype(np.uint32), stops)

    def pixels(self, shape: tuple[int, ...]) -> NDArray[np.unsignedinteger[Any]]:
        """Return the labels of all pixels."""
        return np.repeat(self.values, np.diff(self.stops, prepend=0)).reshape(shape)

    def mapped(self, ids: NDArray[np.unsignedinteger[Any]]) -> "Runs":
        """Return runs of ``ids[label]``; neighbouring ones may have the same."""
        return Runs(ids[self.values], self.stops)

    def shared(self, other: "Runs") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return where labels meet those of another array of the same shape.

        Returns
        -------
        pairs : ndarray of int64, shape (M, 2)
            The label here and there, both not 0; a pair may come more than once.
        counts : ndarray of int64, shape (M,)
            Pixels in a row that have both.
        """
        return _shared(self.values, self.stops, other.values, other.stops)


@compiled
def _stops(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the index behind each run."""
    count = min(len(labels), 1)
    for i in range(1, len(labels)):
        count += labels[i] != labels[i - 1]
    stops = np.empty(count, np.int64)
    stops[count - 1 :] = len(labels)
    at = 0
    for i in range(1, len(labels)):
        if labels[i] != labels[i - 1]:
            stops[at] = i
            at += 1
    return stops


@compiled
def _shared(
    here: NDArray[Any], stops: NDArray[np.int64], there: NDArray[Any], others: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """See `Runs.shared`: the runs of both side by side, as in merging sorted lists."""
    pairs = np.empty((len(here) + len(there), 2), np.int64)
    counts = np.empty(len(pairs), np.int64)
    i, j, start, found = 0, 0, 0, 0
    while i < len(here) and j < len(there):
        stop = min(stops[i], others[j])
        if here[i] > 0 and there[j] > 0:
            pairs[found, 0], pairs[found, 1] = here[i], there[j]
            counts[found] = stop - start
            found += 1
        is_end, is_other_end = stops[i] == stop, others[j] == stop
        i, j, start = i + is_end, j + is_other_end, stop
    return pairs[:found], counts[:found]
