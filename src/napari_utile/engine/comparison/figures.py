"""Figures of a comparison: learning curves, and results side by side."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.evaluation.reports.drawing import encoded, plain_style
from napari_utile.evaluation.reports.figures import rgb_image
from napari_utile.events import EpochDone
from napari_utile.folders.comparison import ValidationFolder
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import open_image
from napari_utile.metrics.matching import match
from napari_utile.metrics.overlap import contingency

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Distinct for every kind of color vision (Wong, "Points of view", Nature Methods 8, 2011)."""

Curves = Mapping[str, Sequence[Sequence[EpochDone]]]
"""Network -> for each seed, the validations of its run."""


@plain_style()
def draw_curves(path: Path, curves: Curves, by_time: bool) -> None:
    """Draw validation loss and IoU over steps or time of training, one color per network.

    A thin line is one seed, and the dot on it its best validation, which is the model that was
    kept; the thick line is the mean over the seeds, as far as all of them go.

    Parameters
    ----------
    path : Path
        The PNG file.
    curves : mapping
        Network -> for each seed, the validations of its run.
    by_time : bool
        Whether the horizontal axis is time; otherwise steps.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    place, along = _axis_of(curves, by_time)
    score = _score_of(curves)
    figure = Figure(figsize=(10, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots(1, 2)
    for color, (network, runs) in zip(COLORS * 9, curves.items(), strict=False):
        best = [int(np.argmin(_losses(run))) for run in runs]
        for ax, values in zip(
            axes, (_losses, lambda run: _scores_of_run(run, score)), strict=True
        ):
            lines = [([place(event) for event in run], values(run)) for run in runs]
            _draw_lines(ax, lines, best, color, network)
    for ax, title in zip(axes, ("validation loss", f"validation {NAMES[score]}"), strict=True):
        ax.set_xlabel(along)
        ax.set_ylabel(title)
        ax.grid(color="0.92")
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
    _scale_losses(
        axes[0], [x for runs in curves.values() for run in runs for x in _losses(run)]
    )
    handles, labels = axes[0].get_legend_handles_labels()
    handles.append(Line2D([], [], color="0.4", linestyle="", marker="o", markersize=4.5))
    figure.legend(
        handles,
        [*labels, "model that was kept"],
        loc="outside upper center",
        ncols=min(len(handles), 6),
        frameon=False,
    )
    save(figure, path)


def _axis_of(curves: Curves, by_time: bool) -> tuple[Callable[[EpochDone], float], str]:
    """Return the place of a validation on the horizontal axis, as a function, and its title."""
    if not by_time:
        return lambda event: event.step, "optimizer steps"
    longest = max(event.seconds for runs in curves.values() for run in runs for event in run)
    unit, name = (60, "min") if longest > 180 else (1, "s")
    return lambda event: event.seconds / unit, f"time of training ({name})"


NAMES = {"iou": "IoU", "mean_iou": "mean IoU"}


def _score_of(curves: Curves) -> str:
    """Return the name of the score that is drawn: that of classes, if they were learnt."""
    return "mean_iou" if "mean_iou" in next(iter(curves.values()))[0][0].scores else "iou"


def _losses(run: Sequence[EpochDone]) -> list[float]:
    """List the validation losses of a run."""
    return [event.val_loss for event in run]


def _scores_of_run(run: Sequence[EpochDone], name: str) -> list[float]:
    """List a validation score of a run."""
    return [event.scores[name] for event in run]


def _draw_lines(
    ax: Any,
    lines: Sequence[tuple[Sequence[float], Sequence[float]]],
    best: Sequence[int],
    color: str,
    label: str,
) -> None:
    """Draw the runs of one network, and their mean if there are several."""
    several = len(lines) > 1
    for (x, y), i in zip(lines, best, strict=True):
        ax.plot(
            x,
            y,
            color=color,
            linewidth=0.8 if several else 1.8,
            alpha=0.45 if several else 1,
            label=None if several else label,
        )
        ax.plot(x[i], y[i], "o", color=color, markersize=4.5, markeredgecolor="white", zorder=3)
    if several:
        start, end = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
        places = np.unique([p for x, _ in lines for p in x if start <= p <= end])
        mean = [np.mean([np.interp(p, x, y) for x, y in lines]) for p in places]
        ax.plot(places, mean, color=color, linewidth=2.4, label=label)


def _scale_losses(ax: Any, values: Sequence[float]) -> None:
    """Use a logarithmic axis where losses span more than a decade."""
    if min(values) > 0 and max(values) > 10 * min(values):
        ax.set_yscale("log")
        for which in (ax.yaxis.set_major_formatter, ax.yaxis.set_minor_formatter):
            which(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "1235" else "")


# results


NONE = np.iinfo(np.int64).max
"""Id of an object that matches no true one."""
CAPTION = "color: matches that true object (IoU at least 0.5)    white: matches none"
MIDDLE = "the middle slice of the volume to validate; objects are matched in the whole volume"


@plain_style()
def draw_results(
    path: Path,
    truth: ValidationFolder,
    results: Mapping[str, tuple[Mapping[str, Any], ValidationFolder]],
    volumes: bool = False,
) -> None:
    """Draw the first validation image, its truth, and the result of every network.

    An object that matches a true one (IoU of at least 0.5) has its color; other objects are
    white, and background is black.

    Parameters
    ----------
    path : Path
        The PNG file.
    truth : ValidationFolder
        Image and truth.
    results : mapping
        Network -> its row of the table, and its results.
    volumes : bool, default False
        Whether networks saw volumes: objects are matched in the first one, and its middle
        slice is drawn.
    """
    from matplotlib.figure import Figure

    ndim = 3 if volumes else 2
    image, true = _first_drawn(truth, "image", ndim), _first_drawn(truth, "truth", ndim)[0]
    kind = "classes" if next(iter(results.values()))[1].files("classes") else "instances"
    found = [_first_drawn(folder, kind, ndim)[0] for _, folder in results.values()]
    if kind == "instances":
        found = [partners(objects, true) for objects in found]
    image = np.stack([_slice_drawn(channel) for channel in image])
    true, *found = map(_slice_drawn, (true, *found))
    ids = np.union1d([0], [true, *found])  # where objects fill the image, 0 stays black
    colors = np.where(ids[:, None] == NONE, 1.0, colors_of(len(ids)))
    titles = [_title_of(network, row) for network, (row, _) in results.items()]
    painted = [colors[np.searchsorted(ids, plane)] for plane in (true, *found)]
    panels = list(zip(["image", "truth", *titles], [rgb_image(image), *painted], strict=True))

    columns = columns_for(len(panels), true.shape[1] / true.shape[0])
    rows = ceil(len(panels) / columns)
    width = 2.6 * min(max((true.shape[1] / true.shape[0]) ** 0.5, 0.6), 2)
    height = width * true.shape[0] / true.shape[1]
    figure = Figure(
        figsize=(columns * width + 0.2, rows * (height + 0.5) + 0.2),
        dpi=170,
        layout="constrained",
    )
    for ax in figure.subplots(rows, columns, squeeze=False).flat:
        ax.set_axis_off()
    for ax, (title, picture) in zip(figure.axes, panels, strict=False):
        ax.imshow(picture, interpolation="nearest")
        ax.set_title(title, fontsize=9)
    said = [CAPTION] * (kind == "instances") + [MIDDLE] * volumes
    if said:
        figure.supxlabel("\n".join(said), fontsize=8, color="0.35")
    save(figure, path)


def _first_drawn(folder: ValidationFolder, name: str, ndim: int) -> NDArray[Any]:
    """Read the first plane (C, Y, X) of a layer, or its first volume (C, Z, Y, X)."""
    stack = open_image(folder.files(name)[0])
    ndim = min(ndim, len(stack.shape))
    return stack.window(stack.indices_of(ndim)[0], ndim * (slice(None),))


def _slice_drawn(image: NDArray[Any]) -> NDArray[Any]:
    """Return (Y, X) of the middle of a volume; a plane as it is."""
    return image[image.shape[0] // 2] if image.ndim == 3 else image


def colors_of(count: int) -> NDArray[np.float64]:
    """Return black, and then colors that are far apart.

    Parameters
    ----------
    count : int
        Number of colors, with black.

    Returns
    -------
    ndarray of float64, shape (count, 3)
        Red, green and blue, 0 to 1.
    """
    from matplotlib.colors import hsv_to_rgb

    ids = np.arange(1, count)
    hue = ids * 0.618034 % 1  # the golden ratio never comes close to itself
    value = 0.6 + 0.4 * (ids * 0.754878 % 1)
    saturated = hsv_to_rgb(np.stack([hue, np.full(len(ids), 0.65), value], axis=-1))
    return np.vstack([np.zeros((1, 3)), saturated])


def partners(found: NDArray[Any], true: NDArray[Any]) -> NDArray[np.int64]:
    """Return found objects with the ids of the true ones that they match, or `NONE`.

    Parameters
    ----------
    found, true : ndarray of int, shape (Y, X) or (Z, Y, X)
        Instances.

    Returns
    -------
    ndarray of int64, of that shape
        Matches have an IoU of at least 0.5.
    """
    table = contingency(found, true)
    matching = match(table)
    ids = np.full(int(found.max()) + 1, NONE)
    ids[0] = 0
    ids[table.prediction_ids[matching.prediction]] = table.truth_ids[matching.truth]
    return ids[found]


def _title_of(network: str, row: Mapping[str, Any]) -> str:
    """Return the name of a network with two of its scores."""
    second = ("v_rand", "V Rand") if "v_rand" in row else ("mean_iou", "mean IoU")
    return f"{network}\nIoU {row['iou']:.3f}   {second[1]} {row[second[0]]:.3f}"


def columns_for(panels: int, aspect: float) -> int:
    """Return the number of columns with which the figure is about 3 wide to 2 high.

    Parameters
    ----------
    panels : int
        Number of panels.
    aspect : float
        Width of a panel by its height.
    """
    shapes = {
        columns: aspect * columns / ceil(panels / columns) for columns in range(1, panels + 1)
    }
    return min(shapes, key=lambda columns: abs(np.log(shapes[columns] / 1.6)))


def save(figure: Any, path: Path) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
    """
    atomic_write(path, encoded(figure))
