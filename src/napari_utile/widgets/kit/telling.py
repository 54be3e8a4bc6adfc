"""Where the user is told something: in the panel that is in view, else by napari."""

from napari.utils.notifications import show_error, show_info, show_warning
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.messages import Messages


def is_seen(widget: QWidget) -> bool:
    """Whether a widget is in view: not closed, nor behind another tab."""
    return widget.isVisible() and not widget.visibleRegion().isEmpty()


def tell(widget: QWidget, text: str, tone: Tone | None = None) -> None:
    """Show a message in the panel that a widget is in, or as a notification if none is seen.

    A notification lies over the picture, and stays there while another program is in front.

    Parameters
    ----------
    widget : QWidget
    text : str
    tone : Tone, optional
    """
    messages = _messages_around(widget)
    if messages is not None and is_seen(widget):
        messages.add(text, tone)
    else:
        notify(text, tone)


def notify(text: str, tone: Tone | None = None) -> None:
    """Show a notification of napari."""
    match tone:
        case Tone.ERROR:
            show_error(text)
        case Tone.WARNING:
            show_warning(text)
        case _:
            show_info(text)


def _messages_around(widget: QObject | None) -> Messages | None:
    """Return the messages of the panel that a widget is in."""
    while widget is not None:
        for owner in (widget, getattr(widget, "controls", None)):
            found = getattr(owner, "messages", None)
            if isinstance(found, Messages):
                return found
        widget = widget.parent()
    return None
