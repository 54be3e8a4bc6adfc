"""Curves of an evaluation."""

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_utile.widgets.kit.plots import Graphics


@pytest.fixture
def likely(viewer, result, panel):
    """Let the panel compare probabilities, 0.75 in the objects of the result."""
    foreground = np.where(result > 0, 0.75, 0.1).astype(np.float32)
    panel.prediction.choose(viewer.add_image(foreground, name="p"))
    panel.form.set_value("score_thresholds", True)
    return panel


def choose_curve(panel, kind):
    choice = panel.view.curves.kind
    choice.setCurrentIndex(choice.findData(kind))
    assert choice.currentData() == kind
    return panel.view.curves.lines


def test_precision_is_drawn_against_recall_for_each_threshold(likely, run):
    report = run(likely)
    lines = choose_curve(likely, "precision against recall")
    assert len(lines) == 10
    rows = [row for row in report.precision_recall if row["iou_threshold"] == 0.75]
    recalls, precisions = lines["0.75"]
    assert recalls == [row["recall"] for row in rows][: len(recalls)]
    assert precisions == [row["precision"] for row in rows][: len(precisions)]
    # five of six cells are found: it falls to 0 beyond a recall of 5 / 6, and ends
    assert recalls[-1] == pytest.approx(0.84) and precisions[-1] == 0 and precisions[-2] > 0


def test_scores_are_drawn_against_the_iou_threshold(panel, run, qtbot):
    report = run(panel)
    lines = choose_curve(panel, "scores against IoU threshold")
    assert {"f1", "matching_ap", "precision", "recall", "panoptic_quality"} == set(lines)
    assert lines["f1"][0][0] == 0.5
    assert lines["f1"][1][0] == report["f1_50"]
    graphics = panel.view.curves.findChild(Graphics)
    (inside,) = (item.getViewBox() for item in graphics.ci.items)
    before = inside.viewRange()
    inside.setRange(xRange=(50, 60), yRange=(7, 8))
    qtbot.mouseDClick(graphics.viewport(), Qt.MouseButton.LeftButton)
    assert inside.viewRange() == before


def test_a_score_is_drawn_against_the_probability_threshold_and_the_best_is_marked(likely, run):
    report = run(likely)
    curves = likely.view.curves
    choose_curve(likely, "score against probability threshold")
    best = next(row for row in report.best if row["name"] == "v_rand")
    curves.score.setCurrentIndex(curves.score.findData("v_rand"))
    assert list(curves.lines) == ["v_rand"]
    assert curves.lines["v_rand"][1] == [row["v_rand"] for row in report.thresholds]
    assert f"{best['value']:.4g}" in curves.best.text()
    assert curves.best.text().endswith(f"chosen on {best['chosen_on']}.")


def test_curves_that_are_not_there_are_not_offered(likely, run):
    run(likely)
    choose_curve(likely, "score against probability threshold")
    likely.form.set_value("score_thresholds", False)
    run(likely)
    kinds = likely.view.curves.kind
    assert kinds.findData("score against probability threshold") < 0
    assert likely.view.curves.score.isHidden()
