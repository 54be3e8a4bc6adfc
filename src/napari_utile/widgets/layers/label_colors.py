"""Colors of labels, chosen one by one: napari compiles code for them, once, for seconds."""

from collections.abc import Mapping
from threading import Thread
from typing import Any

import numpy as np
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import DTypeLike


def compile_colors(colors: Mapping[int | None, Any], dtype: DTypeLike) -> None:
    """Let napari compile what it colors such labels with. For a thread of its own.

    Parameters
    ----------
    colors : mapping of int or None to color
    dtype : dtype
        Of the labels.
    """
    DirectLabelColormap(color_dict=dict(colors)).map(np.zeros((1, 1), dtype))


def compile_colors_meanwhile(colors: Mapping[int | None, Any], dtype: DTypeLike) -> Thread:
    """Do so while other work goes on, and return the thread.

    Parameters
    ----------
    colors : mapping of int or None to color
    dtype : dtype
        Of the labels.
    """
    thread = Thread(target=compile_colors, args=(colors, dtype), daemon=True)
    thread.start()
    return thread
