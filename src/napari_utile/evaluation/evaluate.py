"""An evaluation: predictions compared with the truth, slice by slice, into one report.

A run is a generator of events: whoever stops iterating stops it.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Literal, TypeVar

import numpy as np

from napari_utile.arrays.given import given_array
from napari_utile.errors import UserError
from napari_utile.evaluation.doubts import Looks
from napari_utile.evaluation.inputs import LabelPair, Side, class_pair, instance_pair
from napari_utile.evaluation.left_out import left_out_slices
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.slices import (
    ScoredClasses,
    ScoredSlice,
    class_report,
    instance_report,
    score_class_slice,
    score_slice,
)
from napari_utile.evaluation.threshold_choice import (
    at_thresholds,
    chosen_slices,
    with_thresholds,
)
from napari_utile.evaluation.thresholds import SCORED_THRESHOLDS
from napari_utile.evaluation.volume_files import VolumeFiles
from napari_utile.evaluation.volumes import score_volume
from napari_utile.events import (
    Event,
    RunDone,
    RunStarted,
    SliceDone,
    Warned,
    doubted,
    drain,
    tap,
    transform,
    warn,
)
from napari_utile.settings.checked import renamed_keywords
from napari_utile.settings.evaluation import EvaluateSettings

OnEvent = Callable[[Event], object] | None
Made = TypeVar("Made")


@renamed_keywords(EvaluateSettings)
def evaluate(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    volumetric: bool = False,
    instance_method: Literal["watershed", "components"] = "watershed",
    *,
    target: Literal["instances", "classes"] = "instances",
    sparse: bool = False,
    score_thresholds: bool = False,
    threshold_slices: str | None = None,
    pixel_um2: float | None = None,
    probabilities: Any = None,
    prediction_holds: Literal["auto", "labels", "probabilities"] = "auto",
    leave_out: str | None = None,
    strict: bool = False,
    on_event: OnEvent = warn,
) -> Report:
    """Compare a prediction with the truth, pixel by pixel and object by object.

    Parameters
    ----------
    prediction : array of int or bool, shape of `truth`, or of probabilities
        Instances, 0 is background; or a mask. Probabilities are float and have shape
        (C, \\*truth.shape), as `predict` returns them, or the shape of `truth`: then they are
        those of the foreground. Unsigned integers are fractions of their largest value.
    truth : array of int or bool, shape (..., Y, X)
        Instances, or a mask: labels with a single non-zero id, which are split into connected
        components slice by slice. So is a predicted mask.
    ignore : int, optional
        Id in `truth` of unannotated pixels. They count nowhere: neither as background nor in
        the area of an object.
    threshold : float, default 0.5
        Foreground probability above which a pixel belongs to an object.
    volumetric : bool, default False
        Whether an object extends over slices. By default the objects of each slice (Y, X) are
        compared on their own, since 2D networks number them slice by slice. Scores of the
        whole are then computed from the pooled counts of all slices, except for the scores of
        partitions, which are means over slices as in the ISBI 2012 challenge. If True, objects
        are those of a volume (Z, Y, X), of each time point on its own, and those of a slice are
        their sections.
    instance_method : {"watershed", "components"}, default "watershed"
        How probabilities become objects; see `napari_utile.instances`.
    target : {"instances", "classes"}, default "instances"
        What an id means: one object, or one kind of pixel, the same on both sides. Of
        probabilities the most likely class is taken.
    sparse : bool, default False
        Whether 0 means unannotated in `truth`, too, and 1 is background; 2... are the objects
        or classes. Background is 0 in the report.
    score_thresholds : bool, default False
        Whether probabilities are scored at the thresholds 0.0, 0.1 ... 0.9, too.
    threshold_slices : str, optional
        Slices that choose the best of these thresholds, first to one past the last: "20:24".
        The score of the best threshold is then that of all other slices.
    pixel_um2 : float, optional
        Area of a pixel, for the sizes of objects; else they are in pixels.
    probabilities : array, shape of `truth` or (C, \\*truth.shape), optional
        If the prediction holds instances: the probabilities they were made from. They rank the
        objects for COCO's scores, and show where borders are. Unsigned integers are fractions
        of their largest value.
    prediction_holds : {"auto", "labels", "probabilities"}, default "auto"
        What the prediction is. By default integers of the shape of `truth` are labels, and
        fractions are probabilities; where it may be either, a warning says what was taken.
    leave_out : str, optional
        Slices that are not compared, such as those a network was trained on, first to one past
        the last: "0:20,24:26".
    strict : bool, default False
        Whether arrays that are doubtful are refused, instead of a warning.
    on_event : callable, optional
        Called with every event of the run. By default warnings become Python warnings.

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
        to be scored without probabilities, or `threshold_slices` or `leave_out` do not exist
        or are all.

    Notes
    -----
    Empty on both sides is perfect agreement: every score is 1, every error 0. Empty on one
    side only: every score is 0, every error 1, and the pixel error the fraction of foreground
    pixels on the other side. No score is ever NaN; a note names the empty slices.

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
        sparse=sparse,
        score_thresholds=score_thresholds,
        threshold_slices=threshold_slices,
        prediction_holds=prediction_holds,
        leave_out=leave_out,
        strict=strict,
    )
    if pixel_um2 is not None and not 0 < pixel_um2 < float("inf"):
        raise UserError(f"pixel_um2 is {pixel_um2}, but the area of a pixel is positive.")
    prediction, truth = (
        side if isinstance(side, Side) else given_array(side, name)
        for side, name in ((prediction, "prediction"), (truth, "truth"))
    )
    if probabilities is not None:
        probabilities = given_array(probabilities, "probabilities")
    image = EvaluatedImage(
        read=lambda: (prediction, truth),
        slices=int(np.prod(np.shape(truth)[:-2])),
        read_probabilities=lambda: probabilities,
        pixel_um2=pixel_um2,
    )
    return drain(evaluate_images([image], settings), on_event)


@dataclass(frozen=True)
class EvaluatedImage:
    """An image that is evaluated: how its prediction and truth are read.

    Parameters
    ----------
    read : callable
        Returns prediction and truth, arrays or `Side`; called when their turn comes.
    slices : int
        Number of slices (Y, X).
    name : str
        Name of the image, if there are several.
    read_probabilities : callable
        Returns the probabilities that instances were made from, or None; see `evaluate`.
    pixel_um2 : float, optional
        Area of a pixel.
    doubts : tuple of str, optional
        What may be wrong with it: a sentence each.
    axes : str, optional
        Of the truth without channels, if it says them: "tyx".
    volume : callable, optional
        Returns prediction and truth as volumes that are not read as a whole, if these settings
        allow it and they are large, or None.
    """

    read: Callable[[], tuple[Any, Any]]
    slices: int
    name: str = ""
    read_probabilities: Callable[[], Any] = lambda: None
    pixel_um2: float | None = None
    doubts: tuple[str, ...] = ()
    axes: str = ""
    volume: Callable[[EvaluateSettings], VolumeFiles | None] = lambda _: None

    def doubts_for(self, settings: EvaluateSettings) -> tuple[str, ...]:
        """Return the doubts, and one about options that do not fit its axes."""
        if not settings.volumetric or self.axes != "tyx":
            return self.doubts
        which = f"'{self.name}'" if self.name else "The truth"
        said = f"{which} has time points and no slices: volumetric joins objects over time."
        return (*self.doubts, said)


def evaluate_images(
    images: Sequence[EvaluatedImage],
    settings: EvaluateSettings,
    write: Callable[[Report], object] | None = None,
    left_out: Sequence[str] = (),
) -> Generator[Event, None, Report]:
    """Compare images with their truth, as the slices of one report.

    Parameters
    ----------
    images : sequence of EvaluatedImage
        Read one by one.
    settings : EvaluateSettings
    write : callable, optional
        Called with the report before the run is done, to write it.
    left_out : sequence of str, optional
        Warnings of images that are not evaluated.

    Yields
    ------
    RunStarted, SliceDone, Warned, RunDone

    Returns
    -------
    Report
        Of several images, a slice is named by its image and its index there. Sizes of objects
        are in um2 where all images have pixels of the same known size.

    Raises
    ------
    UserError
        As `evaluate`; of several images it names the image.
    """
    started = monotonic()
    report = yield from score_images(images, settings, left_out)
    if write is not None:
        write(report)
    seconds = monotonic() - started
    yield RunDone(seconds=seconds, scores=dict(report), notes=report.notes)
    return report


def score_images(
    images: Sequence[EvaluatedImage],
    settings: EvaluateSettings,
    left_out: Sequence[str] = (),
) -> Generator[Event, None, Report]:
    """Compare images with their truth; as `evaluate_images`, without its last event.

    Parameters
    ----------
    images : sequence of EvaluatedImage
    settings : EvaluateSettings
    left_out : sequence of str, optional
        Warnings of images that are not evaluated.

    Yields
    ------
    RunStarted, SliceDone, Warned

    Returns
    -------
    Report

    Raises
    ------
    UserError
        As `evaluate`; of several images it names the image.
    """
    if not images:
        raise ValueError("there is no image to evaluate")
    slices = sum(image.slices for image in images)
    chosen, left = chosen_slices(settings, slices), left_out_slices(settings, slices)
    if len(images) == 1:
        images = [replace(images[0], name="")]
    texts = (text for image in images for text in image.doubts_for(settings))
    doubts = doubted(texts, settings.strict)
    found = [*left_out, *(event.message for event in doubts)]
    is_instances = settings.target == "instances"
    # Instances: objects are found, compared, and scored at each threshold; pooled at the end.
    per_slice = 2 + settings.volumetric + len(SCORED_THRESHOLDS) * settings.score_thresholds
    compared = slices - len(left)
    steps = slices + compared * (per_slice - 1) + 1 if is_instances else compared
    counter = SliceCounter(steps)
    facts: dict[str, str | int | float] = {"images": len(images), "slices": slices}
    yield RunStarted(job="evaluate", total=counter.total, facts=facts)
    yield from (Warned(message=message) for message in found)

    def note(event: Any) -> None:
        if isinstance(event, Warned):
            found.append(event.message)

    looks = Looks(settings, len(images))
    if is_instances:
        run = _score_instances(images, settings, chosen, left, counter, looks)
    else:
        run = _score_classes(images, settings, left, counter, looks)
    report = yield from tap(run, note)
    yield from (Warned(message=message) for message in looks.messages())
    found += looks.messages()
    yield from tap(looks.unused_options(), note)
    return replace(report, notes=(*found, *report.notes))


def _score_instances(
    images: Sequence[EvaluatedImage],
    settings: EvaluateSettings,
    chosen: range | None,
    left: Collection[int],
    counter: SliceCounter,
    looks: Looks,
) -> Generator[SliceDone | Warned, None, Report]:
    pairs: list[LabelPair] = []
    scored: list[ScoredSlice] = []
    volumes: list[ScoredSlice] = []
    by_threshold: list[Row] = []
    first = 0  # number of the first slice, counted through all images
    for number, image in enumerate(images):
        counter.image, start = image.name, counter.done
        with _naming(image):
            pair = yield from _pair_of(image, settings, counter, looks)
        pair = pair.without(left, first)
        counter.done = start + image.slices  # in labels, no objects had to be found
        for index in pair.indices:
            scored.append(score_slice(pair, index, number))
            yield counter.step()
        if settings.volumetric and pair.truth.ndim > 2:
            volumes += yield from _volumes_of(pair, number, scored, counter)
        if settings.score_thresholds:
            with _naming(image):
                by_threshold += yield from at_thresholds(pair, settings, first, counter)
        first += image.slices
        pairs.append(replace(pair, probabilities=None))
    pixel_um2, notes = _common_pixel_um2(images)
    report = instance_report(pairs, scored, volumes, pixel_um2)
    report = replace(report, notes=(*report.notes, *(notes if report.sizes else ())))
    yield counter.step()
    return with_thresholds(report, by_threshold, chosen) if by_threshold else report


def _pair_of(
    image: EvaluatedImage, settings: EvaluateSettings, counter: SliceCounter, looks: Looks
) -> Generator[SliceDone | Warned, None, LabelPair]:
    """Read the instances of an image; those of a large volume only when they are needed."""
    if volume := image.volume(settings):
        run = volume.pair(settings, image.name, looks, counter)
        if pair := (yield from _with_name(run, image)):
            return pair
    probabilities = image.read_probabilities()
    sides = image.read()
    looks.look_at(image.name, *sides)
    found = instance_pair(*sides, settings, image.name, probabilities, counter)
    pair = yield from _with_name(found, image)
    looks.compare(pair)
    return pair


def _volumes_of(
    pair: LabelPair, image: int, scored: Sequence[ScoredSlice], counter: SliceCounter
) -> Generator[SliceDone, None, list[ScoredSlice]]:
    """Score the volumes of an image, one at each time point, from its slices."""
    volumes = []
    for time in np.ndindex(pair.truth.shape[:-3]):
        slices = [s for s in scored if s.image == image and s.index[:-1] == time]
        run = score_volume(pair, time, image, slices)
        volumes.append((yield from transform(run, lambda _: counter.step())))
    return volumes


def _score_classes(
    images: Sequence[EvaluatedImage],
    settings: EvaluateSettings,
    left: Collection[int],
    counter: SliceCounter,
    looks: Looks,
) -> Generator[SliceDone | Warned, None, Report]:
    pairs: list[LabelPair] = []
    scored: list[ScoredClasses] = []
    first = 0
    for image in images:
        counter.image = image.name
        with _naming(image):
            sides = image.read()
            looks.look_at(image.name, *sides)
            pair = yield from _with_name(class_pair(*sides, settings, image.name), image)
            looks.compare(pair)
        pair = pair.without(left, first)
        for index in pair.indices:
            scored.append(score_class_slice(pair, index))
            yield counter.step()
        first += image.slices
        pairs.append(replace(pair, probabilities=None))
    return class_report(pairs, scored)


def _common_pixel_um2(images: Sequence[EvaluatedImage]) -> tuple[float | None, tuple[str, ...]]:
    """Return the area of a pixel if it is the same in all images, and a note if it is not."""
    sizes = {image.pixel_um2 for image in images}
    if len(sizes) == 1:
        return sizes.pop(), ()
    return None, ("Sizes of objects are in px: the pixels of the images differ in size.",)


def _with_name(
    run: Generator[Any, None, Made], image: EvaluatedImage
) -> Generator[Any, None, Made]:
    """Put the name of an image in front of warnings, if there are several images."""

    def naming(event: Any) -> Any:
        is_doubt = isinstance(event, Warned) and image.name
        return Warned(message=f"{image.name}: {event.message}") if is_doubt else event

    return transform(run, naming)


@contextmanager
def _naming(image: EvaluatedImage) -> Iterator[None]:
    """Put the name of an image in front of errors, if there are several images."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{image.name}: {error}") if image.name else error from None
