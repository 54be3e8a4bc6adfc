"""Models as rows of a list: two lines of text and a picture each. Nothing is read here."""

from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QImage, QPainter, QPalette, QPixmap, QStandardItem
from qtpy.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_utile.evaluation.scores import SCORES, format_score
from napari_utile.folders.catalogue import KnownModel
from napari_utile.folders.thumbnails import SIDE
from napari_utile.io.units import counted, size_text
from napari_utile.widgets.kit.dates import when_text

PATH = int(Qt.ItemDataRole.UserRole)
"""Of the data of an item: the folder of the model, or what the row stands for."""
SECOND_LINE = int(Qt.ItemDataRole.UserRole) + 1
"""The line below its text; without one it has no picture either."""
SHORT_LINE = int(Qt.ItemDataRole.UserRole) + 2
"""The line below its text where there is less room: in the closed list."""
OPACITY_OF_MISFITS = 0.7
"""Of the text of what cannot be chosen: it says why, and is to be read."""
LINES = 2.2
"""Height of a row of two lines, in lines."""
MARGIN = 4
"""Around the parts of a row, px."""


class TwoLines(QStyledItemDelegate):
    """Draws a model as its picture, its name, and a line about it in smaller letters."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Return the height of two lines, or of one."""
        lines = LINES if index.data(SECOND_LINE) else 1
        height = round(option.fontMetrics.height() * lines) + 2 * MARGIN
        return QSize(0, height)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw a row."""
        self.initStyleOption(option, index)
        option.text, picture = "", option.icon.pixmap(SIDE, SIDE)
        option.features &= ~QStyleOptionViewItem.ViewItemFeature.HasDecoration
        style = option.widget.style() if option.widget else QApplication.style()
        painter.save()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        if not option.state & QStyle.StateFlag.State_Enabled:
            painter.setOpacity(OPACITY_OF_MISFITS)
        room = option.rect.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        painter.setPen(
            option.palette.color(QPalette.ColorGroup.Active, QPalette.ColorRole.Text)
        )
        second = index.data(SECOND_LINE)
        if second:
            side = room.height()
            if not picture.isNull():
                painter.drawPixmap(QRect(room.left(), room.top(), side, side), picture)
            room.setLeft(room.left() + side + 2 * MARGIN)
        draw_lines(painter, room, option.font, index.data(), second)
        painter.restore()


def draw_lines(
    painter: QPainter, room: QRect, font: QFont, first: str, second: str | None
) -> None:
    """Draw one or two lines, each cut to the width that there is.

    Parameters
    ----------
    painter : QPainter
    room : QRect
        Where they are, one above the other.
    font : QFont
    first : str
        Bold if there are two.
    second : str or None
        Smaller.
    """
    upper = QRect(room)
    if second:
        font = QFont(font)
        font.setBold(True)
        upper.setHeight(room.height() // 2)
    painter.setFont(font)
    flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    cut, width = Qt.TextElideMode.ElideRight, room.width()
    painter.drawText(upper, flags, painter.fontMetrics().elidedText(first, cut, width))
    if second:
        small = QFont(font)
        small.setBold(False)
        small.setPointSizeF(font.pointSizeF() * 0.9)
        painter.setFont(small)
        lower = room.adjusted(0, upper.height(), 0, 0)
        painter.drawText(lower, flags, painter.fontMetrics().elidedText(second, cut, width))


def row_of(model: KnownModel, problem: str = "") -> QStandardItem:
    """Return the row of a model.

    Parameters
    ----------
    model : KnownModel
    problem : str, optional
        Why it cannot be chosen: the row is gray and says so.
    """
    row = plain_row(model.name, model.path)
    row.setData(problem or about(model), SECOND_LINE)
    row.setData(f"{score_text(model)} · {when_text(model.date, with_time=False)}", SHORT_LINE)
    row.setToolTip(f"{problem}\n{details(model)}" if problem else details(model))
    row.setEnabled(not problem)
    return row


def plain_row(text: str, data: Any = None) -> QStandardItem:
    """Return a row of one line."""
    row = QStandardItem(text)
    row.setData(data, PATH)
    return row


def pixmap_of(picture: Any) -> QPixmap:
    """Return an array of uint8, shape (Y, X, 3), as Qt draws it."""
    rows, columns, _ = picture.shape
    form = QImage.Format.Format_RGB888
    return QPixmap.fromImage(QImage(picture.tobytes(), columns, rows, 3 * columns, form))


def about(model: KnownModel) -> str:
    """Return in a short line when a model was trained, how good it is, and on what."""
    parts = [when_text(model.date), score_text(model), model.images]
    return "  ·  ".join(filter(None, parts))


def details(model: KnownModel) -> str:
    """Return in lines all that is known of a model without opening it."""
    channels = counted(model.channels, "channels")
    seen = "volumes" if model.axes == 3 else "slices"
    if model.context:
        seen += f", with {model.context} before and after each"
    return "\n".join(
        (
            f"{model.name}: {about(model)}",
            f"{model.network}, {model.target}; sees {seen}; {channels}",
            f"{model.path} ({size_text(model.nbytes)})",
        )
    )


def score_text(model: KnownModel) -> str:
    """Return the score that stands for a model, with its name."""
    if model.value is None:
        return "not validated"
    title = SCORES[model.score].title if model.score in SCORES else model.score
    on = "" if model.strokes is None else f" on {counted(model.strokes, 'strokes')}"
    return f"{title} {format_score(model.score, model.value)}{on}"
