"""Columns of the table of objects: their names, with units, and their text in a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.objects.measures import ObjectMeasures
from napari_utile.io.stack import Stack
from napari_utile.io.units import micrometers

Columns = dict[str, NDArray[Any]]
"""Name of each column, and one value per object."""
DIGITS = 9
"""Significant digits of fractions in a file."""


@dataclass(frozen=True)
class Calibration:
    """What pixels are in the world, per axis (y, x) or (z, y, x).

    Attributes
    ----------
    axes : str
    spacing, origin : tuple of float
        Size of a pixel and position of the first one.
    unit : {"um", "px"}
        Pixels, of spacing 1, where a unit is not known.
    doubt : str
        What was ignored, if anything was.
    """

    axes: str
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    unit: str
    doubt: str = ""

    @classmethod
    def of(cls, stack: Stack) -> "Calibration":
        """Return the calibration of a stack, from its file or layer."""
        kept = [i for i, axis in enumerate(stack.spatial_axes) if axis != "t"]
        axes = "".join(stack.spatial_axes[i] for i in kept)
        factors = [micrometers(stack.units[i]) for i in kept]
        if all(factors):
            um = [factor for factor in factors if factor]
            spacing = tuple(stack.scale[i] * n for i, n in zip(kept, um, strict=True))
            origin = tuple(stack.translate[i] * n for i, n in zip(kept, um, strict=True))
            return cls(axes, spacing, origin, "um")
        scale = tuple(stack.scale[i] for i in kept)
        doubt = ""
        if any(size != 1 for size in scale):
            doubt = (
                f"{stack.source or stack.name} has pixels of {' x '.join(map(str, scale))} in "
                "an unknown unit: lengths are in pixels."
            )
        return cls(axes, (1.0,) * len(axes), (0.0,) * len(axes), "px", doubt)


def object_columns(
    measures: ObjectMeasures,
    calibration: Calibration,
    channels: Sequence[str] = (),
    probability_of_one: float | None = None,
    time: int | None = None,
) -> Columns:
    """Return measures as the columns of a table.

    Parameters
    ----------
    measures : ObjectMeasures
        Of the channels, the last is the foreground probability if there is one.
    calibration : Calibration
    channels : sequence of str, optional
        What is behind "intensity_mean" in the names of those of the image.
    probability_of_one : float, optional
        Value that stands for a probability of 1, if there are probabilities.
    time : int, optional
        Of the time point, where there are several.

    Returns
    -------
    dict of str to ndarray
    """
    axes, unit = calibration.axes, calibration.unit
    is_flat = len(axes) == 2
    found: Columns = {"id": measures.ids}
    if time is not None:
        found["t"] = np.full(len(measures.ids), time)
    found["pixels" if is_flat else "voxels"] = measures.counts
    found[f"area_{unit}2" if is_flat else f"volume_{unit}3"] = measures.sizes
    for i, axis in enumerate(axes):
        found[f"centroid_{axis}_{unit}"] = measures.centroids[:, i]
    for i, axis in enumerate(axes):
        found[f"{axis}_start_px"] = measures.boxes[:, i, 0]
        found[f"{axis}_stop_px"] = measures.boxes[:, i, 1]
    names = ("major", "minor") if is_flat else ("major", "middle", "minor")
    for i, name in enumerate(names):
        found[f"axis_{name}_{unit}"] = measures.axes[:, i]
    found[f"boundary_{unit}" if is_flat else f"surface_{unit}2"] = measures.surfaces
    if not is_flat:
        found["slices"] = measures.slices
    found["touches_border"] = measures.touching
    for channel, values in zip(channels, measures.values, strict=False):
        found[f"intensity_mean{channel}"] = values[:, 0]
        found[f"intensity_sd{channel}"] = values[:, 1]
    if probability_of_one is not None:
        found["probability_mean"] = measures.values[-1][:, 0] / probability_of_one
    return found


def table_lines(columns: Columns) -> str:
    """Return the rows of a table as lines of CSV, without the line of names.

    Parameters
    ----------
    columns : dict of str to ndarray

    Returns
    -------
    str
        "yes" and "no" for booleans, nothing for NaN.

    Examples
    --------
    >>> table_lines({"id": np.array([3]), "area": np.array([0.1]), "far": np.array([True])})
    '3,0.1,yes\\n'
    """
    cells = [[_cell(value) for value in values.tolist()] for values in columns.values()]
    return "".join(",".join(row) + "\n" for row in zip(*cells, strict=True))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.{DIGITS}g}"
    return str(value)


def read_table(text: str) -> Columns:
    """Return the columns of a table of objects from its CSV.

    Parameters
    ----------
    text : str
        As `utile objects` writes it.

    Returns
    -------
    dict of str to ndarray
        Whole numbers, booleans, or floats.
    """
    names, *rows = (line.split(",") for line in text.splitlines())
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return {name: _column(name, column) for name, column in zip(names, cells, strict=True)}


def _column(name: str, cells: Sequence[str]) -> NDArray[Any]:
    if name == "touches_border":
        return np.array([cell == "yes" for cell in cells], bool)
    if name == "id":
        return np.array([int(cell) for cell in cells], np.uint64)
    if name in ("t", "voxels", "pixels", "slices") or name.endswith(("_start_px", "_stop_px")):
        return np.array([int(cell) for cell in cells], np.int64)
    return np.array([float(cell or "nan") for cell in cells], np.float64)
