"""A new labels layer on an image."""

from contextlib import suppress
from math import prod

import numpy as np
from napari.layers import Image, Labels

from napari_utile.errors import UserError
from napari_utile.io.memory import memory_budget
from napari_utile.io.stack import Stack, guess_axes
from napari_utile.io.units import size_text
from napari_utile.widgets.layers.stacks import level_0, placement, stack_of

TYPE = np.dtype(np.uint16)
"""Of new labels: as many ids as a table of objects needs, at two bytes per pixel."""


def new_labels(image: Image) -> Labels:
    """Return an empty labels layer at the place of an image.

    Parameters
    ----------
    image : Image
        Its channels are left out; of a pyramid, the first level counts.

    Returns
    -------
    Labels
        Not yet in a viewer. Memory is taken for what is painted only, where the system allows.

    Raises
    ------
    UserError
        If they may not fit into memory, or the image has too many axes.
    """
    stack = _labelled_stack(image)
    needed, budget = TYPE.itemsize * prod(stack.shape), memory_budget()
    if needed > budget:
        raise UserError(
            f"Labels for all of '{image.name}' {stack.shape} may take {size_text(needed)} of "
            f"memory, and {size_text(budget)} may be used: open only the slices, or the part, "
            "that you want to paint, and make new labels for that."
        )
    return Labels(
        np.zeros(stack.shape, TYPE),
        name=f"{image.name} labels",
        **placement(image, stack.axes),
    )


def _labelled_stack(image: Image) -> Stack:
    """Return the image as a stack; a last axis of 1, 3 or 4 is taken for channels."""
    shape = tuple(level_0(image).shape)
    with suppress(ValueError):  # too many axes: said below
        if not image.rgb and guess_axes(shape).endswith("c"):
            return stack_of(image, like=shape[:-1])
    return stack_of(image)
