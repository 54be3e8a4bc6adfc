"""Comparing predictions with the truth, slice by slice, into one report.

The work is a generator: it says how far it is, and whoever stops asking stops it.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from napari_utile.metrics.differences import Differences, differences
from napari_utile.metrics.matching import Matching, iou_rows, match, precision, recall
from napari_utile.metrics.meanings import in_order
from napari_utile.metrics.measured import Measured
from napari_utile.metrics.object_table import ObjectTable, joined, object_table
from napari_utile.metrics.overlap import Contingency, contingency, side_by_side
from napari_utile.metrics.partitions import thin_borders
from napari_utile.metrics.report import Report
from napari_utile.metrics.rows import remarks, scores, whole_of
from napari_utile.metrics.sides import Method, Sides, instances_of
from napari_utile.settings import EvaluateSettings

Progress = Generator[tuple[int, int], None, Report]
"""Yields (steps done, steps in all), returns the report."""


def evaluate(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    volumetric: bool = False,
    objects: Method = "watershed",
    *,
    labels: Literal["instances", "classes"] = "instances",
    thresholds: bool = False,
    validation: str | None = None,
    pixel_um2: float | None = None,
) -> Report:
    """Compare a prediction with the truth, pixel by pixel and object by object.

    Parameters
    ----------
    prediction : array of int or bool, shape of `truth`, or of probabilities
        Instances, 0 is background; or a mask. Probabilities are float and have shape
        (C, \\*truth.shape), as `predict` gives them, or the shape of `truth`: then they are
        those of the foreground. Unsigned integers (C, ...) are shares of their largest value.
    truth : array of int or bool, shape (..., Y, X)
        Instances, or a mask: labels with a single non-zero id, which are split into connected
        components slice by slice, on either side.
    ignore : int, optional
        Id in `truth` of pixels that nobody annotated. They count nowhere: not as background
        and not in the area of an object.
    threshold : float, default 0.5
        Foreground probability above which a pixel belongs to an object.
    volumetric : bool, default False
        Whether an object extends over slices. By default the objects of each slice (Y, X) are
        compared on their own, since 2D networks number them slice by slice. The whole then
        pools the counts of all slices (not the mean of their scores), except for the scores of
        partitions, of which it is the mean over the slices, as the ISBI 2012 challenge had it.
        If True the objects of the whole are those of the whole array; those of a slice are
        their sections.
    objects : {"watershed", "components"}, default "watershed"
        How probabilities become objects; see `napari_utile.instances`.

    Returns
    -------
    Report
        `iou`, `dice`, `pixel_error` of the foreground (id > 0); `precision_50`, `recall_50`,
        `f1_50`, `matching_ap50`, `panoptic_quality` of objects matched one-to-one at an IoU of
        at least 0.5; `seg`; the scores of partitions, which look at pixels of true objects
        only: `v_rand`, `v_info`, `vi_split`, `vi_merge` (bits) after the borders of the
        prediction were thinned, by watershed of the boundary probability if probabilities are
        given and to the nearest object if not, and `rand_error`, `adapted_rand_error` of the
        prediction as it is; and the counts `true_positives`, `false_positives`,
        `false_negatives`. See `metrics.overlap`, `metrics.matching` and `metrics.partitions`
        for the formulas.

    Raises
    ------
    UserError
        If the shapes differ, or an array holds neither labels nor probabilities.

    Notes
    -----
    Empty on both sides is perfect agreement: every score 1, every error 0. Empty on one side
    only: every score 0, every error 1, the pixel error the share of the pixels in question.
    No score is ever NaN; a note names the slices that were empty.

    Examples
    --------
    >>> truth = np.array([[[1, 1, 0, 2, 2, 2]], [[0, 0, 0, 0, 0, 0]]])
    >>> prediction = np.array([[[7, 7, 0, 0, 0, 9]], [[0, 0, 0, 0, 0, 0]]])
    >>> report = evaluate(prediction, truth)
    >>> report["matching_ap50"], report["false_negatives"]
    (0.3333333333333333, 1)
    >>> report.notes
    ('No object in truth and prediction: counted as perfect agreement (slice 1).',)
    """
    steps = evaluation(
        prediction,
        truth,
        ignore,
        threshold,
        volumetric,
        objects,
        labels=labels,
        thresholds=thresholds,
        validation=validation,
        pixel_um2=pixel_um2,
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report: Report = end.value
            return report


def evaluation(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    volumetric: bool = False,
    objects: Method = "watershed",
    *,
    labels: Literal["instances", "classes"] = "instances",
    thresholds: bool = False,
    validation: str | None = None,
    pixel_um2: float | None = None,
) -> Progress:
    """Compare as `evaluate` does, and say again and again how far it is.

    Yields
    ------
    tuple of (int, int)
        Steps done, and steps in all.

    Returns
    -------
    Report
    """
    settings = EvaluateSettings(
        ignore=ignore,
        threshold=threshold,
        volumetric=volumetric,
        objects=objects,
        labels=labels,
        thresholds=thresholds,
        validation=validation,
    )
    pair = Pair(lambda: (prediction, truth), int(np.prod(np.shape(truth)[:-2])))
    return (yield from evaluation_of([pair], settings, pixel_um2))


@dataclass(frozen=True)
class Pair:
    """An image that is evaluated.

    Parameters
    ----------
    read : callable
        Gives prediction and truth, when their turn comes.
    slices : int
        How many slices they have.
    name : str
        What its slices are called, if there are several images.
    """

    read: Callable[[], tuple[Any, Any]]
    slices: int
    name: str = ""


def evaluation_of(
    pairs: Sequence[Pair], settings: EvaluateSettings, pixel_um2: float | None = None
) -> Progress:
    """Compare several images with their truth, as the slices of one report."""
    steps = Steps(sum(2 * pair.slices for pair in pairs) + 1)
    images: list[Sides] = []
    slices: list[Judged] = []
    volumes: list[Judged] = []
    for number, pair in enumerate(pairs):
        sides = yield from steps.of(
            instances_of(
                *pair.read(),
                settings.ignore,
                settings.threshold,
                settings.volumetric,
                settings.objects,
                pair.name if len(pairs) > 1 else "",
            ),
            pair.slices,
        )
        for index in sides.indices:
            slices.append(judged(sides, index, number))
            yield steps.next()
        if settings.volumetric:
            volumes.append(judged(sides, (), number))
        images.append(replace(sides, probabilities=None))
    report = report_of(images, slices, volumes)
    yield steps.next()
    return report


@dataclass
class Steps:
    """Counts how far an evaluation is."""

    total: int
    done: int = 0

    def next(self) -> tuple[int, int]:
        """Count one step."""
        self.done += 1
        return self.done, self.total

    def of(
        self, work: Generator[None, None, Any], steps: int
    ) -> Generator[tuple[int, int], None, Any]:
        """Count the steps of a part of the work; those that it leaves out count at its end."""
        end = self.done + steps
        while True:
            try:
                next(work)
            except StopIteration as result:
                self.done = end
                return result.value
            yield self.next()


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


def judged(sides: Sides, index: tuple[int, ...], image: int) -> Judged:
    """Compare one slice, or all of an image as one volume."""
    predicted, true, hidden = sides.prediction[index], sides.truth[index], sides.hidden(index)
    table = contingency(predicted, true, hidden)
    thinned = contingency(thin_borders(predicted, sides.boundary(index)), true, hidden)
    matching = match(table)
    row = scores(table, thinned, matching) | found_and_right(matching)

    found = differences(table, matching)
    name = slice_name(sides, index)
    of_truth = Measured.of(true, table.truth_ids)
    of_prediction = Measured.of(predicted, table.prediction_ids)
    foreground = sides.foreground(index)
    objects = object_table(
        name,
        (image, index),
        found,
        (of_truth.centroids(), of_prediction.centroids()),
        None if foreground is None else of_prediction.means(foreground),
    )
    return Judged(name, image, index, (table, thinned), row, found, objects)


def found_and_right(matching: Matching) -> dict[str, float]:
    """Give the two shares of which `f1_50` is the harmonic mean."""
    return {"precision_50": precision(matching), "recall_50": recall(matching)}


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
    images: Sequence[Sides], slices: Sequence[Judged], volumes: Sequence[Judged]
) -> Report:
    """Put together what was found in the slices, or in the volumes that they are part of."""
    units = volumes or slices
    whole = side_by_side([unit.tables[0] for unit in units])
    row = whole_of([unit.tables for unit in units], [unit.row for unit in units])
    row |= found_and_right(match(whole))
    rows = [(each.name, each.row) for each in slices if each.name != "all"]
    return Report(
        rows=tuple(
            {"slice": name} | {score: scored[score] for score in in_order(scored)}
            for name, scored in [*rows, ("all", row)]
        ),
        notes=(
            *mask_notes(images),
            *remarks({each.name: each.tables[0] for each in slices}),
        ),
        ious=iou_rows(whole),
        objects=joined([unit.objects for unit in units]),
        sides=tuple(images),
        found=tuple(found_in(image, sides, units) for image, sides in enumerate(images)),
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
