"""Pictures of an evaluation: curves of scores, and the worst slices with their errors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.error_types import BORDER, KIND_COLORS, KINDS, MATCHED
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.scores import score_named, scores_in
from napari_utile.io.stack import Stack

INK = "#30343b"
LINE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Safe for all color vision deficiencies (Wong, "Points of view", Nature Methods 8, 2011)."""
MAX_PICTURE_SIDE = 900
"""Longest side of a picture of a slice, px; larger slices are subsampled."""
STRENGTH = {MATCHED: 0.28, BORDER: 0.75}
"""Opacity of kinds over the image; `WRONG` is that of the others."""
WRONG = 0.72

Draw = Callable[[Any], None]


def curves(report: Report) -> dict[str, Draw]:
    """Return a function that draws each curve for which the report has numbers, by its title.

    Parameters
    ----------
    report : Report

    Returns
    -------
    dict of str to callable
        Each takes Matplotlib axes.
    """
    several = len(report.rows) > 3
    found: dict[str, tuple[bool, Draw]] = {
        "Objects found, by how well they must fit": (
            bool(report.ious),
            lambda ax: _draw_ious(ax, report.ious),
        ),
        "Precision and recall": (
            bool(report.precision_recall),
            lambda ax: _draw_precision_recall(ax, report.precision_recall),
        ),
        "Scores by threshold": (
            bool(report.thresholds),
            lambda ax: _draw_thresholds(ax, report, "higher"),
        ),
        "Errors by threshold": (
            bool(report.thresholds),
            lambda ax: _draw_thresholds(ax, report, "lower"),
        ),
        "Slices": (several, lambda ax: _draw_scores_by_slice(ax, report)),
    }
    return {title: draw for title, (is_there, draw) in found.items() if is_there}


BY_IOU = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "matching_ap": "matching AP",
    "panoptic_quality": "panoptic quality",
}


def _draw_ious(ax: Any, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw the scores of matched objects over the IoU threshold of a match."""
    x = [row["iou_threshold"] for row in rows]
    for color, (name, title) in zip(LINE_COLORS, BY_IOU.items(), strict=False):
        ax.plot(x, [row[name] for row in rows], color=color, label=title, marker="o", ms=3)
    _finish(ax, "IoU threshold", "score")


def _draw_precision_recall(ax: Any, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw precision over recall, one curve per IoU; COCO AP is the mean area under them."""
    from matplotlib import colormaps

    ious = sorted({row["iou_threshold"] for row in rows})
    colors = colormaps["plasma"](np.linspace(0.35, 0.85, len(ious)))
    for color, iou in zip(colors, ious, strict=True):
        here = [row for row in rows if row["iou_threshold"] == iou and row["precision"] > 0]
        end = here[-1:]  # from there it falls to 0
        told = iou in (ious[0], ious[len(ious) // 2], ious[-1])
        ax.plot(
            [row["recall"] for row in (*here, *end)],
            [*(row["precision"] for row in here), *(0 for _ in end)],
            color=color,
            label=f"IoU {iou:.2f}" if told else None,
        )
    ax.set_xlim(0, 1)
    _finish(ax, "recall", "precision")


def _draw_thresholds(ax: Any, report: Report, better: Literal["higher", "lower"]) -> None:
    """Draw scores over the probability threshold; a ring marks the best of each."""
    rows = report.thresholds
    names = [n for n in rows[0] if n != "threshold" and score_named(n).better == better]
    best = {row["name"]: row for row in report.best}
    for color, name in zip(LINE_COLORS, names, strict=False):
        x, y = [row["threshold"] for row in rows], [row[name] for row in rows]
        ax.plot(x, y, color=color, label=score_named(name).title, marker="o", ms=2.5)
        if name in best:
            at = best[name]["threshold"], best[name]["value"]
            ax.plot(*at, "o", ms=9, mfc="none", mec=color, mew=1.6)
    is_error = better == "lower"
    _finish(
        ax, "probability above which a pixel is an object", "error" if is_error else "score"
    )
    if is_error:
        values = [row[name] for row in rows for name in names if row[name] > 0]
        if values:
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # no formulas
            ax.set_ylim(min(values) / 1.6, 1)


def _draw_scores_by_slice(ax: Any, report: Report) -> None:
    """Draw the main scores of every slice."""
    rows = report.rows[:-1]
    names = [name for name in scores_in("by_slice") if name in report]
    for color, name in zip(LINE_COLORS, names, strict=False):
        ax.plot(
            range(len(rows)),
            [row[name] for row in rows],
            color=color,
            label=score_named(name).title,
            marker="o",
            ms=3,
        )
    _finish(ax, "slice" if isinstance(rows[0]["slice"], int) else "slice, as listed", "score")


def _finish(ax: Any, along: str, up: str) -> None:
    """Format the axes of a curve: labels, faint grid, no box, scores from 0 to 1."""
    ax.set_xlabel(along)
    ax.set_ylabel(up)
    ax.set_ylim(0, 1.02)
    ax.grid(color=INK, alpha=0.12, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    for spine in ax.spines.values():
        spine.set(color=INK, alpha=0.5)
    ax.tick_params(colors=INK)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set_color(INK)
    legend = ax.legend(frameon=False, fontsize="small")
    for text in legend.get_texts():
        text.set_color(INK)


# slices


def worst_slices(report: Report, most: int = 3) -> list[tuple[Row, int, tuple[int, ...]]]:
    """Find the slices with the lowest panoptic quality.

    Parameters
    ----------
    report : Report
    most : int, default 3
        How many slices at most.

    Returns
    -------
    list of (row, image, index)
        Scores of each slice, number of its image and its index there; empty for classes.
    """
    if not report.found:
        return []
    places = [
        (image, index) for image, sides in enumerate(report.sides) for index in sides.indices
    ]
    rows = report.rows[:-1] or report.rows
    order = sorted((row["panoptic_quality"], n) for n, row in enumerate(rows))
    return [(rows[n], *places[n]) for _, n in order[:most]]


def slice_title(name: Any) -> str:
    """Return the title of a slice: its index, or the name of its image."""
    if name == "all":
        return "the image"
    return name if isinstance(name, str) else f"slice {name}"


def error_picture(
    report: Report, image: int, index: tuple[int, ...], stack: Stack | None = None
) -> NDArray[np.uint8]:
    """Paint the errors of a slice over its image, or over the truth.

    Parameters
    ----------
    report : Report
        Of instances.
    image : int
        Number of the image.
    index : tuple of int
        Of the slice.
    stack : Stack, optional
        The image.

    Returns
    -------
    ndarray of uint8, shape (Y, X, 3)
    """
    layer = report.error_layer(image)
    assert layer is not None, "classes have no error layer"
    step = -(-max(layer.shape[-2:]) // MAX_PICTURE_SIDE)
    kinds = layer.plane(index)[::step, ::step]
    below = _background(report, image, index, stack)[::step, ::step]
    colors = np.array([[0, 0, 0], *(rgb(KIND_COLORS[kind]) for kind in KINDS)])
    strength = np.array([0.0, *(STRENGTH.get(kind, WRONG) for kind in range(1, 7))])
    cover = strength[kinds][..., None]
    mixed = (1 - cover) * below + cover * colors[kinds]
    return np.round(255 * mixed).astype(np.uint8)


def _background(
    report: Report, image: int, index: tuple[int, ...], stack: Stack | None
) -> NDArray[np.float64]:
    """Return the image of a slice as RGB, 0 to 1; the truth if there is no image."""
    if stack is None:
        true = report.sides[image].truth[index] > 0
        return np.where(true, 0.85, 0.25)[..., None].repeat(3, axis=-1)
    return rgb_image(
        stack.plane((*(0 for _ in range(len(stack.shape) - 2 - len(index))), *index))
    )


def rgb_image(image: NDArray[Any]) -> NDArray[np.float64]:
    """Return an image in gray, or in color if it has three channels.

    Parameters
    ----------
    image : ndarray, shape (C, Y, X)
        Gray values from the percentile 0.5 to 99.5 are shown.

    Returns
    -------
    ndarray of float64, shape (Y, X, 3)
        0 to 1.
    """
    pixels = np.where(np.isfinite(image), image, 0).astype(float)
    low, high = np.percentile(pixels, (0.5, 99.5))
    shown = np.clip((pixels - low) / max(high - low, 1e-9), 0, 1)
    three = shown if len(shown) == 3 else shown[:1].repeat(3, axis=0)
    return np.moveaxis(three, 0, -1)


def rgb(color: str) -> tuple[float, ...]:
    """Convert "#rrggbb" to three numbers from 0 to 1."""
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
