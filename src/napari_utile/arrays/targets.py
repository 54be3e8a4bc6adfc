"""Training targets: the class of every pixel, and the pixels that are unannotated."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.arrays.borders import default_width, with_borders
from napari_utile.arrays.labels import (
    IGNORE,
    Labels,
    as_instances,
    check_labels,
    components,
    ignored_pixels,
)
from napari_utile.errors import UserError
from napari_utile.settings.options import LearntTarget
from napari_utile.settings.training import TRAIN_DEFAULTS


@dataclass(frozen=True)
class TrainingTarget:
    """The class of every pixel, and the objects whose gaps get weight.

    Attributes
    ----------
    classes : ndarray of uint8, shape of the labels
        0 is background, then 1, 2, ...; `IGNORE` where unannotated.
    objects : ndarray of int32, shape of the labels
        Instances whose gaps the weight map stresses. 0 is everything else.
    ids : tuple of int
        Label id of each class; (0, 1) in a target of instances, (1, 2) if sparse.
    drawn : ndarray of int32, shape of the labels, or None
        Instances without borders between them, in a target of affinities, and where borders
        are wider than a pixel.
    border : float
        Width of the background between touching instances, in pixels of x.
    """

    classes: NDArray[np.uint8]
    objects: NDArray[np.int32]
    ids: tuple[int, ...]
    drawn: NDArray[np.int32] | None = None
    border: float = field(default=1.0, repr=False)


def training_target(
    labels: ArrayLike,
    target: LearntTarget = TRAIN_DEFAULTS.target,
    ignore: int | None = TRAIN_DEFAULTS.ignore,
    sparse: bool = TRAIN_DEFAULTS.sparse,
    *,
    alone: bool = True,
    volumetric: bool = False,
    border: float | None = 1.0,
    spacing: Sequence[float] | None = None,
) -> TrainingTarget:
    """Return the training target of labels.

    Parameters
    ----------
    labels : array_like of int, shape (..., Y, X)
        Label ids; see `check_labels` for what else is taken.
    target : {"instances", "classes", "affinities"}, default "instances"
        What an id means. Instances become two classes, background and object, with a gap of
        background between touching objects; a binary mask counts as its connected components.
        With "affinities", or a wider border, they are kept without the gap, too.
    ignore : int, optional
        Id of unannotated pixels.
    sparse : bool, default False
        0 means unannotated too, 1 is background, 2... are the objects or classes.
    alone : bool, default True
        Whether these are all the labels; if not, one class or none is no error.
    volumetric : bool, default False
        Whether gaps and components are made in volumes (..., Z, Y, X), for a network that sees
        them; otherwise slice by slice, in a stack and in a volume.
    border : float or None, default 1
        Width of the background between touching instances, in pixels of x; None for the one
        that suits the labels, see `borders.default_width`.
    spacing : sequence of float, default 1
        Size of a pixel along (Y, X), or of a voxel along (Z, Y, X), in pixels of x.

    Returns
    -------
    TrainingTarget

    Raises
    ------
    UserError
        If the labels cannot be learnt from: nothing annotated, one class only, more than 254
        classes, or ids that `check_labels` refuses; or if all background is ignored.

    Notes
    -----
    In a target of classes the connected components of each class are the objects. Background
    is class 0 even where no pixel shows it.

    Examples
    --------
    >>> training_target(np.array([[5, 5, 8, 8, 0]])).classes
    array([[1, 1, 0, 1, 0]], dtype=uint8)
    >>> training_target(np.array([[5, 5, 8, 8, 0]]), "classes").ids
    (0, 5, 8)
    """
    # Unannotated pixels are no object: they are background here, and marked at the end.
    labels, ignored = annotated(check_labels(labels, ignore=ignore), ignore, sparse, target)
    background, width = int(sparse), 1.0
    drawn = None
    if target != "classes":
        objects = as_instances(labels, volumetric=volumetric)
        width = default_width(objects, volumetric) if border is None else border
        drawn = objects if target == "affinities" or width > 1 else None
        objects = with_borders(objects, width, volumetric, spacing)
        classes = (objects > 0).astype(np.uint8)
        ids: tuple[int, ...] = (background, background + 1)
    else:
        ids = _class_ids(labels)
        classes = np.searchsorted(np.array(ids, labels.dtype), labels).astype(np.uint8)
        objects = components(classes, volumetric)
        ids = (background, *ids[1:])
    classes[ignored] = IGNORE
    if alone:
        _refuse_one_class(classes, ids, target)
    return TrainingTarget(classes, objects, ids, drawn, border=max(1.0, width))


def annotated(
    labels: Labels, ignore: int | None, sparse: bool, target: LearntTarget = "instances"
) -> tuple[Labels, NDArray[np.bool_]]:
    """Return labels in which 0 is background, and the mask of unannotated pixels.

    Parameters
    ----------
    labels : ndarray of int, any shape
    ignore : int or None
        Id of unannotated pixels.
    sparse : bool
        0 means unannotated too, and 1 is background.
    target : {"instances", "classes", "affinities"}, default "instances"
        What an id means.

    Returns
    -------
    labels : ndarray of int, same shape
        0 also where unannotated.
    unannotated : ndarray of bool, same shape

    Raises
    ------
    UserError
        If the background of instances is ignored.

    Examples
    --------
    >>> annotated(np.array([0, 1, 2, 9]), ignore=9, sparse=True)
    (array([0, 0, 2, 0]), array([ True, False, False,  True]))
    """
    background = int(sparse)
    if target != "classes" and ignore == background:
        way_on = "" if sparse else ", or set sparse where background is painted as 1"
        raise UserError(
            f"The id {background} is background, so that ignore cannot be {background}: leave "
            f"out ignore{way_on}."
        )
    unannotated = ignored_pixels(labels, ignore)
    if sparse:
        unannotated |= labels == 0
    return np.where(unannotated | (labels == background), 0, labels), unannotated


def _class_ids(labels: Labels) -> tuple[int, ...]:
    ids = tuple(sorted({0, *np.unique(labels).tolist()}))
    if len(ids) >= IGNORE:
        raise UserError(
            f"The labels have {len(ids):,} different ids, and at most {IGNORE - 1} can be "
            "classes; if each id is one object, learn instances."
        )
    return ids


def _refuse_one_class(classes: NDArray[np.uint8], ids: tuple[int, ...], target: str) -> None:
    counts = np.bincount(classes.ravel(), minlength=IGNORE + 1)[:IGNORE]
    annotated = f"{counts.sum():,} annotated of {classes.size:,} pixels"
    match np.flatnonzero(counts).tolist():
        case []:
            raise UserError(f"The labels annotate no pixel: {annotated}.")
        case [0]:
            raise UserError(f"The labels show no object, only background: {annotated}.")
        case [1] if target != "classes":
            raise UserError(f"The labels show no background, only objects: {annotated}.")
        case [only]:
            raise UserError(f"The labels show one class only, id {ids[only]}: {annotated}.")
