"""NumPy in, numbers out: how well a prediction agrees with the truth."""

from napari_utile.metrics.evaluation import evaluate
from napari_utile.metrics.report import Report

__all__ = ["Report", "evaluate"]
