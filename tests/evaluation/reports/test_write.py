"""A report as a file of any kind."""

import csv
import io
import json
from dataclasses import replace

import pytest

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.evaluate import EvaluatedImage, evaluate_images
from napari_utile.evaluation.reports.write import write_report
from napari_utile.events import drain
from napari_utile.settings.evaluation import EvaluateSettings


def test_dollars_in_names_are_no_formulas(tmp_path, foreground, truth):
    pair = EvaluatedImage(lambda: (foreground, truth), 5, r"$\frac$")
    report = drain(evaluate_images([pair, replace(pair, name="$x$")], EvaluateSettings()))
    for suffix in ("png", "html"):
        write_report(tmp_path / f"r.{suffix}", report, r"$\frac$", facts={"truth": "$"})
    assert (tmp_path / "r.png").stat().st_size > 1000


@pytest.mark.parametrize("suffix", [".html", ".png"])
@pytest.mark.parametrize("labels", ["instances", "classes"])
def test_any_report_can_be_written(tmp_path, truth, suffix, labels):
    for n, (a, b) in enumerate([(truth, truth), (0 * truth, truth), (truth[0], 0 * truth[0])]):
        write_report(tmp_path / f"{n}{suffix}", evaluate(a, b, labels=labels))
        assert (tmp_path / f"{n}{suffix}").stat().st_size > 2000


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_a_report_has_the_same_bytes_each_time(tmp_path, report, suffix):
    for name in ("a", "b"):
        write_report(tmp_path / f"{name}{suffix}", report)
    first, second = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert first == second


def test_numbers_are_those_of_the_report(tmp_path, report):
    for suffix in ("json", "csv"):
        write_report(tmp_path / f"r.{suffix}", report)
    assert json.loads((tmp_path / "r.json").read_text())["iou"] == report["iou"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert float(rows[-1]["iou"]) == report["iou"]


def test_other_suffixes_are_refused(tmp_path, report):
    with pytest.raises(UserError, match=r"r\.pdf: a report is \.html, \.png, \.json or \.csv"):
        write_report(tmp_path / "r.pdf", report)
