"""Comparing predictions with the truth, slice by slice, into one report.

The work is a generator: it says how far it is, and whoever stops asking stops it.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from napari_utile.errors import UserError
from napari_utile.evaluation.inputs import Method, Sides, classes_of, instances_of
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.slices import (
    Judged,
    JudgedClasses,
    judged,
    judged_classes,
    report_of,
    report_of_classes,
)
from napari_utile.evaluation.threshold_choice import (
    at_thresholds,
    chosen_slices,
    with_thresholds,
)
from napari_utile.evaluation.thresholds import THRESHOLDS, exhausted
from napari_utile.settings import EvaluateSettings, renamed_keywords

Progress = Generator[tuple[int, int], None, Report]
"""Yields (steps done, steps in all), returns the report."""


@renamed_keywords(EvaluateSettings)
def evaluate(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    volumetric: bool = False,
    instance_method: Method = "watershed",
    *,
    target: Literal["instances", "classes"] = "instances",
    score_thresholds: bool = False,
    threshold_slices: str | None = None,
    pixel_um2: float | None = None,
    probabilities: Any = None,
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
    instance_method : {"watershed", "components"}, default "watershed"
        How probabilities become objects; see `napari_utile.instances`.
    target : {"instances", "classes"}, default "instances"
        What an id means: one object, or one kind of pixel, the same on both sides. Of
        probabilities of classes the most likely one is taken.
    score_thresholds : bool, default False
        Whether probabilities are scored at the thresholds 0.0, 0.1 ... 0.9, too.
    threshold_slices : str, optional
        Slices that choose the best of these thresholds, first to one past the last: "20:24".
        What is told of the best is then the score of all other slices.
    pixel_um2 : float, optional
        Area of a pixel, for the sizes of objects; else they are in pixels.
    probabilities : array, shape of `truth` or (C, \\*truth.shape), optional
        If the prediction holds instances: how likely the foreground is that they were made of.
        They rank the objects for COCO's scores, and tell where borders are. Unsigned integers
        are shares of their largest value.

    Returns
    -------
    Report
        `iou`, `dice`, `pixel_error` of the foreground (id > 0); `precision_50`, `recall_50`,
        `f1_50`, `matching_ap50`, `panoptic_quality` of objects matched one-to-one at an IoU of
        at least 0.5; `seg`; `coco_ap`, `coco_ap50`, `coco_ap75`, `coco_ar` of objects ranked by
        their mean foreground probability, or by their ids if there are no probabilities; the
        scores of partitions, which look at pixels of true objects only: `v_rand`, `v_info`,
        `vi_split`, `vi_merge` (bits) after the borders of the prediction were thinned, by
        watershed of the boundary probability if probabilities are given and to the nearest
        object if not, and `rand_error`, `adapted_rand_error` of the prediction as it is;
        `warping_error`, the mean over slices; and the counts `true_positives`,
        `false_positives`, `false_negatives`. Of classes: `mean_iou` over those that occur on
        either side, background among them, `pixel_error`, and `iou_<id>` and `dice_<id>` of
        each; None in the row of a slice where it does not occur. The formulas are in the
        modules of `metrics`. The report refers to the arrays that were given.

    Raises
    ------
    UserError
        If the shapes differ, an array holds neither labels nor probabilities, thresholds are
        asked for without probabilities, or validation slices are not there or leave no other.

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
    >>> report.notes[0]
    'No object in truth and prediction: counted as perfect agreement (slice 1).'
    """
    settings = EvaluateSettings(
        ignore=ignore,
        threshold=threshold,
        volumetric=volumetric,
        instance_method=instance_method,
        target=target,
        score_thresholds=score_thresholds,
        threshold_slices=threshold_slices,
    )
    slices = int(np.prod(np.shape(truth)[:-2]))
    pair = Pair(lambda: (prediction, truth), slices, probabilities=lambda: probabilities)
    return exhausted(evaluation_of([pair], settings, pixel_um2))


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
    probabilities : callable
        Gives those that instances were made of, or None; see `evaluate`.
    """

    read: Callable[[], tuple[Any, Any]]
    slices: int
    name: str = ""
    probabilities: Callable[[], Any] = lambda: None


def evaluation_of(
    pairs: Sequence[Pair], settings: EvaluateSettings, pixel_um2: float | None = None
) -> Progress:
    """Compare several images with their truth, as the slices of one report.

    Parameters
    ----------
    pairs : sequence of Pair
        Read one by one.
    settings : EvaluateSettings
    pixel_um2 : float, optional
        Area of a pixel.

    Yields
    ------
    tuple of (int, int)
        Steps done, and steps in all. Stop asking to stop.

    Returns
    -------
    Report
    """
    if not pairs:
        raise ValueError("there is no image to evaluate")
    slices = sum(pair.slices for pair in pairs)
    validation = chosen_slices(settings, slices)
    if settings.target == "classes":
        return (yield from _classes(pairs, settings, Steps(slices)))

    steps = Steps(slices * (2 + len(THRESHOLDS) * settings.score_thresholds) + 1)
    images: list[Sides] = []
    found: list[Judged] = []
    volumes: list[Judged] = []
    by_threshold: list[Row] = []
    for number, pair in enumerate(pairs):
        name = pair.name if len(pairs) > 1 else ""
        with named(name):
            sides = yield from steps.of(_instances(pair, settings, name), pair.slices)
        for index in sides.indices:
            found.append(judged(sides, index, number))
            yield steps.next()
        if settings.volumetric:
            volumes.append(judged(sides, (), number, as_volume=True))
        if settings.score_thresholds:
            first = len(found) - len(sides.indices)
            scored = at_thresholds(sides, settings, first)
            with named(name):
                by_threshold += yield from steps.of(scored, pair.slices * len(THRESHOLDS))
        images.append(replace(sides, probabilities=None))
    report = report_of(images, found, volumes, pixel_um2)
    yield steps.next()
    return with_thresholds(report, by_threshold, validation) if by_threshold else report


@contextmanager
def named(name: str) -> Iterator[None]:
    """Let errors of one of several images tell which it was."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") if name else error from None


def _instances(
    pair: Pair, settings: EvaluateSettings, name: str
) -> Generator[None, None, Sides]:
    """Read an image and find its objects."""
    return instances_of(
        *pair.read(),
        settings.ignore,
        settings.threshold,
        settings.volumetric,
        settings.instance_method,
        name,
        pair.probabilities(),
    )


def _classes(pairs: Sequence[Pair], settings: EvaluateSettings, steps: "Steps") -> Progress:
    """Compare kinds of pixels."""
    images: list[Sides] = []
    found: list[JudgedClasses] = []
    for pair in pairs:
        name = pair.name if len(pairs) > 1 else ""
        with named(name):
            sides = classes_of(*pair.read(), settings.ignore, settings.threshold, name)
        for index in sides.indices:
            found.append(judged_classes(sides, index))
            yield steps.next()
        images.append(replace(sides, probabilities=None))
    return report_of_classes(images, found)


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
        self, work: Generator[Any, None, Any], steps: int
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
