"""An evaluation as one picture: main scores, curves, worst slices."""

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import wrap
from typing import Any

from napari_utile.evaluation.error_types import KIND_COLORS
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.reports.drawing import encoded, plain_style
from napari_utile.evaluation.reports.figures import (
    INK,
    curves,
    error_picture,
    slice_title,
    worst_slices,
)
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.scores import format_score, score_named, scores_in
from napari_utile.io.stack import Stack

SOFT = "#667080"
WIDTH, ACROSS = 12.0, 3
"""Width of the sheet in inches, and pictures per row."""


def sheet(
    report: Report,
    title: str = "",
    images: Sequence[Stack] = (),
    facts: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the sheet as PNG.

    Parameters
    ----------
    report : Report
    title, images, facts
        See `write_report`.
    """
    drawn = curves(report)
    shown = worst_slices(report, ACROSS)
    rows = ceil(len(drawn) / ACROSS)
    heights = [1.1, *([0.55] if shown else []), *([4.4] if shown else []), *[3.1] * rows]
    heights += [0.2 + 0.17 * len(_note_lines(report))] if report.notes else []
    with plain_style({"font.size": 9, "text.color": INK}):
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
        figure = Figure(figsize=(WIDTH, sum(heights)), dpi=130, layout=layout)
        parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False))
        _draw_head(next(parts)[0], report, title or "Evaluation", facts or {})
        if shown:
            _draw_kinds(next(parts)[0], report)
            _draw_worst_slices(next(parts)[0], report, shown, images)
        for first in range(0, len(drawn), ACROSS):
            axes = next(parts)[0].subplots(1, ACROSS)
            for ax in axes:
                ax.set_axis_off()
            for ax, (name, draw) in zip(axes, [*drawn.items()][first:], strict=False):
                ax.set_axis_on()
                ax.set_title(name, fontsize=10, loc="left", fontweight="bold")
                draw(ax)
        if report.notes:
            _draw_notes(next(parts)[0], report)
        return encoded(figure)


def _draw_head(part: Any, report: Report, title: str, facts: Mapping[str, Any]) -> None:
    """Write the title, and the main scores side by side."""
    part.text(0.012, 0.88, _shortened(title, 100), fontsize=15, fontweight="bold", va="center")
    told = "   ".join(f"{name}: {_shortened(value, 80)}" for name, value in facts.items())
    part.text(0.012, 0.66, _shortened(told, 230), fontsize=7, color=SOFT, va="center")
    names = [name for name in scores_in("headline") if name in report]
    for n, name in enumerate(names):
        x = 0.012 + n * 0.976 / max(len(names), 6)
        value = format_score(name, report[name])
        part.text(x, 0.32, value, fontsize=15, fontweight="bold", va="center")
        part.text(x, 0.03, score_named(name).title, fontsize=8.5, color=SOFT, va="center")


def _shortened(text: Any, most: int) -> str:
    """Omit the middle of a text that is too long, such as a path."""
    text = str(text)
    return text if len(text) <= most else f"{text[: most // 3]} … {text[-most * 2 // 3 :]}"


def _draw_kinds(part: Any, report: Report) -> None:
    """Draw how many objects are of each kind; also the legend of the slices."""
    counts = report.objects.counts() if report.objects is not None else {}
    ax = part.subplots()
    ax.set_axis_off()
    left, total = 0.0, max(sum(counts.values()), 1)
    for kind, count in counts.items():
        ax.barh(1, count / total, left=left, height=0.7, color=KIND_COLORS[kind])
        left += count / total
    for n, (kind, color) in enumerate(KIND_COLORS.items()):
        x = n / len(KIND_COLORS)
        ax.plot(x + 0.004, 0, "s", color=color, ms=8)
        ax.text(x + 0.015, 0, f"{kind} {counts.get(kind, ''):,}" if kind in counts else kind,
                va="center")  # fmt: skip
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.6, 1.5)


def _draw_worst_slices(
    part: Any,
    report: Report,
    shown: Sequence[tuple[Row, int, tuple[int, ...]]],
    images: Sequence[Stack],
) -> None:
    """Draw the worst slices with their errors in color."""
    axes = part.subplots(1, ACROSS)
    for ax in axes:
        ax.set_axis_off()
    for ax, (row, image, index) in zip(axes, shown, strict=False):
        stack = images[image] if image < len(images) else None
        ax.imshow(error_picture(report, image, index, stack), interpolation="nearest")
        title = slice_title(row["slice"]) + ": panoptic quality "
        title += format_score("panoptic_quality", row["panoptic_quality"])
        ax.set_title(title, fontsize=9.5)


def _draw_notes(part: Any, report: Report) -> None:
    """Write the notes of the report."""
    part.text(0.012, 0.5, "\n".join(_note_lines(report)), fontsize=8.5, va="center",
              color="#8a5a00")  # fmt: skip


def _note_lines(report: Report) -> list[str]:
    """Break the notes into lines of the sheet."""
    return [line for note in report.notes for line in wrap(note, 165)]
