"""Scores of a volume whose objects extend over slices: put together from slices and blocks."""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.error_types import classify_objects
from napari_utile.evaluation.inputs import LabelPair
from napari_utile.evaluation.object_table import object_table
from napari_utile.evaluation.rows import overlap_scores, precision_recall
from napari_utile.evaluation.slices import ScoredSlice, slice_name
from napari_utile.evaluation.splits_merges import splits_and_merges
from napari_utile.metrics.matching import match
from napari_utile.metrics.overlap import LabelsOrMask, join_tables
from napari_utile.metrics.volume_tables import volume_tables


def score_volume(
    pair: LabelPair, time: tuple[int, ...], image: int, slices: Sequence[ScoredSlice]
) -> Generator[int, None, ScoredSlice]:
    """Compare the instances of a volume.

    Parameters
    ----------
    pair : LabelPair
        Instances of an image of three axes or more.
    time : tuple of int
        Index of the volume in it; () for all of it.
    image : int
        Number of the image.
    slices : sequence of ScoredSlice
        Its slices, in order.

    Yields
    ------
    int
        Each slice that is done.

    Returns
    -------
    ScoredSlice
        Without the scores that a volume takes from its slices: those of COCO and the warping
        error. Memory holds a block of voxels at a time.
    """
    table = join_tables([each.tables[0] for each in slices])
    ignored = None if pair.ignored is None else _Volume(pair.ignored, time)
    tables = yield from volume_tables(
        _Volume(pair.prediction, time), _Volume(pair.truth, time), ignored
    )
    matching = match(table)
    row = overlap_scores(table, tables.thinned, matching) | precision_recall(matching)
    kinds = classify_objects(table, matching)
    name = slice_name(pair, time)
    truth_ids, prediction_ids = table.truth_ids, table.prediction_ids
    ranks = None
    if all(each.ranks is not None for each in slices):
        parts = [
            (
                each.tables[0].prediction_ids,
                each.tables[0].prediction_areas,
                each.ranks[:, None],
            )
            for each in slices
            if each.ranks is not None
        ]
        ranks = _means(prediction_ids, parts)[:, 0]
    centroids = [
        _means(
            ids,
            [
                (
                    getattr(each.tables[0], f"{side}_ids"),
                    getattr(each.tables[0], f"{side}_areas"),
                    np.insert(each.centroids[number], 0, each.index[-1], axis=1),
                )
                for each in slices
            ],
        )
        for number, (side, ids) in enumerate(
            (("truth", truth_ids), ("prediction", prediction_ids))
        )
    ]
    named = [(each.name, each.tables[0]) for each in slices]
    return ScoredSlice(
        name,
        image,
        time,
        (table, tables.thinned),
        row,
        kinds,
        object_table(name, (image, time), kinds, (centroids[0], centroids[1]), ranks),
        ranks,
        (centroids[0], centroids[1]),
        tuple(splits_and_merges(pair, time, image, table, tables, named)),
    )


class _Volume:
    """One volume of an array (..., Z, Y, X), read by windows."""

    def __init__(self, array: Any, time: tuple[int, ...]):
        self._array, self._time, self.shape = array, time, array.shape[-3:]

    def __getitem__(self, window: tuple[slice, ...]) -> NDArray[Any]:
        return np.asarray(self._array[(*self._time, *window)])


def _means(
    ids: LabelsOrMask,
    parts: Sequence[tuple[LabelsOrMask, NDArray[np.int64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Return the mean of each object of a volume from those in its slices.

    Parameters
    ----------
    ids : ndarray, shape (N,)
        Of the objects of the volume, sorted.
    parts : sequence of (ids, areas, means)
        Of the objects of each slice: shapes (n,), (n,) and (n, D).

    Returns
    -------
    ndarray of float64, shape (N, D)
    """
    sums = np.zeros((ids.size, parts[0][2].shape[1]))
    areas = np.zeros(ids.size)
    for some, pixels, means in parts:
        at = np.searchsorted(ids, some)
        sums[at] += pixels[:, None] * means
        areas[at] += pixels
    mean: NDArray[np.float64] = sums / areas[:, None]
    return mean
