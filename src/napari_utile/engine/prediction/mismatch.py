"""Whether an image looks like those a model was trained on, before hours are spent on it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.appearance import SET_NORMALIZE, whole_areas
from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.doubts.images import outlier_doubt
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.offsets import class_maps
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.image_sample import PATCH, image_sample
from napari_utile.engine.prediction.normalizing import normalization_for, normalized_by
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.errors import UserError
from napari_utile.evaluation.files import pixel_um2
from napari_utile.events import drain
from napari_utile.io.agreement import doubts_as_image
from napari_utile.io.channel_names import other_channels
from napari_utile.io.pictures import colored_image_doubts
from napari_utile.io.stack import Stack
from napari_utile.settings.prediction import PredictSettings

PROBE = {2: 512, 3: 64}
"""Side of the part whose objects are measured, in pixels, for each number of axes."""
MANY_BLOCKS = 16
"""From which a look at the objects in the middle costs little."""
LEAST_F1 = 0.5
"""Validation score below which the objects that a model finds tell nothing of the image."""


def doubts_before(
    model: Model,
    stack: Stack,
    settings: PredictSettings,
    network: Callable[[], TiledNetwork | None],
) -> list[str]:
    """Return what is doubtful about an image, before it is predicted.

    Parameters
    ----------
    model : Model
    stack : Stack
    settings : PredictSettings
    network : callable
        Called if nothing else is doubtful. Returns the network of the model on a device, if
        the objects in the middle are to be looked at, or None.

    Returns
    -------
    list of str
        A sentence each.
    """
    far: list[str] = []
    with suppress(UserError):  # a slice that cannot be read is reported with its block
        far += image_mismatches(model, stack, settings)
        if not far and (probe := network()):
            found = object_mismatch(model, probe, stack, settings)
            far += [found] if found else []
    return [*doubts_as_image(stack), *colored_image_doubts([stack]), *far]


def image_mismatches(model: Model, stack: Stack, settings: PredictSettings) -> Iterator[str]:
    """Describe in what a stack is far from training: channels, gray values, size of a pixel.

    A model that leaves gray values as they are, or was made elsewhere, has nothing to compare
    with.

    Parameters
    ----------
    model : Model
    stack : Stack
        A few patches of it are read.
    settings : PredictSettings

    Yields
    ------
    str
        A sentence each.

    Raises
    ------
    UserError
        If the file is damaged where it is read.
    """
    learnt, by = model.appearance, normalized_by(model, settings)
    yield from other_channels(stack, learnt.channel_names if learnt else ())
    if by == "image":
        ndim = model.network.ndim
        measured = image_sample(stack, ndim, planes=16, side=PATCH[ndim])
        yield from filter(None, (outlier_doubt(stack.name, each) for each in measured))
    if learnt is not None or by == "model":
        pixels = image_sample(stack, model.network.ndim, planes=3, side=64)
        far = None
        if learnt is not None:
            far = learnt.gray_value_doubt(pixels, is_normalized=by != "model")
        elif model.normalization != Normalization.none(model.in_channels) and (
            distance := model.normalization.far_from(pixels)
        ):
            far = f"{distance}; the result may be of no use. {SET_NORMALIZE}"
        if far:
            yield f"{stack.name}: {far}"
    area = pixel_um2(stack)
    if learnt and (far := learnt.pixel_size_doubt(sqrt(area) if area else None)):
        yield f"{stack.name}: {far}"


def object_mismatch(
    model: Model, network: TiledNetwork, stack: Stack, settings: PredictSettings
) -> str | None:
    """Describe how far the objects in the middle of a stack are from those of training.

    Parameters
    ----------
    model : Model
    network : TiledNetwork
        Its network, on a device.
    stack : Stack
    settings : PredictSettings
        How objects are found.

    Returns
    -------
    str or None
        A sentence; None if they are alike or too few, or the model does not find objects well
        in its own validation part.
    """
    if not _knows_objects(model):
        return None
    index, window = middle(stack.shape, model.network.ndim)
    sides = tuple(part.stop - part.start for part in window)
    starts = (*index, *(part.start for part in window))
    blocks = Blocks(starts, (1,) * len(index) + sides, sides)
    normalization = normalization_for(model, stack, settings)
    computer = BlockComputer(stack, blocks, normalization, network, context=model.context)
    found = drain(computer.compute(computer.read(0)))
    return mismatch_of_objects(model, found, stack.name, settings)


def mismatch_of_objects(
    model: Model, probabilities: NDArray[np.float32], name: str, settings: PredictSettings
) -> str | None:
    """Describe how far the objects in a part of an image are from those of training.

    Parameters
    ----------
    model : Model
    probabilities : ndarray, shape (K, Y, X) or (K, Z, Y, X)
        Of the part.
    name : str
        What messages call the image.
    settings : PredictSettings
        How objects are found.

    Returns
    -------
    str or None
        As of `object_mismatch`.
    """
    if not _knows_objects(model) or model.appearance is None:
        return None
    objects = instances(
        class_maps(probabilities, model.offsets),
        settings.threshold,
        settings.min_size,
        volumetric=probabilities.ndim > 3,
        method=settings.instance_method,
    )
    far = model.appearance.object_size_doubt(whole_areas(objects))
    return f"{name}: {far}" if far else None


def middle(shape: tuple[int, ...], ndim: int) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the part of an image whose objects are measured.

    Parameters
    ----------
    shape : tuple of int
        Of the image.
    ndim : int
        Axes that the network sees at once.

    Returns
    -------
    index : tuple of int
        Of the plane, or volume, in the middle.
    window : tuple of slice
        Its middle, `PROBE` wide at most.
    """
    index = tuple((size - 1) // 2 for size in shape[:-ndim])
    sides = [(size, min(size, PROBE[ndim])) for size in shape[-ndim:]]
    starts = [((size - side) // 2, side) for size, side in sides]
    return index, tuple(slice(start, start + side) for start, side in starts)


def _knows_objects(model: Model) -> bool:
    """Whether a model knows the sizes of objects, and finds them well in its own images."""
    is_good = model.scores.get("f1_50", 0) >= LEAST_F1
    return is_good and model.appearance is not None and model.appearance.object_px is not None
