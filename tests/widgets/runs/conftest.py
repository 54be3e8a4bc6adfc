"""Folders of jobs."""

from tests.fixtures.known_job import job  # noqa: F401
