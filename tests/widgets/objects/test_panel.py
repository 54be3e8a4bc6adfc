"""The panel of objects: what it measures, the command, the table, and the way to an object."""

import json
import shlex

import numpy as np
import pytest
import zarr
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_utile.cli.main import main
from napari_utile.events import ImageDone, RunDone, RunStarted
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.lazy_views import ReadOnly
from napari_utile.results.columns import read_table
from napari_utile.widgets.layers.project import Remembered
from napari_utile.widgets.layers.results import ON_DISK
from napari_utile.widgets.objects import panel as module
from napari_utile.widgets.objects.panel import ObjectsPanel
from tests.fixtures.evaluate_panel import click, column, idle

EVENTS = (
    RunStarted(job="objects", out="OUT"),
    ImageDone(image="l", out="OUT", status="done", objects=2),
    RunDone(out="OUT", seconds=1),
)
ROWS = (
    "id,voxels,z_start_px,z_stop_px,y_start_px,y_stop_px,x_start_px,x_stop_px,touches_border\n"
)
ROWS += "1,20,0,3,8,56,8,31,no\n2,30,1,2,8,56,32,56,yes\n"


@pytest.fixture
def panel(open_panel, viewer):
    return open_panel(ObjectsPanel, viewer)


@pytest.fixture
def docked(open_panel, window):
    return open_panel(ObjectsPanel, window)


@pytest.fixture
def played(script, home, press, qtbot):
    """Press the button of a panel whose engine writes two rows; return its arguments."""

    def played(panel, out=None, *events):
        kept = script(*(events or EVENTS))
        out = out or home / "objects" / "cells" / "tables" / "cells.csv"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(ROWS)
        press(panel.controls.button)
        qtbot.waitUntil(idle(panel), timeout=20_000)
        return json.loads(kept.read_text())

    return played


def test_layers_are_copied_and_their_table_is_shown(panel, played, viewer, home, qtbot):
    command, labels, *flags = played(panel)
    assert command == "objects"
    copied = zarr.open_array(f"{labels}/0", mode="r")
    assert np.array_equal(copied[:], viewer.layers["cells"].data)
    flags = dict(zip(flags[:-1:2], flags[1::2], strict=True))  # --events is last
    assert flags["--out"] == str(home / "objects" / "cells" / "tables" / "cells.csv")
    assert np.array_equal(
        zarr.open_array(f"{flags['--image']}/0", mode="r")[:], viewer.layers["em"].data
    )
    qtbot.waitUntil(lambda: bool(panel.columns))
    assert column(panel.table, "id") == ["1", "2"]
    assert column(panel.table, "touches_border") == ["no", "yes"]
    assert viewer.layers["cells"].features["voxels"].tolist() == [20, 30]
    assert "2 objects" in panel.controls.messages.text()


def test_the_table_says_what_it_is_of(panel, played, viewer, qtbot):
    played(panel)
    qtbot.waitUntil(lambda: bool(panel.columns))
    other = viewer.add_labels(viewer.layers["cells"].data.copy(), name="other")
    panel.labels_layer.choose(other)
    assert panel.caption.text().startswith("On 'cells', today")
    assert panel.controls.messages.text().startswith("<b>On 'cells', today")


def test_a_click_leads_to_the_object_and_no_layer_is_added(docked, played, window, qtbot):
    window.layers.selection.active = window.layers["em"]
    before = list(window.layers)
    played(docked)
    qtbot.waitUntil(lambda: bool(docked.columns))
    click(qtbot, docked.table, 1)
    assert window.layers["cells"].selected_label == 2
    assert window.dims.current_step[0] == 1
    assert np.allclose(window.scene.camera.center[-2:], [100 + 4 * 31.5, 200 + 4 * 43.5])
    assert list(window.layers) == before
    assert window.layers.selection.active == window.layers["em"]


def test_a_result_is_measured_where_it_is(panel, played, viewer, tmp_path):
    result = tmp_path / "r.zarr"
    shown = {ON_DISK: f"{result} instances"}
    viewer.add_labels(ReadOnly(np.ones((3, 8, 8), np.uint8)), name="r", metadata=shown)
    panel.labels_layer.choose(viewer.layers["r"])
    assert panel.image.native.isHidden()  # a result knows its image
    assert not panel.known.isHidden()
    out = tmp_path / "r.zarr.objects.csv"
    assert played(panel, out)[:4] == ["objects", str(result), "--out", str(out)]


def test_the_table_is_saved_where_the_user_wants_it(
    panel, played, press, qtbot, tmp_path, monkeypatch
):
    assert panel.save.isHidden() and panel.known.isHidden()
    played(panel)
    qtbot.waitUntil(lambda: bool(panel.columns))
    wanted = str(tmp_path / "mine")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (wanted, ""))
    panel.save.click()
    assert (tmp_path / "mine.csv").read_text() == ROWS
    assert "mine.csv" in panel.controls.messages.text()
    panel._path.unlink()
    panel.save.click()
    assert "Not saved" in panel.controls.messages.text()


def test_what_is_measured_from_another_panel_is_named(panel, script, viewer, qtbot):
    script(*EVENTS[:1])
    panel.measure(viewer.layers["cells"])
    assert "The objects of 'cells' are measured" in panel.controls.messages.text()
    qtbot.waitUntil(idle(panel), timeout=20_000)


def test_the_command_does_the_same(panel, home, press, qtbot):
    press(panel.controls.copy)
    qtbot.waitUntil(idle(panel), timeout=20_000)
    _, *arguments = shlex.split(QApplication.clipboard().text())
    assert main(arguments) == 0
    table = read_table((home / "objects" / "cells" / "tables" / "cells.csv").read_text())
    assert table["voxels"].tolist() == [3 * 48 * 23, 3 * 48 * 24]
    assert table["volume_um3"] == pytest.approx(table["voxels"] * 0.05 * 0.004**2)


def test_an_engine_measures_what_is_painted(panel, viewer, press, qtbot):
    """With the real engine, twice: painting changes what is measured."""
    panel.with_image.setChecked(False)
    for count in (3 * 48 * 23, 3 * 48 * 23 - 100):
        panel.columns = {}
        press(panel.controls.button)
        qtbot.waitUntil(lambda: bool(panel.columns), timeout=90_000)
        assert panel.columns["voxels"][0] == count
        viewer.layers["cells"].data[0, 10:20, 10:20] = 0


def test_what_cannot_be_measured_is_said(panel, viewer):
    viewer.add_image(np.zeros((5, 5)), name="small")
    panel.image.choose(viewer.layers["small"])
    assert "Image 'small' and labels 'cells' differ in shape" in panel._check()
    assert not panel.controls.button.isEnabled()
    panel.with_image.setChecked(False)
    assert panel._check() == ""
    viewer.layers.remove("cells")
    assert "Choose a labels layer" in panel._check()


def test_a_table_that_is_too_long_stays_on_disk(panel, played, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 1)
    played(panel)
    assert panel.columns == {}
    assert "too many to list; the table is in" in panel.controls.messages.text()


def test_only_a_table_of_ours_is_replaced(panel, played, home):
    assert "--overwrite" not in played(panel)  # nothing says that we wrote it
    out = home / "objects" / "cells" / "tables" / "cells.csv"
    out.write_text(ROWS)
    WorkFolder(out).finish({"plan": {}})
    out_time = out.stat().st_mtime_ns
    kept = panel._arguments(None, home, out)
    assert "--overwrite" in kept and out.stat().st_mtime_ns == out_time


def test_a_layer_that_was_removed_leads_nowhere(panel, played, viewer, qtbot):
    played(panel)
    qtbot.waitUntil(lambda: bool(panel.columns))
    viewer.layers.remove("cells")
    click(qtbot, panel.table, 1)


def test_the_image_of_other_labels_is_chosen_and_the_tick_is_remembered(open_panel, viewer):
    viewer.add_image(np.zeros((8, 9), np.uint8), name="small")
    viewer.add_labels(np.zeros((8, 9), np.uint8), name="small_mask")
    panel = open_panel(ObjectsPanel, viewer)
    assert panel.image.layer.name == "small" and panel.controls.button.isEnabled()
    panel.labels_layer.choose(viewer.layers["cells"])
    assert panel.image.layer.name == "em"
    panel.with_image.setChecked(False)
    panel.findChild(Remembered).save()
    assert not open_panel(ObjectsPanel, viewer).with_image.isChecked()
