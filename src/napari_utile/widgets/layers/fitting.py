"""Whether a layer can be the image of a model."""

from napari.layers import Layer

from napari_utile.errors import UserError
from napari_utile.io.slice_context import slices_problem
from napari_utile.widgets.layers.stacks import stack_of


def misfit(layer: Layer | None, channels: int, context: int) -> str:
    """Return why a model cannot take a layer, or ''.

    Parameters
    ----------
    layer : Layer or None
        Without a layer, every model fits.
    channels, context : int
        Of the model: channels of an image, and slices on each side of a slice.
    """
    if layer is None:
        return ""
    try:
        stack = stack_of(layer, channels)
    except UserError as error:
        return str(error)
    if (found := stack.channels) == channels:
        return slices_problem(stack, context)
    plural = "" if channels == 1 else "s"
    return f"The model expects {channels} channel{plural}, layer '{layer.name}' has {found}."
