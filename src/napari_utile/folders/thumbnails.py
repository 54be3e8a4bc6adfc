"""Small pictures of models: of the last preview of their run, or of their cover."""

from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.images import open_image

SIDE = 48
"""Of a thumbnail, in pixels."""
MOST_PIXELS = 2**26
"""Of a picture that is read for one."""


def thumbnail(path: Path, side: int = SIDE) -> NDArray[np.uint8]:
    """Read the middle of a picture, small.

    Parameters
    ----------
    path : Path
        A picture of gray values, colors, or probabilities (0 to 1).
    side : int, default `SIDE`
        Of the result, in pixels.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        Of a stack, its first slice.

    Raises
    ------
    UserError
        If it is no picture, or too large.
    """
    stack = open_image(path)
    if prod(stack.shape) * stack.channels > MOST_PIXELS:
        raise UserError(f"{path} is too large for a thumbnail.")
    rows, columns = stack.shape[-2:]
    pixels = np.reshape(stack.read(), (stack.channels, -1, rows, columns))[:, 0]
    short = min(rows, columns)
    top, left = (rows - short) // 2, (columns - short) // 2
    pixels = _in_bytes(pixels[:, top : top + short, left : left + short])
    colors = pixels[[0, 1, 2] if len(pixels) >= 3 else [0, 0, 0]]
    picture = Image.fromarray(np.ascontiguousarray(np.moveaxis(colors, 0, -1)))
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.uint8)


def _in_bytes(pixels: NDArray[np.number]) -> NDArray[np.uint8]:
    """Return what is shown of each value: probabilities from 0 to 1, others by their range."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8)
    values = np.nan_to_num(pixels.astype(np.float32))
    low, high = min(0.0, values.min()), max(1.0, values.max())
    return ((values - low) * (255 / (high - low))).round().astype(np.uint8)
