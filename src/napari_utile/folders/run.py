"""The folder of a run: its files, written whole and by one process at a time."""

import os
import shutil
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import NamedTuple, Self

from napari_utile.errors import UserError
from napari_utile.events import EpochDone, Event, RunDone, parse_event
from napari_utile.folders.model import MODEL, read_card
from napari_utile.folders.model_writing import remove_drafts
from napari_utile.io.disk import (
    atomic_write,
    check_there,
    check_writable,
    locked,
    room_for,
    to_disk,
)
from napari_utile.settings.checked import Settings


class Record(NamedTuple):
    """What the file of events of a run tells."""

    events: list[Event]
    doubt: str = ""
    """How many of its lines could not be read; a last line that was cut off does not count."""


class Run:
    """A run folder. `Run(folder)` reads one; `hold` locks it until `close`, `begin` clears it.

    Attributes
    ----------
    folder, settings, data, events, model, checkpoint, previews, inputs : Path
        The folder and what is in it: `data` says what it was trained on, see `trained_on`; the
        window copies layers to `inputs`.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.settings = self.folder / "settings.json"
        self.data = self.folder / "data.json"
        self.events = self.folder / "events.jsonl"
        self.model = self.folder / MODEL
        self.checkpoint = self.folder / "checkpoint"
        self.previews = self.folder / "previews"
        self.view = self.folder / "view.json"
        self.inputs = self.folder / "inputs"
        self._held = ExitStack()

    @classmethod
    def hold(cls, folder: Path | str, kind: type[Settings]) -> Self:
        """Lock a new folder, or one of a run of this kind, and change nothing in it.

        Parameters
        ----------
        folder : path
            It need not exist.
        kind : type of Settings
            The class of the settings in it.

        Raises
        ------
        UserError
            If the folder cannot be written, is held by another process, or is no run folder.
        """
        run = cls(folder)
        check_writable(run.settings)
        if any(run.folder.glob("[!.]*")) and not run._is_of(kind):
            why = ""
            if run.settings.exists():
                why = f": its {run.settings.name} is damaged, or of another program or version"
            raise UserError(
                f"{folder} exists and is not a run folder{why}; choose another name."
            )
        run.folder.mkdir(parents=True, exist_ok=True)
        run._held.enter_context(run.locked())
        run._sweep()
        return run

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from the folder; see `io.disk.locked`."""
        return locked(self.folder / "run")

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints that there are, the newest first."""
        return checkpoint_files(self.checkpoint)

    def begin(self, settings: Settings) -> None:
        """Remove what the folder holds of another run, and write the settings."""
        # First of all: without them the next start would refuse the folder as no run.
        atomic_write(self.settings, settings.text().encode())
        for path in (self.model, self.checkpoint, self.previews):
            shutil.rmtree(path, ignore_errors=True)
        for file in (self.events, self.data):
            file.unlink(missing_ok=True)
        self.previews.mkdir()

    @property
    def is_finished(self) -> bool:
        """Whether the run is complete: its last event is a `RunDone` that was not stopped."""
        if not self.events.exists():
            return False
        *_, last, _ = (b"\n" + self.events.read_bytes()).rsplit(b"\n", 2)
        try:
            event = parse_event(last)
        except ValueError:  # it was cut off
            return False
        return isinstance(event, RunDone) and not event.stopped

    def _is_of(self, kind: type[Settings]) -> bool:
        """Whether the folder is a run of this kind; many programs write a settings.json."""
        try:
            kind.read(self.settings)
        except (OSError, ValueError):
            return False
        return True

    def _sweep(self) -> None:
        """Remove the drafts of processes that were killed while they wrote."""
        for draft in (*self.folder.glob(".*.draft"), *self.folder.glob("*/.*.draft")):
            draft.unlink(missing_ok=True)
        remove_drafts(self.model)

    def record(self, event: Event) -> None:
        """Append an event to the file of events.

        Raises
        ------
        UserError
            If the disk is full, or the folder has vanished.
        """
        self.check_there()
        line = f"{event.line()}\n".encode()
        with room_for(self.events, len(line)), self.events.open("ab") as file:
            file.write(line)

    def check_there(self) -> None:
        """Refuse to write on if the folder has vanished.

        Raises
        ------
        UserError
            If its settings are gone.
        """
        check_there(self.folder, self.settings.exists())

    def recorded(self) -> list[Event]:
        """Read all events of the run, without lines that were cut off or damaged."""
        return self.record_on_disk().events

    def record_on_disk(self) -> "Record":
        """Read all events of the run, and what is wrong with their file."""
        found: list[Event] = []
        content = self.events.read_bytes() if self.events.exists() else b""
        lines = [line for line in content.split(b"\n")[:-1] if line.strip()]
        for line in lines:
            with suppress(ValueError):
                found.append(parse_event(line))
        lost = len(lines) - len(found)
        count = f"{lost} of {len(lines)} lines of {self.events}"
        doubt = f"{count} could not be read: curves have gaps."
        return Record(found, doubt if lost else "")

    def check_model(self) -> None:
        """Refuse a model that is not the one which the record tells of.

        Raises
        ------
        UserError
            If its validation scores are not those of the best epoch, or it cannot be read.
        """
        events, doubt = self.record_on_disk()
        best = [
            event.scores for event in events if isinstance(event, EpochDone) and event.is_best
        ]
        if doubt or not best:
            return
        there, here = read_card(self.model).scores, best[-1]
        for name in {**here, **there}:
            has, should = (f"{scores.get(name)}" for scores in (there, here))
            if has != should:  # as text: also NaN is NaN
                raise UserError(
                    f"{self.model} is of another run: its validation score {name} is {has:.6}, "
                    f"and that of this run is {should:.6} by {self.events.name}. Put its own "
                    "model there; or remove this one, and the same training writes it again "
                    "from its checkpoint."
                )

    def length(self) -> int:
        """Wait until all events are on the disk; return the length of their file in bytes."""
        self.events.touch()
        to_disk(self.events)
        return self.events.stat().st_size

    def cut_back(self, length: int) -> None:
        """Remove the events behind the first `length` bytes of their file."""
        if self.length() > length:
            os.truncate(self.events, length)

    def close(self) -> None:
        """Unlock the folder."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def checkpoint_file(folder: Path, step: int) -> Path:
    """Return the path of the checkpoint after that many steps."""
    return folder / f"step_{step:08}.pt"


def checkpoint_files(folder: Path) -> list[Path]:
    """List the checkpoints in a folder, the newest first.

    Parameters
    ----------
    folder : Path
        It need not exist.

    Returns
    -------
    list of Path
    """
    return sorted(folder.glob("step_*.pt"), reverse=True)
