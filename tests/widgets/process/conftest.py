"""Engines that play a script."""

from tests.fixtures.played_engine import detached, folder, play  # noqa: F401
