"""Where objects lie, and what an image shows there, in one pass over the pixels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.metrics.overlap import Labels


@dataclass(frozen=True, eq=False)
class Measured:
    """The objects of labels as runs of equal ids along the last axis."""

    shape: tuple[int, ...]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    objects: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, labels: Labels, ids: Labels) -> "Measured":
        """Find the runs of the objects `ids`."""
        flat = labels.ravel()
        is_start = np.ones(flat.size, bool)
        np.not_equal(flat[1:], flat[:-1], out=is_start[1:])
        is_start[:: labels.shape[-1]] = True
        starts = np.flatnonzero(is_start)
        lengths, run_ids = np.diff(starts, append=flat.size), flat[starts]
        real = run_ids != 0
        order = np.argsort(ids)
        objects = order[np.searchsorted(ids, run_ids[real], sorter=order)]
        return cls(labels.shape, starts[real], lengths[real], objects, ids.size)

    def centroids(self) -> NDArray[np.float64]:
        """Give the mean position of the pixels of each object, shape (N, D)."""
        *leading, x = np.unravel_index(self.starts, self.shape)
        middles = [*leading, x + (self.lengths - 1) / 2]
        sums = [self._summed(self.lengths * middle) for middle in middles]
        mean: NDArray[np.float64] = (
            np.stack(sums, axis=-1) / self._summed(self.lengths)[:, None]
        )
        return mean

    def means(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Give the mean of `values`, which has the shape of the labels, over each object."""
        total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
        sums = total[self.starts + self.lengths] - total[self.starts]
        return self._summed(sums) / self._summed(self.lengths)

    def _summed(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.bincount(self.objects, values, minlength=self.count)
