"""Cells, and a network that sees them less and less."""

from tests.fixtures.bridged_cells import foreground, prediction, truth  # noqa: F401
