"""Comparisons: several networks trained on one split with one budget, and scored alike.

A comparison is a generator of events. Its results are in one folder, which can be resumed; the
files are described in `folders.comparison`.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from napari_utile.engine.comparison.figures import draw_curves, draw_results
from napari_utile.engine.comparison.scoring import score_model, write_results, write_truth
from napari_utile.engine.comparison.table import (
    Comparison,
    TableRow,
    table_notes,
    to_csv,
    to_json,
)
from napari_utile.engine.devices import autocast_dtype, choose_device, describe
from napari_utile.engine.models.factory import receptive_field
from napari_utile.engine.models.model import load_model
from napari_utile.engine.training.checkpoints import differing_settings
from napari_utile.engine.training.data.annotations import Annotations
from napari_utile.engine.training.data.pair_check import pair_check
from napari_utile.engine.training.data.preparation import TrainingData, training_data
from napari_utile.engine.training.run import run_training
from napari_utile.errors import UserError
from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    EpochDone,
    Event,
    PreviewReady,
    RunDone,
    RunStarted,
    StepDone,
    TileDone,
    Warned,
    drain,
    transform,
    warn,
)
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import Stack
from napari_utile.io.pairs import Images, open_pairs, stack_pairs
from napari_utile.json_files import read_json
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import SLICE_NETWORKS, axes_seen
from napari_utile.settings.training import TrainingOptions, TrainSettings


def compare(
    images: Images,
    labels: Images,
    settings: TrainSettings | None = None,
    networks: Sequence[str] = SLICE_NETWORKS,
    seeds: Sequence[int] = (0,),
    *,
    out: Path | str,
    overwrite: bool = False,
    on_event: Callable[[Event], object] = warn,
) -> Comparison:
    """Train several networks on the same arrays, and score them by the same pixels.

    Parameters
    ----------
    images, labels : ndarray, or sequence of them
        As for `train`.
    settings : TrainSettings, optional
        How each network is trained, and its budget. `network` and `seed` are ignored.
    networks : sequence of str, default all
        Names of networks.
    seeds : sequence of int, default (0,)
        Each network is trained once with each of these.
    out : path
        Folder of the comparison. One that it already holds, of the same data and settings, is
        resumed.
    overwrite : bool, default False
        Overwrite the comparison in the folder.
    on_event : callable, optional
        Called with every event; by default a `Warned` becomes a Python warning.

    Returns
    -------
    Comparison
        Scores and costs of every run. Prints as a table.

    Raises
    ------
    UserError
        If the input cannot be trained on, there is no such network, the folder holds another
        comparison, or no network could be trained.
    """
    shared = set(TrainingOptions.model_fields)
    given = settings.model_dump(include=shared) if settings else {}
    wanted = CompareSettings(**given, networks=tuple(networks), seeds=tuple(seeds))
    run = run_comparison(*stack_pairs(images, labels), wanted, out, overwrite)
    return drain(run, on_event)


def compare_files(
    images: str | Path,
    labels: str | Path,
    out: Path,
    settings: CompareSettings,
    overwrite: bool = False,
) -> Generator[Event, None, Comparison]:
    """Train several networks on the same files, and score them by the same pixels.

    Parameters
    ----------
    images, labels : str or Path
        One image and its labels, or two folders or globs whose files pair by name.
    out : Path
        Folder of the comparison.
    settings : CompareSettings
        Networks, seeds, and how each network is trained.
    overwrite : bool, default False
        Overwrite the comparison in the folder.

    Yields
    ------
    Event
        As `run_comparison`.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError
        As `run_comparison`, or if files cannot be read or do not pair.
    """
    # Options that all networks share are enough to check the files.
    first = settings.candidate(settings.networks[0], settings.seeds[0])
    stacks, truths, left_out = open_pairs(
        images, labels, settings.skip_broken, pair_check(first)
    )
    return (yield from run_comparison(stacks, truths, settings, out, overwrite, left_out))


def run_comparison(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: CompareSettings,
    out: Path | str,
    overwrite: bool = False,
    left_out: Sequence[str] = (),
) -> Generator[Event, None, Comparison]:
    """Train and score every network with every seed; report every step.

    Closing the generator stops the comparison. Started again with the same settings and data
    it is resumed: finished runs and scores are read, not computed. Networks and seeds may be
    added then; they share the split that was made first.

    Parameters
    ----------
    images, labels : sequence of Stack
        Images with their labels, in the same order.
    settings : CompareSettings
        Networks, seeds, and how each network is trained.
    out : path
        Folder of the comparison.
    overwrite : bool, default False
        Overwrite the comparison in the folder.
    left_out : sequence of str, optional
        Warnings of files that are not trained on.

    Yields
    ------
    RunStarted, CandidateStarted, StepDone, EpochDone, PreviewReady, TileDone, Warned,
    CandidateDone, RunDone
        Progress and time left of a `StepDone` are those of the whole comparison.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError
        Before anything is trained, if the input cannot be trained on, there is no such device,
        or the folder holds something else; at the end, if no network could be trained. If only
        some could not, they are listed in `RunDone.failed`.
    """
    began, folder, out = monotonic(), ComparisonFolder(out), Path(out)
    device = choose_device(settings.device)
    folder.check()
    candidates = [
        Candidate(settings.candidate(network, seed), folder.run_folder(network, seed))
        for seed in settings.seeds
        for network in settings.networks
    ]
    with folder.locked():
        data, fields = _prepare_folder(folder, images, labels, settings, candidates, overwrite)
        yield RunStarted(
            job="compare",
            out=str(out),
            device=describe(device, autocast_dtype(device, settings.precision, training=True)),
            total=len(candidates),
            facts={
                "networks": ", ".join(settings.networks),
                "seeds": ", ".join(map(str, settings.seeds)),
                "split": data.split.how,
            },
        )
        told = tuple(dict.fromkeys((*left_out, *data.warnings)))
        yield from (Warned(message=message) for message in told)
        sees = {network: sides[data.split.axis] for network, sides in fields.items()}
        result = Comparison(out, notes=table_notes(settings.seeds, data.split, sees))
        result = yield from _run_candidates(candidates, images, labels, data, result, overwrite)
        if not result.runs:
            raise UserError(f"No network could be trained. {result.failed[0]}")
        write_tables(result)
        draw_figures(result, by_time=settings.minutes is not None)
        yield RunDone(out=str(out), seconds=monotonic() - began, failed=result.failed)
    return result


def _prepare_folder(
    folder: ComparisonFolder,
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: CompareSettings,
    candidates: Sequence["Candidate"],
    overwrite: bool,
) -> tuple[TrainingData, Mapping[str, tuple[int, ...]]]:
    """Split and prepare the data that all networks share, and record them in the folder.

    Also return the receptive field of each network.
    """
    split = None if overwrite else folder.split(settings, images, labels)
    first = candidates[0].settings
    annotations = Annotations.read(images, labels, first)
    fields = receptive_fields(candidates, annotations.spacing)
    guard = [*map(max, zip(*fields.values(), strict=True))] or 0
    data = training_data(annotations, first, guard, split)
    if overwrite:
        folder.clear()
    atomic_write(folder.settings, settings.text().encode())
    if split is None:
        folder.write_data(images, labels, data.split, settings.context)
    write_truth(folder.validation, images, data)
    return data, fields


def _run_candidates(
    candidates: Sequence["Candidate"],
    images: Sequence[Stack],
    labels: Sequence[Stack],
    data: TrainingData,
    result: Comparison,
    overwrite: bool,
) -> Generator[Event, None, Comparison]:
    """Train and score one candidate after the other; those that fail are listed as failed."""
    to_train = [c for c in candidates if overwrite or not c.is_trained]
    progress = ComparisonProgress(to_train, told=data.warnings)
    for number, candidate in enumerate(candidates, 1):
        yield candidate.started(number, len(candidates))
        computed = _train_and_score(candidate, images, labels, data, overwrite)
        try:
            row = yield from progress.follow(computed)
        except UserError as error:
            result = result.without(f"{candidate.name}: {error}")
            yield Warned(message=f"{candidate.name} is left out: {error}")
        else:
            result = result.with_run(candidate.network, candidate.seed, row)
            write_tables(result)
            yield CandidateDone(network=candidate.network, seed=candidate.seed, row=dict(row))
    return result


@dataclass(frozen=True)
class Candidate:
    """One network with one seed, in a run folder of its own."""

    settings: TrainSettings
    folder: Path

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.settings.network

    @property
    def seed(self) -> int:
        """Seed of everything random in its training."""
        return self.settings.seed

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return self.folder.name

    @property
    def run(self) -> Run:
        """Its run folder."""
        return Run(self.folder)

    @property
    def is_trained(self) -> bool:
        """Whether its run is finished, with the same settings."""
        return self.run.is_finished and self._found is not None and not self.differences()

    def differences(self) -> list[str]:
        """List the settings in which the run in its folder differs; empty if there is none."""
        return differing_settings(self._found, self.settings) if self._found else []

    @property
    def _found(self) -> TrainSettings | None:
        """Settings of the run in its folder; None if there is none that can be read."""
        try:
            return TrainSettings.read(self.run.settings)
        except (OSError, ValueError):
            return None

    @property
    def validation(self) -> ValidationFolder:
        """Files of its results and scores."""
        return ValidationFolder(self.folder)

    def started(self, number: int, total: int) -> CandidateStarted:
        """Return the event of its start."""
        return CandidateStarted(
            network=self.network,
            seed=self.seed,
            number=number,
            total=total,
            out=str(self.folder),
        )


class ComparisonProgress:
    """Progress and time left of a whole comparison, from those of the run at work.

    Parameters
    ----------
    to_train : sequence of Candidate
        Candidates that are not trained yet.
    told : sequence of str, optional
        Warnings that were passed on already.
    """

    def __init__(self, to_train: Sequence[Candidate], told: Sequence[str] = ()):
        self.total = len(to_train)
        self.spent: list[float] = []  # seconds of each candidate that was trained
        self._warnings = {*told}

    def follow(self, run: Generator[Event, None, TableRow]) -> Generator[Event, None, TableRow]:
        """Pass on the events of a candidate that matter, with progress and time of the whole.

        Most warnings are about the data, which all candidates share: each is passed on once.
        """
        began, is_training = monotonic(), False

        def of_whole(event: Event) -> Event | None:
            nonlocal is_training
            match event:
                case StepDone():
                    is_training = True
                    return self._of_whole(event, monotonic() - began)
                case EpochDone() | PreviewReady() | TileDone():
                    return event
                case Warned() if event.message not in self._warnings:
                    self._warnings.add(event.message)
                    return event
            return None

        try:
            return (yield from transform(run, of_whole))
        finally:
            if is_training:
                self.spent.append(monotonic() - began)

    def _of_whole(self, event: StepDone, seconds: float) -> StepDone:
        left = event.seconds_left
        if left is not None:
            # Candidates to come take as long as those before, or as the first one will take.
            each = sum(self.spent) / len(self.spent) if self.spent else seconds + left
            left += each * max(self.total - len(self.spent) - 1, 0)
        progress = min((len(self.spent) + event.progress) / max(self.total, 1), 1.0)
        return event.model_copy(update={"progress": progress, "seconds_left": left})


def _train_and_score(
    candidate: Candidate,
    images: Sequence[Stack],
    labels: Sequence[Stack],
    data: TrainingData,
    overwrite: bool,
) -> Generator[Event, None, TableRow]:
    """Train and score a candidate as far as that is not done; return its row of the table."""
    if overwrite or not candidate.is_trained:
        if not overwrite and (words := candidate.differences()):
            overwrite = True
            yield Warned(
                message=f"{candidate.folder} holds a run of other settings "
                f"({'; '.join(words)}): {candidate.name} is trained again."
            )
        candidate.validation.scores.unlink(missing_ok=True)
        yield from run_training(
            images, labels, candidate.settings, candidate.folder, overwrite, split=data.split
        )
    elif doubt := candidate.run.record_on_disk().doubt:
        yield Warned(message=doubt)
    scores = candidate.validation.scores
    if not scores.exists():
        facts = training_facts(candidate.run)
        results = yield from score_model(candidate.run.model, images, data, candidate.settings)
        write_results(candidate.validation, images, data, results)
        row = json.dumps(results.scores | facts | results.seconds, indent=2)
        atomic_write(scores, row.encode())
    found = read_json(scores, finite=False)
    if not isinstance(found, dict) or "seconds_to_train" not in found:
        raise UserError(f"{scores} is damaged: remove it, then the network is scored again.")
    row_of_table: TableRow = found
    return row_of_table


def training_facts(run: Run) -> dict[str, Any]:
    """Return the costs of a finished training.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict
        `parameters` of the network, `steps` that were taken, `seconds_to_train`.

    Raises
    ------
    UserError
        If its model is of another run.
    """
    run.check_model()
    events = run.recorded()
    return {
        "parameters": load_model(run.model).trained_on["parameters"],
        "steps": max(event.step for event in events if isinstance(event, EpochDone)),
        "seconds_to_train": [e.seconds for e in events if isinstance(e, RunDone)][-1],
    }


def receptive_fields(
    candidates: Sequence[Candidate], spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> dict[str, tuple[int, ...]]:
    """Return the receptive field of each network in pixels, without those that cannot be built.

    Parameters
    ----------
    candidates : sequence of Candidate
    spacing : (float, float, float), default (1, 1, 1)
        Size of a voxel along (Z, Y, X), for networks that see volumes.

    Returns
    -------
    dict
        Network -> sides of its receptive field, per axis.
    """
    fields: dict[str, tuple[int, ...]] = {}
    for settings in {c.network: c.settings for c in candidates}.values():
        with suppress(UserError):
            fields[settings.network] = receptive_field(settings, spacing)
    return fields


def write_tables(result: Comparison) -> None:
    """Write the table of the runs so far, as JSON, CSV and Markdown.

    Parameters
    ----------
    result : Comparison
    """
    folder = ComparisonFolder(result.folder)
    for path, text in (
        (folder.table, to_json(result)),
        (folder.table_csv, to_csv(result.rows)),
        (folder.table_md, repr(result)),
    ):
        atomic_write(path, text.encode())


def draw_figures(result: Comparison, by_time: bool) -> None:
    """Draw the learning curves, and the results of every network on one validation image.

    Parameters
    ----------
    result : Comparison
        Read are the files of its folder.
    by_time : bool
        Whether curves are drawn over time; otherwise over steps.
    """
    curves: dict[str, list[Sequence[EpochDone]]] = {}
    panels: dict[str, tuple[Mapping[str, Any], ValidationFolder]] = {}
    comparison = ComparisonFolder(result.folder)
    for run in result.runs:
        folder = comparison.run_folder(run["network"], run["seed"])
        found = [event for event in Run(folder).recorded() if isinstance(event, EpochDone)]
        curves.setdefault(run["network"], []).append(found)
        panels.setdefault(run["network"], (run, ValidationFolder(folder)))
    draw_curves(comparison.curves, curves, by_time)
    volumes = axes_seen(result.runs[0]["network"]) == 3
    draw_results(comparison.results, comparison.validation, panels, volumes)
