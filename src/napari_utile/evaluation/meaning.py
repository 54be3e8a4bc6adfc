"""What a prediction holds: labels or probabilities.

What its file or layer says decides, or what the user says; else the numbers, and where two
readings of them are possible, the one taken is said.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import HALF_PRECISION, value_of_one
from napari_utile.arrays.labels import check_labels
from napari_utile.errors import UserError
from napari_utile.io.stack import Holds
from napari_utile.settings.evaluation import EvaluateSettings

MANY_IDS = 16
"""Fewer different numbers than these are not suspected to be gray values."""
LONELY = 0.2
"""Fraction of the pixels without an equal neighbour that no labels have, but gray values do."""


@dataclass(frozen=True, eq=False)
class Meaning:
    """The pixels of a prediction, and what they are.

    Parameters
    ----------
    pixels : ndarray
        Labels of the shape of the truth, or probabilities (C, *shape of the truth).
    is_probabilities : bool
    doubts : tuple of str
        Which of two possible readings was taken.
    """

    pixels: NDArray[Any]
    is_probabilities: bool
    doubts: tuple[str, ...] = ()


def meaning_of(
    prediction: Any, shape: tuple[int, ...], settings: EvaluateSettings, holds: Holds = ""
) -> Meaning:
    """Find out whether a prediction holds labels or probabilities.

    Parameters
    ----------
    prediction : array of numbers
        Of `shape`, or of (C, *shape). Axes of length 1 in front, and one behind, do not
        matter: (1, Y, X) and (Y, X, 1) are the plane (Y, X).
    shape : tuple of int
        Of the truth.
    settings : EvaluateSettings
        `prediction_holds` is what the user says, and `target` what ids mean.
    holds : Holds
        What the file or layer says.

    Raises
    ------
    UserError
        If it can have neither this shape nor these channels, if it says that it holds labels
        of the other kind, or if what should be probabilities leaves 0 to 1 or does not add up
        to 1.

    Notes
    -----
    Where nothing is said: integers of the shape of the truth are labels, and fractions are
    probabilities. Several channels must be probabilities that add up to 1.
    """
    given = np.asarray(prediction)
    if not given.size or given.dtype.kind not in "biuf":
        check_labels(given, "predicted labels")
        raise _differ(given, shape)
    said, doubts = settings.prediction_holds, ""
    if said == "auto":
        said = "probabilities" if holds == "probabilities" else "labels" if holds else "auto"
        check_target(given, settings, holds, "prediction")
    elif holds and (holds == "probabilities") != (said == "probabilities"):
        doubts = f"The prediction was taken for {said}, as asked; its own file says {holds}."
    plane = as_plane(given, shape)
    is_probabilities = said == "probabilities" or (said == "auto" and plane is None)
    if said == "auto" and plane is not None:
        is_probabilities, doubts = _guessed(plane, has_channel=given.ndim > len(shape))
    if is_probabilities and given.dtype.kind != "b":
        return Meaning(as_probabilities(given, shape), True, (doubts,) if doubts else ())
    if plane is None:
        raise _differ(given, shape)
    return Meaning(plane, False, (doubts,) if doubts else ())


def check_target(
    labels: NDArray[Any], settings: EvaluateSettings, holds: Holds, side: str
) -> None:
    """Refuse labels whose file says that they are of the other kind.

    Parameters
    ----------
    labels : ndarray of int
    settings : EvaluateSettings
        `target` is what ids mean.
    holds : Holds
        What the file says.
    side : {"prediction", "truth"}

    Raises
    ------
    UserError
        If they are instances and the target is classes, or the other way round. Classes with
        a single id are a mask, of which instances can be made.
    """
    if settings.target == "classes" and holds == "instances":
        raise UserError(
            f"The {side} holds instances, as its file says, which have no classes: evaluate "
            "with the target instances."
        )
    if settings.target == "instances" and holds == "classes":
        ids = set(np.unique(labels).tolist()) - {0, int(settings.sparse), settings.ignore}
        if len(ids) > 1:
            raise UserError(
                f"The {side} holds classes, as its file says, not objects: evaluate with the "
                "target classes."
            )


def as_plane(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return an array in a shape that differs from its own by axes of length 1 only.

    Parameters
    ----------
    array : ndarray
    shape : tuple of int

    Returns
    -------
    ndarray or None
        None if it has another shape.

    Examples
    --------
    >>> as_plane(np.zeros((1, 4, 5)), (4, 5)).shape, as_plane(np.zeros((4, 5, 1)), (4, 5)).shape
    ((4, 5), (4, 5))
    >>> as_plane(np.zeros((2, 4, 5)), (4, 5)) is None
    True
    """
    wanted = without_leading_ones(shape)
    for own in (array.shape, array.shape[:-1] if array.shape[-1:] == (1,) else array.shape):
        if without_leading_ones(own) == wanted:
            return array.reshape(shape)
    return None


def without_leading_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Leave out axes of length 1 in front of the plane.

    Parameters
    ----------
    shape : tuple of int
    """
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def as_probabilities(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return probabilities (C, *shape), checked.

    Parameters
    ----------
    array : ndarray of float or unsigned int
        Of `shape`, of the foreground; or of each class, channels first.
    shape : tuple of int

    Raises
    ------
    UserError
        If they have another shape, are not finite, leave 0 to 1, or do not add up to 1.
    """
    plane = as_plane(array, shape)
    if plane is not None:
        channels = plane[np.newaxis]
    elif array.ndim and as_plane(array[0], shape) is not None and array.dtype.kind in "fu":
        channels = array.reshape(len(array), *shape)
    else:
        raise _differ(array, shape)
    if array.dtype.kind == "f":
        if count := np.count_nonzero(~np.isfinite(array)):
            raise UserError(
                f"Of the predicted probabilities {count:,} are NaN or infinite: predict again, "
                "or replace them."
            )
        low, high = array.min(), array.max()
        if not -HALF_PRECISION <= low <= high <= 1 + HALF_PRECISION:
            raise UserError(
                f"Predicted probabilities must be 0 to 1, not {low} to {high}: divide by the "
                "largest possible value, or apply the soft-max."
            )
    elif array.dtype.kind != "u":
        raise UserError(f"Predicted probabilities are {array.dtype}: save them as float32.")
    if not _adds_up(channels):
        raise UserError(
            f"Prediction {array.shape} and truth {shape} differ in shape; nor are these "
            "the probabilities of classes, which add up to 1."
        )
    return channels


def _differ(prediction: NDArray[Any], shape: tuple[int, ...]) -> UserError:
    return UserError(f"Prediction {prediction.shape} and truth {shape} differ in shape.")


def _adds_up(probabilities: NDArray[Any]) -> bool:
    """Whether the channels of every slice add up to 1, as those of classes do."""
    if len(probabilities) == 1:
        return True
    one = value_of_one(probabilities)
    rounding = 10 * HALF_PRECISION + (len(probabilities) / one if one > 1 else 0)
    for index in np.ndindex(probabilities.shape[1:-2]):
        missing = probabilities[:, *index].sum(axis=0, dtype=np.float64) / one - 1
        if np.abs(missing).max(initial=0) > rounding:
            return False
    return True


def _guessed(plane: NDArray[Any], has_channel: bool) -> tuple[bool, str]:
    """Return whether pixels of the shape of the truth are probabilities, and a doubt.

    `has_channel`: whether they had an axis of length 1 more, which may be that of channels.
    """
    if plane.dtype.kind == "f":
        low, high = plane.min(), plane.max()
        is_whole = bool((plane == np.rint(plane)).all())
        if not is_whole:
            return True, ""
        if not 0 <= low <= high <= 1:
            return False, ""
        return True, "" if low == high else (
            "The prediction says not what it holds: its numbers 0.0 and 1.0 were taken for "
            "probabilities, not for a mask. The option prediction holds says which."
        )
    # A map of probabilities reaches into the upper half of its type; ids above 255 hardly do.
    half = np.iinfo(plane.dtype).max // 2 if plane.dtype.kind == "u" else 0
    if not half or (plane.dtype != np.uint8 and plane.max(initial=0) <= half):
        return False, ""
    ids = np.unique(plane[plane > 0])
    has_gaps = len(ids) > 1 and int(ids[-1]) > len(ids) and ids[-1] > 100
    if looks_gray(plane) or (has_channel and plane.dtype == np.uint8 and has_gaps):
        return False, (
            f"The prediction says not what it holds: its {len(ids):,} numbers up to {ids[-1]} "
            "were taken for labels, but may be probabilities. The option prediction holds "
            "says which."
        )
    return False, ""


def looks_gray(pixels: NDArray[Any]) -> bool:
    """Whether whole numbers lie in the plane like gray values, not like the ids of objects.

    Parameters
    ----------
    pixels : ndarray of int, shape (..., Y, X)

    Returns
    -------
    bool
        True if there are many numbers, and many of the pixels between the smallest and the
        largest of them have no equal neighbour. The first, middle and last plane count.
    """
    if not pixels.size:
        return False
    planes = pixels.reshape(-1, *pixels.shape[-2:])
    planes = planes[sorted({0, len(planes) // 2, len(planes) - 1})]
    lonely = np.ones(planes.shape, bool)
    for axis in (1, 2):
        same = np.diff(planes, axis=axis) == 0
        before, after = [slice(None)] * 3, [slice(None)] * 3
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        lonely[tuple(before)] &= ~same
        lonely[tuple(after)] &= ~same
    inner = (planes > planes.min()) & (planes < planes.max())
    many = len(np.unique(planes)) >= MANY_IDS
    return many and bool(lonely[inner].mean() > LONELY)
