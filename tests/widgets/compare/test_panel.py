"""The comparison panel: what it starts, and the table and the layers it shows."""

import json
from itertools import pairwise

import numpy as np
import pytest

from napari_utile.events import (
    RunDone,
    StepDone,
)
from napari_utile.io.images import open_image
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import SLICE_NETWORKS
from napari_utile.widgets.kit.fields import TickList
from tests.fixtures.compare_panel import DONE, STARTED, begins, ends, idle, text


def rows(panel):
    return panel.table.cells()


def test_every_network_can_be_ticked_and_those_of_slices_are(panel):
    ticks = panel.form.widget("networks")
    assert isinstance(ticks, TickList)
    assert tuple(ticks.ticked()) == SLICE_NETWORKS
    assert panel.form.settings() == CompareSettings(minutes=5)


def test_starts_the_engine_with_the_ticked_networks_and_the_seeds(
    panel, script, press, qtbot, cells, home
):
    arguments = script(STARTED, begins("segnet"), ends("segnet", 0.5), DONE)
    panel.form.widget("networks").tick(["unet", "segnet"])
    panel.form.set_value("seeds", [0, 1])
    panel.form.set_value("minutes", "3")
    press(panel.controls.copy)
    qtbot.waitUntil(idle(panel))
    assert not (home / "comparisons").exists()

    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    (folder,) = (home / "comparisons").iterdir()
    settings = CompareSettings.read(folder / "settings.json")
    assert (settings.networks, settings.seeds) == (("unet", "segnet"), (0, 1))
    command, image, labels, *rest = json.loads(arguments.read_text())
    assert command == "compare"
    assert rest[:2] == ["--out", str(folder)]
    assert rest[-2:] == ["--job", *map(str, (home / "trainings").iterdir())]
    given = dict(zip(rest[2:-3:2], rest[3:-2:2], strict=True))
    assert given == {"--networks": "unet,segnet", "--seeds": "0,1", "--minutes": "3.0"}
    np.testing.assert_array_equal(open_image(image).data, cells[0])
    np.testing.assert_array_equal(open_image(labels).data, cells[1])


def test_the_command_line_understands_what_the_panel_writes(panel):
    from pydantic_settings import CliApp, get_subcommand

    from napari_utile.cli.main import Utile
    from napari_utile.widgets.process.command_line import flags

    panel.form.widget("networks").tick(["fcn", "unet"])
    panel.form.set_value("seeds", [3, 4])
    settings = panel.form.settings()
    line = ["compare", "i.tif", "l.tif", "--out", "o", *flags(settings)]
    parsed = get_subcommand(CliApp.run(Utile, cli_args=line, cli_cmd_method_name="__str__"))
    assert parsed.options() == settings


def test_affinities_are_offered_where_all_ticked_networks_see_volumes(panel):
    ticks, targets = panel.form.widget("networks"), panel.form.widget("target")
    assert targets.findText("affinities") < 0
    ticks.tick(["unet-3d"])
    panel.form.set_value("target", "affinities")
    assert panel.form.settings().target == "affinities"
    ticks.tick(["unet-3d", "segnet"])
    assert targets.currentText() == "instances" and targets.findText("affinities") < 0
    assert panel.controls.status.text().startswith("The target is instances again: segnet sees")
    other = CompareSettings(networks=("unet-3d",), target="affinities")
    panel.form.show_settings(other)
    assert panel.form.settings() == other


@pytest.mark.parametrize(("field", "value"), [("networks", []), ("seeds", ["x"])])
def test_nothing_to_compare_is_red_and_said(panel, field, value):
    if field == "networks":
        panel.form.widget("networks").tick(value)
    else:
        panel.form.set_value(field, value)
    assert text(panel).find(field) >= 0
    assert "border" in panel.form.widget(field).styleSheet()
    assert not panel.controls.button.isEnabled()


def test_shows_which_network_of_how_many_and_the_time_left_of_all(panel, script, press, qtbot):
    step = StepDone(step=7, loss=1, learning_rate=1e-3, progress=0.6, rate=2.5, seconds_left=80)
    script(STARTED, begins("segnet", number=2), step, {"do": "wait"}, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: "step 7" in panel.controls.status.text())
    assert panel.controls.status.text() == (
        "segnet, seed 0 (2 of 2) · step 7 · 2.5 steps/s · 1 min 20 s left"
    )
    assert panel.controls.bar.value() == 600
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))


def test_the_table_fills_and_gives_mean_and_spread_over_seeds(panel, script, press, qtbot):
    script(
        STARTED, begins("unet"), ends("unet", 0.8), {"do": "wait"}, begins("unet", 1),
        ends("unet", 0.9, seed=1), begins("fcn"), ends("fcn", 0.5),
        RunDone(out="OUT", seconds=75, stopped=True),
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(lambda: bool(rows(panel)))
    first = ["unet", "0", "0.800", "0.500", "0.900", "1,234", "625", "60.0", "0.250"]
    assert rows(panel) == [first]
    panel.controls._engine.stop()
    qtbot.waitUntil(idle(panel))
    assert [row[:3] for row in rows(panel)] == [
        ["unet", "0", "0.800"],
        ["unet", "1", "0.900"],
        ["unet", "mean of 2", "0.850 ± 0.071"],  # 0.1 / sqrt(2)
        ["fcn", "0", "0.500"],
    ]
    panel.table.sort("iou")
    assert [row[2] for row in rows(panel)] == ["0.500", "0.800", "0.850 ± 0.071", "0.900"]


def test_the_table_is_copied_for_a_spreadsheet(panel, script, press, qtbot):
    from qtpy.QtWidgets import QApplication

    script(STARTED, begins("unet"), ends("unet", 0.123456789), RunDone(seconds=1, stopped=True))
    press(panel.controls.button)
    qtbot.waitUntil(lambda: bool(rows(panel)))
    panel.copy.click()
    names, row = QApplication.clipboard().text().splitlines()
    assert names.split("\t")[:3] == ["network", "seed", "iou"]
    assert row.split("\t")[:3] == ["unet", "0", "0.123456789"]


def test_results_stand_side_by_side_or_lie_where_they_belong(
    panel, script, press, qtbot, viewer, compared, cells
):
    script(
        STARTED, {"do": "copy", "folder": str(compared)}, begins("unet"), ends("unet", 0.8),
        begins("segnet"), ends("segnet", 0.9), DONE,
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "Done after 1 min 15 s." in text(panel)
    image = viewer.layers["em"]
    shown = [viewer.layers[name] for name in ("truth", "unet", "segnet")]
    np.testing.assert_array_equal(shown[2].data, cells[1][1:, :, 16:] + 2)

    lefts = [layer.translate[-1] for layer in shown]
    width = 48 * 4
    assert lefts[0] > image.extent.world[1, -1]
    assert all(b - a >= width for a, b in pairwise(lefts))
    beneath = viewer.layers["validation image"]
    for layer in shown:  # the same pixels lie below every result
        at = beneath.world_to_data(layer.data_to_world((1, 30, 20)))
        assert beneath.data[tuple(np.round(at).astype(int))] == cells[0][2, 30, 36]
    assert [str(t) for t in viewer.layers["networks"].text.values] == [
        "truth",
        "unet",
        "segnet",
    ]

    panel.row.setChecked(False)
    for layer in shown:
        np.testing.assert_allclose(
            layer.data_to_world((1, 30, 20)), image.data_to_world((2, 30, 36))
        )
    assert not beneath.visible


def test_a_slice_that_has_results_comes_into_view(
    panel, script, press, qtbot, viewer, compared
):
    lines = (
        STARTED, {"do": "copy", "folder": str(compared)}, begins("unet"), ends("unet", 1), DONE,
    )  # fmt: skip
    for before, after in ((0, 1), (2, 2)):
        viewer.dims.set_current_step(0, before)
        script(*lines)
        press(panel.controls.button)
        qtbot.waitUntil(idle(panel))
        assert viewer.dims.current_step[0] == after


def test_names_stand_above_the_pictures(panel, script, press, qtbot, viewer, compared):
    script(
        STARTED, {"do": "copy", "folder": str(compared)}, begins("unet"), ends("unet", 1), DONE,
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    names = viewer.layers["networks"]
    assert names.text.anchor == "upper_left"  # its text is drawn upwards from the point
    assert names.data[0, 0] == viewer.layers["truth"].translate[-2]


def test_another_comparison_takes_the_place_of_the_layers(
    panel, script, press, qtbot, viewer, compared
):
    lines = (
        STARTED, {"do": "copy", "folder": str(compared)}, begins("unet"), ends("unet", 1), DONE,
    )  # fmt: skip
    for _ in range(2):
        script(*lines)
        press(panel.controls.button)
        qtbot.waitUntil(idle(panel))
    names = [layer.name for layer in viewer.layers]
    assert names == ["em", "cells", "validation image", "truth", "unet", "networks"]


def test_results_that_are_not_there_are_said(panel, script, press, qtbot):
    script(STARTED, begins("unet"), ends("unet", 0.8), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert "The results cannot be shown" in text(panel)


def test_a_folder_with_a_comparison_shows_its_settings_and_goes_on(panel, tmp_path):
    settings = CompareSettings(networks=("fcn",), seeds=(4,), steps=11)
    (tmp_path / "settings.json").write_text(settings.text())
    (tmp_path / "data.json").write_text("{}")
    panel.folder.set_path(tmp_path)
    assert panel.controls.button.text() == "Resume"
    assert panel.form.settings() == settings
    assert "Resume computes what is missing" in text(panel)


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_comparison_leaves_its_folder_when_it_is_done(
    panel, script, press, qtbot, compared, is_stopped
):
    (compared / "settings.json").write_text(CompareSettings().text())
    (compared / "data.json").write_text("{}")
    panel.folder.set_path(compared)
    done = RunDone(out="OUT", seconds=1, stopped=is_stopped)
    script(STARTED, begins("unet"), ends("unet", 0.8), done)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert panel.folder.path == (compared if is_stopped else None)
    assert panel.controls.button.text() == ("Resume" if is_stopped else "Compare")


def test_a_folder_that_holds_something_else_is_red(panel, tmp_path):
    (tmp_path / "holiday.jpg").touch()
    panel.folder.set_path(tmp_path)
    assert "no comparison" in panel.folder.line.toolTip()
    assert not panel.controls.button.isEnabled()


def test_a_comparison_whose_panel_was_closed_is_shown_by_the_next(
    panel, open_panel, script, press, qtbot, viewer
):
    script(STARTED, begins("unet"), ends("unet", 0.8), {"do": "wait"}, DONE)
    press(panel.controls.button)
    qtbot.waitUntil(lambda: bool(rows(panel)))
    panel.controls.leave()  # as a panel does that is closed
    other = open_panel(type(panel), viewer)
    qtbot.waitUntil(lambda: rows(other) == rows(panel) != [])
    press(other.controls.button)
    qtbot.waitUntil(idle(other))
    assert not panel.controls.is_running
