"""A list of models, for the tests of its parts."""

from tests.fixtures.model_choice import choice, models, told  # noqa: F401
