"""A comparison panel."""

from tests.fixtures.compare_panel import compared, panel  # noqa: F401
