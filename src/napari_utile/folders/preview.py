"""The folder of a preview of training: random tiles as TIFFs, and maps of each image.

image.tif  labels.tif  weights.tif  grid.tif  one slice per tile
split.tif  density.tif                        of the size of the image
split/NAME.tif  density/NAME.tif              instead, if there are several images
"""

from collections.abc import Sequence
from pathlib import Path

TILE_KINDS = ("image", "labels", "weights", "grid")
"""What a tile consists of."""


class PreviewFolder:
    """The files of a preview.

    Attributes
    ----------
    path, split, density : Path
        The folder, and the maps of a single image.
    """

    def __init__(self, path: Path):
        self.path = path
        (self.split,), (self.density,) = self.splits([""]), self.densities([""])

    def tiles(self, kind: str) -> Path:
        """Return the file of one of `TILE_KINDS`."""
        return self.path / f"{kind}.tif"

    def splits(self, names: Sequence[str]) -> list[Path]:
        """Return the maps of the split, one per image: 1 training, 2 validation, 0 neither."""
        return self._maps("split", names)

    def densities(self, names: Sequence[str]) -> list[Path]:
        """Return the maps of how densely tiles are drawn, one per image."""
        return self._maps("density", names)

    def _maps(self, kind: str, names: Sequence[str]) -> list[Path]:
        if len(names) == 1:
            return [self.path / f"{kind}.tif"]
        return [self.path / kind / f"{name}.tif" for name in names]
