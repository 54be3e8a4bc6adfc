"""A segmentation panel with a model chosen."""

from tests.fixtures.segment_panel import panel  # noqa: F401
