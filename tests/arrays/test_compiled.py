"""Compiled functions work wherever the package lies."""

import subprocess
import sys

from napari_utile.arrays.compiled import compiled


def test_a_function_that_cannot_be_kept_is_compiled_all_the_same():
    names = {}
    exec("def double(x): return 2 * x", names)  # numba finds no file to keep it beside
    assert compiled(names["double"], fastmath={"contract"})(21) == 42


NOWHERE_TO_WRITE = """
import numba.core.caching
numba.core.caching.CacheImpl._locator_classes = []
import napari_utile.arrays.augmentation.warp
import numpy as np
from napari_utile.arrays.instances.regions import united
assert united(3, np.array([[2, 1]])).tolist() == [0, 1, 1]
"""


def test_the_package_and_the_home_may_be_read_only():
    done = subprocess.run(
        [sys.executable, "-c", NOWHERE_TO_WRITE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
