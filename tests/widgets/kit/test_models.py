"""The list of models in a panel: what it shows, and what is chosen."""

from pathlib import Path

from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QComboBox, QFileDialog

from napari_utile.widgets.kit.model_rows import SECOND_LINE, SHORT_LINE
from napari_utile.widgets.kit.models import LOOK, ModelChoice
from napari_utile.widgets.kit.paths import MODELS
from tests.fixtures.known_models import add_model


def opened(choice, qtbot):
    """Open the list, and return its rows when all models and pictures are there."""
    choice.line.showPopup()
    qtbot.waitUntil(lambda: choice._listing is None and choice._reading is None)
    table = choice.line.model()
    rows = [table.item(i) for i in range(table.rowCount())]
    choice.line.hidePopup()
    return rows


def test_models_are_listed_by_name_date_image_and_score(choice, models, qtbot):
    rows = opened(choice, qtbot)
    assert [row.text() for row in rows] == [
        "rgb", "em", "1 model cannot be read", LOOK,
    ]  # fmt: skip
    assert rows[1].data(SECOND_LINE).endswith("Jan 1970  ·  IoU 0.900  ·  em")
    assert [row.isEnabled() for row in rows] == [False, True, False, True]
    assert rows[0].data(SECOND_LINE) == "rgb!" and "IoU 0.011" in rows[0].toolTip()
    assert "is not YAML" in rows[2].toolTip()
    middle = rows[1].icon().pixmap(8, 8).toImage().pixelColor(4, 4)
    assert middle.lightness() == 255  # the preview is white
    assert rows[0].icon().isNull()


def test_a_model_is_picked(choice, models, qtbot):
    changed = []
    choice.changed.connect(lambda: changed.append(choice.path))
    opened(choice, qtbot)
    assert choice.path is None and choice.line.currentIndex() == -1
    choice.line.activated.emit(1)
    assert choice.path == models[0] and changed == [models[0]]
    assert choice.line.currentText() == "em"
    assert choice.line.currentData(SHORT_LINE).startswith("IoU 0.900 · ")
    assert str(models[0]) in choice.help
    at = QPointF(5, 5)
    wheel = QWheelEvent(
        at, at, QPoint(0, -120), QPoint(0, -120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    choice.line.wheelEvent(wheel)  # to scroll the panel
    assert choice.path == models[0] and not wheel.isAccepted()


def test_a_model_in_another_folder_is_looked_for_from_home(
    choice, models, qtbot, monkeypatch, tmp_path
):
    other = add_model(tmp_path / "elsewhere" / "mine" / "model")
    asked = []

    def dialog(_parent, _title, start):
        asked.append(start)
        return str(other.parent)

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", dialog)
    for _ in range(2):
        rows = opened(choice, qtbot)
        choice.line.activated.emit(len(rows) - 1)
    assert asked == [str(Path.home()), str(other.parents[1])]
    assert choice.path == other.parent
    assert choice.line.currentText() == "mine"
    assert "not validated" in choice.help
    choice.set_path(tmp_path / "nowhere")
    assert choice.path == tmp_path / "nowhere" and choice.line.currentText() == "nowhere"


def test_no_model_is_an_entry_where_it_has_a_meaning(qtbot, home, models):
    choice = ModelChoice("", none="random parameters")
    qtbot.addWidget(choice)
    low = choice.line.sizeHint().height()
    assert low <= QComboBox().sizeHint().height() + 2  # as other lists
    assert choice.path is None and choice.line.currentText() == "random parameters"
    choice.set_path(models[0])
    assert choice.line.sizeHint().height() > low
    choice.line.activated.emit(0)
    assert choice.path is None and choice.line.currentText() == "random parameters"


def test_a_list_that_was_closed_hears_nothing(qtbot, home, models):
    choice = ModelChoice("")
    choice.set_path(models[0])
    choice.deleteLater()
    qtbot.wait(10)
    MODELS.changed.emit()
