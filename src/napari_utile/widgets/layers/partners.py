"""Which labels layer belongs to which image layer: by name, then by shape."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer
from qtpy.compat import isalive
from qtpy.QtCore import QObject

from napari_utile.io.pair_names import pair_names
from napari_utile.widgets.layers.choice import is_choice, shows_probabilities
from napari_utile.widgets.layers.pair import PairChoice, pair_problem
from napari_utile.widgets.layers.results import ON_DISK


def labels_for(images: Sequence[Image], labels: Sequence[Labels]) -> dict[Image, Labels | None]:
    """Return the labels of each image, as far as they can be guessed.

    Parameters
    ----------
    images : sequence of Image
    labels : sequence of Labels
        Each is given to one image at most.

    Returns
    -------
    dict
        In the order of the images; None for those without labels of their shape. Where
        `own_labels` finds none, the more alike names are, the sooner they are paired; names
        that are equally alike are not.
    """
    found = own_labels(images, labels)
    alike = [
        (_likeness(image.name, label.name), image, label)
        for image in images
        for label in labels
        if found[image] is None and label not in found.values()
        if not pair_problem(image, label)
    ]
    while alike:
        best = max(likeness for likeness, *_ in alike)
        tied = [pair for likeness, *pair in alike if likeness == best]
        for image, label in tied:
            if sum(image is x or label is y for x, y in tied) == 1:
                found[image] = label
        done = {layer for pair in tied for layer in pair}
        alike = [pair for pair in alike if not done.intersection(pair[1:])]
    return found


def own_labels(images: Sequence[Image], labels: Sequence[Labels]) -> dict[Image, Labels | None]:
    """Return the labels that are certainly those of an image: by name, or by shape alone.

    Parameters
    ----------
    images : sequence of Image
    labels : sequence of Labels

    Returns
    -------
    dict
        In the order of the images. Painted labels come before results.
    """
    found: dict[Image, Labels | None] = dict.fromkeys(images)
    painted = [label for label in labels if ON_DISK not in label.metadata]
    for some in (painted, labels):
        here = [image for image in images if found[image] is None]
        there = [label for label in some if label not in found.values()]
        names = [*map(plain_layer_name, here)], [*map(plain_layer_name, there)]
        named = pair_names(*names).pairs
        for i, j in named.items():
            if not pair_problem(here[i], there[j]):
                found[here[i]] = there[j]
        left = [label for label in there if label not in found.values()]
        fits = {
            image: [label for label in left if not pair_problem(image, label)]
            for image in here
            if found[image] is None
        }
        for image, fitting in fits.items():
            if len(fitting) == 1 and sum(fitting[0] in others for others in fits.values()) == 1:
                found[image] = fitting[0]
    return found


class LabelsOfImage(QObject):
    """Chooses the labels of an image when another image is chosen, where they are known.

    Parameters
    ----------
    viewer : Viewer
    pair : PairChoice
        It owns this.
    """

    def __init__(self, viewer: Viewer, pair: PairChoice):
        super().__init__(pair)
        self._viewer, self._pair = viewer, pair
        self._image: Any = None  # that was chosen last
        pair.image.changed.connect(self._on_image)
        self._on_image(pair.image.layer)

    def _on_image(self, image: Any) -> None:
        if image is None or image is self._image or not isalive(self):
            return
        self._image, layers = image, self._viewer.layers
        images = [x for x in layers if is_choice(x, Image) and not shows_probabilities(x)]
        labels = [layer for layer in layers if is_choice(layer, Labels)]
        if (own := own_labels(images, labels).get(image)) is not None:
            self._pair.labels.choose(own)


def plain_layer_name(layer: Layer) -> str:
    """Return the name of a layer without the number that napari adds to a name given twice."""
    return re.sub(r" \[\d+\]$", "", layer.name)


def _likeness(one: str, other: str) -> float:
    """Return how much of two names is the same, 0 to 1; case does not matter."""
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
