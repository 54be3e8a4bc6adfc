"""Which labels layer belongs to which image layer: by shape, then by name."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from napari.layers import Image, Labels

from napari_utile.widgets.layers.pair import pair_problem


def labels_for(images: Sequence[Image], labels: Sequence[Labels]) -> dict[Image, Labels | None]:
    """Return the labels of each image.

    Parameters
    ----------
    images : sequence of Image
    labels : sequence of Labels
        Each is given to one image at most.

    Returns
    -------
    dict
        In the order of the images; None for those without labels of their shape. The more
        alike names are, the sooner they are paired.
    """
    alike = sorted(
        (
            (-_likeness(image.name, label.name), i, j)
            for i, image in enumerate(images)
            for j, label in enumerate(labels)
            if not pair_problem(image, label)
        ),
    )
    found: dict[int, int] = {}
    for _, i, j in alike:
        if i not in found and j not in found.values():
            found[i] = j
    return {image: labels[found[i]] if i in found else None for i, image in enumerate(images)}


def _likeness(one: str, other: str) -> float:
    """Return how much of two names is the same, 0 to 1; case does not matter."""
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
