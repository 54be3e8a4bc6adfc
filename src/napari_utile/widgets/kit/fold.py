"""A part of a panel that is folded behind its title."""

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget


class Fold(QWidget):
    """Content that is seen, and reached by keys, only while its title is open.

    Parameters
    ----------
    title : str
    content : QWidget

    Attributes
    ----------
    button : QPushButton
        The title; a click opens and closes.
    """

    def __init__(self, title: str, content: QWidget):
        super().__init__()
        self._title, self._content = title, content
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setStyleSheet(
            "QPushButton { text-align: left; border: none; background: none; padding: 4px 0; }"
        )
        self.button.toggled.connect(self._show)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.button)
        column.addWidget(content)
        self._show(False)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.button.isChecked()

    def set_open(self, is_open: bool) -> None:
        """Show or hide the content."""
        self.button.setChecked(is_open)

    def _show(self, is_open: bool) -> None:
        self._content.setVisible(is_open)
        self.button.setText(f"{'▾' if is_open else '▸'} {self._title}")
