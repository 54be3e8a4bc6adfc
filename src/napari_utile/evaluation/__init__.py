"""NumPy in, numbers out: how well a prediction agrees with the truth."""

from napari_utile.evaluation.evaluate import evaluate
from napari_utile.evaluation.report import Report

__all__ = ["Report", "evaluate"]
