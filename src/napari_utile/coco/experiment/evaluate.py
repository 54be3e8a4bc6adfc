"""Networks of `coco train` on images that they never saw: objects, scores, one table.

It yields events; what comes of it lies in one folder:

    table.json  table.csv  table.md       one row per network
    detections-<network>-seed<k>.json     what it found; pycocotools' `loadRes` reads it
    figure.png                            a few images, their truth, and what is found in them
    data.json                             what the networks were scored by
"""

import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile.arrays.instances.decoding import foreground_probability, instances
from napari_utile.coco.annotations import read_coco
from napari_utile.coco.experiment.figure import draw_examples
from napari_utile.coco.experiment.images import Chosen, resized
from napari_utile.coco.experiment.train import Learnt
from napari_utile.coco.experiment.truth import Detections, Truth, mean_in_objects
from napari_utile.coco.writing import detections, write_coco_results
from napari_utile.engine.comparison.front import training_facts, write_tables
from napari_utile.engine.comparison.scoring import timed
from napari_utile.engine.comparison.table import Comparison
from napari_utile.engine.devices import autocast_dtype, choose_device, describe
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.in_memory import predict_stack
from napari_utile.errors import UserError
from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    Event,
    RunDone,
    RunStarted,
    TileDone,
    Warned,
)
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write, check_writable, locked
from napari_utile.io.images import open_image
from napari_utile.io.ngff import PROBABILITIES
from napari_utile.settings import (
    NETWORK_NAMES,
    CocoEvaluateSettings,
    PredictSettings,
    TrainSettings,
)

DATA = "data.json"
THRESHOLDS = np.arange(0.1, 0.91, 0.05).round(2)


def evaluate_coco(
    trained: Path,
    annotations: Path,
    folder: Path,
    out: Path,
    settings: CocoEvaluateSettings,
    overwrite: bool = False,
) -> Generator[Event, None, Comparison]:
    """Score every network that `coco train` has trained.

    Parameters
    ----------
    trained : Path
        Folder of `coco train`.
    annotations, folder : Path
        COCO instances, and the folder of their images.
    out : Path
        Folder for everything that comes of it.
    settings : CocoEvaluateSettings
        What makes an object.
    overwrite : bool, default False
        Replace the scores that are in `out`, of other images or made in another way.

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
        If nothing is trained there, the file is broken or lacks a category that was learnt,
        an image is missing, or `out` holds something else.
    """
    began = monotonic()
    learnt = Learnt.found(trained)
    runs, unfinished = trained_runs(trained)
    if learnt is None or not runs:
        why = unfinished[:1] or [
            f"{trained} holds no network that `utile coco train` has trained."
        ]
        raise UserError(why[0])
    device = choose_device(settings.device)
    chosen = Chosen.of(read_coco(annotations, folder), learnt.names)
    if not chosen.coco.images:
        raise UserError(f"{annotations} names no image to score by.")
    facts = {"annotations": str(annotations), "images": str(folder)} | settings.model_dump()
    check_out(out, facts, overwrite)
    truth = Truth(chosen, learnt)
    with locked(out):
        yield RunStarted(
            job="evaluate",
            out=str(out),
            device=describe(device, autocast_dtype(device, settings.precision, training=False)),
            total=len(runs),
            facts={"images": len(truth.images), "objects": truth.coco.objects},
        )
        atomic_write(out / DATA, json.dumps(facts, indent=2).encode())
        for message in unfinished:
            yield Warned(message=message)
        result = Comparison(
            out, notes=evaluation_notes(truth, runs, annotations), failed=unfinished
        )
        examples = truth.examples()
        for number, run in enumerate(runs, 1):
            known = TrainSettings.read(run.settings)
            yield CandidateStarted(
                network=known.network,
                seed=known.seed,
                number=number,
                total=len(runs),
                out=str(run.folder),
            )
            threshold = settings.threshold
            if threshold == "auto":
                threshold = best_threshold(run)
            found = yield from look(load_model(run.model), truth, settings, threshold)
            write_coco_results(out / f"detections-{run.folder.name}.json", found.objects, True)
            row = found.scores(truth) | training_facts(run)
            row |= {"threshold": threshold, "seconds_to_predict": found.seconds}
            result = result.with_run(known.network, known.seed, row)
            write_tables(result)
            for example in examples:
                example.results.setdefault(known.network, found.labels[example.place])
            yield CandidateDone(network=known.network, seed=known.seed, row=row)
        draw_examples(out / "figure.png", examples)
        yield RunDone(out=str(out), seconds=monotonic() - began)
    return result


@dataclass
class Found:
    """What a network found in all images.

    Attributes
    ----------
    objects : list of dict
        COCO results.
    labels : list of ndarray of int, shape (Y, X)
        Instances at full size, one per image.
    seconds : float
        That the network took.
    """

    objects: Detections = field(default_factory=list)
    labels: list[NDArray[Any]] = field(default_factory=list)
    seconds: float = 0.0

    def scores(self, truth: Truth) -> dict[str, float]:
        """Score pixels and objects."""
        return truth.pixel_scores(self.labels) | truth.coco.scores(self.objects)


def look(
    model: Model, truth: Truth, settings: CocoEvaluateSettings, threshold: float
) -> Generator[Event, None, Found]:
    """Let a network look at all images, and make objects of what it says."""
    found = Found()
    how = PredictSettings(device=settings.device, precision=settings.precision)
    for number, (image, stack) in enumerate(zip(truth.annotated, truth.images, strict=True), 1):
        small = np.empty((model.classes, *stack.shape), np.float32)
        found.seconds += yield from timed(
            count_images(predict_stack(model, stack, small, how), number, len(truth.images))
        )
        labels = np.zeros((image.height, image.width), np.int32)
        for category, share in foregrounds(small, truth, model):
            full = resized(share, labels.shape, Image.Resampling.BILINEAR)
            objects = instances(
                full[None], threshold, settings.min_size, method=settings.instance_method
            )
            scores = mean_in_objects(objects, full)
            found.objects += detections(objects, image.id, category, scores)
            labels[objects > 0] = objects[objects > 0] + labels.max()
        found.labels.append(labels)
    return found


def foregrounds(
    probabilities: NDArray[np.float32], truth: Truth, model: Model
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Give category id and probability (Y, X) of each kind of object.

    If all categories are one foreground, the first stands for all.
    """
    if not truth.learnt.kinds:
        yield truth.chosen.ids[0], probabilities[-1]
        return
    for number, share in zip(model.ids[1:], probabilities[-len(model.ids) + 1 :], strict=True):
        yield truth.chosen.ids[number - 1], share


def best_threshold(run: Run) -> float:
    """Choose the threshold with the best foreground IoU on the validation part of a run.

    That part, and what the network makes of it, lie in the folder of the comparison. Crowds
    do not count.
    """
    common, found = np.zeros((2, len(THRESHOLDS)))
    true = 0
    folder, truths = ValidationFolder(run.folder), ValidationFolder(run.folder.parent)
    paths = folder.files(PROBABILITIES)
    if not paths:
        raise UserError(
            f"{folder.path} holds no probabilities to choose a threshold by: give --threshold."
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


def count_images(
    events: Generator[TileDone | Warned, None, None], done: int, total: int
) -> Generator[TileDone | Warned, None, None]:
    """Count images in place of the tiles of one."""
    for event in events:
        if isinstance(event, TileDone):
            update = {"done": done, "total": total, "seconds_left": None}
            yield event.model_copy(update=update)
        else:
            yield event


def trained_runs(trained: Path) -> tuple[list[Run], tuple[str, ...]]:
    """List the runs that came to their end, and say which did not."""
    if not trained.is_dir():
        raise UserError(f"{trained} was not found.")

    def order(run: Run) -> tuple[int, int]:
        settings = TrainSettings.read(run.settings)
        return NETWORK_NAMES.index(settings.network), settings.seed

    runs = sorted(ComparisonFolder(trained).runs, key=order)
    unfinished = [
        f"{run.folder} was not trained to its end and is left out: `utile coco train` goes on."
        for run in runs
        if not run.is_finished
    ]
    return [run for run in runs if run.is_finished], tuple(unfinished)


def check_out(out: Path, facts: dict[str, Any], overwrite: bool) -> None:
    """Refuse a folder that holds something else, or scores that were made in another way."""
    check_writable(out / DATA)
    if not out.is_dir() or not any(out.glob("[!.]*")):
        return
    try:
        there = CocoEvaluateSettings.present_names(json.loads((out / DATA).read_text()))
        same = all(there[name] == value for name, value in facts.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{out} exists and holds no scores; choose another --out.") from None
    if not same and not overwrite:
        raise UserError(
            f"{out} holds scores of other images, or made in another way; choose another "
            "--out, or --overwrite replaces them."
        )


def evaluation_notes(truth: Truth, runs: Sequence[Run], annotations: Path) -> tuple[str, ...]:
    """Say how the numbers came about, and what they would be without looking."""
    names = truth.chosen.names
    learnt = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    if len(names) > 1:
        learnt += " (told apart)" if truth.learnt.kinds else " (one foreground)"
    nowhere = 0 if truth.coco.objects else 1
    bands = ", ".join(
        f"{b['band']} {b['low']:,.0f} to {b['high']:,.0f} px" for b in truth.coco.bands
    )
    return (
        f"{len(truth.annotated)} images of {annotations.name}, {truth.coco.objects} objects: "
        f"{learnt}. Crowds are ignored.",
        *note_on_overlap(truth),
        note_on_seeds(runs),
        "Without looking: foreground everywhere has IoU {iou:.3f}, COCO AP {coco_ap:.4f}, AP50 "
        "{coco_ap50:.4f}; foreground nowhere has {nowhere} of each.".format(
            **everywhere(truth), nowhere=nowhere
        ),
        *([f"Thirds of the objects by size: {bands}."] if bands else []),
        *truth.coco.notes,
    )


def note_on_overlap(truth: Truth) -> list[str]:
    """Say so if images that were trained on are among those to score by."""
    known = {image.file_name for image in truth.annotated} & {*truth.learnt.files}
    if not known:
        return []
    return [
        f"{len(known)} of the {len(truth.annotated)} images were trained on, as their names "
        "say: the scores flatter."
    ]


def note_on_seeds(runs: Sequence[Run]) -> str:
    """Say over what the spread is."""
    seeds = sorted({TrainSettings.read(run.settings).seed for run in runs})
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): no spread is known, small differences may be chance."
    return f"± is the standard deviation over the seeds {', '.join(map(str, seeds))} (n - 1)."


def everywhere(truth: Truth) -> dict[str, float]:
    """Score what takes no network: each image is one object."""
    whole = [np.ones_like(labels) for labels in truth.labels]
    objects = [
        entry
        for image, labels in zip(truth.annotated, whole, strict=True)
        for entry in detections(labels, image.id, truth.chosen.ids[0], 1.0)
    ]
    return truth.pixel_scores(whole) | truth.coco.scores(objects)
