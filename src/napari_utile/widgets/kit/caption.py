"""The line above curves or a table that says what they are of."""

from qtpy.QtWidgets import QLabel

from napari_utile.widgets.kit.subject import Subject


class Caption(QLabel):
    """On which layers or files a run was done whose results are below, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.hide()

    def show_subject(self, subject: Subject | None) -> None:
        """Name what the results are of; None: there is nothing to say."""
        self.show_text(subject.text() if subject else "")

    def show_text(self, text: str) -> None:
        """Say what the results are of; '' hides the line."""
        self.setText(text)
        self.setVisible(bool(text))
