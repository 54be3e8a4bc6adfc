"""A panel with six cells to evaluate."""

from tests.fixtures.evaluate_panel import docked, panel, result, run  # noqa: F401
