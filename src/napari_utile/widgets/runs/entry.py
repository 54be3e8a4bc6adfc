"""One run as the list shows it: what it is, how far it is, how it ended. No Qt."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from napari_utile.evaluation.scores import name_in_window
from napari_utile.events import ImageDone, PreviewReady, RunDone, RunFailed, parse_event
from napari_utile.folders.job import BEGAN, EngineStart, JobFolder, JobRecord, LineReader
from napari_utile.io.units import duration_text
from napari_utile.widgets.kit.paths import can_resume
from napari_utile.widgets.kit.progress import ENDED_WELL, RunProgress, outcome_text
from napari_utile.widgets.runs.found import FoundRun

START_TIMEOUT = timedelta(seconds=60)
"""How long an engine may take before it holds the lock of its folder."""
FREQUENT = b'{"event":"TileDone"', b'{"event":"BlockDone"', b'{"event":"StepDone"'
"""Beginnings of lines that come often: of several in a row only the last matters."""

TRAINING_TAIL = 1_000_000
"""Bytes that are read of the events of a training: what it did before does not matter."""

JobState = Literal[
    "starting", "running", "stopping", "done", "stopped", "failed", "interrupted"
]
ALIVE = ("starting", "running", "stopping")


class JobEntry:
    """Follows a run through the files in its folder, whichever window started it.

    Attributes
    ----------
    folder : JobFolder or FoundRun
    record : JobRecord
    preview : PreviewReady or None
        The last one of a training.
    progress : Progress
        Of the last start of the engine.
    state : str
    grew : bool
        Whether blocks were written between the last two looks.
    """

    def __init__(self, folder: JobFolder | FoundRun, record: JobRecord):
        self.folder, self.record = folder, record
        self.preview: PreviewReady | None = None
        self.progress, self.grew = RunProgress(), False
        self.state: JobState = "starting"
        self._began = record.created
        tail = (TRAINING_TAIL,) if record.kind == "train" else ()
        self._lines = LineReader.last(folder.events, *tail)

    def update(self) -> None:
        """Read what is new. Costs little, and nothing is read twice."""
        self.grew = False
        # asked first: its last words are read below
        is_running = self.progress.end is None and self.folder.is_running
        while lines := self._lines.new():
            for line in _newest(lines):
                self._add(line)
        self.state = self._state(is_running)

    @property
    def model(self) -> Path | None:
        """The model that a segmentation is made by; None of any other run."""
        is_one = self.record.kind == "predict" and len(self.record.arguments) > 1
        return Path(self.record.arguments[1]) if is_one else None

    @property
    def is_alive(self) -> bool:
        """Whether an engine works on it."""
        return self.state in ALIVE

    @property
    def can_resume(self) -> bool:
        """Whether something is missing that can be computed."""
        end = self.progress.end
        if self.is_alive or (isinstance(end, RunDone) and _is_finished(end)):
            return False
        is_begun = not isinstance(self.folder, FoundRun) or self.record.kind != "train"
        return is_begun or can_resume(self.record.out)

    def words(self) -> str:
        """Return in a few words how far it is, or how it ended."""
        progress = self.progress
        share = "" if progress.share is None else f" {progress.share:.0%}"
        left = ""
        if progress.seconds_left is not None:
            left = f", {duration_text(progress.seconds_left)} left"
        match self.state:
            case "running":
                return f"running{share}{left}"
            case "done":
                assert isinstance(progress.end, RunDone)
                failed = len(progress.end.failed)
                return f"done, {failed} failed" if failed else "done"
            case "stopped" | "interrupted":
                return f"{self.state}{f' at{share}' if share else ''}"
            case "failed":
                assert isinstance(progress.end, RunFailed)
                return f"failed: {progress.end.message}"
        return self.state

    def details(self) -> str:
        """Return what is being done, or what went wrong."""
        end, lines = self.progress.end, []
        if self.state == "running":
            lines.append(self.progress.line())
            lines += [
                f"{Path(image.image).name}: {outcome_text(image)}"
                for image in self.images()
                if image.status not in ENDED_WELL
            ]
        elif self.state == "interrupted":
            lines.append("Its process has ended unexpectedly. Resume computes what is missing.")
            lines += _last_lines(self.folder.log)
        elif isinstance(end, RunFailed):
            lines.append(end.message)
        elif isinstance(end, RunDone):
            scores = _scores_text(end)
            lines.append(f"{self.progress.outcome()}{f': {scores}' if scores else ''}.")
            lines += end.failed
        return "\n".join(line for line in lines if line)

    def images(self) -> list[ImageDone]:
        """Return the images of a batch that have ended."""
        return self.progress.images if self.progress.total > 1 else []

    def lost(self, image: ImageDone | None = None) -> str:
        """Return which finished results, or that of one image, are not there, or ''."""
        if self.record.kind != "predict":
            is_gone = not self.is_alive and not self.record.out.exists()
            return f"Not found, so moved or removed: {self.record.out}." if is_gone else ""
        ended = [image] if image else self.progress.images
        outs = [one.out for one in ended if one.status in ENDED_WELL]
        gone = [out for out in outs if not Path(out).exists()]
        if self.is_alive or not gone:
            return ""
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        return (
            f"Not found, so moved or removed: {gone[0]}{more}. Open it from where it is now, "
            "or segment again."
        )

    def _add(self, line: bytes) -> None:
        """Read a line of the record; each start of the engine resets the progress."""
        try:
            if line.startswith(BEGAN):
                self._began = EngineStart.model_validate_json(line).began
                self.record = self.folder.record or self.record
                self.progress = RunProgress()
                return
            event = parse_event(line)
        except ValueError:  # cut off, or printed by a library
            return
        self.grew |= self.progress.add(event)
        if isinstance(event, PreviewReady):
            self.preview = event

    def _state(self, is_running: bool) -> JobState:
        match self.progress.end:
            case RunFailed():
                return "failed"
            case RunDone(stopped=True):
                return "stopped"
            case RunDone():
                return "done"
        if is_running:
            return "stopping" if self.folder.is_stop_requested else "running"
        is_young = datetime.now() - self._began.replace(tzinfo=None) < START_TIMEOUT
        return "starting" if is_young and self.progress.share is None else "interrupted"


class FoundComparison(JobEntry):
    """Follows a comparison through the folders of its runs: it has no events of its own."""

    def update(self) -> None:
        """Count what is done."""
        assert isinstance(self.folder, FoundRun)
        is_running = self.progress.end is None and self.folder.is_running
        self.done, self.total = self.folder.done_and_total
        self.progress.share = self.done / max(self.total, 1)
        if self.done == self.total:
            self.progress.end = RunDone(out=str(self.record.out), seconds=0)
        self.state = self._state(is_running)

    def details(self) -> str:
        """Return how many networks are done."""
        return f"{self.done} of {self.total} networks are trained and scored."


def entry_of(folder: JobFolder | FoundRun) -> JobEntry | None:
    """Return the entry of a run; None if its folder does not tell what it is.

    Parameters
    ----------
    folder : JobFolder or FoundRun
    """
    record = folder.record
    if record is None:
        return None
    is_comparison = isinstance(folder, FoundRun) and record.kind == "compare"
    return FoundComparison(folder, record) if is_comparison else JobEntry(folder, record)


def _newest(lines: list[bytes]) -> Iterator[bytes]:
    """Yield the lines without tiles and blocks that are followed by another of their kind."""
    newest: dict[bytes, bytes] = {}
    for line in lines:
        kind = next((start for start in FREQUENT if line.startswith(start)), None)
        if kind:
            newest.pop(kind, None)  # so that the order stays
            newest[kind] = line
        else:
            yield from newest.values()
            newest.clear()
            yield line
    yield from newest.values()


def _is_finished(end: RunDone) -> bool:
    """Whether nothing is missing."""
    return not end.stopped and not end.failed


def _scores_text(end: RunDone) -> str:
    """Return the validation scores of a training."""
    return ", ".join(
        f"{name_in_window(name)} {value:.3f}" for name, value in end.scores.items()
    )


def _last_lines(log: Path, most: int = 3) -> list[str]:
    """Return the last lines that an engine wrote to standard error."""
    lines = LineReader.last(log)
    said = [line.decode(errors="replace").strip() for line in [*lines.new(), lines.rest]]
    return [line for line in said if line][-most:]
