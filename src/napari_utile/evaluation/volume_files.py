"""Labels of volumes on disk that are compared without being read as a whole."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import check_labels
from napari_utile.arrays.targets import annotated
from napari_utile.evaluation.doubts import Looks
from napari_utile.evaluation.inputs import LabelPair, Side
from napari_utile.evaluation.meaning import as_probabilities, meaning_of
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.events import SliceDone, Warned, doubted
from napari_utile.io.lazy_arrays import window_of
from napari_utile.io.stack import Stack
from napari_utile.metrics.overlap import LabelsOrMask
from napari_utile.settings.evaluation import EvaluateSettings

LARGE = 2**28
"""Bytes of both sides from which on they are not read as a whole."""
LOOKED_AT, FEWEST = 2**22, 3
"""Voxels at which is looked for doubts, in slices next to each other, and how many at least."""

Index = tuple[int, ...]
ReadPlane = Callable[[Index, slice, slice], NDArray[Any]]


class Planewise:
    """An array (..., Y, X) of which each plane is read, and changed, when it is asked for.

    Parameters
    ----------
    read : callable
        Takes the index of a plane, rows and columns; returns pixels (Y, X).
    shape : tuple of int
    dtype : dtype
        Of what it returns.
    """

    def __init__(self, read: ReadPlane, shape: tuple[int, ...], dtype: Any):
        self._read, self.shape, self.dtype = read, shape, np.dtype(dtype)
        self.ndim, self.size = len(shape), prod(shape)

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Read a window, given by integers and slices without steps."""
        first, lengths, kept = window_of(where, self.shape)
        found = np.empty(lengths, self.dtype)
        y, x = (slice(first[axis], first[axis] + lengths[axis]) for axis in (-2, -1))
        for place in np.ndindex(*lengths[:-2]):
            index = tuple(start + i for start, i in zip(first, place, strict=False))
            found[place] = self._read(index, y, x)
        return found.reshape(kept)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype=dtype)


@dataclass(frozen=True, eq=False)
class VolumeFiles:
    """A prediction and its truth on disk, both labels.

    Attributes
    ----------
    prediction, truth : Stack
    probabilities : Stack or None
        That the prediction was made of.
    shape : tuple of int
        Of the truth, without a single time point.
    """

    prediction: Stack
    truth: Stack
    probabilities: Stack | None
    shape: tuple[int, ...]

    @classmethod
    def of(
        cls,
        prediction: Stack,
        truth: Stack,
        shapes: tuple[tuple[int, ...], tuple[int, ...]],
        probabilities: Callable[[], Stack | None],
        settings: EvaluateSettings,
    ) -> "VolumeFiles | None":
        """Return two files as volumes of labels; None if they are small, or something else.

        Parameters
        ----------
        prediction, truth : Stack
        shapes : pair of tuple of int
            Of both, without channels and without a single time point.
        probabilities : callable
            Opens those that the prediction was made of, if there are any.
        settings : EvaluateSettings
        """
        sides = prediction, truth
        is_asked = settings.volumetric and settings.target == "instances"
        is_asked &= settings.prediction_holds != "probabilities"
        are_labels = all(
            side.channels == 1
            and side.dtype.kind in "iu"
            and side.holds in ("", "labels", "instances")
            and not side.labels_beside
            for side in sides
        )
        if (
            not (is_asked and are_labels)
            or settings.score_thresholds
            or shapes[0] != shapes[1]
            or len(shapes[1]) < 3
            or sum(side.nbytes for side in sides) < LARGE
        ):
            return None
        return cls(prediction, truth, probabilities(), shapes[1])

    def pair(
        self, settings: EvaluateSettings, name: str, looks: Looks, counter: SliceCounter
    ) -> Generator[SliceDone | Warned, None, LabelPair | None]:
        """Check all labels, slice by slice, and return them as they are to be compared.

        Parameters
        ----------
        settings : EvaluateSettings
        name : str
            Of the image; empty if it is the only one.
        looks : Looks
            Looks for doubts in some slices next to each other.
        counter : SliceCounter

        Yields
        ------
        SliceDone, Warned

        Returns
        -------
        LabelPair or None
            Its labels are read when they are needed. None if one side is a mask, or seems to
            hold probabilities: then the whole is needed at once.

        Raises
        ------
        UserError
            As of `instance_pair`, or if a file is damaged.
        """
        sample = self._looked_at()
        raw = [np.stack([self._ids(side, i) for i in sample]) for side in self._sides]
        holds = self.prediction.holds
        meaning = meaning_of(raw[0], raw[1].shape, settings, holds)
        if meaning.is_probabilities:
            return None
        yield from doubted(meaning.doubts, settings.strict)
        looks.look_at(name, Side(raw[0], holds), Side(raw[1], self.truth.holds))
        pair = self._lazy_pair(settings, name)
        ids: list[set[int]] = [set(), set()]
        for index in pair.indices:
            for seen, side in zip(ids, (pair.prediction, pair.truth), strict=True):
                plane = side[index]  # a damaged one is told before hours are spent
                if len(seen) < 2:
                    seen.update(_few_ids(plane))
            if pair.ignored is not None and pair.ignored[index].any():
                looks.saw_ignored()
            yield counter.step()
        if any(len(seen) == 1 for seen in ids):
            return None
        looks.compare(self._sampled(pair, sample))
        return pair

    @property
    def _sides(self) -> tuple[Stack, Stack]:
        return self.prediction, self.truth

    def _looked_at(self) -> list[Index]:
        """Return the slices that are looked at: in the middle of the first volume."""
        *time, depth, height, width = self.shape
        count = min(depth, max(FEWEST, LOOKED_AT // (height * width)))
        first = (depth - count) // 2
        return [(*(0 for _ in time), z) for z in range(first, first + count)]

    def _ids(
        self, side: Stack, index: Index, y: slice = slice(None), x: slice = slice(None)
    ) -> NDArray[Any]:
        """Read ids of a plane as the file has them."""
        missing = len(side.shape) - len(self.shape)
        return side.plane((0,) * missing + index, y, x)[0]

    def _lazy_pair(self, settings: EvaluateSettings, name: str) -> LabelPair:
        has_ignored = settings.ignore is not None or settings.sparse

        def parts(index: Index, y: slice, x: slice) -> tuple[LabelsOrMask, NDArray[np.bool_]]:
            ids = self._ids(self.truth, index, y, x)
            if not has_ignored:
                return ids, np.zeros((), bool)
            return annotated(ids, settings.ignore, settings.sparse, settings.target)

        def true(index: Index, y: slice, x: slice) -> LabelsOrMask:
            return check_labels(parts(index, y, x)[0], "true labels")

        def predicted(index: Index, y: slice, x: slice) -> LabelsOrMask:
            ids = check_labels(self._ids(self.prediction, index, y, x), "predicted labels")
            return np.where(parts(index, y, x)[1], 0, ids) if has_ignored else ids

        def ignored(index: Index, y: slice, x: slice) -> NDArray[np.bool_]:
            return parts(index, y, x)[1]

        return LabelPair(
            Planewise(predicted, self.shape, self.prediction.dtype),  # type: ignore[arg-type]
            Planewise(true, self.shape, self.truth.dtype),  # type: ignore[arg-type]
            Planewise(ignored, self.shape, bool) if has_ignored else None,  # type: ignore[arg-type]
            self._lazy_probabilities(),
            name,
        )

    def _lazy_probabilities(self) -> Any:
        """Return the probabilities (C, ..., Y, X) that are read slice by slice, or None."""
        stack = self.probabilities
        return None if stack is None else ChannelsOfSlices(stack, len(self.shape))

    def _sampled(self, pair: LabelPair, sample: Iterable[Index]) -> LabelPair:
        """Return the slices that are looked at as a pair in memory."""
        sides = (pair.prediction, pair.truth, pair.ignored)
        arrays = [
            None if side is None else np.stack([side[i] for i in sample]) for side in sides
        ]
        assert arrays[0] is not None
        assert arrays[1] is not None
        return replace(
            pair, prediction=arrays[0], truth=arrays[1], ignored=arrays[2], probabilities=None
        )


class ChannelsOfSlices:
    """Probabilities (C, ..., Y, X) of which all channels of a slice are read at once.

    Parameters
    ----------
    stack : Stack
    ndim : int
        Axes without that of the channels.
    """

    def __init__(self, stack: Stack, ndim: int):
        self._stack, self._missing = stack, len(stack.shape) - ndim

    def __len__(self) -> int:
        return self._stack.channels

    def __getitem__(self, where: tuple[Any, ...]) -> NDArray[Any]:
        """Read the channels (C, Y, X) of a slice, given by ``[:, *index]``."""
        pixels = self._stack.plane((0,) * self._missing + tuple(where[1:]))
        return as_probabilities(pixels, pixels.shape[1:])


def _few_ids(plane: LabelsOrMask) -> set[int]:
    """Return the smallest and the largest id of a plane, without background."""
    ids = plane[plane > 0]
    return {int(ids.min()), int(ids.max())} if ids.size else set()
