"""Rows of models: what they say, and that long names are cut and not drawn over the edge."""

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPainter, QStandardItemModel
from qtpy.QtWidgets import QStyleOptionViewItem

from napari_utile.folders.catalogue import known_model
from napari_utile.folders.model import CHECKED_STROKES
from napari_utile.widgets.kit.model_rows import (
    SHORT_LINE,
    TwoLines,
    details,
    plain_row,
    row_of,
)
from tests.fixtures.known_models import add_model


def drawn(row):
    """Draw a row on white, and return its gray values, shape (Y, X), and its height."""
    table, delegate, option = QStandardItemModel(), TwoLines(), QStyleOptionViewItem()
    table.appendRow(row)
    height = delegate.sizeHint(option, table.index(0, 0)).height()
    picture = QImage(200, 80, QImage.Format.Format_Grayscale8)
    picture.fill(Qt.GlobalColor.white)
    painter = QPainter(picture)
    option.rect.setRect(0, 0, 150, height)
    delegate.paint(painter, option, table.index(0, 0))
    painter.end()
    pixels = np.frombuffer(picture.constBits().asarray(200 * 80), np.uint8).reshape(80, 200)
    return pixels.copy(), height  # the picture goes


def test_a_row_has_two_lines_and_stays_within_its_width(tmp_path, qtbot):
    model = add_model(tmp_path / "model", name=60 * "m", context=1, images="em 1, em 2")
    known = known_model(model, tmp_path)
    assert "sees slices, with 1 before and after each; 1 channel" in details(known)
    assert "not validated  ·  em 1, em 2" in details(known)
    pixels, height = drawn(row_of(known))
    upper, lower = pixels[: height // 2, :150], pixels[height // 2 : height, :150]
    assert upper.min() < 128 and lower.min() < 128
    assert pixels[:, 150:].min() == pixels[height:].min() == 255
    _, of_one = drawn(plain_row("Another folder"))
    assert of_one < height


def test_a_score_of_strokes_says_so(tmp_path):
    facts = {CHECKED_STROKES: 2}
    add_model(tmp_path / "model", scores={"iou": 1.0}, facts=facts)
    known = known_model(tmp_path / "model", tmp_path)
    assert row_of(known).data(SHORT_LINE).startswith("IoU 1.000 on 2 strokes")
