"""A finished comparison."""

from tests.fixtures.comparison import compared, copy, no_figures, trainings  # noqa: F401
