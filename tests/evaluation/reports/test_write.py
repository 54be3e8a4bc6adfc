"""The report of an evaluation as a page, a picture, and numbers."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.error_types import COLORS, MEANINGS
from napari_utile.evaluation.evaluate import EvaluatedImage, evaluate_images
from napari_utile.evaluation.reports.figures import curves, error_picture, rgb, worst_slices
from napari_utile.evaluation.reports.write import write_report
from napari_utile.evaluation.scores import score_named
from napari_utile.events import drain
from napari_utile.io.stack import Stack
from napari_utile.settings import EvaluateSettings


@pytest.fixture
def truth():
    cells = np.zeros((5, 40, 60), np.uint8)
    cells[:, 4:16, 4:16], cells[:, 20:36, 10:40] = 1, 2
    cells[:, 4:16, 30:50] = 3
    return cells


@pytest.fixture
def foreground(truth):
    """Slice 3 lacks most, slice 1 a little."""
    p = np.where(truth > 0, 0.9, 0.1)
    p[3, :, 8:] = 0.1
    p[1, 4:16, 4:16] = 0.1
    return p


@pytest.fixture
def report(foreground, truth):
    return evaluate(foreground, truth, score_thresholds=True)


@pytest.fixture
def page(tmp_path, report):
    write_report(tmp_path / "r.html", report, "a <b> & c", facts={"truth": "<script>x.tif"})
    return (tmp_path / "r.html").read_text()


VOID = {"meta", "img", "br", "link", "input"}
"""Elements that are never closed."""


class Balanced(HTMLParser):
    """Fails where an element is closed that is not open; lists all addresses."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses = [], []

    def handle_starttag(self, tag, attributes):
        self.addresses += [v for k, v in attributes if k in ("src", "href") and v]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_a_page_is_whole_and_needs_no_other_file(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert parser.addresses
    assert all(address.startswith("data:image/png") for address in parser.addresses)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_every_id_is_there_once(page):
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert {*re.findall(r'(?:href="#|url\(#)([^")]+)', page)} <= {*ids}


def test_dollars_in_names_are_no_formulas(tmp_path, foreground, truth):
    pair = EvaluatedImage(lambda: (foreground, truth), 5, r"$\frac$")
    report = drain(evaluate_images([pair, replace(pair, name="$x$")], EvaluateSettings()))
    for suffix in ("png", "html"):
        write_report(tmp_path / f"r.{suffix}", report, r"$\frac$", facts={"truth": "$"})
    assert (tmp_path / "r.png").stat().st_size > 1000


def test_names_are_text_and_never_markup(page):
    assert "a &lt;b&gt; &amp; c" in page
    assert "<script>x.tif" not in page


def test_a_page_tells_every_score_and_what_it_means(page, report):
    for name in report:
        assert f"<code>{name}</code>" in page
        assert score_named(name).text.split("'")[0] in page
    for kind, meaning in MEANINGS.items():
        assert kind in page
        assert meaning in page
        assert COLORS[kind] in page


def test_a_page_shows_notes_curves_and_the_worst_slices(page, report):
    for note in report.notes:
        assert note in page
    for title in curves(report):
        assert title in page
    assert page.count("<svg") == len(curves(report)) == 5
    assert page.index("slice 3") < page.index("slice 1")


def test_curves_take_the_ink_of_the_page(page):
    drawn = page[page.index("<svg") : page.rindex("</svg>")]
    assert "currentColor" in drawn
    assert "#30343b" not in drawn


def test_only_what_there_is_is_drawn(truth):
    same = evaluate(truth[0], truth[0])
    assert list(curves(same)) == [
        "Objects found, by how well they must fit",
        "Precision and recall",
    ]
    nothing = evaluate(0 * truth[0], 0 * truth[0])
    assert "Precision and recall" not in curves(nothing)


@pytest.mark.parametrize("suffix", [".html", ".png"])
@pytest.mark.parametrize("labels", ["instances", "classes"])
def test_any_report_can_be_written(tmp_path, truth, suffix, labels):
    for n, (a, b) in enumerate([(truth, truth), (0 * truth, truth), (truth[0], 0 * truth[0])]):
        write_report(tmp_path / f"{n}{suffix}", evaluate(a, b, labels=labels))
        assert (tmp_path / f"{n}{suffix}").stat().st_size > 2000


def test_a_sheet_is_a_picture(tmp_path, report):
    write_report(tmp_path / "r.png", report, "cells", facts={"truth": "t.tif"})
    with Image.open(tmp_path / "r.png") as picture:
        assert picture.width >= 1200
        assert picture.height > picture.width / 2


def test_numbers_are_those_of_the_report(tmp_path, report):
    for suffix in ("json", "csv"):
        write_report(tmp_path / f"r.{suffix}", report)
    assert json.loads((tmp_path / "r.json").read_text())["iou"] == report["iou"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    assert float(rows[-1]["iou"]) == report["iou"]


def test_other_suffixes_are_refused(tmp_path, report):
    with pytest.raises(UserError, match=r"r\.pdf: a report is \.html, \.png, \.json or \.csv"):
        write_report(tmp_path / "r.pdf", report)


# slices


def test_worst_slices_come_first(report):
    assert [row["slice"] for row, _, _ in worst_slices(report, 2)] == [3, 1]
    assert worst_slices(report)[0][1:] == (0, (3,))


def test_what_is_wrong_is_painted_over_the_image(report, truth):
    image = np.zeros((5, 40, 60), np.uint8)
    image[:, ::2] = 200
    picture = error_picture(report, 0, (1,), Stack(image, "zyx"))
    assert picture.shape == (40, 60, 3)
    background = picture[0, 0].tolist(), picture[1, 0].tolist()
    assert background == ([255] * 3, [0] * 3)  # nothing to see but the image
    missed = picture[4:16, 4:16].reshape(-1, 3).mean(0) / 255
    vermilion, image_there = np.array(rgb(COLORS["missed"])), 0.5
    np.testing.assert_allclose(missed, 0.72 * vermilion + 0.28 * image_there, atol=0.01)


def test_without_an_image_the_truth_is_below_the_errors(report, truth):
    picture = error_picture(report, 0, (0,))
    assert len(np.unique(picture[truth[0] == 0], axis=0)) == 1
    assert picture[0, 0].max() < 80


def test_large_slices_are_made_smaller(truth):
    large = np.kron(truth[0], np.ones((50, 50), np.uint8))
    picture = error_picture(evaluate(large, large), 0, ())
    assert max(picture.shape) <= 900


def test_planes_of_a_stack_with_one_time_point_are_found(report):
    stack = Stack(np.random.default_rng(0).random((1, 5, 40, 60)), "tzyx")
    assert error_picture(report, 0, (2,), stack).shape == (40, 60, 3)


def test_masks_and_images_with_holes_can_be_shown_too(report):
    halves = np.zeros((5, 40, 60), bool)
    halves[:, :, 30:] = True
    broken = halves.astype(np.float32)
    broken[:, 0] = np.nan
    for image in (halves, broken):
        picture = error_picture(report, 0, (0,), Stack(image, "zyx"))
        assert (picture[-1, 0].max(), picture[-1, -1].min()) == (0, 255)
