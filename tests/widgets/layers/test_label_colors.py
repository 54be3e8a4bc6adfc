"""Colors of labels that napari compiles code for."""

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_utile.widgets.layers.label_colors import compile_colors_meanwhile

COLORS = {None: "transparent", 1: "#56b4e9", 2: "#e69f00"}


def test_what_is_compiled_meanwhile_is_not_compiled_again(monkeypatch):
    thread = compile_colors_meanwhile(COLORS, np.uint8)
    thread.join()
    from numba.core import dispatcher

    compiled = []
    real = dispatcher.Dispatcher.compile
    monkeypatch.setattr(
        dispatcher.Dispatcher,
        "compile",
        lambda self, sig: compiled.append(self.py_func.__name__) or real(self, sig),
    )
    Labels(np.ones((2, 4, 4), np.uint8), colormap=DirectLabelColormap(color_dict=COLORS))
    assert [name for name in compiled if "dict" in name] == []
