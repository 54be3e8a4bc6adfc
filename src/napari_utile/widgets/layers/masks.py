"""Which files and image layers are labels of an image, by their names. No Qt."""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from napari.layers import Image, Layer

from napari_utile.errors import UserError
from napari_utile.io.images import open_image, stem_of
from napari_utile.io.pair_names import named_as_labels, pair_names
from napari_utile.widgets.layers.choice import is_choice, shows_probabilities
from napari_utile.widgets.layers.partners import plain_layer_name
from napari_utile.widgets.layers.readiness import may_hold_ids


def files_of_labels(paths: Sequence[str], layers: Sequence[Layer]) -> list[str]:
    """Return the files that hold whole numbers and are called as labels of an image.

    Parameters
    ----------
    paths : sequence of str
        That are opened.
    layers : sequence of Layer
        That are open. The image may be one of them, or of the files.
    """
    there = [plain_layer_name(layer) for layer in _images(layers)]
    called = named_as_labels([*map(stem_of, paths), *there])
    return [
        paths[place]
        for place in called
        if place < len(paths)
        if _holds_whole_numbers(paths[place])
    ]


def labels_as_images(layers: Sequence[Layer]) -> dict[Image, str]:
    """Return the image layers that are called as labels of another one, with its name.

    Parameters
    ----------
    layers : sequence of Layer
    """
    images = _images(layers)
    names = [plain_layer_name(image) for image in images]
    called = {place for place in named_as_labels(names) if may_hold_ids(images[place], images)}
    rest = [place for place in range(len(images)) if place not in called]
    pairs = pair_names([names[i] for i in rest], [names[i] for i in sorted(called)]).pairs
    masks = [images[i] for i in sorted(called)]
    return {masks[mine]: images[rest[image]].name for image, mine in pairs.items()}


def _images(layers: Sequence[Layer]) -> list[Image]:
    images = [layer for layer in layers if is_choice(layer, Image)]
    return [layer for layer in images if not shows_probabilities(layer)]


def _holds_whole_numbers(path: str) -> bool:
    """Whether a file holds one whole number in each pixel. What cannot be read does not."""
    with suppress(UserError, OSError):
        stack = open_image(path)
        return np.dtype(stack.dtype).kind in "biu" and "c" not in stack.axes
    return False
