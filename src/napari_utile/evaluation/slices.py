"""Scores of each slice, and how they are put together for the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.ids import listed
from napari_utile.evaluation.error_types import ObjectKinds, classify_objects
from napari_utile.evaluation.inputs import LabelPair
from napari_utile.evaluation.object_table import (
    ObjectRuns,
    ObjectTable,
    concatenate,
    object_table,
)
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import (
    Row,
    empty_slice_notes,
    overlap_scores,
    pooled_scores,
    precision_recall,
)
from napari_utile.evaluation.scores import in_order
from napari_utile.evaluation.splits_merges import SplitMerge, largest_first
from napari_utile.metrics.class_scores import class_scores
from napari_utile.metrics.coco.ap import CocoScores, coco_scores
from napari_utile.metrics.matching import iou_rows, match
from napari_utile.metrics.overlap import Contingency, combine_tables, contingency
from napari_utile.metrics.partitions import thin_borders
from napari_utile.metrics.warping import warping_error

UNRANKED = (
    "Without probabilities all predicted objects have the score 1 in coco_ap: they are ranked "
    "by their ids."
)
PARTLY_RANKED = (
    "Only {} of {} slices have probabilities: in coco_ap of all, every predicted object has "
    "the score 1, and objects are ranked by their ids."
)
ROUNDING = 1e-9
"""Rounding error of a precision in pycocotools. At 0 and at 1 ranks do not matter."""


@dataclass(frozen=True, eq=False)
class ScoredSlice:
    """Scores and objects of one slice, or of one volume. Small, whatever the image size.

    Parameters
    ----------
    name : int, tuple or str
        As in `Report.rows`.
    image : int
        Number of the image.
    index : tuple of int
        Index of the slice in the image; () for a volume, and (t,) for one at a time point.
    tables : pair of Contingency
        Of the prediction as it is, and with thinned borders.
    row : dict
        Scores by name.
    kinds : Differences
        Kind of every object.
    objects : ObjectTable
    ranks : ndarray of float64, shape (P,), optional
        Mean foreground probability of each predicted object.
    centroids : pair of ndarray of float64, shape (T, D) and (P, D)
        Of the true and of the predicted objects.
    splits_merges : tuple of SplitMerge
        Of a volume.
    """

    name: Any
    image: int
    index: tuple[int, ...]
    tables: tuple[Contingency, Contingency]
    row: dict[str, float]
    kinds: ObjectKinds
    objects: ObjectTable
    ranks: NDArray[np.float64] | None
    centroids: tuple[NDArray[np.float64], NDArray[np.float64]]
    splits_merges: tuple[SplitMerge, ...] = ()


def score_slice(pair: LabelPair, index: tuple[int, ...], image: int) -> ScoredSlice:
    """Compare the instances of one slice; of a volume, the sections of its objects.

    Parameters
    ----------
    pair : LabelPair
        Instances of an image.
    index : tuple of int
        Of the slice.
    image : int
        Number of the image.
    """
    predicted, true, ignored = (
        pair.prediction[index],
        pair.truth[index],
        pair.ignored_in(index),
    )
    table = contingency(predicted, true, ignored)
    thinned = contingency(thin_borders(predicted, pair.boundary(index)), true, ignored)
    matching = match(table)
    row = overlap_scores(table, thinned, matching) | precision_recall(matching)

    foreground = pair.foreground(index)
    true_runs = ObjectRuns.of(true, table.truth_ids)
    predicted_runs = ObjectRuns.of(predicted, table.prediction_ids)
    ranks = None if foreground is None else predicted_runs.means(foreground)
    row |= _coco_row(coco_scores([table], ranks if ranks is None else [ranks]))
    row["warping_error"] = warping_error(predicted, true, ignored)

    kinds = classify_objects(table, matching)
    name = slice_name(pair, index)
    centroids = true_runs.centroids(), predicted_runs.centroids()
    objects = object_table(name, (image, index), kinds, centroids, ranks)
    return ScoredSlice(
        name, image, index, (table, thinned), row, kinds, objects, ranks, centroids
    )


def instance_report(
    pairs: Sequence[LabelPair],
    slices: Sequence[ScoredSlice],
    volumes: Sequence[ScoredSlice],
    pixel_um2: float | None,
) -> Report:
    """Put together the scores of slices, or of the volumes that they are sections of.

    Parameters
    ----------
    pairs : sequence of LabelPair
        One per image.
    slices, volumes : sequence of ScoredSlice
        All slices of all images; and one volume per image and time point, or none.
    pixel_um2 : float, optional
        Area of a pixel.
    """
    units = volumes or slices
    pooled = combine_tables([unit.tables[0] for unit in units])
    ranks = [unit.ranks for unit in units if unit.ranks is not None]
    is_ranked = len(ranks) == len(units)
    unranked = PARTLY_RANKED.format(len(ranks), len(units)) if ranks else UNRANKED
    coco = coco_scores(
        [unit.tables[0] for unit in units], ranks if is_ranked else None, pixel_um2 or 1.0
    )
    whole = pooled_scores([unit.tables for unit in units], [unit.row for unit in units])
    whole |= precision_recall(match(pooled)) | _coco_row(coco)
    known = [each for each in slices if each.tables[0].pixels] or slices
    whole["warping_error"] = float(np.mean([each.row["warping_error"] for each in known]))
    unit = "px" if pixel_um2 is None else "um2"
    return Report(
        rows=_report_rows([(each.name, each.row) for each in slices], whole),
        notes=(
            *_mask_notes(pairs),
            *_finding_notes(pairs),
            *empty_slice_notes([(each.name, each.tables[0]) for each in slices]),
            *([unranked] if not is_ranked and ROUNDING < coco.ap < 1 - ROUNDING else []),
        ),
        ious=iou_rows(pooled),
        precision_recall=coco.precision_recall,
        sizes=tuple({"unit": unit} | row for row in coco.sizes),
        stock=coco.stock,
        objects=concatenate([unit.objects for unit in units]),
        sides=tuple(pairs),
        found=tuple(_kinds_by_slice(image, pair, units) for image, pair in enumerate(pairs)),
        splits_merges=largest_first(
            [found for volume in volumes for found in volume.splits_merges]
        ),
    )


@dataclass(frozen=True, eq=False)
class ScoredClasses:
    """Scores of the classes of one slice.

    Parameters
    ----------
    name : int, tuple or str
        As in `Report.rows`.
    table : Contingency
    row : dict
        Scores by name.
    """

    name: Any
    table: Contingency
    row: dict[str, float]


def score_class_slice(pair: LabelPair, index: tuple[int, ...]) -> ScoredClasses:
    """Compare the classes of one slice."""
    table = contingency(pair.prediction[index], pair.truth[index], pair.ignored_in(index))
    return ScoredClasses(slice_name(pair, index), table, class_scores([table]))


def class_report(pairs: Sequence[LabelPair], slices: Sequence[ScoredClasses]) -> Report:
    """Put together the scores of classes. A class that is not in a slice has no score there.

    Parameters
    ----------
    pairs : sequence of LabelPair
        One per image.
    slices : sequence of ScoredClasses
        All slices of all images.
    """
    whole = class_scores([each.table for each in slices])
    rows = _report_rows([(each.name, each.row) for each in slices], whole)
    names = list(rows[-1])
    return Report(
        rows=tuple({name: row.get(name) for name in names} for row in rows),
        notes=tuple(_different_class_notes(pairs)),
        sides=tuple(pairs),
    )


def _coco_row(coco: CocoScores) -> dict[str, float]:
    """Name COCO's scores as reports do."""
    return {
        "coco_ap": coco.ap,
        "coco_ap50": coco.ap50,
        "coco_ap75": coco.ap75,
        "coco_ar": coco.ar,
    }


def slice_name(pair: LabelPair, index: tuple[int, ...]) -> Any:
    """Name a slice as `Report.rows` does. A single image is its only slice, and the whole."""
    if pair.name:
        return " ".join([pair.name, *map(str, index)])
    match index:
        case ():
            return "all"
        case (z,):
            return z
    return index


def _report_rows(
    slices: Sequence[tuple[Any, Mapping[str, float]]], whole: Mapping[str, float]
) -> tuple[Row, ...]:
    """List the slices, then the whole; a single image, which is the whole, once only."""
    names = in_order(whole)
    rows = [] if [name for name, _ in slices] == ["all"] else slices
    return tuple(
        {"slice": name} | {score: row[score] for score in names if score in row}
        for name, row in [*rows, ("all", whole)]
    )


def _mask_notes(pairs: Sequence[LabelPair]) -> list[str]:
    """Note which sides were masks, whose connected components are the objects."""
    notes = []
    for side in ("prediction", "truth"):
        masks = [pair.name for pair in pairs if side in pair.masks]
        if masks:
            which = f" ({', '.join(masks)})" if len(masks) < len(pairs) else ""
            notes.append(f"The objects of the {side} are the connected parts of a mask{which}.")
    return notes


def _finding_notes(pairs: Sequence[LabelPair]) -> list[str]:
    """Note what was taken for granted about how objects were found in probabilities."""
    assumed = (pair.finding.assumed for pair in pairs if pair.finding)
    return [text for text in dict.fromkeys(assumed) if text]


def _kinds_by_slice(
    image: int, pair: LabelPair, units: Sequence[ScoredSlice]
) -> dict[tuple[int, ...], ObjectKinds]:
    """Return the kinds of the objects of each slice of an image, by its index."""
    kinds = {unit.index: unit.kinds for unit in units if unit.image == image}
    count = len(next(iter(kinds), ()))  # a volume is that of all of its slices
    return {index: kinds[index[:count]] for index in pair.indices}


def _different_class_notes(pairs: Sequence[LabelPair]) -> list[str]:
    """Note if the two sides have no class in common."""
    predicted, true = (
        np.setdiff1d(np.concatenate([np.unique(getattr(pair, side)) for pair in pairs]), [0])
        for side in ("prediction", "truth")
    )
    if not predicted.size or not true.size or np.intersect1d(predicted, true).size:
        return []
    return [
        f"Prediction and truth share no class but background ({listed(predicted)} predicted, "
        f"{listed(true)} true): if they mean the same, give both the same ids."
    ]
