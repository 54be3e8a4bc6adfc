"""U-Tile: the U-Net for electron-microscopy stacks and cells, in napari, shell and Python.

Names are loaded when first used, so importing the package costs nothing.
"""

import os
from importlib import import_module
from typing import Any

# Read when torch is loaded: threads that spin while idle take the cores from other programs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Read when torch first asks for memory: pages of 2 MB for maps of features, where Linux has
# them. Else a tile spends a third of its time on 200,000 new pages of 4 kB.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

__version__ = "0.1.0"

_HOME = {
    "weight_map": "arrays.weight_maps.weight_map",
    "instances": "arrays.instances.decoding",
    "evaluate": "evaluation",
    "objects_table": "results.objects",
    "UserError": "errors",
    "EngineError": "errors",
    "TrainSettings": "settings.training",
    "PredictSettings": "settings.prediction",
    "Model": "engine.models.model",
    "load_model": "engine.models.model",
    "train": "engine.training.front",
    "predict": "engine.prediction.front",
    "compare": "engine.comparison.front",
    "networks": "networks",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME[name]}")
    return module if name == "networks" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted(__all__)
