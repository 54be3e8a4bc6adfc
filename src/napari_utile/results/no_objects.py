"""Why a result has no objects, and what helps, from the probabilities that it holds."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_utile.results.stored_probabilities import StoredProbabilities
from napari_utile.settings.prediction import PredictSettings

FAINT = 0.05
"""Largest probability below which a lower threshold finds nothing of use."""
READ_AT_ONCE = 2**24
"""Pixels."""


def why_no_objects(result: Path) -> str:
    """Return why no objects were found, and what helps.

    Parameters
    ----------
    result : Path
        A finished result of instances, as .zarr.

    Returns
    -------
    str
        One or two sentences.

    Raises
    ------
    UserError
        If it is none.

    Notes
    -----
    Reads until a pixel is above the threshold: all pixels, where none is.
    """
    stored = StoredProbabilities.of(result)
    threshold, smallest = stored.settings.threshold, stored.settings.min_size
    largest = _largest_probability(stored.foreground, threshold)
    if largest > threshold:
        size = PredictSettings.label("min_size")
        if smallest:
            return (
                f"There are pixels above the threshold of {threshold:g}, but no object of "
                f"{smallest:,} px: lower '{size}'."
            )
        return (
            f"There are pixels above the threshold of {threshold:g}, but they make no object: "
            "look at the layer of the probabilities, and try another threshold."
        )
    said = (
        f"No pixel is above the threshold of {threshold:g}; the largest probability is "
        f"{largest:.2f}"
    )
    if largest < FAINT:
        return (
            f"{said}: the model knows nothing in this image. Train it longer, or on an image "
            "that looks like this one."
        )
    return f"{said}: lower the threshold with the slider."


def _largest_probability(foreground: Any, enough: float) -> float:
    """Return the largest probability, or the first that is more than enough."""
    step = max(1, READ_AT_ONCE // max(prod(foreground.shape[1:]), 1))
    largest = 0.0
    for first in range(0, foreground.shape[0], step):
        largest = max(largest, float(np.max(foreground[first : first + step])) / 255)
        if largest > enough:
            break
    return largest
