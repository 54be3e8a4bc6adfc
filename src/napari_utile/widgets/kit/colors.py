"""Colors of messages and states, mixed from those of napari's theme."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtWidgets import QWidget

from napari_utile.widgets.kit.following import Follower

SUCCESS = (63, 164, 91)
"""Green: napari's themes have no color for it."""
LEAST_CONTRAST = 4.5
"""Of text with what it stands on (WCAG 2.2, success criterion 1.4.3)."""
TEXT_SHARES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Of the color of text: the theme's own colors are too dark, or too light, to read."""
Rgb = tuple[int, ...]


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
        The theme's color, mixed with as much of that of its text as makes it stand out from
        panels and fields.
    """
    theme = get_theme(get_settings().appearance.theme)
    pure, text, *grounds = (
        color.as_rgb_tuple()[:3] if hasattr(color, "as_rgb_tuple") else color
        for color in (
            {
                Tone.ERROR: theme.error,
                Tone.WARNING: theme.warning,
                Tone.SUCCESS: SUCCESS,
                Tone.NOTE: theme.current,
            }[tone],
            theme.text,
            theme.background,
            theme.foreground,
        )
    )
    for share in TEXT_SHARES:
        mixed = tuple(
            round((1 - share) * a + share * b) for a, b in zip(pure, text, strict=True)
        )
        if all(contrast(mixed, ground) >= LEAST_CONTRAST for ground in grounds):
            break
    return "#" + "".join(f"{part:02x}" for part in mixed)


def text_color() -> str:
    """Return the color of text in napari's theme, as `#rrggbb`."""
    theme = get_theme(get_settings().appearance.theme)
    return "#" + "".join(f"{part:02x}" for part in theme.text.as_rgb_tuple()[:3])


def is_light() -> bool:
    """Whether napari's theme is a light one."""
    return bool(get_theme(get_settings().appearance.theme).type == "light")


def contrast(a: Rgb, b: Rgb) -> float:
    """Return the contrast of two colors, 1 (none) to 21 (black on white).

    Parameters
    ----------
    a, b : (int, int, int)
        Red, green and blue, 0 to 255.

    References
    ----------
    .. [1] W3C, Web Content Accessibility Guidelines 2.2, "contrast ratio".

    Examples
    --------
    >>> contrast((0, 0, 0), (255, 255, 255))
    21.0
    """
    dark, light = sorted(_relative_luminance(color) for color in (a, b))
    return (light + 0.05) / (dark + 0.05)


def _relative_luminance(color: Rgb) -> float:
    """Return the relative luminance of a color, as WCAG 2.2 defines it."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (x / 255 for x in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def follow_theme(widget: QWidget, slot: Callable[..., Any]) -> None:
    """Call `slot` when napari's theme changes, for as long as `widget` lives.

    Parameters
    ----------
    widget : QWidget
    slot : callable
        Called with napari's event.
    """
    Follower(widget, slot, get_settings().appearance.events.theme)
