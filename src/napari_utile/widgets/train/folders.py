"""Two folders to train on, whose files pair by name; they are read in a thread."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_utile.io.images import open_image, stem_of
from napari_utile.io.inner_folders import InnerFolders, inner_folders
from napari_utile.io.names import last_part
from napari_utile.io.pairs import MatchedFiles, match_files
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit.background import Background, Work
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.form import form_rows
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.kit.paths import PathChoice
from napari_utile.widgets.train.pair_table import PairRow

TYPING = 400
"""Milliseconds after the last letter of a path before its folder is read."""
TAKE = "take"
"""Target of the link that takes the two folders in a folder."""
Found = tuple[MatchedFiles, Stack] | InnerFolders


class FolderPair(QWidget):
    """A folder of images and one of labels, and what was found in them.

    Attributes
    ----------
    images, labels : PathChoice
    first : Stack or None
        The first image, once the folders are read.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.images, self.labels = PathChoice("folder"), PathChoice("folder")
        self.images.beside, self.labels.beside = self.labels, self.images
        self.offer = QLabel()
        self.offer.setWordWrap(True)
        self.offer.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.offer.linkActivated.connect(lambda _: self._take_inner())
        self.first: Stack | None = None
        self._matched: MatchedFiles | None = None
        self._inner: InnerFolders | None = None
        self._refusal = ""
        self._work: Background | None = None
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self.read)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(form_rows({"images": self.images, "labels": self.labels}))
        column.addWidget(self.offer)
        for path in (self.images, self.labels):
            path.changed.connect(self._on_path)
        follow_theme(self, self._show_offer)
        self._show_offer()

    def read(self) -> None:
        """Find the pairs in a thread: folders may be large, or far away."""
        paths = [path for path in (self.images.path, self.labels.path) if path]
        if self._work:
            self._work.end()
        if paths:
            self._work = Background(_reading(paths), self._show_found, self._show_refusal)

    def rows(self) -> list[PairRow]:
        """Return the pairs that were found."""
        pairs = self._matched.pairs if self._matched else []
        return [
            PairRow(stem_of(image), last_part(image), last_part(labels))
            for image, labels in pairs
        ]

    def lacking(self) -> list[str]:
        """Return what each file without counterpart lacks, in words."""
        return self._matched.lacking if self._matched else []

    def problem(self, settings: TrainSettings | None) -> str:
        """Return why these folders cannot be trained on, or ''."""
        if self._inner:
            return str(self._inner)
        for choice, kind in ((self.images, "images"), (self.labels, "labels")):
            if choice.path is None:
                return f"Choose a folder of {kind}."
        if self._refusal or self._matched is None:
            return self._refusal or "The folders are being read …"
        if self.lacking() and settings and not settings.skip_broken:
            first, *more = self.lacking()
            first = first[:1].upper() + first[1:]
            others = f" and {len(more)} more" if more else ""
            return f"{first}{others}: add what is missing, or tick 'skip broken' under Input."
        return ""

    def is_wrong(self, folder: PathChoice) -> bool:
        """Whether a problem is of this folder, as far as is known, and not of the other."""
        missing = [choice for choice in (self.images, self.labels) if choice.path is None]
        return folder in missing or not missing or bool(self._inner or self._refusal)

    def _on_path(self) -> None:
        self._forget()
        self._pause.start(TYPING)
        self.changed.emit()

    def _forget(self) -> None:
        self._matched = self.first = self._inner = None
        self._refusal = ""
        self._show_offer()

    def _show_found(self, found: Found | None) -> None:
        self._forget()
        match found:
            case InnerFolders():
                self._inner = found
            case (matched, first):
                self._matched, self.first = matched, first
        self._show_offer()
        self.changed.emit()

    def _show_refusal(self, error: Exception) -> None:
        self._forget()
        self._refusal = str(error)
        self.changed.emit()

    def _show_offer(self, _event: Any = None) -> None:
        """Offer the folders in the one that was chosen, if it is plain which is which."""
        pair = self._inner.pair if self._inner else None
        text = f"Take '{pair[0].name}' and '{pair[1].name}' in it." if pair else ""
        self.offer.setText(colored(text, Tone.NOTE, TAKE) if text else "")
        self.offer.setVisible(bool(text))

    def _take_inner(self) -> None:
        if self._inner and (pair := self._inner.pair):
            for choice, path in zip((self.images, self.labels), pair, strict=True):
                choice.set_path(path)


def _reading(paths: list[Path]) -> Work:
    def read() -> Generator[None, None, Found | None]:
        for path in paths:
            if found := inner_folders(path):
                yield
                return found
        yield
        if len(paths) < 2:
            return None
        matched = match_files(paths[0], paths[1])
        return matched, open_image(matched.pairs[0][0])

    return read
