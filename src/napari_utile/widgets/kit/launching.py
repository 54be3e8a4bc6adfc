"""Trainings and comparisons as jobs: the panel Runs lists them, and they can outlive napari."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QCheckBox

from napari_utile.events import Event
from napari_utile.folders.job import JobFolder, JobRecord, ShownResult
from napari_utile.folders.places import TRAININGS
from napari_utile.widgets.kit.engine_controls import EngineControls
from napari_utile.widgets.kit.paths import fresh_folder, known_jobs
from napari_utile.widgets.kit.running import RUNNING
from napari_utile.widgets.kit.subject import Subject
from napari_utile.widgets.process.detached import DetachedEngine


class JobLaunch:
    """Creates engines in folders of jobs.

    Attributes
    ----------
    keep_running : QCheckBox
        Whether they outlive napari; it can be ticked while one runs.
    record : JobRecord or None
        Of the one that was started or taken over last.
    """

    def __init__(self) -> None:
        self.keep_running = QCheckBox("keep running when napari is closed")
        self.keep_running.setToolTip(
            "Unticked, it stops with napari and saves; resume it in the panel Runs"
        )
        self.keep_running.toggled.connect(self._on_keep_running)
        self.record: JobRecord | None = None
        self._folder: JobFolder | None = None
        self._next: tuple[JobFolder, JobRecord] | None = None

    def describe(
        self, arguments: Sequence[str], what: str, image: str, out: Path, place: dict[str, Any]
    ) -> None:
        """Take down what the next engine does.

        Parameters
        ----------
        arguments : sequence of str
            Of the command `utile`.
        what : str
            Is made of the image: the names of networks.
        image : str
            Name of its layer.
        out : Path
            Folder of the run or comparison.
        place : dict
            Scale, position and units of the layer, with plain JSON types.
        """
        out = out.absolute()
        shown = ShownResult(image=Path(arguments[1]).name, name=image, out=out, place=place)
        record = JobRecord(
            title=f"{image} → {what}",
            # to resume it is not to begin anew
            arguments=tuple(word for word in arguments if word != "--overwrite"),
            output="",
            out=out,
            created=datetime.now(),
            results=(shown,),
        )
        self._next = job_writing(out) or JobFolder(fresh_folder(TRAININGS, image)), record

    def __call__(self, arguments: Sequence[str]) -> DetachedEngine:
        """Create the engine that was described."""
        assert self._next is not None
        self._folder, self.record = self._next
        engine = DetachedEngine(arguments, self._folder)
        self._folder.write(self.record)
        self._folder.set_outlives_window(self.keep_running.isChecked())
        return engine

    def subject(self, image: Any, chosen: Subject | None) -> Subject | None:
        """Return what the run is about that was taken over.

        Parameters
        ----------
        image : Layer or None
            That is chosen. It is taken for that of the run if it has its name.
        chosen : Subject or None
            What another run would be about.
        """
        if self.record is None or not self.record.results:
            return None
        name, began = self.record.results[0].name, self.record.created.replace(tzinfo=None)
        if chosen is not None and image is not None and image.name == name:
            return Subject(chosen.key, chosen.name, began)
        return Subject(self.record.out, f"'{name}'", began)

    def take_over(
        self, controls: EngineControls, command: str, catch_up: Callable[[list[Event]], None]
    ) -> None:
        """Show a run that goes on without a panel, if there is one.

        Parameters
        ----------
        controls : EngineControls
            Will stop it.
        command : str
            Of the engine: "train".
        catch_up : callable
            Called with all events that the engine has told so far.
        """
        engine = RUNNING.unseen(command)
        if engine is None or controls.is_running:
            return
        self._folder, self.record = engine.folder, engine.folder.record
        self.keep_running.setChecked(engine.folder.outlives_window)
        controls.take_over(engine, catch_up)

    def _on_keep_running(self, is_kept: bool) -> None:
        if self._folder is not None and self._folder.is_running:
            self._folder.set_outlives_window(is_kept)


def job_writing(out: Path | None) -> JobFolder | None:
    """Return the job that wrote to `out` last.

    Parameters
    ----------
    out : Path or None

    Returns
    -------
    JobFolder or None
    """
    if out is None:
        return None
    for folder in known_jobs():
        if (record := folder.record) and record.out == out.absolute():
            return folder
    return None
