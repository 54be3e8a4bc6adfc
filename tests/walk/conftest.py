"""The walk goes through a window whose runs and models are kept in a folder of the test."""

from tests.fixtures.window import errors, home, warm  # noqa: F401
