"""Where runs, models and segmentations lie, and the field that chooses such a place."""

import re
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from platformdirs import user_data_path
from psygnal import Signal as Announcement
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QToolButton, QWidget

from napari_utile.errors import UserError
from napari_utile.folders.job import JobFolder, job_folders
from napari_utile.folders.model import models_of_runs
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write, check_writable
from napari_utile.settings import Settings, TrainSettings

JOBS = "segmentations"
"""Folder, in that of the user's data, where the folders of jobs are."""
KNOWN = 50
"""Of the jobs there are, so many are listed."""


class _Models:
    """Tells every panel of a model that was just trained."""

    trained = Announcement(Path)


MODELS = _Models()


class PathChoice(QWidget):
    """A line for a path, and a button that looks for it.

    Parameters
    ----------
    hint : str
        What stands in the empty line: what happens if nothing is chosen.
    new : str
        A file dialog asks for a new path with this suffix; '' asks for an existing folder.
    """

    changed = Signal()

    def __init__(self, hint: str, new: str = ""):
        super().__init__()
        self._new = new
        self.line = QLineEdit()
        self.line.setPlaceholderText(hint)
        self.line.textChanged.connect(lambda _: self.changed.emit())
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
        text = self.line.text().strip()
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path | None) -> None:
        """Show another path."""
        with QSignalBlocker(self.line):
            self.line.setText("" if path is None else str(path))
        self.line.setToolTip(self.line.text())
        self.changed.emit()

    def _look(self) -> None:
        start = str(self.path or data_folder())
        if self._new:
            chosen, _ = QFileDialog.getSaveFileName(self, "Save as", start, f"*{self._new}")
        else:
            chosen = QFileDialog.getExistingDirectory(self, "Choose a folder", start)
        if chosen:
            self.set_path(Path(chosen))


def data_folder() -> Path:
    """Return the user's folder for what U-Tile makes. It may not exist yet."""
    return user_data_path("napari-utile", appauthor=False)


def known_jobs() -> list[JobFolder]:
    """List the newest segmentations of this user, the newest first."""
    return job_folders(data_folder() / JOBS, KNOWN)


def fresh_folder(kind: str, name: str) -> Path:
    """Name a folder that does not exist, after the time and the layer. Nothing is made."""
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{plain_name(name)}"
    return unused(data_folder() / kind / name)


def unused(folder: Path) -> Path:
    """Return `folder`, or if it exists a name beside it that does not."""
    numbered = (folder.with_name(f"{folder.name}_{i}") for i in count(2))
    return next(path for path in chain([folder], numbered) if not path.exists())


def folder_problem(folder: Path | None, kind: type[Settings] = TrainSettings) -> str:
    """Say why neither a new run nor an unfinished one can be in `folder`, or nothing."""
    if folder is None:
        return ""
    run = Run(folder)
    try:
        if run.model.exists() and not can_go_on(folder):
            return f"{folder} holds a finished run; choose another run folder."
        if any(folder.glob("[!.]*")):
            kind.read(run.settings)
    except (OSError, ValueError):
        what = "run folder" if kind is TrainSettings else "comparison"
        return f"{folder} is not empty and no {what}; choose another one."
    return ""


def can_go_on(folder: Path | None) -> bool:
    """Say whether there is a training run that was interrupted: a state, and no end."""
    if folder is None:
        return False
    run = Run(folder)
    return bool(run.checkpoints) and not run.is_finished


def new_run_folder(folder: Path, settings: Settings) -> None:
    """Make a run folder that holds its settings, or take one that holds no model yet.

    Raises
    ------
    UserError
        If it cannot be made, something else is there already, or a run goes on there.
    """
    run = Run(folder)
    check_writable(run.settings)
    if problem := folder_problem(folder, type(settings)):
        raise UserError(problem)
    with run.locked():
        atomic_write(run.settings, settings.text().encode())


def plain_name(name: str) -> str:
    """Keep of a name what every file system allows."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "layer"


def last_model() -> Path | None:
    """Find the model that was trained last in the default place."""
    return next(iter(models_of_runs(data_folder() / "runs")), None)
