"""What was found in each slice, and how it is put together for the whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.error_types import Differences, differences
from napari_utile.evaluation.inputs import Sides, is_mask
from napari_utile.evaluation.object_table import Measured, ObjectTable, joined, object_table
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import Row, found_and_right, remarks, scores, whole_of
from napari_utile.evaluation.scores import in_order
from napari_utile.metrics.class_scores import class_scores
from napari_utile.metrics.coco.ap import CocoScores, coco_scores
from napari_utile.metrics.matching import iou_rows, match
from napari_utile.metrics.overlap import Contingency, contingency, side_by_side
from napari_utile.metrics.partitions import thin_borders
from napari_utile.metrics.warping import warping_error


@dataclass(frozen=True, eq=False)
class Judged:
    """What was found in one slice, or in one volume: little, whatever its size."""

    name: Any
    image: int
    index: tuple[int, ...]
    tables: tuple[Contingency, Contingency]
    """Of the prediction as it is, and with its borders thinned."""
    row: dict[str, float]
    found: Differences
    objects: ObjectTable
    ranks: NDArray[np.float64] | None
    """Mean foreground probability of each predicted object, if known."""


def judged(sides: Sides, index: tuple[int, ...], image: int, as_volume: bool = False) -> Judged:
    """Compare one slice, or all of an image as one volume."""
    predicted, true, hidden = sides.prediction[index], sides.truth[index], sides.hidden(index)
    table = contingency(predicted, true, hidden)
    thinned = contingency(thin_borders(predicted, sides.boundary(index)), true, hidden)
    matching = match(table)
    row = scores(table, thinned, matching) | found_and_right(matching)

    foreground = sides.foreground(index)
    of_truth = Measured.of(true, table.truth_ids)
    of_prediction = Measured.of(predicted, table.prediction_ids)
    ranks = None if foreground is None else of_prediction.means(foreground)
    if not as_volume:  # of a volume they are the pooled, or the mean of its slices
        row |= coco_row(coco_scores([table], ranks if ranks is None else [ranks]))
        row["warping_error"] = warping_error(predicted, true, hidden)

    found = differences(table, matching)
    name = slice_name(sides, index)
    centroids = of_truth.centroids(), of_prediction.centroids()
    objects = object_table(name, (image, index), found, centroids, ranks)
    return Judged(name, image, index, (table, thinned), row, found, objects, ranks)


def coco_row(coco: CocoScores) -> dict[str, float]:
    """Name COCO's scores as reports do."""
    return {
        "coco_ap": coco.ap,
        "coco_ap50": coco.ap50,
        "coco_ap75": coco.ap75,
        "coco_ar": coco.ar,
    }


def slice_name(sides: Sides, index: tuple[int, ...]) -> Any:
    """Name a slice as `Report.rows` does. An image is its only slice, and the whole."""
    if sides.name:
        return " ".join([sides.name, *map(str, index)])
    match index:
        case ():
            return "all"
        case (z,):
            return z
    return index


def report_of(
    images: Sequence[Sides],
    slices: Sequence[Judged],
    volumes: Sequence[Judged],
    pixel_um2: float | None,
) -> Report:
    """Put together what was found in slices, or in the volumes that they are part of."""
    units = volumes or slices
    pooled = side_by_side([unit.tables[0] for unit in units])
    ranks = [unit.ranks for unit in units if unit.ranks is not None]
    is_ranked = len(ranks) == len(units)
    coco = coco_scores(
        [unit.tables[0] for unit in units], ranks if is_ranked else None, pixel_um2 or 1.0
    )
    whole = whole_of([unit.tables for unit in units], [unit.row for unit in units])
    whole |= found_and_right(match(pooled)) | coco_row(coco)
    whole["warping_error"] = float(np.mean([each.row["warping_error"] for each in slices]))
    unit = "px" if pixel_um2 is None else "um2"
    return Report(
        rows=rows_of([(each.name, each.row) for each in slices], whole),
        notes=(
            *mask_notes(images),
            *remarks([(each.name, each.tables[0]) for each in slices]),
            *([UNRANKED] if not is_ranked and ROUNDING < coco.ap < 1 - ROUNDING else []),
        ),
        ious=iou_rows(pooled),
        precision_recall=coco.precision_recall,
        sizes=tuple({"unit": unit} | row for row in coco.sizes),
        stock=coco.stock,
        objects=joined([unit.objects for unit in units]),
        sides=tuple(images),
        found=tuple(found_in(image, sides, units) for image, sides in enumerate(images)),
    )


ROUNDING = 1e-9
"""Of a precision in pycocotools. At 0 and at 1 no rank matters."""

UNRANKED = (
    "Without probabilities all predicted objects have the score 1 in coco_ap: they are ranked "
    "by their ids."
)


def rows_of(
    slices: Sequence[tuple[Any, Mapping[str, float]]], whole: Mapping[str, float]
) -> tuple[Row, ...]:
    """List the slices, then the whole, with the scores in the order of reports.

    A single image is the whole, and not listed twice.
    """
    names = in_order(whole)
    rows = [] if [name for name, _ in slices] == ["all"] else slices
    return tuple(
        {"slice": name} | {score: row[score] for score in names if score in row}
        for name, row in [*rows, ("all", whole)]
    )


def mask_notes(images: Sequence[Sides]) -> list[str]:
    """Say what was a mask, and became objects."""
    notes = []
    for side in ("prediction", "truth"):
        masks = [sides.name for sides in images if side in sides.masks]
        if masks:
            which = f" ({', '.join(masks)})" if len(masks) < len(images) else ""
            notes.append(f"The objects of the {side} are the connected parts of a mask{which}.")
    return notes


def found_in(
    image: int, sides: Sides, units: Sequence[Judged]
) -> dict[tuple[int, ...], Differences]:
    """Give what became of the objects of each slice of an image."""
    of = {unit.index: unit.found for unit in units if unit.image == image}
    return of if () not in of else dict.fromkeys(sides.indices, of[()])


# classes


@dataclass(frozen=True, eq=False)
class JudgedClasses:
    """What was found in one slice."""

    name: Any
    table: Contingency
    row: dict[str, float]


def judged_classes(sides: Sides, index: tuple[int, ...]) -> JudgedClasses:
    """Compare the kinds of pixels of one slice."""
    hidden = sides.hidden(index)
    table = contingency(sides.prediction[index], sides.truth[index], hidden)
    return JudgedClasses(slice_name(sides, index), table, class_scores([table]))


def report_of_classes(images: Sequence[Sides], slices: Sequence[JudgedClasses]) -> Report:
    """Put together what was found in slices. A class that is not in a slice has no score."""
    whole = class_scores([each.table for each in slices])
    rows = rows_of([(each.name, each.row) for each in slices], whole)
    names = list(rows[-1])
    return Report(
        rows=tuple({name: row.get(name) for name in names} for row in rows),
        notes=tuple(different_masks(images)),
        sides=tuple(images),
    )


def different_masks(images: Sequence[Sides]) -> list[str]:
    """Say so if both sides are masks whose ids differ: they have no class in common."""
    if not all(is_mask(side) for sides in images for side in (sides.prediction, sides.truth)):
        return []
    ids = [{int(getattr(s, side).max()) for s in images} for side in ("prediction", "truth")]
    if not ids[0].isdisjoint(ids[1]):
        return []
    predicted, true = (", ".join(map(str, sorted(each))) for each in ids)
    return [
        f"Both sides are masks, of different ids ({predicted} predicted, {true} true): they "
        "share no class but background."
    ]
