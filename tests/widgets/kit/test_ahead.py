"""What napari loads for its first layers is loaded before they come."""

import subprocess
import sys

from napari_utile.widgets.kit import ahead
from napari_utile.widgets.process.worker import SWITCH

FIRST_LAYERS = """
import sys
from napari_utile.widgets.kit.ahead import DTYPES, color_some_labels

color_some_labels()
import numpy as np
from napari.layers import Image, Labels

before = set(sys.modules)
for dtype in DTYPES:
    Labels(np.ones((2, 8, 8), dtype)).get_color(2)
Image(np.ones((2, 8, 8), np.uint8))
print(*sorted({name.split(".")[0] for name in set(sys.modules) - before}))
"""


def test_layers_load_nothing_any_more():
    done = subprocess.run(
        [sys.executable, "-c", FIRST_LAYERS], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_it_is_done_once_in_a_thread_and_said(monkeypatch, qtbot):
    done = []
    monkeypatch.setattr(ahead, "color_some_labels", lambda: done.append(1))
    loader = ahead._Ahead()
    monkeypatch.setenv(SWITCH, "no")
    loader.load()
    assert loader.thread is None and not loader.is_done
    monkeypatch.setenv(SWITCH, "yes")
    with qtbot.waitSignal(loader.loaded):
        loader.load(lambda: done.append(2))
    loader.load()
    loader.thread.join()
    assert loader.is_done and done == [1, 2]
