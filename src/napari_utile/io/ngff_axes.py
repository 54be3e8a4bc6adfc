"""Axes, scale, position and units of an image, as the metadata of NGFF or Zarr say them.

What they do not say, or say in a way that is not known, is assumed and reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_utile.errors import UserError
from napari_utile.io.stack import SPATIAL, guess_axes, narrow_doubts
from napari_utile.io.units import unit_name

VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")
"""Of NGFF, that are read."""
TYPES = {"c": "channel", "t": "time"}
NAMES = {
    "t": "t", "time": "t", "frame": "t",
    "c": "c", "channel": "c", "ch": "c", "band": "c",
    "z": "z", "depth": "z", "plane": "z", "slice": "z", "section": "z",
    "y": "y", "row": "y", "height": "y", "lat": "y",
    "x": "x", "col": "x", "column": "x", "width": "x", "lon": "x",
}  # fmt: skip
"""Names of axes, in lower case, and their letters; also with a plural s."""


@dataclass(frozen=True)
class Placed:
    """Axes of an array, and its place.

    Attributes
    ----------
    axes : str
        One letter per axis of the array.
    scale, translate : tuple of float
        Per axis of "tzyx" that it has.
    units : tuple of str
        The same.
    doubts : tuple of str
        What was assumed.
    """

    axes: str
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    doubts: tuple[str, ...]


def placed(
    multiscale: Mapping[str, Any],
    dataset: Mapping[str, Any],
    shape: Sequence[int],
    source: object,
) -> Placed:
    """Read axes and place of one level of an NGFF image.

    Parameters
    ----------
    multiscale, dataset : mapping
        Metadata of the image, and of the level.
    shape : sequence of int
        Of its array.
    source : object
        Path or address, for messages.

    Raises
    ------
    UserError
        If the axes do not fit the array, or are others than t, z, c, y and x.
    """
    doubts: list[str] = []
    named = _named_axes(multiscale, len(shape))
    if named is None:
        axes = "tczyx" if len(shape) == 5 else guess_axes(shape)  # as before 0.3
        if len(shape) != 5:
            doubts.append(f"{source} does not name its axes: they were read as {axes}.")
        named = [{"name": axis} for axis in axes]
    elif len(named) != len(shape):
        raise UserError(
            f"{source} names {len(named)} axes, but its array has {len(shape)}: correct its "
            "metadata."
        )
    else:
        axes, assumed = _letters(named, shape, source)
        doubts += assumed
    scale, translate, more = _transformed(multiscale, dataset, len(shape), source)
    doubts += more
    order = [axes.index(axis) for axis in SPATIAL if axis in axes]
    units = []
    for i in order:
        said = named[i].get("unit")
        units.append(unit_name(said))
        if said and units[-1] == "pixel" and str(said).lower() not in ("pixel", "px", "pixels"):
            doubts.append(f"{source}: the unit {said!r} is not known; {axes[i]} is in pixels.")
    return Placed(
        axes,
        tuple(float(scale[i]) for i in order),
        tuple(float(translate[i]) for i in order),
        tuple(units),
        tuple(doubts),
    )


def _named_axes(multiscale: Mapping[str, Any], ndim: int) -> list[Mapping[str, Any]] | None:
    """Return the axes of the metadata as mappings; None if there are none.

    Before 0.3 there were none: always t, c, z, y, x. In 0.3 they were plain letters.
    """
    given = multiscale.get("axes")
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        return None
    return [axis if isinstance(axis, Mapping) else {"name": axis} for axis in given]


def _letters(
    named: Sequence[Mapping[str, Any]], shape: Sequence[int], source: object
) -> tuple[str, list[str]]:
    """Return a letter for each axis, and what was assumed."""
    kinds = {kind: letter for letter, kind in TYPES.items()}
    letters: list[str] = []
    for axis in named:
        kind, letter = axis.get("type"), letter_of(axis.get("name"))
        if kind in kinds:
            letter = kinds[kind]
        elif kind == "space" and letter in "tc":
            letter = ""
        letters.append(letter)
    names = [str(axis.get("name")).strip().lower() for axis in named]
    are_typed = any(axis.get("type") in kinds for axis in named)
    if {*letters} == {"", "c"} and "c" in names and not are_typed:  # as in a, b, c
        letters = [""] * len(letters)
    doubts = []
    if "" in letters:  # the last free letters, as axes are in the order z, y, x
        free = [axis for axis in "ctzyx" if axis not in letters]
        unnamed = [i for i, letter in enumerate(letters) if not letter]
        if len(unnamed) > len(free):
            raise UserError(f"{source} has {len(named)} axes, but t, c, z, y and x are all.")
        wanted = free[-len(unnamed) :]
        for i, letter in zip(unnamed, wanted, strict=True):
            letters[i] = letter
        given = ", ".join(repr(str(axis.get("name")))[:40] for axis in named)
        doubts.append(f"{source}: the axes {given} were read as {', '.join(letters)}.")
    axes = "".join(letters)
    if len(set(axes)) < len(axes) or not {"y", "x"} <= set(axes):
        given = ", ".join(str(axis.get("name"))[:40] for axis in named)
        raise UserError(
            f"{source} has the axes {given}: an image has y and x, and at most one each of t, "
            "c and z. Correct its metadata."
        )
    return axes, doubts


def letter_of(name: object) -> str:
    """Return the letter that the name of an axis stands for; '' if it is not known.

    Parameters
    ----------
    name : object

    Examples
    --------
    >>> letter_of("Z"), letter_of("Channels"), letter_of("rows"), letter_of("phase")
    ('z', 'c', 'y', '')
    """
    word = str(name).strip().lower()
    return NAMES.get(word) or NAMES.get(word.removesuffix("s"), "")


def axes_by_names(
    names: Sequence[object] | None, shape: Sequence[int], source: object
) -> tuple[str, tuple[str, ...]]:
    """Return the axes of an array without NGFF metadata, and what was assumed.

    Parameters
    ----------
    names : sequence of object or None
        Of its dimensions, as zarr or xarray keep them.
    shape : sequence of int
    source : object
        Path or address, for messages.
    """
    names = list(names or ())
    axes = "".join(map(letter_of, names))
    if len(axes) == len(shape) and len(set(axes)) == len(axes) and {"y", "x"} <= set(axes):
        return axes, ()
    try:
        axes = guess_axes(shape)
    except ValueError as error:
        raise UserError(f"{source} is no image: {error}.") from None
    told = [str(name)[:40] for name in names if name]
    if not told:
        return axes, narrow_doubts(source, axes, shape)
    said, taken = ", ".join(told), ", ".join(axes)
    return axes, (f"{source}: the dimensions {said} were read as {taken}.",)


def _transformed(
    multiscale: Mapping[str, Any], dataset: Mapping[str, Any], ndim: int, source: object
) -> tuple[Any, Any, list[str]]:
    """Return scale and translation per axis of the array, and what was left out."""
    scale, translate, doubts = np.ones(ndim), np.zeros(ndim), []
    for place in (dataset, multiscale):  # first the level's own
        given = place.get("coordinateTransformations") or []
        for transformation in given if isinstance(given, list) else [given]:
            kind = transformation.get("type") if isinstance(transformation, Mapping) else None
            if kind == "identity":
                continue
            values = _one_per_axis(transformation.get(kind), ndim) if kind else None
            if kind == "scale" and values is not None and (values > 0).all():
                scale, translate = scale * values, translate * values
            elif kind == "translation" and values is not None:
                translate = translate + values
            else:
                doubts.append(
                    f"{source}: its {str(kind)[:40]} {_as_given(transformation, kind)} was "
                    f"left out: {ndim} numbers are needed{' above 0' * (kind == 'scale')}."
                    if kind in ("scale", "translation")
                    else f"{source}: its transformation {str(kind)[:40]!r} was left out; only "
                    "scale and translation are read."
                )
    return scale, translate, doubts


def _one_per_axis(given: Any, count: int) -> Any:
    """Return finite numbers, one per axis; None if it is anything else."""
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != count:
        return None
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in given):
        return None
    try:
        values = np.array(given, float)
    except (OverflowError, ValueError):
        return None
    return values if np.isfinite(values).all() else None


def _as_given(transformation: Mapping[str, Any], kind: Any) -> str:
    return repr(transformation.get(kind))[:60]
