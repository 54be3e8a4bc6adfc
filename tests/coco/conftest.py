"""COCO files: annotations of choice, and one that is read as layers."""

from tests.fixtures.coco_file import coco  # noqa: F401
from tests.fixtures.coco_layers import file, layers  # noqa: F401
