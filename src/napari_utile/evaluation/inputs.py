"""Input of an evaluation: a prediction and its truth, as labels of one shape."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import (
    classes,
    foreground_probability,
    instances,
    value_of_one,
)
from napari_utile.arrays.labels import check_labels, components, ignored_pixels
from napari_utile.errors import UserError
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.events import SliceDone
from napari_utile.metrics.overlap import LabelsOrMask
from napari_utile.settings import EvaluateSettings

HALF_PRECISION = 1e-3
"""By how much probabilities in half precision may lie outside 0 to 1."""


@dataclass(frozen=True, eq=False)
class LabelPair:
    """A prediction and its truth as labels of one shape.

    Parameters
    ----------
    prediction, truth : ndarray of int, shape (..., Y, X)
        Instances, 0 is background; 0 also where pixels are ignored. Or classes.
    ignored : ndarray of bool, same shape, optional
        Unannotated pixels, which count nowhere.
    probabilities : ndarray, shape (C, ..., Y, X), optional
        Of each class, background first; or of the foreground, if C is 1.
    name : str
        Name of the image; empty if there is one image only.
    masks : tuple of {"prediction", "truth"}
        Which of them were masks: their objects are connected components.
    """

    prediction: LabelsOrMask
    truth: LabelsOrMask
    ignored: NDArray[np.bool_] | None = None
    probabilities: NDArray[Any] | None = None
    name: str = ""
    masks: tuple[str, ...] = ()

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """Indices of the slices: [()] for one image, [(0,), (1,), ...] for a stack."""
        return list(np.ndindex(self.truth.shape[:-2]))

    def ignored_in(self, index: tuple[int, ...] = ()) -> NDArray[np.bool_] | None:
        """Return the mask (Y, X) of the ignored pixels of a slice; None if none are ignored."""
        return None if self.ignored is None else self.ignored[index]

    def boundary(self, index: tuple[int, ...] = ()) -> NDArray[Any] | None:
        """Return a map (Y, X) that is high on borders; None without probabilities."""
        here: Any = (slice(None), *index)
        return None if self.probabilities is None else _boundary(self.probabilities[here])

    def foreground(self, index: tuple[int, ...] = ()) -> NDArray[np.float32] | None:
        """Return the foreground probabilities (Y, X), 0 to 1; None without probabilities."""
        if self.probabilities is None:
            return None
        here: Any = (slice(None), *index)
        given = self.probabilities[here]
        given = given.astype(np.float32) if given.dtype.kind == "f" else given
        return foreground_probability(given).astype(np.float32, copy=False)


def instance_pair(
    prediction: Any,
    truth: Any,
    settings: EvaluateSettings,
    name: str = "",
    probabilities: Any = None,
    counter: SliceCounter | None = None,
) -> Generator[SliceDone, None, LabelPair]:
    """Make instances of a prediction and its truth.

    Parameters
    ----------
    prediction : array of int or bool, shape of `truth`, or of probabilities
        See `evaluate`.
    truth : array of int or bool, shape (..., Y, X)
    settings : EvaluateSettings
    name : str
        Of the image.
    probabilities : array, shape (C, *truth.shape) or that of `truth`, optional
        Of labels: the probabilities that they were made from.
    counter : SliceCounter, optional
        Counts the slices in which objects are found.

    Yields
    ------
    SliceDone
        After each slice of probabilities.

    Returns
    -------
    LabelPair

    Raises
    ------
    UserError
        If the shapes differ, or an array holds neither labels nor probabilities.
    """
    prediction, truth = np.asarray(prediction), _not_empty(truth)
    given = _probabilities_in(prediction, truth.shape)
    ignored = None if settings.ignore is None else ignored_pixels(truth, settings.ignore)
    if given is None:
        labels = check_labels(prediction, "predicted labels")
    else:
        counter = counter or SliceCounter(given[0, ..., 0, 0].size)
        labels = yield from _likely_objects(given, settings, counter)
    if ignored is not None:
        labels, truth = np.where(ignored, 0, labels), np.where(ignored, 0, truth)
        if given is not None:  # ignored pixels can divide an object of probabilities
            labels = components(labels, settings.volumetric)
    truth = check_labels(truth, "true labels")
    masks = tuple(
        side
        for side, ids in (("prediction", labels), ("truth", truth))
        if is_mask(ids) and (side == "truth" or given is None)
    )
    if given is None and probabilities is not None:
        given = _probabilities_beside(np.asarray(probabilities), truth.shape)
    if "prediction" in masks:
        labels = components(labels > 0, settings.volumetric)
    if "truth" in masks:
        truth = components(truth > 0, settings.volumetric)
    return LabelPair(labels, truth, ignored, given, name, masks)


def class_pair(
    prediction: Any, truth: Any, settings: EvaluateSettings, name: str = ""
) -> LabelPair:
    """Make classes of a prediction and its truth; of probabilities, the most likely class.

    Parameters
    ----------
    prediction, truth : array
        See `evaluate`.
    settings : EvaluateSettings
    name : str
        Of the image.

    Raises
    ------
    UserError
        If the shapes differ, or an array holds neither labels nor probabilities.
    """
    prediction, truth = np.asarray(prediction), _not_empty(truth)
    given = _probabilities_in(prediction, truth.shape)
    if given is None:
        labels = check_labels(prediction, "predicted labels")
    else:
        labels = classes(given, settings.threshold)
    ignored = None if settings.ignore is None else ignored_pixels(truth, settings.ignore)
    truth = check_labels(truth, "true labels", settings.ignore)
    return LabelPair(labels, truth, ignored, given, name)


def labels_and_boundary(
    probabilities: NDArray[Any], settings: EvaluateSettings
) -> tuple[LabelsOrMask, NDArray[Any]]:
    """Find the objects of probabilities, and a map that is high on the borders between them.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, background first; or of the foreground, if C is 1.
    settings : EvaluateSettings

    Returns
    -------
    labels : ndarray of int32, shape (..., Y, X)
        Instances, 0 is background. Each slice is on its own.
    boundary : ndarray, shape (..., Y, X)
        The less likely a pixel is foreground, the higher.

    Raises
    ------
    UserError
        If the probabilities leave 0 to 1, or do not add up to 1.
    """
    given = _probabilities_in(probabilities, probabilities.shape[1:])
    assert given is not None, "there is an axis of channels"
    found = instances(
        given, settings.threshold, method=settings.instance_method, linking="none"
    )
    return found, _boundary(given)


def is_mask(labels: LabelsOrMask) -> bool:
    """Whether the labels have a single non-zero id."""
    highest = labels.max()
    return bool(highest > 0 and ((labels == 0) | (labels == highest)).all())


def _boundary(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Background probability, or the negative foreground probability, of (C, ...)."""
    first = probabilities[0]
    return -first.astype(np.float32) if len(probabilities) == 1 else first


def _not_empty(truth: Any) -> NDArray[Any]:
    truth = np.asarray(truth)
    if truth.size == 0:
        raise UserError(f"The truth has shape {truth.shape}, so there is nothing to compare.")
    return truth


def _probabilities_in(prediction: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Return the probabilities (C, *shape) in the prediction; None if it holds labels.

    Raises
    ------
    UserError
        If the prediction can have neither this shape nor these channels, or if what should be
        probabilities leaves 0 to 1 or does not add up to 1.
    """
    is_float = prediction.dtype.kind == "f"
    if not prediction.size or prediction.dtype.kind not in "biuf":
        check_labels(prediction, "predicted labels")
        raise UserError(f"Prediction {prediction.shape} and truth {shape} differ in shape.")
    low, high = prediction.min(), prediction.max()
    if prediction.shape == shape:
        # Whole numbers are labels, unless all of them are the probabilities 0.0 and 1.0.
        is_whole = not is_float or bool((prediction == np.rint(prediction)).all())
        if is_whole and not (is_float and 0 <= low <= high <= 1):
            return None
        prediction = prediction[np.newaxis]
    elif prediction.shape[1:] != shape or prediction.dtype.kind not in "fu":
        raise UserError(f"Prediction {prediction.shape} and truth {shape} differ in shape.")
    if is_float and not -HALF_PRECISION <= low <= high <= 1 + HALF_PRECISION:  # also if NaN
        raise UserError(f"Predicted probabilities must be 0 to 1, not {low} to {high}.")
    if not _adds_up(prediction):
        raise UserError(
            f"Prediction {prediction.shape} and truth {shape} differ in shape; nor are these "
            "the probabilities of classes, which add up to 1."
        )
    return prediction


def _probabilities_beside(
    probabilities: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """Return the probabilities (C, *shape) that belong to labels of this shape."""
    is_foreground = probabilities.shape == shape
    return _probabilities_in(
        probabilities[np.newaxis] if is_foreground else probabilities, shape
    )


def _adds_up(probabilities: NDArray[Any]) -> bool:
    """Whether the channels of the first slice add up to 1, as those of classes do."""
    if len(probabilities) == 1:
        return True
    plane = probabilities
    while plane.ndim > 3:
        plane = plane[:, 0]
    one = value_of_one(plane)
    missing = plane.sum(axis=0, dtype=np.float64) / one - 1
    rounding = 10 * HALF_PRECISION + (len(plane) / one if one > 1 else 0)
    return bool(np.abs(missing).max(initial=0) <= rounding)


def _likely_objects(
    probabilities: NDArray[Any], settings: EvaluateSettings, counter: SliceCounter
) -> Generator[SliceDone, None, NDArray[np.int32]]:
    """Number the objects of probabilities (C, ..., Y, X), slice by slice."""
    if settings.volumetric:
        return instances(probabilities, settings.threshold, volumetric=True)
    found = np.zeros(probabilities.shape[1:], np.int32)
    highest = 0
    for index in np.ndindex(found.shape[:-2]):
        plane = instances(
            probabilities[:, *index],
            settings.threshold,
            method=settings.instance_method,
            linking="none",
        )
        found[index] = np.where(plane > 0, plane + highest, 0)
        highest += int(plane.max(initial=0))
        yield counter.step()
    return found
