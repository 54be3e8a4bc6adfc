"""Folders of jobs and of comparisons."""

from tests.fixtures.compare_panel import compared  # noqa: F401
from tests.fixtures.known_job import job  # noqa: F401
