"""Figure of a few images, their truth, and the objects that each network finds in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.engine.comparison.figures import (
    CAPTION,
    NONE,
    colors_of,
    partners,
    save,
)
from napari_utile.evaluation.reports.drawing import plain_style
from napari_utile.evaluation.reports.figures import rgb_image


@dataclass
class Example:
    """An image of the figure.

    Attributes
    ----------
    place : int
        Its position among the images.
    image : ndarray, shape (C, Y, X)
        Reduced, as the networks see it.
    truth : ndarray of int, shape (Y, X)
        Instances at full size.
    results : dict
        Network -> instances (Y, X) at full size.
    """

    place: int
    image: NDArray[Any]
    truth: NDArray[Any]
    results: dict[str, NDArray[Any]] = field(default_factory=dict)


@plain_style()
def draw_examples(path: Path, examples: Sequence[Example]) -> None:
    """Draw one row per image, in the colors of `draw_results`.

    Parameters
    ----------
    path : Path
        The PNG file.
    examples : sequence of Example
        All with results of the same networks.
    """
    from matplotlib.figure import Figure

    titles = ["image", "truth", *examples[0].results]
    figure = Figure(
        figsize=(2.2 * len(titles), 1.8 * len(examples) + 0.4), dpi=110, layout="constrained"
    )
    axes = figure.subplots(len(examples), len(titles), squeeze=False)
    for row, example in zip(axes, examples, strict=True):
        found = [partners(labels, example.truth) for labels in example.results.values()]
        ids = np.unique(np.concatenate([plane.ravel() for plane in (example.truth, *found)]))
        colors = np.where(ids[:, None] == NONE, 1.0, colors_of(len(ids)))
        painted = [colors[np.searchsorted(ids, plane)] for plane in (example.truth, *found)]
        for ax, picture in zip(row, [rgb_image(example.image), *painted], strict=True):
            ax.set_axis_off()
            ax.imshow(picture, interpolation="nearest")
    for ax, title in zip(axes[0], titles, strict=True):
        ax.set_title(title, fontsize=9)
    figure.supxlabel(CAPTION, fontsize=8, color="0.35")
    save(figure, path)
