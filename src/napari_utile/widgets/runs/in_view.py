"""Results that were opened, let be seen: one alone with its image, several with a word."""

from collections.abc import Callable
from functools import partial

from napari.viewer import Viewer

from napari_utile.widgets.layers.alone import (
    hidden_by_alone,
    open_images,
    show_all,
    show_alone,
)
from napari_utile.widgets.layers.aside import uncover
from napari_utile.widgets.layers.results import Result


class OpenedTogether:
    """Results of one press of Show; what covers them is put aside once all are there.

    Parameters
    ----------
    viewer : Viewer
    count : int
        How many there will be.
    say : callable
        Takes what was done, a sentence or two at a time.
    """

    def __init__(self, viewer: Viewer, count: int, say: Callable[[str], None]):
        self._viewer, self._count, self._say = viewer, count, say
        self._results: list[Result] = []

    def add(self, result: Result) -> None:
        """Wait for the layers of a result."""
        self._results.append(result)
        result.added.connect(partial(self._see))  # Qt holds a method weakly

    def _see(self) -> None:
        results = [result for result in self._results if result.layers]
        if len(results) != self._count:
            return
        self._count = 0  # what is added later is not put in order again
        is_one = len(results) == 1
        said = _show_alone(self._viewer, results[0]) if is_one else self._show_all()
        together = [layer for result in results for layer in result.layers]
        covers = dict.fromkeys(uncover(self._viewer, one.layers, together) for one in results)
        for text in filter(None, (said, *covers)):
            self._say(text)

    def _show_all(self) -> str:
        show_all(self._viewer)
        return (
            f"{len(self._results)} results were opened, each on its image. To see one alone, "
            "click on its image in the panel Data, or choose its row here and press Show."
        )


def _show_alone(viewer: Viewer, result: Result) -> str:
    """Show the image of a result and what belongs to it, and return what was hidden."""
    images = open_images(viewer.layers)
    image = next((one for one in images if result.layers[0] in one.others), None)
    if image is None:
        return ""
    show_alone(viewer, image)
    hidden = hidden_by_alone(viewer)
    if not hidden:
        return ""
    return (
        f"Only '{image.name}' is shown, with its result; hidden, not closed: {len(hidden)} "
        "other layers. 'Show all' in the panel Data shows them again."
    )
