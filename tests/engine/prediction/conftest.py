"""A tiny model, trained once."""

from tests.fixtures.trained import files, model, saved  # noqa: F401
