"""Where runs, models and segmentations are kept, and the field that chooses a path."""

import os
from datetime import datetime
from pathlib import Path

from psygnal import Signal as Announcement
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QToolButton, QWidget

from napari_utile.errors import UserError
from napari_utile.folders.catalogue import Catalogue, read_catalogue
from napari_utile.folders.job import JobFolder, job_folders
from napari_utile.folders.model import models_of_runs
from napari_utile.folders.places import JOBS, RUNS, TRAININGS, plain_name, unused
from napari_utile.folders.places import data_folder as data_folder  # noqa: PLC0414  # others, too
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write, check_writable, private_folder
from napari_utile.settings.checked import Settings
from napari_utile.settings.training import TrainSettings

LISTED_JOBS = 50
"""Most jobs that are listed."""


class _Models:
    """Announces to every panel a model that was just trained, and that models changed."""

    trained = Announcement(Path)
    changed = Announcement()
    """A model was renamed, deleted or imported."""
    newest: Path | None = None

    def announce(self, model: Path) -> None:
        """Tell every panel, and those that are opened later."""
        self.newest = model
        self.trained.emit(model)


MODELS = _Models()


class _Chosen:
    """Announces a run that is chosen in the list of runs to the panel that can show it."""

    run = Announcement(str, Path)
    """Command ("train", "compare") and folder."""


CHOSEN = _Chosen()


class PathChoice(QWidget):
    """A line for a path, and a button that opens a file dialog.

    Parameters
    ----------
    hint : str
        Text of the empty line: what happens if nothing is chosen.
    new : str
        A file dialog asks for a new path with this suffix; '' asks for an existing folder.
    inside : str
        Folder of the user's data in which a dialog begins, if it is there; else at home.

    Attributes
    ----------
    line : QLineEdit
    beside : PathChoice or None
        The other one of two that lie beside each other: a dialog begins there.
    """

    changed = Signal()

    def __init__(self, hint: str, new: str = "", inside: str = ""):
        super().__init__()
        self._new, self._inside = new, inside
        self.beside: PathChoice | None = None
        self.line = QLineEdit()
        self.line.setPlaceholderText(hint)
        self.line.textChanged.connect(lambda _: self.changed.emit())
        self.line.editingFinished.connect(self._complete)
        button = QToolButton()
        button.setText("…")
        button.setToolTip("Choose")
        button.clicked.connect(self._look)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.line, 1)
        row.addWidget(button)

    @property
    def path(self) -> Path | None:
        """The chosen path, or None."""
        text = self.line.text()
        if os.path.lexists(text):  # as it is written, with blanks around it and "~"
            return Path(text).absolute()
        return Path(text.strip()).expanduser().absolute() if text.strip() else None

    def set_path(self, path: Path | None) -> None:
        """Show another path."""
        with QSignalBlocker(self.line):
            self.line.setText("" if path is None else str(path.absolute()))
        self.line.setToolTip(self.line.text())
        self.changed.emit()

    def _complete(self) -> None:
        """Show which path a relative one means."""
        if self.path and not Path(self.line.text()).is_absolute():
            self.set_path(self.path)

    @property
    def start(self) -> str:
        """Where a dialog begins: at what is chosen, else where somebody keeps something."""
        kept = data_folder() / self._inside
        is_there = bool(self._inside) and kept.is_dir()
        other = self.beside.path if self.beside else None
        there = self.path or (other.parent if other else None)
        return str(there or (kept if is_there else Path.home()))

    def _look(self) -> None:
        if self._new:
            chosen, _ = QFileDialog.getSaveFileName(
                self, "Save as", self.start, f"*{self._new}"
            )
        else:
            chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", self.start)
        if chosen:
            self.set_path(Path(chosen))


def known_models() -> Catalogue:
    """List the models of this user, the newest first. The first time it takes a while."""
    return read_catalogue(data_folder())


def known_jobs() -> list[JobFolder]:
    """Return the newest jobs of this user, the newest first."""
    places = (data_folder() / kind for kind in (JOBS, TRAININGS))
    found = [job for place in places for job in job_folders(place, LISTED_JOBS)]
    return sorted(found, key=lambda job: job.path.name, reverse=True)[:LISTED_JOBS]


def fresh_folder(kind: str, name: str) -> Path:
    """Return a folder that does not exist, named after time and layer. It is not created.

    Parameters
    ----------
    kind : str
        Folder of the user's data: runs, comparisons, segmentations.
    name : str
        Of the layer.

    Returns
    -------
    Path
    """
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{plain_name(name)}"
    return unused(data_folder() / kind / name)


def known_place() -> Path:
    """Return the folder of the user's data, in which runs and comparisons are found."""
    return data_folder()


def is_own_copy(path: Path) -> bool:
    """Whether a path is in the user's data: a copy of a layer, not a file of the user."""
    return path.absolute().is_relative_to(data_folder().absolute())


def rates_file() -> Path:
    """Return the file of how fast this user's machines train. It may not exist yet."""
    return data_folder() / "steps-per-minute.json"


def lasting_folder(kind: str, name: str) -> Path:
    """Return the folder of a layer that is used again. It may not exist yet.

    Parameters
    ----------
    kind : str
        Folder of the user's data.
    name : str
        Of the layer.
    """
    return data_folder() / kind / plain_name(name)


def command_folder(name: str) -> Path:
    """Return the folder of the copies of layers that a copied command names; it is used again.

    Parameters
    ----------
    name : str
        Of the layer.
    """
    private_folder(data_folder())
    return lasting_folder("commands", name)


def folder_problem(folder: Path | None, kind: type[Settings] = TrainSettings) -> str:
    """Return why neither a new run nor a partial one can be in `folder`, or ''.

    Parameters
    ----------
    folder : Path or None
        None: a new folder will be chosen.
    kind : subclass of Settings, default TrainSettings
        Settings of the runs that are expected there.

    Returns
    -------
    str
    """
    if folder is None:
        return ""
    run = Run(folder)
    try:
        if run.model.exists() and not can_resume(folder):
            return f"{folder} holds a finished run; choose another run folder."
        if any(folder.glob("[!.]*")):
            kind.read(run.settings)
    except (OSError, ValueError):
        what = "run folder" if kind is TrainSettings else "comparison"
        return f"{folder} is not empty and no {what}; choose another one."
    return ""


def can_resume(folder: Path | None) -> bool:
    """Whether there is an interrupted training run: a checkpoint, and no end."""
    if folder is None:
        return False
    run = Run(folder)
    return bool(run.checkpoints) and not run.is_finished


def is_finished(folder: Path | None) -> bool:
    """Whether there is a training run that is over, with its model."""
    if folder is None or can_resume(folder):
        return False
    run = Run(folder)
    try:
        return run.model.exists() and bool(TrainSettings.read(run.settings))
    except (OSError, ValueError):
        return False


def new_run_folder(folder: Path, settings: Settings) -> None:
    """Create a run folder that holds its settings, or reuse one that holds no model yet.

    Raises
    ------
    UserError
        If it cannot be created, holds something else already, or is in use.
    """
    run = Run(folder)
    check_writable(run.settings)
    if problem := folder_problem(folder, type(settings)):
        raise UserError(problem)
    if folder.is_relative_to(data_folder()):
        private_folder(data_folder())  # copies of layers will be in it
    with run.locked():
        atomic_write(run.settings, settings.text().encode())


def last_model() -> Path | None:
    """Return the model that was trained last in this window, else in the default place."""
    if MODELS.newest and MODELS.newest.exists():
        return MODELS.newest
    return next(iter(models_of_runs(data_folder() / RUNS)), None)
