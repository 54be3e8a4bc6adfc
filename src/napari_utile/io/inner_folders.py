"""Folders without images that hold folders of images, such as "images" and "masks"."""

from pathlib import Path
from typing import NamedTuple

from napari_utile.io.images import folders_with_images, images_in
from napari_utile.io.pair_names import plain_pair
from napari_utile.io.zarr_folders import is_zarr


class InnerFolders(NamedTuple):
    """Folders with images in a folder that has none itself.

    Attributes
    ----------
    folder : Path
    inside : tuple of Path
        At least one.
    """

    folder: Path
    inside: tuple[Path, ...]

    @property
    def pair(self) -> tuple[Path, Path] | None:
        """Folder of images and folder of their labels, if their names say so."""
        places = plain_pair([path.name for path in self.inside])
        return (self.inside[places[0]], self.inside[places[1]]) if places else None

    def __str__(self) -> str:
        """Return what is where, in a sentence."""
        names = [f"'{path.name}'" for path in self.inside]
        listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        what = f"its folders {listed} do" if len(names) > 1 else f"its folder {listed} does"
        return f"'{self.folder.name}' holds no image itself, but {what}."


def inner_folders(folder: Path) -> InnerFolders | None:
    """Return the folders with images in a folder that has none itself, or None.

    Parameters
    ----------
    folder : Path
        Anything; what is no folder, or an image, holds none.
    """
    if not folder.is_dir() or is_zarr(folder) or images_in(folder):
        return None
    inside = folders_with_images(folder)
    return InnerFolders(folder, tuple(inside)) if inside else None
