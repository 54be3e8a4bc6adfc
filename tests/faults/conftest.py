"""The window's faults are shown in panels with a scripted engine."""

from tests.fixtures.window import (  # noqa: F401
    cells,
    errors,
    home,
    model,
    open_panel,
    press,
    script,
    viewer,
    window,
)
