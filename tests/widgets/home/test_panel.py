"""The dock U-Tile."""

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QPoint

from napari_utile.events import RunDone, RunFailed, RunStarted
from napari_utile.widgets.home import steps
from napari_utile.widgets.home.panel import HomePanel
from napari_utile.widgets.home.steps import STEPS, step_named
from napari_utile.widgets.kit.controls import Controls
from napari_utile.widgets.kit.docks import dock_of, open_beside
from napari_utile.widgets.kit.memory import remember
from napari_utile.widgets.kit.paths import MODELS
from napari_utile.widgets.layers.alone import open_images, show_alone
from napari_utile.widgets.train.source import What


def offered(home):
    return [button.text() for button in home.next if not button.isHidden()]


def test_each_step_says_what_is_missing_and_leads_to_where_it_is(open_panel, cells, qtbot):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    home = open_panel(HomePanel, viewer)
    assert home.step.title == "Data" and offered(home) == []
    home.open_step("Train")
    assert "Train needs an image" in home.missing.text()
    home.missing.linkActivated.emit("Data")
    assert home.step.title == "Data"
    viewer.add_image(cells[0], name="em")
    assert offered(home) == ["Next: Label"]
    home.next[0].click()
    assert home.panels["Label"].image.layer is viewer.layers["em"]
    assert offered(home) == []
    home.panels["Label"].new.click()
    assert offered(home) == ["Next: Train"]
    home.open_step("Data")
    assert offered(home) == ["Next: Label", "Next: Train"]


def test_it_begins_where_it_was_left_if_what_that_needs_is_there(open_panel, viewer):
    from napari.components import ViewerModel

    first = open_panel(HomePanel, viewer)
    assert first.step.title == "Label"
    first.open_step("Evaluate")
    assert open_panel(HomePanel, viewer).step.title == "Evaluate"
    viewer.layers.remove("cells")
    assert open_panel(HomePanel, viewer).step.title == "Label"
    assert open_panel(HomePanel, ViewerModel()).step.title == "Data"


def test_every_step_opens_and_a_panel_is_made_once(open_panel, viewer):
    home = open_panel(HomePanel, viewer)
    for step in STEPS:
        assert home.open_step(step.title) is home.pages.currentWidget()
        assert home.tabs.checkedButton().text() == step.title
    assert len(home.panels) == len(STEPS)
    assert home.open_step("Train") is home.panels["Train"]


def test_a_tab_is_about_the_image_that_is_shown_alone_unless_it_works(
    open_panel, viewer, monkeypatch
):
    viewer.add_image(np.zeros((8, 9), np.uint8), name="small")
    viewer.add_labels(np.zeros((8, 9), np.uint8), name="small_mask")
    home = open_panel(HomePanel, viewer)
    segment, train = home.open_step("Segment"), home.open_step("Train")
    assert segment.image.layer is train.image.layer is viewer.layers["em"]
    show_alone(viewer, open_images(viewer.layers)[1])
    monkeypatch.setattr(Controls, "is_running", True)
    home.open_step("Segment")
    assert segment.image.layer.name == "em"
    monkeypatch.undo()
    for step in ("Segment", "Train"):
        home.open_step(step)
    assert segment.image.layer.name == train.image.layer.name == "small"
    assert train.labels_layer.layer.name == "small_mask"


def test_the_layers_go_with_you_and_what_is_done_leads_on(
    open_panel, viewer, script, press, qtbot, model, errors
):
    viewer.add_labels(viewer.layers["cells"].data.copy(), name="other")
    home = open_panel(HomePanel, viewer)
    label = home.open_step("Label")
    label.labels_layer.choose(viewer.layers["cells"])
    home.next[0].click()
    train = home.panels["Train"]
    assert train.labels_layer.layer is viewer.layers["cells"]

    started = RunStarted(job="train", out="OUT", device="cpu")
    for end, ways in (
        (RunFailed(message="broken", user=True), []),
        (RunDone(out="OUT", seconds=1, stopped=True), []),
        (RunDone(out="OUT", seconds=1), ["Next: Segment", "Next: Runs"]),
    ):
        script(started, {"do": "copy", "folder": str(model.parent)}, end)
        train.folder.set_path(None)
        tab = home.tabs.button(STEPS.index(step_named("Train")))
        press(train.controls.button)
        assert tab.text() == "● Train" and tab.toolTip().startswith("Train is at work.")
        qtbot.waitUntil(lambda: not train.controls.is_running)
        assert offered(home) == ways
        assert tab.text() == "Train" and "at work" not in tab.toolTip()
    home.next[0].click()
    segment = home.panels["Segment"]
    assert segment.image.layer is viewer.layers["em"]
    assert segment.model.path == MODELS.newest


def test_segment_begins_with_the_image_opened_or_clicked_on_last_and_keeps_what_is_chosen(
    open_panel, viewer, monkeypatch
):
    home = open_panel(HomePanel, viewer)
    home.open_step("Train")
    home._done.add("Train")
    home._show_ways()
    monkeypatch.setattr(steps, "last_model", lambda: Path("model"))
    new = viewer.add_image(np.zeros((8, 9), np.uint8), name="new")
    assert offered(home) == ["Next: Segment", "Next: Runs"]
    home.next[0].click()
    segment = home.panels["Segment"]
    assert segment.image.layer is new
    segment.image.choose(viewer.layers["em"])
    home.open_step("Data")
    home.open_step("Segment")
    assert segment.image.layer is viewer.layers["em"]
    home.open_step("Data")
    newer = viewer.add_image(np.zeros((8, 8), np.uint8), name="newer")
    home.open_step("Segment")
    assert segment.image.layer is newer
    home.open_step("Data")
    viewer.add_image(np.zeros((8, 8), np.uint8), name="newer_mask")  # not converted yet
    home.open_step("Segment")
    assert segment.image.layer is newer


def test_nothing_open_is_needed_where_files_are_chosen_and_segment_follows_on_them(
    open_panel, monkeypatch
):
    from napari.components import ViewerModel

    home = open_panel(HomePanel, ViewerModel())
    train = home.open_step("Train")
    assert not home.missing.isHidden()
    train.source.choose(What.FOLDERS)
    assert home.missing.isHidden()
    home.open_step("Evaluate").inputs.kind.setCurrentText("files")
    assert home.missing.isHidden()
    home._done.add("Train")
    monkeypatch.setattr(steps, "last_model", lambda: Path("model"))
    home.open_step("Train")
    assert offered(home) == ["Next: Segment", "Next: Runs"]
    home.next[0].click()
    assert home.panels["Segment"].source.is_of_files and home.missing.isHidden()


def test_the_brush_is_put_away_where_nothing_is_painted_and_offered_where_it_is(
    open_panel, viewer, press
):
    layer = viewer.layers["cells"]
    viewer.layers.selection.active, layer.mode = layer, "paint"
    remember("tab", "Evaluate")
    assert open_panel(HomePanel, viewer).step.title == "Evaluate"
    assert layer.mode == "paint"  # the dock was only opened
    home = open_panel(HomePanel, viewer)
    label = home.open_step("Label")
    assert not label.brush.isEnabled()
    for title in ("Train", "Weight map", "Label"):
        home.open_step(title)
        assert layer.mode == "paint"
    home.open_step("Segment")
    assert layer.mode == "pan_zoom"
    home.open_step("Label")
    assert label.brush.isEnabled()
    press(label.brush)
    assert layer.mode == "paint" and not label.brush.isEnabled()


def test_what_a_panel_can_begin_with_is_not_missing_and_objects_lead_to_measure(
    open_panel, viewer, model, tmp_path
):
    """Images in folders are images, too."""
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", viewer.layers["em"].data[0])
    viewer.layers.clear()
    home = open_panel(HomePanel, viewer)
    segment = home.open_step("Segment")
    segment.model.set_path(model)
    assert "Segment needs an image" in home.missing.text()
    segment.source.kind.setCurrentText("a folder or files")
    segment.source.files.set_paths([str(tmp_path / "a.tif")])
    assert segment.controls.button.isEnabled()
    assert home.missing.isHidden()
    segment.objects.setEnabled(True)  # as with a result
    segment.objects.click()
    assert home.step.title == "Measure"
    assert open_beside(home.panels["Measure"], viewer, "Train", "") is home.panels["Train"]
    assert home.step.title == "Train"


def test_a_home_that_is_closed_leaves_the_work_of_its_panels(open_panel, viewer, monkeypatch):
    home = open_panel(HomePanel, viewer)
    left = []
    for title in ("Train", "Segment"):
        panel = home.open_step(title)
        monkeypatch.setattr(panel.controls, "leave", lambda title=title: left.append(title))
    from qtpy.QtWidgets import QDockWidget

    dock = QDockWidget()
    dock.setWidget(home)
    home.setParent(None)
    assert left == ["Train", "Segment"]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_all_is_in_view_in_a_small_window(window, open_panel, qtbot, theme):
    window.theme = theme
    window.window.resize(1280, 800)
    window.window.show()
    home = open_panel(HomePanel, window)
    qtbot.waitUntil(lambda: home.isVisible() and home.height() > 100)
    main = home.window()
    for step in STEPS:
        panel = home.open_step(step.title)
        qtbot.waitUntil(panel.isVisible)
        tab = home.tabs.checkedButton()
        assert tab.visibleRegion().boundingRect() == tab.rect()
        assert tab.fontMetrics().horizontalAdvance(step.title) < tab.width()
        controls = getattr(panel, "controls", None)
        if controls is None or step.title == "Data":
            continue
        button = controls.button
        qtbot.waitUntil(
            lambda: button.visibleRegion().boundingRect() == button.rect()  # noqa: B023
        )
        assert button.mapTo(main, QPoint(0, button.height())).y() < main.height()
    assert dock_of(home).width() < 480
