"""Colors of messages and states, mixed from those of napari's theme."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QWidget

SUCCESS = (63, 164, 91)
"""Green: napari's themes have no color for it."""
TEXT_SHARE = 0.4
"""Share of the color of text: the theme's own colors are too dark, or too light, to read."""


class Tone(Enum):
    """What a color says."""

    ERROR = auto()
    WARNING = auto()
    SUCCESS = auto()
    NOTE = auto()


def color_of(tone: Tone) -> str:
    """Return a color that can be read in napari's theme, as `#rrggbb`.

    Parameters
    ----------
    tone : Tone

    Returns
    -------
    str
        The theme's color, mixed with that of its text.
    """
    theme = get_theme(get_settings().appearance.theme)
    pure = {
        Tone.ERROR: theme.error.as_rgb_tuple(),
        Tone.WARNING: theme.warning.as_rgb_tuple(),
        Tone.SUCCESS: SUCCESS,
        Tone.NOTE: theme.current.as_rgb_tuple(),
    }[tone]
    text = theme.text.as_rgb_tuple()
    mixed = (
        round((1 - TEXT_SHARE) * a + TEXT_SHARE * b)
        for a, b in zip(pure[:3], text[:3], strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def follow_theme(widget: QWidget, slot: Callable[..., Any]) -> None:
    """Call `slot` when napari's theme changes, for as long as `widget` lives.

    Parameters
    ----------
    widget : QWidget
    slot : callable
        Called with napari's event.
    """
    changed = get_settings().appearance.events.theme
    changed.connect(slot)
    widget.destroyed.connect(lambda: changed.disconnect(slot))
