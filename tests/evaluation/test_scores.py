"""The registry of scores: one entry shows a score everywhere, and there is one rounding."""

from typing import get_args

import numpy as np

from napari_utile.engine.comparison.table import cells
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.reports import sheet
from napari_utile.evaluation.reports.html import page
from napari_utile.evaluation.scores import (
    GROUPS,
    SCORES,
    Place,
    format_score,
    heading,
    score_named,
    scores_in,
)
from napari_utile.widgets.compare.panel import _rows_of_table
from napari_utile.widgets.kit.table_model import Spread, TableModel
from tests.fixtures.toy_score import toy_score  # noqa: F401

TRUTH = np.array([[[1, 1, 0, 2, 2]], [[3, 3, 3, 0, 0]]])
PREDICTION = np.array([[[1, 1, 0, 0, 2]], [[3, 3, 3, 0, 4]]])


def test_a_registered_score_is_in_report_sheet_comparison_and_window(toy_score):  # noqa: F811
    report, toy = evaluate(PREDICTION, TRUTH), "0.37500"  # three objects are right
    names, *_, whole = repr(report).splitlines()[: len(report.rows) + 1]
    assert whole.split()[names.split().index("toy")] == toy
    for text in ("Toy score", "Objects that are right.", toy):
        assert text in page(report)

    written = []
    part = type("Part", (), {"text": lambda self, x, y, text, **_: written.append(text)})()
    sheet._draw_head(part, report, "title", {})
    assert written[written.index("Toy score") - 1] == toy

    row = {"network": "unet", "seed": 0, "iou": 0.9, "toy": report["toy"]}
    assert list(zip(*cells([row]), strict=True))[2] == ("Toy", toy)
    assert list(next(iter(_rows_of_table({("unet", 0): row})))) == [
        "network", "seed", "iou", "toy",
    ]  # fmt: skip
    model = TableModel({})
    model.show({name: [report[name]] for name in report})
    assert model.text(0, "toy") == toy


def test_a_number_reads_the_same_in_report_comparison_and_window():
    model = TableModel({})
    for value in (0.91234, 0.00035291, 12.3456, 31030658):
        text = format_score("iou", value)
        model.show({"iou": [value]})
        assert model.text(0, "iou") == text
        assert cells([{"network": "unet", "iou": value}])[1][1] == text
    model.show({"iou": [Spread(0.9, 0.0123)]})
    assert model.text(0, "iou") == "0.900 ± 0.012" == format_score("iou", 0.9, 0.0123)


def test_what_is_missing_is_a_dash():
    assert format_score("iou", None) == format_score("iou", float("nan")) == "–"


def test_every_entry_is_of_a_group_and_every_place_shows_something():
    assert {score.group for score in SCORES.values()} == set(GROUPS)
    assert all(scores_in(place) for place in get_args(Place))


def test_scores_of_single_classes_are_described_too():
    assert score_named("iou_3").title == "IoU, class 3"
    assert "report" in score_named("iou_3").places and not score_named("dice_3").places


def test_counts_are_headed_by_their_abbreviation():
    assert [heading(name) for name in ("true_positives", "iou")] == ["TP", "iou"]
