"""Rows of numbers, and how they read."""

import csv
import io
import json
from pathlib import Path

import pytest

from napari_utile.arrays.splits import Split
from napari_utile.engine.comparison.table import (
    Comparison,
    cells,
    summarize,
    table_notes,
    to_csv,
    to_json,
    to_markdown,
)


def run(network, seed, iou, parameters=1234):
    return {
        "network": network, "seed": seed, "iou": iou, "parameters": parameters,
        "seconds_to_train": 60.0,
    }  # fmt: skip


BY_SLICE = Split((), (), "by slice")
RUNS = (run("unet", 0, 0.8), run("fcn", 0, 0.5, 9), run("unet", 1, 0.9), run("fcn", 1, 0.5, 9))


def test_mean_and_standard_deviation_over_seeds():
    unet, fcn = summarize(RUNS)
    assert (unet["network"], unet["seeds"]) == ("unet", [0, 1])
    assert unet["iou"] == pytest.approx(0.85)
    assert unet["iou_std"] == pytest.approx(((0.05**2 + 0.05**2) / (2 - 1)) ** 0.5)
    assert fcn["iou_std"] == 0
    assert unet["parameters"] == 1234 and "parameters_std" not in unet


def test_a_single_seed_has_no_spread():
    (row,) = summarize(RUNS[:1])
    assert row["iou_std"] is None
    assert json.loads(to_json(Comparison(Path("x"), RUNS[:1])))["rows"][0]["iou_std"] is None
    (read,) = csv.DictReader(io.StringIO(to_csv([row])))
    assert (read["iou"], read["iou_std"]) == ("0.8", "")
    assert "±" not in to_markdown([row], ())
    assert "One seed (0)" in table_notes([0], BY_SLICE)[1]
    assert "0, 1 (n - 1)" in table_notes([0, 1], BY_SLICE)[1]


def test_networks_that_see_across_the_guard_band_are_named():
    fields = {"unet": 45, "fcn": 101, "segnet": 46}
    *_, note = table_notes([0], Split((), (), "by block", guard=45), fields)
    assert "Only 45 px lie between" in note and "fcn sees 101 px, segnet sees 46 px" in note
    for enough in (Split((), (), "by block", guard=101), BY_SLICE):
        assert len(table_notes([0], enough, fields)) == 2
    assert "Only 0 px" in table_notes([0], Split((), (), "by block", guard=0), fields)[-1]


def test_csv_names_the_seeds():
    rows = list(csv.DictReader(io.StringIO(to_csv(summarize(RUNS)))))
    assert [row["seeds"] for row in rows] == ["0 1", "0 1"]


def test_markdown_is_an_aligned_table_with_notes():
    lines = to_markdown(summarize(RUNS), ("Mind the gap.",)).splitlines()
    assert lines[0].split("|")[1:3] == [" network ", "           IoU "]
    assert set(lines[1]) == set("|-:")
    assert lines[2].startswith("| unet    | 0.850 ± 0.071 |      1,234 |")
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[-1] == "Mind the gap."


def test_a_terminal_gets_fewer_columns():
    titles = cells(summarize(RUNS), in_terminal=True)[0]
    assert titles == ["network", "IoU", "params", "train s"]


def test_a_comparison_grows_run_by_run():
    empty = Comparison(Path("x"), notes=("A note.",))
    assert repr(empty) == "No network is done.\n"
    one = empty.with_run("unet", 0, {"iou": 0.5}).without("fcn-seed0: no")
    assert one.runs == ({"network": "unet", "seed": 0, "iou": 0.5},)
    found = json.loads(to_json(one))
    assert found["failed"] == ["fcn-seed0: no"] and found["notes"] == ["A note."]
