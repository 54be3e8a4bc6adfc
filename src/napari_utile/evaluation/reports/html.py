"""An evaluation as one HTML page: no other file, nothing from the network.

The page is `report.html.j2`, filled with the numbers and pictures that are made here.
"""

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from napari_utile import __version__
from napari_utile.evaluation.error_types import KIND_COLORS, KIND_MEANINGS
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.reports.drawing import encoded, plain_style
from napari_utile.evaluation.reports.figures import (
    INK,
    curves,
    error_picture,
    slice_title,
    worst_slices,
)
from napari_utile.evaluation.scores import GROUPS, format_score, is_score, score_named
from napari_utile.io.stack import Stack

MOST_LISTED = 500
"""Splits and merges in the table of the page."""


def page(
    report: Report,
    title: str = "",
    images: Sequence[Stack] = (),
    facts: Mapping[str, Any] | None = None,
) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    report : Report
    title : str
    images, facts
        See `write_report`.
    """
    stock = "COCO's own 12 numbers, with its limit of 100 detections and its sizes"
    return _template().render(
        report=report,
        title=title or "Evaluation",
        facts=facts or {},
        groups=GROUPS,
        colors=KIND_COLORS,
        meanings=KIND_MEANINGS,
        slices=_worst_slices(report, images),
        curves={name: _svg(name, draw) for name, draw in curves(report).items()},
        tables={
            "Every slice": report.rows,
            "Best threshold of each score": report.best,
            "By size of the objects": report.sizes,
        },
        folded_tables={
            "By IoU threshold": report.ious,
            "By probability threshold": report.thresholds,
            stock: [report.stock] if report.stock else [],
            "Splits and merges, the largest first": [
                each.row() for each in report.splits_merges[:MOST_LISTED]
            ],
        },
        version=__version__,
    )


@cache
def _template() -> Template:
    """Load the page. Everything that is put into it is escaped, but for `Markup`."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.globals |= {
        "format_score": format_score,
        "is_score": is_score,
        "score_named": score_named,
    }
    pages.tests["in_group"] = lambda name, group: score_named(name).group == group
    return pages.get_template("report.html.j2")


def _worst_slices(report: Report, images: Sequence[Stack]) -> list[dict[str, str]]:
    """Paint the slices with the most errors."""
    slices = []
    for row, image, index in worst_slices(report):
        stack = images[image] if image < len(images) else None
        scores = ", ".join(
            f"{score_named(name).title} {format_score(name, row[name])}"
            for name in ("f1_50", "panoptic_quality")
        )
        picture = _png_address(error_picture(report, image, index, stack))
        slices.append(
            {"title": slice_title(row["slice"]), "scores": scores, "picture": picture}
        )
    return slices


def _svg(name: str, draw: Callable[[Any], None]) -> Markup:
    """Draw a curve as SVG whose ink is that of the page, on light and on dark."""
    own_ids = {"svg.hashsalt": name}  # the page has several drawings
    with plain_style({"svg.fonttype": "none", "font.size": 9, **own_ids}):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.6, 3.3), layout="constrained")
        draw(figure.subplots())
        text = encoded(figure, "svg", transparent=True).decode()
    drawing = text[text.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    # Ids that nothing refers to are the same in every drawing, and a page has several.
    used = {*re.findall(r"#([\w.-]+)", drawing)}
    drawing = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", drawing)
    return Markup(drawing.replace(INK, "currentColor"))  # matplotlib escapes its texts


def _png_address(picture: NDArray[np.uint8]) -> str:
    """Return a picture (Y, X, 3) as a data URL."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
