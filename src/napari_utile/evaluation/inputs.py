"""Input of an evaluation: a prediction and its truth, as labels of one shape."""

from collections.abc import Collection, Generator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import classes, foreground_probability, instances
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.arrays.instances.offsets import class_maps
from napari_utile.arrays.labels import check_labels, components
from napari_utile.arrays.targets import annotated
from napari_utile.errors import UserError
from napari_utile.evaluation.found_objects import Finding, finding_of, found_objects
from napari_utile.evaluation.meaning import as_probabilities, check_target, meaning_of
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.events import SliceDone, Warned, doubted
from napari_utile.io.stack import Holds
from napari_utile.metrics.overlap import LabelsOrMask
from napari_utile.settings.evaluation import EvaluateSettings

MANY_CLASSES = 9
"""Ids without counterpart that are likelier objects than classes."""


@dataclass(frozen=True, eq=False)
class Side:
    """The prediction or the truth, with what its file or layer says of it.

    Parameters
    ----------
    pixels : array
    holds : Holds, optional
        What the pixels are.
    ids : tuple of int, optional
        Of probabilities: the label id of each channel.
    rule : ModelRule, optional
        Of probabilities: how their model finds objects, if it is known which made them.
        Affinities may lie behind the foreground then.
    axes : str, optional
        Of the pixels without channels, such as "zyx"; empty if it is not known.
    """

    pixels: Any
    holds: Holds = ""
    ids: tuple[int, ...] = ()
    rule: ModelRule | None = None
    axes: str = ""

    @classmethod
    def of(cls, given: Any) -> "Side":
        """Return an array as a side of which nothing is said; a side as it is."""
        return given if isinstance(given, Side) else cls(given)

    def without_affinities(self) -> "Side":
        """Return the side with the maps of the classes, or of the foreground, alone."""
        return replace(self, pixels=self.pixels[:1]) if self.has_affinities else self

    @property
    def has_affinities(self) -> bool:
        """Whether all maps of the model are there, and some of them are affinities."""
        count = len(self.rule.offsets) if self.rule else 0
        return count > 0 and self.holds == "probabilities" and len(self.pixels) == 1 + count


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
    is_decoded : bool
        Whether the prediction was made here, of probabilities.
    finding : Finding, optional
        How its instances were found then.
    left_out : collection of tuple of int
        Indices of slices that are not compared.
    """

    prediction: LabelsOrMask
    truth: LabelsOrMask
    ignored: NDArray[np.bool_] | None = None
    probabilities: NDArray[Any] | None = None
    name: str = ""
    masks: tuple[str, ...] = ()
    is_decoded: bool = False
    finding: Finding | None = None
    left_out: Collection[tuple[int, ...]] = ()

    @property
    def slices(self) -> int:
        """Number of slices, those that are left out too."""
        return prod(self.truth.shape[:-2])

    @property
    def indices(self) -> list[tuple[int, ...]]:
        """Indices of the slices: [()] for one image, [(0,), (1,), ...] for a stack."""
        return [index for _, index in self.numbered]

    @property
    def numbered(self) -> list[tuple[int, tuple[int, ...]]]:
        """Number and index of each slice; those that are left out count, but are not there."""
        every = enumerate(np.ndindex(self.truth.shape[:-2]))
        return [(number, index) for number, index in every if index not in self.left_out]

    def without(self, numbers: Collection[int], first: int) -> "LabelPair":
        """Leave out slices by their numbers; `first` is the number of the first slice."""
        left = {index for n, index in self.numbered if first + n in numbers}
        return replace(self, left_out=left) if left else self

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
) -> Generator[SliceDone | Warned, None, LabelPair]:
    """Make instances of a prediction and its truth.

    Parameters
    ----------
    prediction : array of int or bool, shape of `truth`, or of probabilities; or Side
        See `evaluate`.
    truth : array of int or bool, shape (..., Y, X); or Side
    settings : EvaluateSettings
    name : str
        Of the image.
    probabilities : array, shape (C, *truth.shape) or that of `truth`, optional
        Of labels: the probabilities that they were made from.
    counter : SliceCounter, optional
        Counts the slices in which objects are found.

    Yields
    ------
    Warned
        Where nothing says whether a prediction holds labels or probabilities.
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
    whole, true_side = Side.of(prediction), Side.of(truth)
    side, truth = whole.without_affinities(), _not_empty(true_side.pixels)
    meaning = meaning_of(side.pixels, truth.shape, settings, side.holds)
    yield from doubted(meaning.doubts, settings.strict)
    check_target(truth, settings, true_side.holds, "truth")
    given, finding = (meaning.pixels if meaning.is_probabilities else None), None
    truth, ignored = _annotated(truth, settings)
    if given is None:
        labels = check_labels(meaning.pixels, "predicted labels")
        if settings.sparse and side.holds == "classes":  # of a network that learnt such labels
            labels = np.where(labels == 1, 0, labels)
    else:
        has_affinities, has_slices = whole.has_affinities, "z" in side.axes
        finding = finding_of(side.rule, settings, truth.ndim, has_affinities, has_slices)
        maps = whole.pixels.reshape(-1, *truth.shape) if finding.rule.offsets else given
        counter = counter or SliceCounter(given[0, ..., 0, 0].size)
        labels = yield from found_objects(maps, finding, counter)
    if ignored is not None:
        labels = np.where(ignored, 0, labels)
        if finding and not finding.is_known:  # ignored pixels can divide an object
            labels = components(labels, settings.volumetric)
    truth = check_labels(truth, "true labels")
    masks = tuple(
        name
        for name, ids in (("prediction", labels), ("truth", truth))
        if is_mask(ids) and (name == "truth" or given is None)
    )
    if given is None and probabilities is not None:
        given = as_probabilities(np.asarray(probabilities), truth.shape)
    if "prediction" in masks:
        labels = components(labels > 0, settings.volumetric)
    if "truth" in masks:
        truth = components(truth > 0, settings.volumetric)
    is_decoded = finding is not None
    return LabelPair(labels, truth, ignored, given, name, masks, is_decoded, finding)


def class_pair(
    prediction: Any, truth: Any, settings: EvaluateSettings, name: str = ""
) -> Generator[Warned, None, LabelPair]:
    """Make classes of a prediction and its truth; of probabilities, the most likely class.

    Parameters
    ----------
    prediction, truth : array, or Side
        See `evaluate`.
    settings : EvaluateSettings
    name : str
        Of the image.

    Yields
    ------
    Warned
        Where nothing says whether a prediction holds labels or probabilities, or where the
        truth has classes that its probabilities do not have.

    Returns
    -------
    LabelPair

    Raises
    ------
    UserError
        If the shapes differ, or an array holds neither labels nor probabilities.
    """
    side, true_side = Side.of(prediction).without_affinities(), Side.of(truth)
    truth = _not_empty(true_side.pixels)
    meaning = meaning_of(side.pixels, truth.shape, settings, side.holds)
    yield from doubted(meaning.doubts, settings.strict)
    check_target(truth, settings, true_side.holds, "truth")
    truth, ignored = _annotated(check_labels(truth, "true labels", settings.ignore), settings)
    background = int(settings.sparse)
    if not meaning.is_probabilities:
        labels = check_labels(meaning.pixels, "predicted labels")
        labels = np.where(labels == background, 0, labels)
        doubts = _strange_ids(truth, ignored, np.unique(labels))
        yield from doubted(doubts, settings.strict)
        return LabelPair(labels, truth, ignored, None, name)
    given, count = meaning.pixels, max(2, len(meaning.pixels))
    numbers = classes(given, settings.threshold)
    ids = np.array(
        side.ids if len(side.ids) == count else range(background, count + background)
    )
    ids[ids == background] = 0
    if not side.ids:
        true_ids = np.unique(truth if ignored is None else truth[~ignored]).tolist()
        if missing := sorted(set(true_ids) - set(ids.tolist())):
            doubt = (
                f"The probabilities have the classes 0 to {count - 1}, in the order of their "
                f"channels; the truth also has the ids {', '.join(map(str, missing[:9]))}."
            )
            yield from doubted([doubt], settings.strict)
    else:
        yield from doubted(_strange_ids(truth, ignored, ids), settings.strict)
    return LabelPair(ids[numbers], truth, ignored, given, name, is_decoded=True)


def _annotated(
    truth: NDArray[Any], settings: EvaluateSettings
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return the truth with 0 as background, and its unannotated pixels if it can have any."""
    if settings.ignore is None and not settings.sparse:
        return truth, None
    return annotated(truth, settings.ignore, settings.sparse, settings.target)


def _strange_ids(
    truth: NDArray[Any], ignored: NDArray[np.bool_] | None, known: NDArray[Any]
) -> list[str]:
    """Doubt a truth of classes, most of whose many ids a prediction does not have."""
    ids = np.unique(truth if ignored is None else truth[~ignored])
    missing = np.setdiff1d(ids, known)
    if len(missing) < MANY_CLASSES or 2 * len(missing) < len(ids):
        return []
    return [
        f"The prediction has none of the ids {', '.join(map(str, missing[:3]))}, ... of the "
        f"truth ({len(missing)} of {len(ids)}): if an id is an object and no class, evaluate "
        "with the target instances."
    ]


def labels_and_boundary(
    probabilities: NDArray[Any], settings: EvaluateSettings, rule: ModelRule
) -> tuple[LabelsOrMask, NDArray[Any]]:
    """Find the objects of probabilities, and a map that is high on the borders between them.

    Parameters
    ----------
    probabilities : ndarray, shape (C, ..., Y, X)
        Of each class, background first; or of the foreground, if C is 1. With affinities, if
        the rule has offsets.
    settings : EvaluateSettings
    rule : ModelRule
        Of the model that made them.

    Returns
    -------
    labels : ndarray of int32, shape (..., Y, X)
        Instances, 0 is background. Each slice is on its own, unless they are volumetric.
    boundary : ndarray, shape (..., Y, X)
        The less likely a pixel is foreground, the higher.

    Raises
    ------
    UserError
        If the probabilities leave 0 to 1, or do not add up to 1.
    """
    likely = as_probabilities(class_maps(probabilities, rule.offsets), probabilities.shape[1:])
    found = instances(
        probabilities,
        settings.threshold,
        method=settings.instance_method,
        linking="none",
        volumetric=settings.volumetric,
        growth=rule.growth,
        offsets=rule.offsets,
    )
    return found, _boundary(likely)


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
    if truth.ndim < 2:
        raise UserError(f"The truth has shape {truth.shape}, but needs the axes (Y, X).")
    has_channel = truth.ndim > 2 and truth.shape[-1] == 1
    return truth[..., 0] if has_channel else truth
