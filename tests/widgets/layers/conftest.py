"""Panels whose layers are looked at."""

from tests.fixtures.compare_panel import compared  # noqa: F401
from tests.fixtures.evaluate_panel import docked, panel, result, run  # noqa: F401
from tests.fixtures.segment_panel import panel as segment_panel  # noqa: F401
