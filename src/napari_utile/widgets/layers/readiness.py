"""What keeps an image and its labels from being trained on, and what mends it. No Qt.

`needs_of` is quick; `look` reads pixels, and is for a thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, prod
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray
from scipy import ndimage

from napari_utile.arrays.division import division, fewest_classes
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.painted import PaintedPixels, PlaneIndex
from napari_utile.errors import UserError
from napari_utile.settings.options import VOLUME_NETWORKS
from napari_utile.settings.training import TrainingOptions
from napari_utile.widgets.layers.stacks import level_0, stack_of

LITTLE = 0.05
"""Share of the painted planes; labels of every object seldom cover less."""
VERY_LITTLE = 0.005
LONG = 2.5
"""Mean of perimeter^2 / (4 pi area) of strokes, at least; 1.3 of squares, 1.6 of discs."""
FLAT_IDS = 0.5
"""Share of the objects' pixels that equal those to the right and below, at least."""
MOST_IDS = 1024
"""Different values in a sample of an image that may hold ids."""
MOST_NAMED = 3
"""Layers that are named in one sentence."""
MOST_ROUNDED = 2**25
"""Pixels of an image of floating-point numbers that is converted: it is copied."""
SAMPLE = 512
"""Side of what is looked at of an image, px."""
MOST_DIVIDED = 2**26
"""Pixels of painted planes in which a division is tried."""
STROKE_PLANES, STROKE_SIDE = 4, 2048
"""Planes in which strokes are looked for, and how much of them, px."""
SPARSE, SELECT = "sparse", "select"
"""What the remedy of strokes is called."""
MOST_EMPTY = 0.5
"""Share of empty slices above which training takes them for not annotated by itself."""
FIELD_OF = frozenset({"unet", "encoder-decoder"})
"""Networks whose receptive field is computed here."""


@dataclass(frozen=True)
class Remedy:
    """What mends a need, on a click.

    Attributes
    ----------
    text : str
        Of the link.
    act : {"convert", "sparse", SELECT, "raise"}
    of : str
        An id.
    """

    text: str
    act: str
    of: str = ""


@dataclass(frozen=True)
class Need:
    """What is wrong, in a sentence or two.

    Attributes
    ----------
    text : str
    is_blocking : bool
        Whether nothing can be trained like this.
    remedies : tuple of Remedy
    """

    text: str
    is_blocking: bool = False
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Look:
    """What pixels show beyond their number.

    Attributes
    ----------
    strokes : bool
        Whether what is painted looks like a few strokes.
    lacking : str
        Why no part can be kept to check the network, or ''.
    is_sure : bool
        Whether the engine would find the same.
    """

    strokes: bool = False
    lacking: str = ""
    is_sure: bool = True


def needs_of(
    image: Layer | None,
    labels: Labels | None,
    settings: TrainingOptions,
    pixels: PaintedPixels | None = None,
    seen: Look | None = None,
    ids_as_images: Sequence[str] = (),
) -> list[Need]:
    """Return what keeps layers from being trained on, as far as it is known.

    Parameters
    ----------
    image : Image or None
    labels : Labels or None
    settings : TrainingOptions
        What the labels mean.
    pixels : PaintedPixels, optional
        What is painted; nothing is said of it before all is counted.
    seen : Look, optional
        See `look`.
    ids_as_images : sequence of str
        Names of image layers that hold ids; see `holds_ids`.

    Returns
    -------
    list of Need
        Of what is painted, at most one that blocks.
    """
    is_missing = labels is None or image is None or image.name in ids_as_images
    found = [_image_need(ids_as_images)] if ids_as_images and is_missing else []
    if labels is None or pixels is None or not pixels.is_complete:
        return found
    if blocking := _painted_need(labels.name, pixels, settings):
        return [*found, blocking]
    seen = seen or Look()
    if seen.strokes and not settings.sparse:
        found.append(_sparse_need(pixels, seen))
    elif seen.lacking:
        found.append(Need(seen.lacking, is_blocking=seen.is_sure))
    return found


def _image_need(names: Sequence[str]) -> Need:
    """Return that labels were opened as images."""
    listed = ", ".join(f"'{name}'" for name in names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        listed += f" and {len(names) - MOST_NAMED} more"
    was, looks = ("was", "looks") if len(names) == 1 else ("were", "look")
    article = "an image" if len(names) == 1 else "images"
    return Need(
        f"{listed} {was} opened as {article}, but {looks} like labels.",
        remedies=(Remedy("Convert to Labels", "convert"),),
    )


def _painted_need(name: str, pixels: PaintedPixels, settings: TrainingOptions) -> Need | None:
    """Return what blocks by the number of pixels of each id."""
    totals, first = pixels.totals, 1 + settings.sparse
    count = len(totals) - (settings.ignore in totals)
    if not count:
        what = f"holds only the label {settings.ignore}, which is" if pixels.totals else "is"
        annotated = "not annotated" if pixels.totals else "empty"
        return Need(
            f"'{name}' {what} {annotated}: paint on the image.",
            True,
            (Remedy("Take the brush", SELECT, str(first)),),
        )
    if settings.sparse and count == 1 and 1 in totals:
        return Need(
            "Only label 1 is painted, and 1 is background where 0 is not annotated: paint "
            f"{'a class' if settings.target == 'classes' else 'objects'} with label 2.",
            True,
            (
                Remedy("Select label 2", SELECT, "2"),
                Remedy("Turn label 1 into label 2", "raise"),
            ),
        )
    if settings.sparse and 1 not in totals and settings.target != "classes":
        return Need(
            "Give the background a stroke with label 1: what is not painted is not annotated, "
            "so that nothing is known to be background.",
            True,
            (Remedy("Select label 1", SELECT, "1"),),
        )
    rest = prod(pixels.shape) - pixels.count
    if count == 1 and (settings.sparse or not rest):
        (only,) = (id_ for id_ in totals if id_ != settings.ignore)
        return Need(
            f"'{name}' shows one kind of pixel only, label {only}: paint another one, too.",
            True,
            (Remedy("Take the brush", SELECT, str(only + 1)),),
        )
    return None


def _sparse_need(pixels: PaintedPixels, seen: Look) -> Need:
    """Return that little is painted; and in one place, if no part of it can be kept apart."""
    share, planes = _painted_share(pixels), len(pixels.painted)
    where = "the image"
    if len(pixels.shape) > 2:
        where = "one slice" if planes == 1 else f"{planes:,} slices"
    way_on = "If you painted a few strokes:"
    if seen.lacking:
        way_on = "Paint objects in places that lie apart or, if these are a few strokes:"
    return Need(
        f"Only {max(share, 0.001):.1%} of {where} is painted, and all the rest counts as "
        f"background. {way_on}",
        bool(seen.lacking) and seen.is_sure,
        (Remedy("Treat 0 as not annotated", SPARSE),),
    )


def _painted_share(pixels: PaintedPixels) -> float:
    size = len(pixels.painted) * pixels.plane_size
    return pixels.count / size if size else 0.0


# what is looked at


def look(labels: Any, pixels: PaintedPixels, settings: TrainingOptions) -> Look:
    """Return what the painted planes show.

    Parameters
    ----------
    labels : array-like of int, shape (..., Y, X)
    pixels : PaintedPixels
        Of these labels, all counted.
    settings : TrainingOptions

    Returns
    -------
    Look
    """
    planes = pixels.painted
    strokes = not settings.sparse and _are_strokes(labels, pixels)
    if not planes or len(planes) * pixels.plane_size > MOST_DIVIDED or _of_volumes(settings):
        return Look(strokes)
    found, is_sure = _lacking(labels, pixels, settings)
    return Look(strokes, found, is_sure)


def _are_strokes(labels: Any, pixels: PaintedPixels) -> bool:
    """Whether little is painted, and in long shapes, or very little."""
    share = _painted_share(pixels)
    if not 0 < share < LITTLE:
        return False
    if share < VERY_LITTLE:
        return True
    perimeter = area = regions = 0
    for index in pixels.painted[:STROKE_PLANES]:
        painted = np.asarray(labels[index])[:STROKE_SIDE, :STROKE_SIDE] > 0
        framed = np.pad(painted, 1)
        perimeter += sum(int(np.count_nonzero(np.diff(framed, axis=axis))) for axis in (0, 1))
        area += int(np.count_nonzero(painted))
        regions += int(ndimage.label(painted)[1])
    return perimeter**2 > LONG * 4 * pi * max(area, 1) * max(regions, 1)


def _lacking(labels: Any, pixels: PaintedPixels, settings: TrainingOptions) -> tuple[str, bool]:
    """Return why the painted planes cannot be divided, or '', and whether that is sure."""
    indices = _annotated_planes(pixels, settings)
    ids = sorted({*pixels.totals} - {settings.ignore, 0, int(settings.sparse)})
    classes = [_classes(np.asarray(labels[index]), ids, settings) for index in indices]
    planes = [(0, index, pixels.shape[-2:]) for index in indices]
    networks = getattr(settings, "networks", None) or [getattr(settings, "network", "unet")]
    is_sure = FIELD_OF.issuperset(networks)
    try:
        parts = division(planes, classes, settings, field_of_unet(settings))
    except ValueError as error:
        return f"No part can be kept to check the network by: {error}.", is_sure
    if fewest_classes(planes, classes, parts) > 1:
        return "", is_sure
    what = "objects" if settings.target != "classes" else "at least two classes"
    return (
        "A part of what is painted is kept to check the network by, and either this part or "
        f"the rest would show one kind of pixel only: paint {what} and background in two "
        "places that lie apart.",
        is_sure,
    )


def field_of_unet(settings: TrainingOptions) -> int:
    """Return the side of what a U-Net sees to classify one pixel, px.

    It loses two pixels on each side at every level of both paths; if it pads, two more give
    its tiles the same phase.
    """
    return 2 * (6 * 2**settings.depth - 4 + 2 * (settings.padding == "same")) + 1


def _annotated_planes(pixels: PaintedPixels, settings: TrainingOptions) -> list[PlaneIndex]:
    """Return the planes that training takes for annotated."""
    every, painted = list(np.ndindex(*pixels.shape[:-2])), pixels.painted
    empty = len(every) - len(painted)
    takes_empty = settings.empty_slices == "background" or (
        settings.empty_slices == "auto" and empty <= MOST_EMPTY * len(every)
    )
    return every if takes_empty and not settings.sparse else painted


def _classes(
    plane: NDArray[Any], ids: Sequence[int], settings: TrainingOptions
) -> NDArray[np.uint8]:
    """Return the class of each pixel: 0 background, then the ids; `IGNORE` if not annotated."""
    if settings.target == "classes" and len(ids) < IGNORE:
        number = np.searchsorted(np.array(ids, np.int64), plane).astype(np.uint8) + 1
    else:
        number = np.ones(plane.shape, np.uint8)
    is_background = plane == int(settings.sparse)
    classes = np.where(is_background, 0, number).astype(np.uint8)
    if settings.target != "classes":  # training puts background between touching objects
        for ids_, out in ((plane, classes), (plane.T, classes.T)):
            out[1:][(ids_[1:] != ids_[:-1]) & (out[:-1] > 0)] = 0
    if settings.sparse:
        classes[plane == 0] = IGNORE
    if settings.ignore is not None:
        classes[plane == settings.ignore] = IGNORE
    return classes


def _of_volumes(settings: TrainingOptions) -> bool:
    networks = getattr(settings, "networks", None) or [getattr(settings, "network", "")]
    return any(name in VOLUME_NETWORKS for name in networks)


def may_hold_ids(layer: Layer, others: Sequence[Layer]) -> bool:
    """Whether an image layer may hold ids, and has the shape of another image: nothing is read.

    Parameters
    ----------
    layer : Layer
    others : sequence of Layer
        All that might be its image.
    """
    if not isinstance(layer, Image) or layer.rgb or layer.multiscale:
        return False
    kind = np.dtype(layer.data.dtype).kind
    if kind not in "biuf" or (kind == "f" and prod(layer.data.shape) > MOST_ROUNDED):
        return False
    shape = tuple(layer.data.shape)
    return any(
        isinstance(other, Image) and other is not layer and _shape_beside(other, shape) == shape
        for other in others
    )


def _shape_beside(image: Image, shape: tuple[int, ...]) -> tuple[int, ...]:
    try:
        return stack_of(image, like=shape).shape
    except UserError:
        return tuple(level_0(image).shape)


def holds_ids(data: Any) -> bool:
    """Whether pixels look like ids: few values, and the same over whole regions.

    Parameters
    ----------
    data : array-like of int, shape (..., Y, X)
        Its middle plane is read.

    Examples
    --------
    >>> holds_ids(np.kron([[0, 3], [7, 0]], np.ones((8, 8), int)))
    True
    >>> holds_ids(np.random.default_rng(0).integers(0, 99, (64, 64)))
    False
    """
    middle = tuple(side // 2 for side in data.shape[:-2])
    start = [max(0, (side - SAMPLE) // 2) for side in data.shape[-2:]]
    window = tuple(slice(first, first + SAMPLE) for first in start)
    plane = np.asarray(data[middle])[window]
    values, counts = np.unique(plane, return_counts=True)
    if not 2 <= len(values) <= MOST_IDS or not (values >= 0).all() or (values % 1).any():
        return False
    here = plane[:-1, :-1]
    flat = (here == plane[1:, :-1]) & (here == plane[:-1, 1:])
    # Background, or what is over- or underexposed, is flat in images, too.
    most = values[counts.argmax()]
    inside = (here != values[0]) if len(values) == 2 else (here != values[0]) & (here != most)
    return bool(inside.any() and flat[inside].mean() >= FLAT_IDS)
