"""Several networks on one split, with one budget: trained, judged, and put side by side.

It yields events; what comes of it is in one folder, see `folders.comparison`, which can be
run again.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from napari_utile.engine.comparison.figures import draw_curves, draw_results
from napari_utile.engine.comparison.scoring import judge, write_results, write_truth
from napari_utile.engine.comparison.table import Comparison, table_notes, to_csv, to_json
from napari_utile.engine.devices import autocast_dtype, choose_device, describe
from napari_utile.engine.models.factory import receptive_field
from napari_utile.engine.models.model import load_model
from napari_utile.engine.training.checkpoints import differing_settings
from napari_utile.engine.training.data.preparation import TrainingData, prepare
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
    warn,
)
from napari_utile.folders.comparison import ComparisonFolder, ValidationFolder
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import Stack
from napari_utile.io.pairs import Images, open_pairs, stack_pairs
from napari_utile.settings import (
    NETWORK_NAMES,
    CompareSettings,
    TrainingOptions,
    TrainSettings,
)

Row = dict[str, Any]


def compare(
    images: Images,
    labels: Images,
    settings: TrainSettings | None = None,
    networks: Sequence[str] = NETWORK_NAMES,
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
        How each network is trained, and its budget. `network` and `seed` do not count.
    networks : sequence of str, default all
        Names of networks.
    seeds : sequence of int, default (0,)
        Each network is trained once with each of these.
    out : path
        Folder for everything that comes of it. What is there of the same comparison is kept.
    overwrite : bool, default False
        Overwrite the comparison in the folder.
    on_event : callable, optional
        Called with every event; by default a `Warned` becomes a Python warning.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError
        If the input cannot be trained on, there is no such network, the folder holds another
        comparison, or no network could be trained.
    """
    given = (settings or TrainSettings()).model_dump(include=set(TrainingOptions.model_fields))
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
    """Compare on files: one image and its labels, or two folders or globs that pair by name.

    See `run_comparison`.
    """
    stacks, truths = open_pairs(images, labels)
    return (yield from run_comparison(stacks, truths, settings, out, overwrite))


def run_comparison(
    images: Sequence[Stack],
    labels: Sequence[Stack],
    settings: CompareSettings,
    out: Path | str,
    overwrite: bool = False,
) -> Generator[Event, None, Comparison]:
    """Train and judge every network with every seed; report every step.

    To stop is to close the generator. Started again, with the same settings and data, it goes
    on where it stopped: what is finished is read, not computed. More networks and seeds may be
    named then; they share the split that was made first.

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
        or the folder holds something else; at the end, if no network could be trained. If some
        could not, they are named in `RunDone.failed`.
    """
    began, folder, out = monotonic(), ComparisonFolder(out), Path(out)
    device = choose_device(settings.device)
    folder.check()
    candidates = [
        Candidate(settings.candidate(network, seed), folder.run_folder(network, seed))
        for seed in settings.seeds
        for network in settings.networks
    ]
    fields = receptive_fields(candidates)
    with folder.locked():
        kept = None if overwrite else folder.split(settings, images, labels)
        guard = max(fields.values(), default=0)
        data = prepare(images, labels, candidates[0].settings, guard, kept)
        if overwrite:
            folder.clear()
        atomic_write(folder.settings, settings.text().encode())
        if not kept:
            folder.write_data(images, labels, data.split)
        write_truth(folder.validation, images, data)
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
        progress = Progress([c for c in candidates if overwrite or not c.is_trained])
        result = Comparison(out, notes=table_notes(settings.seeds, data.split, fields))
        for number, candidate in enumerate(candidates, 1):
            yield candidate.started(number, len(candidates))
            computed = trained_and_judged(candidate, images, labels, data, overwrite)
            try:
                row = yield from progress.over_all(computed)
            except UserError as error:
                result = result.without(f"{candidate.name}: {error}")
                yield Warned(message=f"{candidate.name} is left out: {error}")
            else:
                result = result.with_run(candidate.network, candidate.seed, row)
                write_tables(result)
                yield CandidateDone(network=candidate.network, seed=candidate.seed, row=row)
        if not result.runs:
            raise UserError(f"No network could be trained. {result.failed[0]}")
        write_tables(result)
        draw_figures(result, by_time=settings.minutes is not None)
        yield RunDone(out=str(out), seconds=monotonic() - began, failed=result.failed)
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
        """Name of its folder."""
        return self.folder.name

    @property
    def run(self) -> Run:
        """Its run folder."""
        return Run(self.folder)

    @property
    def is_trained(self) -> bool:
        """Whether its run came to its end, with its settings."""
        return self.run.is_finished and self._found is not None and not self.differences()

    def differences(self) -> list[str]:
        """Settings in which the run in its folder differs; nothing if there is none."""
        return differing_settings(self._found, self.settings) if self._found else []

    @property
    def _found(self) -> TrainSettings | None:
        """Settings of the run in its folder."""
        try:
            return TrainSettings.read(self.run.settings)
        except (OSError, ValueError):
            return None

    @property
    def validation(self) -> ValidationFolder:
        """Results and scores of its network."""
        return ValidationFolder(self.folder)

    def started(self, number: int, total: int) -> CandidateStarted:
        """Say that its turn has come."""
        return CandidateStarted(
            network=self.network,
            seed=self.seed,
            number=number,
            total=total,
            out=str(self.folder),
        )


class Progress:
    """How far the whole comparison is, from how far each training is."""

    def __init__(self, to_train: Sequence[Candidate]):
        self.total, self.spent = len(to_train), list[float]()
        self.said: set[str] = set()

    def over_all(self, events: Generator[Event, None, Row]) -> Generator[Event, None, Row]:
        """Pass on what is of interest, with progress and time left of the whole."""
        began, is_training = monotonic(), False
        try:
            while True:
                event = next(events)
                match event:
                    case StepDone():
                        is_training = True
                        yield self._of_whole(event, monotonic() - began)
                    case EpochDone() | PreviewReady() | TileDone():
                        yield event
                    case Warned() if event.message not in self.said:
                        self.said.add(event.message)  # most are about the data
                        yield event
        except StopIteration as end:
            row: Row = end.value
            return row
        finally:
            events.close()
            if is_training:
                self.spent.append(monotonic() - began)

    def _of_whole(self, event: StepDone, seconds: float) -> StepDone:
        left = event.seconds_left
        if left is not None:
            each = sum(self.spent) / len(self.spent) if self.spent else seconds + left
            left += each * max(self.total - len(self.spent) - 1, 0)
        progress = min((len(self.spent) + event.progress) / max(self.total, 1), 1.0)
        return event.model_copy(update={"progress": progress, "seconds_left": left})


def trained_and_judged(
    candidate: Candidate,
    images: Sequence[Stack],
    labels: Sequence[Stack],
    data: TrainingData,
    overwrite: bool,
) -> Generator[Event, None, Row]:
    """Do what is missing of a candidate, and give its row of the table."""
    if overwrite or not candidate.is_trained:
        if not overwrite and (words := candidate.differences()):
            overwrite = True
            yield Warned(
                message=f"{candidate.folder} holds another run ({'; '.join(words)}): "
                f"{candidate.name} is trained anew."
            )
        candidate.validation.scores.unlink(missing_ok=True)
        yield from run_training(
            images, labels, candidate.settings, candidate.folder, overwrite, split=data.split
        )
    scores = candidate.validation.scores
    if not scores.exists():
        facts = training_facts(candidate.run)
        judged = yield from judge(candidate.run.model, images, data, candidate.settings)
        write_results(candidate.validation, images, data, judged)
        row = json.dumps(judged.scores | facts | judged.seconds, indent=2)
        atomic_write(scores, row.encode())
    found: Row = json.loads(scores.read_text())
    return found


def training_facts(run: Run) -> Row:
    """Say what the training took."""
    events = run.recorded()
    return {
        "parameters": load_model(run.model).trained_on["parameters"],
        "steps": max(event.step for event in events if isinstance(event, EpochDone)),
        "seconds_to_train": [e.seconds for e in events if isinstance(e, RunDone)][-1],
    }


def receptive_fields(candidates: Sequence[Candidate]) -> dict[str, int]:
    """Give the receptive field of each network; one that cannot be built has none."""
    fields: dict[str, int] = {}
    for settings in {c.network: c.settings for c in candidates}.values():
        with suppress(UserError):
            fields[settings.network] = receptive_field(settings)
    return fields


def write_tables(result: Comparison) -> None:
    """Write the table as it is now, in three ways."""
    folder = ComparisonFolder(result.folder)
    for path, text in (
        (folder.table, to_json(result)),
        (folder.table_csv, to_csv(result.rows)),
        (folder.table_md, repr(result)),
    ):
        atomic_write(path, text.encode())


def draw_figures(result: Comparison, by_time: bool) -> None:
    """Draw the learning curves, and what every network makes of one validation image."""
    curves: dict[str, list[Sequence[EpochDone]]] = {}
    panels: dict[str, tuple[Mapping[str, Any], ValidationFolder]] = {}
    comparison = ComparisonFolder(result.folder)
    for run in result.runs:
        folder = comparison.run_folder(run["network"], run["seed"])
        found = [event for event in Run(folder).recorded() if isinstance(event, EpochDone)]
        curves.setdefault(run["network"], []).append(found)
        panels.setdefault(run["network"], (run, ValidationFolder(folder)))
    draw_curves(comparison.curves, curves, by_time)
    draw_results(comparison.results, comparison.validation, panels)
