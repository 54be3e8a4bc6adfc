"""A tiny model, trained once, and one that finds blobs."""

from tests.fixtures.segmented import blob_files  # noqa: F401
from tests.fixtures.trained import files, model, saved  # noqa: F401
