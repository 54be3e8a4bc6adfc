"""What is open: each image with its labels, and a click that shows it alone."""

from collections.abc import Iterator
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_utile.io.units import counted
from napari_utile.widgets.data.facts import layer_facts
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.messages import colored
from napari_utile.widgets.layers.alone import (
    OpenImage,
    hidden_by_alone,
    open_images,
    painted_on,
    show_all,
    show_alone,
)
from napari_utile.widgets.layers.choice import following, is_choice
from napari_utile.widgets.layers.masks import labels_as_images
from napari_utile.widgets.layers.remedies import convert_to_labels

ALL = "all"
"""Target of the link that shows all again; others are numbers of images."""
INDENT = 12
"""Of what belongs to an image, px."""
CONVERT = "convert:"
"""Beginning of the target of a link that makes labels of an image layer."""
HOW = "Images lie on top of one another. Click on one to see it alone, with its labels."


class OpenList(QLabel):
    """The images that are open with what belongs to each, and the other labels.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self._images: list[OpenImage] = []
        self._masks: dict[Image, str] = {}  # images that may be labels of others
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self.linkActivated.connect(self._on_link)
        events = viewer.layers.events
        following(self, self.refresh, events.inserted, events.removed, events.renamed)
        follow_theme(self, self.refresh)
        self.refresh()

    def showEvent(self, event: Any) -> None:  # noqa: N802
        """Look again: other panels show images alone, too."""
        super().showEvent(event)
        self.refresh()

    def refresh(self, _: Any = None) -> None:
        """List what is open, the newest first."""
        self._images = open_images(self._viewer.layers)
        belonging = {layer for image in self._images for layer in image.layers}
        self._masks = labels_as_images(self._viewer.layers)
        shown = [layer for layer in self._viewer.layers if is_choice(layer, Image, Labels)]
        lines = [*self._lines_about_view()]
        for number, image in reversed([*enumerate(self._images)]):
            lines += self._lines_of(number, image)
        lines += [_indented(_line_of(x)) for x in reversed(shown) if x not in belonging]
        self.setText("".join(lines))

    def _lines_about_view(self) -> Iterator[str]:
        if len(self._images) < 2:
            return
        hidden = hidden_by_alone(self._viewer)
        if not hidden:
            yield _indented(colored(HOW, None))
        else:
            names = [f"'{x.name}'" for x in self._images if x.images[0].visible]
            brush = painted_on(self._viewer)
            rests = f" The brush rests in '{brush.name}'." if brush in hidden and brush else ""
            said = (
                f"Only {' and '.join(names) or 'no image'} is shown, with its labels: "
                f"{counted(len(hidden), 'other layers')} hidden, not closed.{rests}"
            )
            yield _indented(f"{colored(said, Tone.NOTE)} {colored('Show all', Tone.NOTE, ALL)}")
        yield _indented("&nbsp;")

    def _lines_of(self, number: int, image: OpenImage) -> Iterator[str]:
        target = str(number) if len(self._images) > 1 else ""
        for layer in image.images:
            yield _indented(_line_of(layer, target))
            if layer in self._masks:
                link = colored("Convert to Labels", Tone.NOTE, f"{CONVERT}{layer.name}")
                said = colored(f"may be labels of '{self._masks[layer]}':", Tone.WARNING)
                yield _indented(f"{said} {link}", INDENT)
        for layer in (x for x in image.others if is_choice(x, Image, Labels)):
            yield _indented(_line_of(layer), INDENT)

    def _on_link(self, target: str) -> None:
        if target == ALL:
            show_all(self._viewer)
        elif target.startswith(CONVERT):
            convert_to_labels(self._viewer, self._viewer.layers[target.removeprefix(CONVERT)])
        elif int(target) < len(self._images):
            show_alone(self._viewer, self._images[int(target)])
        self.refresh()


def _indented(html: str, indent: int = 0) -> str:
    """Return a line, all of which is indented where it is broken."""
    return f'<div style="margin-left: {indent}px">{html}</div>'


def _line_of(layer: Layer, target: str = "") -> str:
    """Return kind, name and facts of a layer; the name is a link if there is a target."""
    kind = "labels" if isinstance(layer, Labels) else "image"
    facts = layer_facts(layer).replace(" ", "\N{NO-BREAK SPACE}")  # lines break at commas alone
    facts = facts.replace(",\N{NO-BREAK SPACE}", ", ")
    if target:
        name = colored(layer.name, Tone.NOTE, target)
        return f"<b>{kind}</b> {name}{colored(f': {facts}', None)}"
    return f"<b>{kind}</b> {colored(f'{layer.name}: {facts}', None)}"
