"""An image layer and the labels on it: chosen, judged, and written down for training."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.widgets.kit.form import mark
from napari_utile.widgets.layers.layers import (
    LayerChoice,
    frozen,
    pair_problem,
    refuse_empty,
    refuse_useless,
    stack_of,
    written,
)


class PairChoice:
    """Two lists of layers that are chosen together."""

    def __init__(self, viewer: Viewer):
        self.image = LayerChoice(viewer, Image)
        self.labels = LayerChoice(viewer, Labels)

    def check(self) -> str:
        """Turn red what cannot be trained on; say why, or nothing."""
        problem = pair_problem(self.image.layer, self.labels.layer)
        lacks_image = self.image.layer is None
        mark(self.image, problem if lacks_image else "", "What the network sees")
        mark(self.labels, "" if lacks_image else problem, "What it shall find there")
        return problem

    def taken(self) -> "Pair":
        """Take both layers as they are now.

        Raises
        ------
        UserError
            If they cannot be used together.
        """
        if problem := pair_problem(self.image.layer, self.labels.layer):
            raise UserError(problem)
        labels = frozen(stack_of(self.labels.layer))
        return Pair(frozen(stack_of(self.image.layer, like=labels.shape)), labels)


@dataclass(frozen=True)
class Pair:
    """What the two layers held."""

    image: Stack
    labels: Stack

    def written(self, folder: Path) -> Generator[None, None, list[str]]:
        """Give two paths where the engine finds them; copies are made in `folder`.

        Raises
        ------
        UserError
            If nothing is annotated, or an annotated slice shows nothing.
        """

        def check(plane: NDArray[Any], index: tuple[int, ...]) -> None:
            if self.labels.plane(index).any():
                refuse_useless(self.image.name, plane, index)

        refuse_empty(self.labels)
        image = yield from written(self.image, folder / "image", check)
        labels = yield from written(self.labels, folder / "labels")
        return [str(image), str(labels)]
