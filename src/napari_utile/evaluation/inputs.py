"""What is compared: a prediction and its truth as labels of one shape, whatever was given."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import classes, instances
from napari_utile.arrays.labels import check_labels, components, ignored_pixels
from napari_utile.errors import UserError
from napari_utile.metrics.overlap import Labels

ROUNDING = 1e-3  # by which probabilities in half precision may leave 0 to 1

Method = Literal["watershed", "components"]


@dataclass(frozen=True, eq=False)
class Sides:
    """A prediction and its truth, ready to be compared.

    Parameters
    ----------
    prediction, truth : ndarray of int, shape (..., Y, X)
        Instances, 0 is background; 0 also where nobody annotated. Or classes.
    ignored : ndarray of bool, same shape, optional
        Pixels that nobody annotated.
    probabilities : ndarray, shape (C, ..., Y, X), optional
        What the prediction was made of, background first; or of the foreground, if C is 1.
    name : str
        What its slices are called, if several images are compared.
    masks : tuple of {"prediction", "truth"}
        Which of them were masks: their objects are the connected parts.
    """

    prediction: Labels
    truth: Labels
    ignored: NDArray[np.bool_] | None = None
    probabilities: NDArray[Any] | None = None
    name: str = ""
    masks: tuple[str, ...] = ()

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """Where the slices are: [()] for one image, [(0,), (1,), ...] for a stack."""
        return list(np.ndindex(self.truth.shape[:-2]))

    def hidden(self, index: tuple[int, ...] = ()) -> NDArray[np.bool_] | None:
        """Give the pixels of a slice that nobody annotated."""
        return None if self.ignored is None else self.ignored[index]

    def boundary(self, index: tuple[int, ...] = ()) -> NDArray[Any] | None:
        """Tell of borders: the less likely a pixel is foreground, the higher."""
        here: Any = (slice(None), *index)
        return None if self.probabilities is None else boundary(self.probabilities[here])

    def foreground(self, index: tuple[int, ...] = ()) -> NDArray[np.float32] | None:
        """Give the probability of the foreground, 0 to 1."""
        if self.probabilities is None:
            return None
        first = self.probabilities[(0, *index)]
        certain = np.iinfo(first.dtype).max if first.dtype.kind in "iu" else 1
        share = first.astype(np.float32) / np.float32(certain)
        return share if len(self.probabilities) == 1 else 1 - share


def boundary(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Give, of probabilities (C, ...), what is high on borders between objects."""
    first = probabilities[0]
    return -first.astype(np.float32) if len(probabilities) == 1 else first


def probabilities_in(prediction: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Give the probabilities (C, *shape) that the prediction holds; None if it holds labels.

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
        is_whole = not is_float or bool((prediction == np.rint(prediction)).all())
        if is_whole and not (is_float and 0 <= low <= high <= 1):
            return None
        prediction = prediction[np.newaxis]
    elif prediction.shape[1:] != shape or prediction.dtype.kind not in "fu":
        raise UserError(f"Prediction {prediction.shape} and truth {shape} differ in shape.")
    if is_float and not -ROUNDING <= low <= high <= 1 + ROUNDING:  # also if NaN
        raise UserError(f"Predicted probabilities must be 0 to 1, not {low} to {high}.")
    if not adds_up(prediction):
        raise UserError(
            f"Prediction {prediction.shape} and truth {shape} differ in shape; nor are these "
            "the probabilities of classes, which add up to 1."
        )
    return prediction


def foreground_in(probabilities: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any] | None:
    """Give the probabilities (C, *shape) beside labels; if of `shape`, of the foreground."""
    same = probabilities.shape == shape
    return probabilities_in(probabilities[np.newaxis] if same else probabilities, shape)


def adds_up(probabilities: NDArray[Any]) -> bool:
    """Tell whether the channels of the first slice add up to 1, as those of classes do."""
    if len(probabilities) == 1:
        return True
    plane = probabilities
    while plane.ndim > 3:
        plane = plane[:, 0]
    certain = np.iinfo(plane.dtype).max if plane.dtype.kind == "u" else 1
    missing = plane.sum(axis=0, dtype=np.float64) / certain - 1
    rounding = 10 * ROUNDING + (len(plane) / certain if certain > 1 else 0)
    return bool(np.abs(missing).max(initial=0) <= rounding)


def as_labels(
    prediction: NDArray[Any],
    shape: tuple[int, ...],
    threshold: float,
    volumetric: bool,
    objects: Method,
) -> tuple[Labels, NDArray[Any] | None]:
    """Make labels of `shape` of a prediction: its own, or the objects that are likely.

    The second is what tells of borders, if probabilities were given: the less likely a pixel
    is foreground, the higher.
    """
    given = probabilities_in(prediction, shape)
    if given is None:
        return check_labels(prediction, "predicted labels"), None
    found = instances(given, threshold, volumetric=volumetric, method=objects, linking="none")
    return found, boundary(given)


def instances_of(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    volumetric: bool = False,
    objects: Method = "watershed",
    name: str = "",
    probabilities: Any = None,
) -> Generator[None, None, Sides]:
    """Make instances of what was given: of probabilities, of masks.

    If the prediction holds labels, `probabilities` may tell how likely its foreground is.

    Yields
    ------
    None
        After each slice of probabilities.
    """
    prediction, truth = np.asarray(prediction), checked_truth(truth)
    given = probabilities_in(prediction, truth.shape)
    ignored = None if ignore is None else ignored_pixels(truth, ignore)
    if given is None:
        labels = check_labels(prediction, "predicted labels")
    else:
        labels = yield from likely_objects(given, threshold, volumetric, objects)
    if ignored is not None:
        labels, truth = np.where(ignored, 0, labels), np.where(ignored, 0, truth)
        if given is not None:  # its objects were parted before the ignored pixels were
            labels = components(labels, volumetric)
    truth = check_labels(truth, "true labels")
    masks = tuple(
        side
        for side, ids in (("prediction", labels), ("truth", truth))
        if is_mask(ids) and (side == "truth" or given is None)
    )
    if given is None and probabilities is not None:
        given = foreground_in(np.asarray(probabilities), truth.shape)
    labels = components(labels > 0, volumetric) if "prediction" in masks else labels
    truth = components(truth > 0, volumetric) if "truth" in masks else truth
    return Sides(labels, truth, ignored, given, name, masks)


def likely_objects(
    probabilities: NDArray[Any], threshold: float, volumetric: bool, method: Method
) -> Generator[None, None, NDArray[np.int32]]:
    """Number the objects of probabilities (C, ..., Y, X), slice by slice."""
    if volumetric:
        return instances(probabilities, threshold, volumetric=True)
    found = np.zeros(probabilities.shape[1:], np.int32)
    highest = 0
    for index in np.ndindex(found.shape[:-2]):
        plane = instances(probabilities[:, *index], threshold, method=method, linking="none")
        found[index] = np.where(plane > 0, plane + highest, 0)
        highest += int(plane.max(initial=0))
        yield
    return found


def classes_of(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    name: str = "",
) -> Sides:
    """Take both sides for kinds of pixels; of probabilities, take the most likely kind."""
    prediction, truth = np.asarray(prediction), checked_truth(truth)
    given = probabilities_in(prediction, truth.shape)
    if given is None:
        labels = check_labels(prediction, "predicted labels")
    else:
        labels = classes(given, threshold)
    ignored = None if ignore is None else ignored_pixels(truth, ignore)
    truth = check_labels(truth, "true labels", ignore)
    return Sides(labels, truth, ignored, given, name)


def checked_truth(truth: Any) -> NDArray[Any]:
    """Refuse a truth without pixels."""
    truth = np.asarray(truth)
    if truth.size == 0:
        raise UserError(f"The truth has shape {truth.shape}, so there is nothing to compare.")
    return truth


def is_mask(labels: Labels) -> bool:
    """Tell whether the labels have a single non-zero id."""
    highest = labels.max()
    return bool(highest > 0 and ((labels == 0) | (labels == highest)).all())
