"""What a training is given: copies of layers as they were, or folders. No Qt."""

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from napari_utile.io.pair_names import says_image_alone
from napari_utile.widgets.layers.pair import TrainingPair

IMAGES, LABELS = "images", "labels"
"""Folders of copies of several layers, in that of the inputs of a run."""


def name_of_folder(path: Path) -> str:
    """Return what a folder of images, or a pattern, is called by what is in it.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> name_of_folder(Path("/data/worms")), name_of_folder(Path("/data/worms/*.tif"))
    ('worms', 'worms')
    >>> name_of_folder(Path("/data/worms/images"))
    'worms'
    """
    name = path.stem.strip("*")
    if (not name or says_image_alone(name)) and path.parent.name:
        return name_of_folder(path.parent)
    return name


@dataclass(frozen=True)
class TrainingInputs:
    """What is trained on, as it was when the button was pressed.

    Attributes
    ----------
    name : str
    pairs : dict of str to TrainingPair
        By the names that the images have in settings and events.
    places : dict of str to dict
        Where each image lies in the world, see `placement`, by the same names.
    paths : tuple of str
        Of folders, in place of layers.
    """

    name: str
    pairs: dict[str, TrainingPair] = field(default_factory=dict)
    places: dict[str, dict[str, Any]] = field(default_factory=dict)
    paths: tuple[str, ...] = ()

    def written(self, folder: Path) -> Generator[None, None, list[str]]:
        """Return two paths where the engine finds them; copies are made in `folder`.

        Copies of several layers are in `images` and `labels`, under the same names.

        Raises
        ------
        UserError
            If nothing is annotated, or an annotated slice shows nothing.
        """
        if self.paths:
            return [*self.paths]
        if len(self.pairs) == 1:
            (pair,) = self.pairs.values()
            return (yield from pair.written(folder))
        for number in count(1):
            root = folder if number == 1 else folder.with_name(f"{folder.name}_{number}")
            if (yield from self._are_in(root)):
                return [str(root / IMAGES), str(root / LABELS)]
        raise AssertionError

    def _are_in(self, root: Path) -> Generator[None, None, bool]:
        """Copy all pairs to a folder; False if another copy of one is there."""
        there = {path.name for path in root.glob("*/*.zarr")}
        if not there <= {f"{name}.zarr" for name in self.pairs}:
            return False
        for name, pair in self.pairs.items():
            image, labels = yield from pair.written(root, name)
            if {Path(image).parent, Path(labels).parent} != {root / IMAGES, root / LABELS}:
                return False
        return True
