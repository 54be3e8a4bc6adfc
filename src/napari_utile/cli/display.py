"""How a run is shown in a terminal: as a bar and lines, or as JSON."""

import json
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
)
from rich.table import Table
from rich.text import Text

from napari_utile.cli.flag_words import with_flags
from napari_utile.cli.stopping import StopRequest
from napari_utile.errors import printable
from napari_utile.events import (
    BlockDone,
    CandidateDone,
    CandidateStarted,
    EpochDone,
    Event,
    ImageDone,
    RunDone,
    RunStarted,
    SliceDone,
    StepDone,
    TileDone,
    Warned,
    drain,
)
from napari_utile.folders.job import JobFolder
from napari_utile.io.units import counted, duration_text

if TYPE_CHECKING:
    from napari_utile.evaluation.scores import Place

DONE, DEFECT, REFUSED, STOPPED = 0, 1, 2, 130
"""Exit statuses: done, a defect of U-Tile, the user must change something, stopped."""

SECONDS_BETWEEN_LINES = 10
"""Time between lines of progress where there is no terminal to draw a bar in."""


def report(
    run: Generator[Event, None, Any], events: bool, only_json: bool, job: Path | None = None
) -> int:
    """Show a run in the way that was asked for.

    Parameters
    ----------
    run : generator of Event
    events, only_json : bool
        Whether to print events, or the last one, as JSON; else the run is drawn.
    job : Path, optional
        Folder by which a window follows the run, and stops it.

    Returns
    -------
    int
        Exit status.
    """
    if events and job:
        folder = JobFolder(job)
        with folder.held():
            return follow_run(run, print_line, to_stdin=True, job=folder).status
    if events:
        return follow_run(run, print_line, to_stdin=True).status
    with Display(quiet=only_json) as display:
        return follow_run(run, display if not only_json else _print_the_end).status


class Followed(NamedTuple):
    """Exit status of a run, and its result if it came to its end."""

    status: int
    result: Any = None


class _StopAsked(Exception):  # noqa: N818
    """The user asked a run to stop."""


def follow_run(
    run: Generator[Event, None, Any],
    show: Callable[[Event], None],
    to_stdin: bool = False,
    job: JobFolder | None = None,
) -> Followed:
    """Hand the events of a run to `show` until it ends or is stopped.

    Parameters
    ----------
    run : generator of Event
    show : callable
        Called with every event.
    to_stdin : bool, default False
        Whether lines on standard input stop and pause the run.
    job : JobFolder, optional
        Folder whose files stop the run.

    Returns
    -------
    Followed
        After a stop, without a result; the run saw to it that everything so far is on disk.
    """
    began, out, end = monotonic(), "", None
    answer = show.stopping if isinstance(show, Display) else lambda: None

    def on_event(event: Event) -> None:
        nonlocal out, end
        show(event)
        if isinstance(event, RunStarted):
            out = event.out
        elif isinstance(event, RunDone):
            end = event
            return
        stop.wait()
        if stop.asked:
            raise _StopAsked

    with StopRequest(answer, job).listening(to_stdin) as stop, suppress(_StopAsked):
        result = drain(run, on_event)
        if end is not None:
            return Followed(_status(end), result)
    show(RunDone(out=out, seconds=monotonic() - began, stopped=True))
    return Followed(STOPPED)


def _status(end: RunDone) -> int:
    """Return the exit status of a run that came to its end."""
    if not end.failed:
        return DONE
    return REFUSED if end.user else DEFECT


def print_line(event: Event) -> None:
    """Print an event as a line of JSON, unbuffered."""
    print(event.line(), flush=True)


def _print_the_end(event: Event) -> None:
    """Print the last event as JSON, and warnings on standard error."""
    print_warning(event)
    if isinstance(event, RunDone):
        print(event.model_dump_json(indent=2, exclude={"event"}))


def print_warning(event: Event) -> None:
    """Print a `Warned` event on standard error; ignore other events."""
    if isinstance(event, Warned):
        print(printable(f"warning: {with_flags(event.message)}"), file=sys.stderr)


class Display:
    """Draws a run on standard error: a bar with rate and time left, a line per validation."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            disable=quiet or not self.console.is_terminal,
        )
        self.task = self.progress.add_task("", total=1.0, rate="", left="")
        self.last_line = monotonic()
        self.candidate = ""
        self.is_resumable = self.computing = False

    def __enter__(self) -> "Display":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        match event:
            # an evaluation has no device, and reads its input after this: it may be refused
            case RunStarted() if event.device:
                self.is_resumable = event.job in ("train", "compare", "predict")
                self._say(_started_line(event))
            case RunStarted(job="objects" | "mesh"):
                self.is_resumable = True
            case StepDone():
                self._advance(
                    f"{self.candidate}step {event.step}  loss {event.loss:.3f}",
                    event.progress,
                    f"{event.rate:.1f} steps/s",
                    event.seconds_left,
                )
            case TileDone():
                self.computing = event.done < event.total
                self._advance(
                    f"{self.candidate}{event.image}  tile {event.done} of {event.total}",
                    None if self.candidate else _share(event),
                    f"{event.rate:.1f} tiles/s",
                    event.seconds_left,
                )
            case SliceDone():
                image = f"{event.image}  " if event.image else ""
                self._advance(
                    f"{image}step {event.done} of {event.total}",
                    _share(event),
                    f"{event.rate:.1f} steps/s",
                    event.seconds_left,
                )
            case BlockDone() if not self.computing:
                self._advance(
                    f"{event.image}  {COUNTED[event.stage]} {event.done} of {event.total}",
                    _share(event),
                    f"{event.rate:.1f}/s",
                    event.seconds_left,
                )
            case ImageDone():
                self._say(_image_line(event), style=None if event.status in GOOD else "yellow")
            case EpochDone():
                self._say(epoch_line(event))
            case CandidateStarted():
                self.candidate = f"{event.network}, seed {event.seed}  "
                which = f"{event.number} of {event.total}"
                self._say(f"{event.network}, seed {event.seed} ({which}): {event.out}")
            case CandidateDone():
                self._say(_candidate_line(event))
            case Warned():
                self._say(f"warning: {with_flags(event.message)}", style="yellow")
            case RunDone():
                self._say_the_end(event)

    def _say_the_end(self, event: RunDone) -> None:
        if event.kept:
            self._say(f"{event.out}: {event.reason}")
        elif event.out or event.stopped:  # else an evaluation: its scores are the end
            verb = "stopped" if event.stopped else "done"
            resumes = event.stopped and self.is_resumable
            more = "; the same command resumes it" if resumes else ""
            out = f": {event.out}" if event.out else ""
            self._say(f"{verb} after {duration_text(event.seconds)}{out}{more}")

    def stopping(self) -> None:
        """Acknowledge a stop at once: a step or a validation may take a while."""
        self._say("stopping after what is being computed; Ctrl-C again ends at once")

    def _say(self, line: str, style: str | None = None) -> None:
        shown = printable(line)
        self.console.print(shown, style=style, markup=False, emoji=False, soft_wrap=True)

    def _advance(self, words: str, share: float | None, rate: str, left: float | None) -> None:
        """Show the progress of a run; without a fraction the bar stays as it is."""
        left_words = "" if left is None else f"{duration_text(left)} left"
        self.progress.update(
            self.task, completed=share, description=printable(words), rate=rate, left=left_words
        )
        now = monotonic()
        if not self.console.is_terminal and now - self.last_line > SECONDS_BETWEEN_LINES:
            done = "" if share is None else f"{share:4.0%}  "
            self._say(f"{done}{words}  {rate}  {left_words}")
            self.last_line = now


GOOD = ("done", "kept", "part")
"""Statuses of images that did not fail."""
COUNTED = {
    "objects": "objects, block",
    "numbers": "numbers",
    "pyramid": "pyramid, block",
    "table": "table of objects, block",
    "mesh": "meshes, object",
}
"""What is counted in each stage."""


def _share(event: TileDone | SliceDone | BlockDone) -> float | None:
    """Return the fraction that is done, if there is anything to do."""
    return event.done / event.total if event.total > 0 else None


def _started_line(event: RunStarted) -> str:
    """Return in one line what begins, and from where."""
    facts = [f"{name} {value}" for name, value in event.facts.items()]
    if event.processes > 1:
        facts.append(f"processes {event.processes}")
    if event.warm_start:
        facts.append(f"starts from {event.warm_start}")
    if event.resumed_from is not None:
        facts.append(f"resumes from step {event.resumed_from}")
    return f"{event.job} on {event.device}: {', '.join(facts)}"


def _image_line(event: ImageDone) -> str:
    """Return in one line how an image ended."""
    if event.status not in GOOD:
        return f"{event.image}: {event.status}: {event.message}"
    ends = {
        "done": "done",
        "kept": "kept, as it was finished",
        "part": "this part is done, others not",
    }
    objects = "" if event.objects is None else f", {counted(event.objects, 'objects')}"
    took = duration_text(event.seconds)
    return f"{event.image}: {ends[event.status]}{objects}, {took}: {event.out}"


def epoch_line(event: EpochDone) -> str:
    """Return in one line what a validation found."""
    scores = scores_line(event.scores, "epoch")
    mark = "  best" if event.is_best else ""
    return (
        f"{duration_text(event.seconds)}  step {event.step}  loss {event.train_loss:.3f}  "
        f"validation {event.val_loss:.3f}  {scores}{mark}"
    )


def _candidate_line(event: CandidateDone) -> str:
    """Return in one line the scores of a network."""
    scores = scores_line(event.row, "candidate")
    took = event.row.get("seconds_to_train")
    trained = f"  trained in {duration_text(took)}" if isinstance(took, int | float) else ""
    return f"{event.network}, seed {event.seed} is done: {scores}{trained}"


def scores_line(scores: Mapping[str, float], place: "Place") -> str:
    """Return the scores that are shown in a line of progress, each with its name."""
    from napari_utile.evaluation.scores import format_score, scores_in

    names = [name for name in scores_in(place) if name in scores]
    return "  ".join(f"{name} {format_score(name, scores[name])}" for name in names)


def print_table(title: str, lines: Sequence[Sequence[str]], notes: Sequence[str]) -> None:
    """Draw a table on standard output.

    Parameters
    ----------
    title : str
    lines : sequence of sequence of str
        Names of the columns, then the rows.
    notes : sequence of str
        Sentences below the table.
    """
    names, *rows = lines
    table = Table(
        title=Text(printable(title), style="table.title"),
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 0, 0, 1),
    )
    for i, name in enumerate(names):
        table.add_column(Text(name), justify="right" if i else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell.replace(" ± ", "\n± ")) for cell in row))
    console = Console(highlight=False)
    console.print(table)
    for note in notes:
        console.print(printable(note), markup=False, emoji=False)


def print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    """Print facts on standard output.

    Parameters
    ----------
    facts : mapping of str to object
    as_json : bool
        Whether to print one JSON object; else a line for each fact.
    """
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        for name, fact in facts.items():
            print(printable(f"{name:<12} {fact}"))
