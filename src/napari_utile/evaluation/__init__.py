"""Evaluation: how well predictions agree with the truth, as scores, tables and errors."""

from napari_utile.evaluation.evaluate import evaluate
from napari_utile.evaluation.report import Report

__all__ = ["Report", "evaluate"]
