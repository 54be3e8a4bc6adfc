"""Evaluation of the networks of `coco train` on other images. It yields events.

The networks predict whole images; their objects are scored as COCO does. Results are in one
folder:

    table.json  table.csv  table.md       one row per network
    detections-<network>-seed<k>.json     its objects; pycocotools' `loadRes` reads them
    figure.png                            a few images, their truth, and the objects found
    data.json                             annotations, images and options of the scores
"""

import json
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile.arrays.doubts.wording import Doubt, told_together
from napari_utile.arrays.instances.decoding import foreground_probability, instances
from napari_utile.coco.annotations import bare_doubts, read_coco
from napari_utile.coco.experiment.figure import Example, draw_examples
from napari_utile.coco.experiment.images import Chosen, resized
from napari_utile.coco.experiment.train import Learnt
from napari_utile.coco.experiment.truth import Detections, Truth, mean_in_objects
from napari_utile.coco.files import enumerated
from napari_utile.coco.image_files import parts_of
from napari_utile.coco.writing import detections, write_coco_results
from napari_utile.engine.comparison.front import training_facts, write_tables
from napari_utile.engine.comparison.scoring import timed
from napari_utile.engine.comparison.table import Comparison, spread_note
from napari_utile.engine.devices import autocast_dtype, choose_device, describe
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.in_memory import predict_stack
from napari_utile.engine.prediction.mismatch import image_mismatches
from napari_utile.errors import UserError
from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    Event,
    RunDone,
    RunStarted,
    TileDone,
    Warned,
    doubted,
    transform,
)
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write, check_writable, locked
from napari_utile.io.images import open_image
from napari_utile.io.names import composed
from napari_utile.io.ngff import PROBABILITIES
from napari_utile.io.units import counted
from napari_utile.json_files import read_json
from napari_utile.settings.coco import CocoEvaluateSettings
from napari_utile.settings.options import INPUT_OPTIONS, NETWORK_NAMES
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings

DATA = "data.json"
NOTHING_TO_FIND = (
    "There is no object in the annotations: IoU, Dice and COCO's scores are not defined."
)
THRESHOLDS = np.arange(0.1, 0.91, 0.05).round(2)
"""Probabilities among which `best_threshold` chooses."""


def evaluate_coco(
    trained: Path,
    annotations: Path,
    folder: Path,
    out: Path,
    settings: CocoEvaluateSettings,
    overwrite: bool = False,
) -> Generator[Event, None, Comparison]:
    """Score every network that `coco train` has trained, on these images.

    Parameters
    ----------
    trained : Path
        Folder of `coco train`.
    annotations, folder : Path
        COCO instances, and the folder of their images.
    out : Path
        Folder for the results.
    settings : CocoEvaluateSettings
        How objects are made of probabilities.
    overwrite : bool, default False
        Overwrite scores in `out` that are of other images or options.

    Yields
    ------
    RunStarted, CandidateStarted, TileDone, Warned, CandidateDone, RunDone

    Returns
    -------
    Comparison
        Prints as a table.

    Raises
    ------
    UserError
        If `trained` holds no finished run, or one with the model of another, the file is
        broken or lacks a category that was learnt, an image is missing, or `out` holds
        something else.
    """
    began = monotonic()
    learnt = Learnt.found(trained)
    runs, unfinished = trained_runs(trained)
    if learnt is None or not runs:
        why = unfinished[:1] or [f"{trained} holds no network that was trained on COCO images."]
        raise UserError(why[0])
    for run in runs:
        run.check_model()
    device = choose_device(settings.device)
    file = read_coco(
        annotations,
        folder,
        strict=not settings.skip_broken,
        crowds_as_objects=settings.crowds_as_objects,
    )
    chosen = Chosen.of(file, learnt.names)
    if not file.images:
        raise UserError(f"{annotations} lists no image to score.")
    chosen.check_objects()
    if learnt.kinds and len(chosen.ids) != len(learnt.names):
        raise UserError(
            f"{annotations}: several categories have one of the names "
            f"{enumerated(learnt.names)}, which were learnt as a class each; rename them."
        )
    yield from file.reported(settings.strict)
    facts = {"annotations": str(annotations), "images": str(folder)} | settings.model_dump(
        exclude=set(INPUT_OPTIONS)
    )
    check_out(out, facts, overwrite)
    truth = Truth(chosen, learnt, settings.skip_broken)
    # the runs have the same images, so their models are fed alike
    yield from doubted(
        doubts_of_images(load_model(runs[0].model), truth, _how(settings)), settings.strict
    )
    doubts = bare_doubts(annotations, truth.annotated, file.annotations)
    yield from doubted(doubts, settings.strict)
    with locked(out):
        yield RunStarted(
            job="evaluate",
            out=str(out),
            device=describe(device, autocast_dtype(device, settings.precision, training=False)),
            total=len(runs),
            facts={"images": len(truth.images), "objects": truth.coco.objects},
        )
        atomic_write(out / DATA, json.dumps(facts, indent=2).encode())
        for message in (*unfinished, *truth.left_out):
            yield Warned(message=message)
        if not chosen.objects:
            yield Warned(message=NOTHING_TO_FIND)
        notes = evaluation_notes(truth, runs, annotations)
        result = Comparison(out, notes=notes, failed=unfinished)
        examples = truth.examples()
        for number, run in enumerate(runs, 1):
            result = yield from _score_run(
                run, (number, len(runs)), truth, examples, settings, result
            )
        draw_examples(out / "figure.png", examples)
        yield RunDone(out=str(out), seconds=monotonic() - began)
    return result


def _score_run(
    run: Run,
    place: tuple[int, int],
    truth: Truth,
    examples: Sequence[Example],
    settings: CocoEvaluateSettings,
    result: Comparison,
) -> Generator[Event, None, Comparison]:
    """Score one network, write what it found, and add its row to the table.

    `place` is its number and that of all networks. The first run of a network is shown in the
    examples.
    """
    network, seed = (known := TrainSettings.read(run.settings)).network, known.seed
    number, total = place
    yield CandidateStarted(
        network=network, seed=seed, number=number, total=total, out=str(run.folder)
    )
    threshold = best_threshold(run) if settings.threshold == "auto" else settings.threshold
    found = yield from find_objects(load_model(run.model), truth, settings, threshold)
    if not found.objects and truth.coco.objects:
        yield Warned(
            message=f"{network}, seed {seed} found no object in {len(truth.images)} images, at "
            f"the threshold {threshold:g} and min size {settings.min_size}."
        )
    write_coco_results(
        result.folder / f"detections-{run.folder.name}.json", found.objects, overwrite=True
    )
    row = found.scores(truth) | training_facts(run)
    row |= {"threshold": threshold, "seconds_to_predict": found.seconds}
    result = result.with_run(network, seed, row)
    write_tables(result)
    for example in examples:
        example.results.setdefault(network, found.labels[example.place])
    yield CandidateDone(network=network, seed=seed, row=row)
    return result


@dataclass
class Found:
    """Objects that one network found in all images.

    Attributes
    ----------
    objects : list of dict
        COCO results.
    labels : list of ndarray of int, shape (Y, X)
        Instances at full size, one array per image.
    seconds : float
        Duration of the predictions.
    """

    objects: Detections = field(default_factory=list)
    labels: list[NDArray[Any]] = field(default_factory=list)
    seconds: float = 0.0

    def scores(self, truth: Truth) -> dict[str, float]:
        """Compute the scores of pixels and of objects, by name."""
        return truth.pixel_scores(self.labels) | truth.coco.scores(self.objects)


def find_objects(
    model: Model, truth: Truth, settings: CocoEvaluateSettings, threshold: float
) -> Generator[Event, None, Found]:
    """Predict all images, and find the objects in the probabilities at full size.

    Parameters
    ----------
    model : Model
    truth : Truth
        The images, reduced in size.
    settings : CocoEvaluateSettings
        How objects are made of probabilities.
    threshold : float
        Probability above which a pixel is foreground.

    Yields
    ------
    TileDone, Warned
        Images are counted instead of tiles.

    Returns
    -------
    Found
    """
    found = Found()
    for number, (image, stack) in enumerate(zip(truth.annotated, truth.images, strict=True), 1):
        small = np.empty((model.classes, *stack.shape), np.float32)
        prediction = predict_stack(model, stack, small, _how(settings), doubts=False)
        found.seconds += yield from timed(
            _counting_images(prediction, number, len(truth.images))
        )
        labels = np.zeros((image.height, image.width), np.int32)
        for category, foreground, probability in _foregrounds(small, truth, model):
            full, sure = (
                resized(pixels, labels.shape, Image.Resampling.BILINEAR)
                for pixels in (foreground, probability)
            )
            objects = instances(
                full[None], threshold, settings.min_size, method=settings.instance_method
            )
            scores = mean_in_objects(objects, sure)
            found.objects += detections(objects, image.id, category, scores)
            labels[objects > 0] = objects[objects > 0] + labels.max()
        found.labels.append(labels)
    return found


def _foregrounds(
    probabilities: NDArray[np.float32], truth: Truth, model: Model
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """Return category id, probability of foreground and own probability of each class, (Y, X).

    A pixel is foreground of its most likely class alone. If all categories are one
    foreground, it gets the id of the first.
    """
    if not truth.learnt.kinds:
        yield truth.chosen.ids[0], probabilities[-1], probabilities[-1]
        return
    of_classes = probabilities[-len(model.ids) + 1 :]
    foreground, likeliest = of_classes.sum(axis=0), of_classes.argmax(axis=0)
    for i, number in enumerate(model.ids[1:]):
        here = np.where(likeliest == i, foreground, np.float32(0))
        yield truth.chosen.ids[number - 1], here, of_classes[i]


def _how(settings: CocoEvaluateSettings) -> PredictSettings:
    return PredictSettings(
        device=settings.device, precision=settings.precision, normalize=settings.normalize
    )


def doubts_of_images(model: Model, truth: Truth, how: PredictSettings) -> list[str]:
    """Return what is doubtful about the images, each kind of doubt once and with its count.

    Parameters
    ----------
    model : Model
        What they are compared with.
    truth : Truth
    how : PredictSettings
        How they are normalized.

    Returns
    -------
    list of str
        A sentence or two each.
    """
    found = []
    for image, stack in zip(truth.annotated, truth.images, strict=True):
        for text in (*stack.doubts, *image_mismatches(model, stack, how)):
            behind = text.rpartition(parts_of(image.file_name)[-1])[2] or text
            kind = re.sub(r"[-+.\d]+(e[-+]?\d+)?", "", behind)  # without numbers
            found.append((image.file_name, Doubt(kind, text)))
    return told_together(found, len(truth.images), "images")


def _counting_images(
    prediction: Generator[TileDone | Warned, None, None], done: int, total: int
) -> Generator[TileDone | Warned, None, None]:
    """Report images instead of the tiles of one image."""

    def of_all(event: TileDone | Warned) -> TileDone | Warned:
        if isinstance(event, TileDone):
            update = {"done": done, "total": total, "seconds_left": None}
            return event.model_copy(update=update)
        return event

    return transform(prediction, of_all)


def best_threshold(run: Run) -> float:
    """Return the threshold with the best foreground IoU on the validation part of a run.

    Parameters
    ----------
    run : Run
        Of a comparison, whose folder holds the validation part and its probabilities. Crowds
        are ignored.

    Returns
    -------
    float
        One of `THRESHOLDS`; the lowest of equally good ones.

    Raises
    ------
    UserError
        If the folder of the run holds no probabilities.
    """
    common, found = np.zeros((2, len(THRESHOLDS)))
    true = 0
    folder, truths = ValidationFolder(run.folder), ValidationFolder(run.folder.parent)
    paths = folder.files(PROBABILITIES)
    if not paths:
        raise UserError(
            f"{folder.path} holds no probabilities to choose a threshold by: set the threshold "
            "to a number."
        )
    for path in paths:
        probabilities = open_image(path).plane()
        objects, hidden = (
            truths.path / path.name.replace(PROBABILITIES, name) for name in ("truth", "hidden")
        )
        foreground = foreground_probability(probabilities)
        objects = open_image(objects).plane()[0] > 0
        if hidden.exists():
            foreground = np.where(open_image(hidden).plane()[0], 0, foreground)
        for i, threshold in enumerate(THRESHOLDS):
            likely = foreground > threshold
            common[i] += (likely & objects).sum()
            found[i] += likely.sum()
        true += objects.sum()
    return float(THRESHOLDS[np.argmax(common / np.maximum(found + true - common, 1))])


def trained_runs(trained: Path) -> tuple[list[Run], tuple[str, ...]]:
    """List the finished runs of a folder in the order of networks and seeds, and what is not.

    Parameters
    ----------
    trained : Path
        Folder of `coco train`.

    Returns
    -------
    runs : list of Run
    unfinished : tuple of str
        A sentence for each run that is not finished.

    Raises
    ------
    UserError
        If there is no such folder.
    """
    if not trained.is_dir():
        raise UserError(f"{trained} was not found.")

    def order(run: Run) -> tuple[int, int]:
        settings = TrainSettings.read(run.settings)
        return NETWORK_NAMES.index(settings.network), settings.seed

    runs = sorted(ComparisonFolder(trained).runs, key=order)
    unfinished = [
        f"{run.folder} is left out: its training is unfinished and can be resumed."
        for run in runs
        if not run.is_finished
    ]
    return [run for run in runs if run.is_finished], tuple(unfinished)


def check_out(out: Path, facts: dict[str, Any], overwrite: bool) -> None:
    """Refuse a folder that holds something else, or scores of other images or options.

    Parameters
    ----------
    out : Path
        Folder for the results.
    facts : dict
        Annotations, images and options: the content of `data.json`.
    overwrite : bool
        Whether other scores may be overwritten.

    Raises
    ------
    UserError
        If it is refused, or cannot be written.
    """
    check_writable(out / DATA)
    if not out.is_dir() or not any(out.glob("[!.]*")):
        return
    try:
        there = CocoEvaluateSettings.present_names(read_json(out / DATA))
        there = CocoEvaluateSettings().model_dump() | there  # options that are newer
        same = all(there[name] == value for name, value in facts.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{out} exists and holds no scores; choose another folder.") from None
    if not same and not overwrite:
        raise UserError(
            f"{out} holds scores of other images or options; choose another folder, or "
            "overwrite it."
        )


def evaluation_notes(truth: Truth, runs: Sequence[Run], annotations: Path) -> tuple[str, ...]:
    """Return what a reader of the scores must know.

    That is their images, their spread, and the scores of a prediction that looks at no image.

    Parameters
    ----------
    truth : Truth
    runs : sequence of Run
        The finished runs.
    annotations : Path
        File of the annotations.

    Returns
    -------
    tuple of str
        A sentence or two each.
    """
    names = truth.chosen.names
    learnt = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    if len(names) > 1:
        learnt += " (told apart)" if truth.learnt.kinds else " (one foreground)"
    bands = ", ".join(
        f"{b['band']} {b['low']:,.0f} to {b['high']:,.0f} px" for b in truth.coco.bands
    )
    crowds = truth.chosen.crowds
    return (
        f"{counted(len(truth.annotated), 'images')} of {annotations.name}, "
        f"{counted(truth.coco.objects, 'objects')}: "
        f"{learnt}. Crowds are ignored"
        + (f" ({crowds:,} of {crowds + truth.coco.objects:,} annotations)." if crowds else "."),
        *_note_on_trained_images(truth),
        spread_note(sorted({TrainSettings.read(run.settings).seed for run in runs})),
        *([_note_without_looking(truth)] if truth.coco.objects else [NOTHING_TO_FIND]),
        *([f"Thirds of the objects by size: {bands}."] if bands else []),
        *(truth.coco.notes if truth.coco.objects else ()),
    )


def _note_on_trained_images(truth: Truth) -> list[str]:
    """Return a warning if images that were trained on are among those that are scored."""
    names = {composed(image.file_name) for image in truth.annotated}
    known = names & {*map(composed, truth.learnt.files)}
    if not known:
        return []
    return [
        f"{len(known)} of the {len(truth.annotated)} images were trained on, as their names "
        "say: the scores flatter."
    ]


def _note_without_looking(truth: Truth) -> str:
    """Return the scores of a prediction that looks at no image."""
    return (
        "Without looking: foreground everywhere has IoU {iou:.3f}, COCO AP {coco_ap:.4f}, AP50 "
        "{coco_ap50:.4f}; foreground nowhere has 0 of each."
    ).format(**_scores_everywhere(truth))


def _scores_everywhere(truth: Truth) -> dict[str, float]:
    """Compute the scores of foreground everywhere, each image one object."""
    whole = [np.ones_like(labels) for labels in truth.labels]
    objects = [
        entry
        for image, labels in zip(truth.annotated, whole, strict=True)
        for entry in detections(labels, image.id, truth.chosen.ids[0], 1.0)
    ]
    return truth.pixel_scores(whole) | truth.coco.scores(objects)
