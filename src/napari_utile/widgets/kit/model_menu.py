"""What can be done with the chosen model beside using it: rename, export, delete, import."""

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QInputDialog, QLineEdit, QMenu, QMessageBox, QWidget

from napari_utile.errors import UserError
from napari_utile.folders.catalogue import KnownModel
from napari_utile.folders.model_changes import (
    Deletion,
    delete_model,
    planned_deletion,
    rename_model,
)
from napari_utile.folders.model_zip import export_model, import_model
from napari_utile.folders.places import plain_name
from napari_utile.io.units import size_text
from napari_utile.widgets.kit import paths
from napari_utile.widgets.kit.background import Background
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.paths import MODELS
from napari_utile.widgets.kit.telling import tell

PACKED = "Models (*.zip)"


class _HasModel(Protocol):
    """The list that the menu belongs to."""

    @property
    def chosen(self) -> KnownModel | None: ...

    def set_path(self, path: Path | None) -> None: ...


class ModelMenu(QMenu):
    """The menu beside a list of models. What takes time is done in a thread.

    Parameters
    ----------
    choice : ModelChoice
    """

    def __init__(self, choice: Any):
        super().__init__(choice)
        self._choice: _HasModel = choice
        self._window: QWidget = choice
        self._work: Background | None = None
        self._of_chosen = [
            self.addAction("Rename …", self._rename),
            self.addAction("Export as one file …", self._export),
            self.addAction("Open folder", self._open),
            self.addAction("Delete …", self._ask_to_delete),
        ]
        self.addSeparator()
        self.addAction("Import a file (.zip) …", self._import_file)
        self.addAction("Import a folder …", self._import_folder)
        self.aboutToShow.connect(self._on_show)

    def _on_show(self) -> None:
        """Offer what can be done with the chosen model, if there is one."""
        for action in self._of_chosen:
            action.setEnabled(self._choice.chosen is not None)

    def _rename(self) -> None:
        model = self._choice.chosen
        assert model is not None
        name, is_given = QInputDialog.getText(
            self._window, "Rename model", "Name", QLineEdit.EchoMode.Normal, model.name
        )
        if is_given and name.strip() != model.name:
            self._do(partial(rename_model, model.path, name), lambda _: MODELS.changed.emit())

    def _open(self) -> None:
        model = self._choice.chosen
        assert model is not None
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(model.path)))

    def _export(self) -> None:
        model = self._choice.chosen
        assert model is not None
        start = str(Path.home() / f"{plain_name(model.name)}.zip")
        chosen, _ = QFileDialog.getSaveFileName(self._window, "Export as", start, PACKED)
        if chosen:
            out = Path(chosen)
            out = out if out.suffix else out.with_suffix(".zip")
            # the dialog has asked already whether to replace a file
            self._do(
                partial(export_model, model.path, out, overwrite=True),
                lambda written: tell(self._window, f"The model is in {written}."),
            )

    def _ask_to_delete(self) -> None:
        """Count what would be deleted, and ask."""
        model = self._choice.chosen
        assert model is not None
        self._do(partial(planned_deletion, model.path), self._delete)

    def _delete(self, planned: Deletion) -> None:
        asked = f"{planned.text}\n\nIt cannot be undone."
        buttons = QMessageBox.StandardButton
        answer = QMessageBox.question(
            self._window, "Delete model", asked, buttons.Yes | buttons.Cancel, buttons.Cancel
        )
        if answer == buttons.Yes:
            self._do(
                partial(delete_model, planned.model, paths.data_folder()), self._on_deleted
            )

    def _on_deleted(self, deleted: Deletion) -> None:
        MODELS.changed.emit()
        tell(self._window, f"The model was deleted: {size_text(deleted.nbytes)}.")

    def _import_file(self) -> None:
        home = str(Path.home())
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Import a model", home, PACKED)
        self._import(chosen)

    def _import_folder(self) -> None:
        home = str(Path.home())
        self._import(
            QFileDialog.getExistingDirectory(self._window, "Folder of a model or run", home)
        )

    def _import(self, chosen: str) -> None:
        def choose(folder: Path) -> None:
            MODELS.changed.emit()
            self._choice.set_path(folder)

        if chosen:
            self._do(partial(import_model, chosen, paths.data_folder()), choose)

    def _do(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Work in a thread, one thing after the other, and say if it fails."""

        def steps() -> Generator[None, None, Any]:
            yield
            try:
                return work()
            except OSError as error:
                where = error.filename or "The model"
                raise UserError(f"{where}: {error.strerror or error}.") from error

        self._work = Background(steps, then, self._fail)

    def _fail(self, error: Exception) -> None:
        tell(self._window, str(error), Tone.ERROR)
