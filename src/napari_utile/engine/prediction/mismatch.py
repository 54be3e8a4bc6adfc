"""Whether an image looks like those a model was trained on, before hours are spent on it."""

from collections.abc import Iterator
from math import sqrt

from napari_utile.arrays.appearance import SET_NORMALIZE, whole_areas
from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.image_sample import image_sample, normalization_of
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.evaluation.files import pixel_um2
from napari_utile.events import drain
from napari_utile.io.stack import Stack
from napari_utile.settings import PredictSettings

PROBE = 512
"""Side of the part whose objects are measured, in pixels."""
LEAST_F1 = 0.5
"""Validation score below which the objects that a model finds tell nothing of the image."""


def normalization_for(model: Model, stack: Stack, settings: PredictSettings) -> Normalization:
    """Return the normalization of an image: that of the model, or its own if asked for.

    Parameters
    ----------
    model : Model
    stack : Stack
    settings : PredictSettings
        `normalize`.

    Raises
    ------
    UserError
        If the image is to be normalized by itself, and has no finite pixel or is damaged.
    """
    if settings.normalize == "image":
        return normalization_of(stack, model.network.ndim)
    return model.normalization


def image_mismatches(model: Model, stack: Stack, settings: PredictSettings) -> Iterator[str]:
    """Describe in what a stack is far from the training images: gray values, size of a pixel.

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
    learnt = model.appearance
    if learnt is not None or settings.normalize == "model":
        pixels = image_sample(stack, model.network.ndim, planes=3, side=64)
        far = None
        if learnt is not None:
            far = learnt.gray_value_doubt(pixels, settings.normalize == "image")
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
    finds_objects = model.scores.get("f1_50", 0) >= LEAST_F1
    if not finds_objects or model.appearance is None or model.appearance.object_px is None:
        return None
    ndim = model.network.ndim
    leading = (1,) * (len(stack.shape) - ndim)
    sides = tuple(min(size, PROBE) for size in stack.shape[-ndim:])
    starts = tuple(
        (size - side) // 2 for size, side in zip(stack.shape, leading + sides, strict=True)
    )
    blocks = Blocks(starts, leading + sides, sides)
    normalization = normalization_for(model, stack, settings)
    computer = BlockComputer(stack, blocks, normalization, network)
    found = drain(computer.compute(computer.read(0)))
    objects = instances(
        found, settings.threshold, settings.min_size, method=settings.instance_method
    )
    far = model.appearance.object_size_doubt(whole_areas(objects))
    return f"{stack.name}: {far}" if far else None
