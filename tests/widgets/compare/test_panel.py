"""The comparison panel: what it starts, and the curves, the table and the layers it shows."""

import json
from itertools import pairwise

import numpy as np
import pytest

from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    EpochDone,
    RunDone,
    RunStarted,
    StepDone,
)
from napari_utile.folders.run import Run
from napari_utile.io.images import open_image, write_tiff
from napari_utile.settings import NETWORK_NAMES, CompareSettings
from napari_utile.widgets.compare.curves import NETWORK_COLORS, network_color
from napari_utile.widgets.compare.panel import ComparePanel
from napari_utile.widgets.kit.fields import TickList

STARTED = RunStarted(job="compare", out="OUT", device="cpu", total=2)
DONE = RunDone(out="OUT", seconds=75)


def begins(network, seed=0, number=1):
    out = f"OUT/{network}-seed{seed}"
    return CandidateStarted(network=network, seed=seed, number=number, total=2, out=out)


def ends(network, iou, seed=0):
    row = {
        "iou": iou, "matching_ap50": 0.5, "v_rand": 0.9, "dice": 0.1, "parameters": 1234,
        "steps": 625, "seconds_to_train": 60.0, "seconds_to_predict": 0.25,
    }  # fmt: skip
    return CandidateDone(network=network, seed=seed, row=row)


def epoch(step, iou):
    return EpochDone(
        epoch=1, step=step, train_loss=0.5, val_loss=1 / step, scores={"iou": iou, "dice": 0.1},
        is_best=True, seconds=1,
    )  # fmt: skip


@pytest.fixture
def panel(open_panel, viewer):
    return open_panel(ComparePanel, viewer)


@pytest.fixture
def compared(tmp_path, cells):
    """Write what is left of a comparison whose validation part is slice 1 and 2, x from 16."""
    folder = tmp_path / "compared"
    image, labels = (array[1:, :, 16:] for array in cells)
    results = {"": {"image": image, "truth": labels}}
    results["unet-seed0"] = {"instances": labels + 1}
    results["segnet-seed0"] = {"instances": labels + 2}
    for name, found in results.items():
        place = folder / name / "validation"
        place.mkdir(parents=True)
        for kind, pixels in found.items():
            write_tiff(place / f"{kind}.tif", pixels.astype(np.uint8))
    lies = [{"suffix": "", "slices": [[1], [2]], "corner": [0, 16]}]
    (folder / "validation" / "places.json").write_text(json.dumps(lies))
    return folder


def idle(panel):
    return lambda: not panel.controls.is_running


def text(panel):
    return panel.controls.messages.text()


def rows(panel):
    return panel.table.cells()


def test_every_network_can_be_ticked_and_is(panel):
    ticks = panel.form.widget("networks")
    assert isinstance(ticks, TickList)
    assert tuple(ticks.ticked()) == NETWORK_NAMES
    assert panel.form.settings() == CompareSettings()


def test_starts_the_engine_with_the_ticked_networks_and_the_seeds(
    panel, script, press, qtbot, cells, home
):
    arguments = script(STARTED, begins("segnet"), ends("segnet", 0.5), DONE)
    panel.form.widget("networks").tick(["unet", "segnet"])
    panel.form.set_value("seeds", [0, 1])
    panel.form.set_value("minutes", "3")
    press(panel.controls.copy)
    qtbot.waitUntil(idle(panel))
    (folder,) = (home / "comparisons").iterdir()
    settings = CompareSettings.read(folder / "settings.json")
    assert (settings.networks, settings.seeds) == (("unet", "segnet"), (0, 1))

    panel.folder.set_path(folder)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    command, image, labels, *rest = json.loads(arguments.read_text())
    assert command == "compare"
    assert rest[:2] == ["--out", str(folder)]
    given = dict(zip(rest[2:-1:2], rest[3::2], strict=True))
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


def test_every_network_has_a_curve_in_its_own_color(panel, script, press, qtbot):
    script(
        STARTED, begins("unet"), epoch(1, 0.5), epoch(2, 0.6), begins("fcn"), epoch(1, 0.1),
        DONE,
    )  # fmt: skip
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    qtbot.wait(300)
    assert {run: len(epochs) for run, epochs in panel.curves.runs.items()} == {
        ("unet", 0): 2,
        ("fcn", 0): 1,
    }
    loss, score = panel.curves._lines["unet", 0]
    assert loss.getData()[1].tolist() == [1, 0.5]
    assert score.getData()[1].tolist() == [0.5, 0.6]
    assert score.opts["pen"].color().name() == network_color("unet")
    assert panel.curves.keys[0].names == {name: network_color(name) for name in ("unet", "fcn")}
    assert (
        len({network_color(name) for name in NETWORK_NAMES})
        == len(NETWORK_NAMES)
        <= len(NETWORK_COLORS)
    )
    panel.curves.score.setCurrentText("dice")
    qtbot.waitUntil(lambda: score.getData()[1].tolist() == [0.1, 0.1])


def test_what_another_session_did_of_a_network_is_drawn_too(
    panel, script, press, qtbot, tmp_path
):
    folder = tmp_path / "mine"
    done = Run(folder / "unet-seed0")
    done.folder.mkdir(parents=True)
    for event in (epoch(1, 0.2), epoch(2, 0.3), epoch(3, 0.4)):
        done.record(event)
    settings = CompareSettings().text()
    (folder / "settings.json").write_text(settings)
    panel.folder.set_path(folder)
    script(STARTED, begins("unet"), epoch(3, 0.9), DONE)
    press(panel.controls.button)
    qtbot.waitUntil(idle(panel))
    assert [e.scores["iou"] for e in panel.curves.runs["unet", 0]] == [0.2, 0.3, 0.9]


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


def test_the_list_of_networks_is_as_high_as_its_lines(qtbot):
    ticks = TickList(NETWORK_NAMES)
    qtbot.addWidget(ticks)
    ticks.show()
    last = ticks.visualItemRect(ticks.item(ticks.count() - 1))
    assert last.height() == 20
    assert 0 <= ticks.viewport().height() - last.bottom() < last.height()


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


def test_slices_that_are_not_in_a_row_lie_where_they_belong(tmp_path):
    from napari_utile.widgets.layers.comparison import _read_slices

    write_tiff(tmp_path / "a.tif", np.full((2, 3, 4), [[[5]], [[6]]], np.uint8))
    found = _read_slices(tmp_path / "a.tif", [[1], [4]])
    assert found.shape == (4, 3, 4, 1)
    assert found[:, 0, 0, 0].tolist() == [5, 0, 0, 6]


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
