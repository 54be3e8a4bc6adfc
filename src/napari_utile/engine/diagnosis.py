"""What `utile doctor` finds: versions, device, and how to mend what is wrong."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import psutil
import torch

from napari_utile import __version__
from napari_utile.engine.devices import (
    autocast_dtype,
    choose_device,
    describe,
    free_memory,
    reasons_without_gpu,
)
from napari_utile.files.stacks import size

OPTIONAL = ("napari", "PyQt6", "pyqtgraph", "numba", "zarr", "tifffile")
"""Packages whose version explains most of what goes wrong."""


def diagnose() -> dict[str, str]:
    """Give each finding in words, by its name; "why no GPU" only if none can be used."""
    device = choose_device("auto")
    findings = {
        "U-Tile": __version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.platform()}, {os.cpu_count()} cores, "
        f"{size(psutil.virtual_memory().total)} of memory",
        "torch": f"{torch.__version__}, built for "
        + (f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"),
        "device": describe(device, autocast_dtype(device, "auto", training=True)),
        "free memory": size(free_memory(device)),
    }
    findings |= {name: _version(name) for name in OPTIONAL}
    if reasons := reasons_without_gpu():
        findings["why no GPU"] = " ".join(reasons)
    return findings


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return f"not installed (pip install {package})"
