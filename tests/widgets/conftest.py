"""Panels in a real window, with an engine that plays a script."""

from tests.fixtures.window import (  # noqa: F401
    cells,
    errors,
    home,
    model,
    open_panel,
    press,
    script,
    viewer,
    warm,
    window,
)
