"""Fields come back for the folder whose images are worked on."""

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QTabWidget, QVBoxLayout, QWidget

from napari_utile.io.stack import HOLDS
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.compare.panel import ComparePanel
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.kit.fields import SuggestedChoice, offer
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.kit.memory import remember, remembered
from napari_utile.widgets.kit.paths import PathChoice
from napari_utile.widgets.layers.project import Remembered, project_of
from napari_utile.widgets.segment.panel import SegmentPanel
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.train.source import What
from napari_utile.widgets.weight_map.panel import WeightMapPanel


class Fields(QWidget):
    """A panel with a field of each kind."""

    def __init__(self, viewer):
        super().__init__()
        self.form, self.folder, self.box = Form(TrainSettings), PathChoice("none"), QCheckBox()
        self.form.set_defaults(TrainSettings(minutes=5))
        self.kind, self.tabs = QComboBox(), QTabWidget()
        self.kind.addItems(["a layer", "files"])
        for title in "abc":
            self.tabs.addTab(QWidget(), title)
        column = QVBoxLayout(self)
        named = {"options": self.form, "folder": self.folder, "box": self.box,
                 "kind": self.kind, "tabs": self.tabs}  # fmt: skip
        for field in named.values():
            column.addWidget(field)
        self.memory = Remembered(self, viewer, "fields", named)


@pytest.fixture
def panel(qtbot):
    """Open another panel, as after a restart."""

    def panel(viewer):
        fields = Fields(viewer)
        qtbot.addWidget(fields)
        return fields

    return panel


@pytest.fixture
def image(tmp_path):
    """Return an image layer that was opened from a file in a folder of this name."""

    def image(folder):
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / "em.tif"
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
        layer = Image(tifffile.imread(path), name=folder)
        layer._source = layer.source.model_copy(update={"path": str(path)})
        return layer

    return image


def test_every_kind_of_field_comes_back(panel, tmp_path):
    first = panel(ViewerModel())
    assert remembered("fields") is None
    first.form.set_value("recipe", "paper")
    first.form.set_value("width", 8)
    first.form.set_value("minutes", "wrong")  # is not remembered
    first.folder.set_path(tmp_path)
    first.box.setChecked(True)
    first.kind.setCurrentText("files")
    first.tabs.setCurrentIndex(2)
    first.memory.save()
    kept = {"recipe": "paper", "width": 8, "minutes": 5.0, "steps": None}
    assert remembered("fields")["options"] == kept

    again = panel(ViewerModel())
    assert again.form.settings() == TrainSettings(recipe="paper", width=8, minutes=5)
    assert again.folder.path == tmp_path
    assert again.box.isChecked() and again.kind.currentText() == "files"
    assert again.tabs.currentIndex() == 2
    again.form.restore.linkActivated.emit("restore")
    assert again.form.settings() == TrainSettings(minutes=5)
    assert again.form.restore.isHidden()
    again.memory.save()
    assert "options" not in remembered("fields")


def test_a_choice_that_is_only_suggested_is_not_remembered(qtbot):
    suggested = SuggestedChoice()
    offer(suggested, {1: "a layer", 2: "several layers"})
    qtbot.addWidget(suggested)
    memory = Remembered(suggested, ViewerModel(), "suggested", {"train on": suggested})
    suggested.suggest(1)
    memory.save()
    assert remembered("suggested") is None
    suggested.choose("several layers")
    memory.save()
    assert remembered("suggested") == {"train on": "several layers"}


def test_what_no_longer_fits_is_left_out(panel):
    options = {"steps": 7, "gone": 1, "width": "wide", "recipe": "nobody's", "minutes": None}
    remember("fields", {"options": options, "folder": "/no/such", "tabs": "b", "kind": "none"})
    fields = panel(ViewerModel())
    assert fields.form.settings() == TrainSettings(steps=7)
    assert fields.folder.path is None and fields.tabs.currentIndex() == 0
    assert fields.kind.currentText() == "a layer"


def test_a_project_has_its_own_fields_and_changed_ones_stay(panel, image):
    viewer = ViewerModel()
    one = image("one")
    viewer.add_image(np.zeros((8, 8)), metadata={HOLDS: "probabilities"})
    viewer.add_layer(one)
    assert project_of(viewer).endswith("one")
    fields = panel(viewer)
    fields.form.set_value("width", 8)
    fields.memory.save()

    viewer = ViewerModel()
    fields = panel(viewer)
    assert fields.form.settings().width == 16
    viewer.add_layer(image("one"))  # opened after the panel
    assert fields.form.settings().width == 8
    said = "Fields as you left them for the folder 'one'."
    assert said in fields.form.restore.text()
    assert "Restore defaults" in fields.form.restore.text()
    assert said in panel(viewer).form.restore.text()  # opened after the image
    viewer.layers.clear()
    viewer.add_layer(image("new"))
    assert fields.form.settings().width == 16
    assert fields.form.restore.text() == "Fields at their defaults, new for the folder 'new'."
    bare = panel(ViewerModel())
    assert bare.form.restore.isHidden()
    bare.form.set_value("width", 4)
    bare.memory.save()
    said = "Fields as you left them while no image from a file was open."
    assert said in panel(ViewerModel()).form.restore.text()
    bare.form.set_value("width", 16)
    bare.memory.save()
    viewer.layers.clear()
    viewer.add_layer(image("one"))
    fields.form.restore.linkActivated.emit("restore")
    assert fields.form.restore.isHidden()
    viewer.layers.clear()
    fields.form.set_value("width", 4)
    viewer.add_layer(image("two"))
    assert fields.form.settings().width == 4
    assert remembered("fields", project_of(viewer))["options"]["width"] == 4
    assert "as you left" not in fields.form.restore.text()  # as the user wants them now


def test_fields_are_saved_when_the_panel_is_closed(panel):
    fields = panel(ViewerModel())
    fields.box.setChecked(True)
    assert remembered("fields") is None
    QApplication.sendEvent(fields, QEvent(QEvent.Type.ParentChange))
    assert remembered("fields") == {"box": True}
    fields.form.set_value("width", 8)  # by something that the panel still listens to
    assert not fields.memory._timer.isActive()


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (TrainPanel, "width", 8),
        (ComparePanel, "width", 8),
        (SegmentPanel, "min_size", 7),
        (EvaluatePanel, "ignore", "9"),
        (WeightMapPanel, "ignore", "9"),
    ],
)
def test_every_panel_comes_back_as_it_was_closed(open_panel, viewer, kind, name, value):
    panel = open_panel(kind, viewer)
    panel.form.set_value(name, value)
    QApplication.sendEvent(panel, QEvent(QEvent.Type.ParentChange))  # it is closed
    assert open_panel(kind, viewer).form.value(name) == value


def test_the_panel_train_comes_back_with_what_it_trained_on(open_panel, viewer, tmp_path):
    panel = open_panel(TrainPanel, viewer)
    panel.source.choose(What.FOLDERS)
    panel.source.images.set_path(tmp_path)
    panel.folder.set_path(tmp_path)
    QApplication.sendEvent(panel, QEvent(QEvent.Type.ParentChange))
    again = open_panel(TrainPanel, viewer)
    assert again.source.kind is What.FOLDERS
    assert again.source.images.path == again.folder.path == tmp_path
