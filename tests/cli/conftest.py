"""Commands run on one small folder that is trained once."""

from tests.fixtures.commands import folder, no_input, parsed  # noqa: F401
