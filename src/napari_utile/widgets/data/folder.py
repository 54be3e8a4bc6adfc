"""What of a folder is opened as layers. No Qt."""

from itertools import islice
from pathlib import Path

from napari_utile.errors import UserError
from napari_utile.io.images import expand, images_in, open_image, stem_of
from napari_utile.io.pair_names import named_as_labels
from napari_utile.io.pairs import MatchedFiles, match_files
from napari_utile.io.zarr_folders import is_zarr

MOST_LAYERS = 20
"""Images of a folder that are opened as a layer each."""
MOST_ASKED = 100
"""Images of a folder whose shape is looked at."""


def images_apart(folder: Path) -> list[Path | str]:
    """Return the images of a folder if they differ in shape, so that they are no stack.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Path or str
        None of what is no folder, or whose images can be stacked as napari does.

    Raises
    ------
    UserError
        If they are too many for a layer each, or one cannot be read.
    """
    if not folder.is_dir() or is_zarr(folder) or not images_in(folder):
        return []
    files = expand(folder)
    shapes = (open_image(file).data.shape for file in islice(files, MOST_ASKED))
    first = next(shapes)
    if all(shape == first for shape in shapes):
        return []
    _check_count(folder, len(files))
    return files


def pairs_inside(folder: Path) -> MatchedFiles | None:
    """Return the images of a folder with the labels beside them, or None if there are none.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    UserError
        As of `pairs_to_open`.
    """
    if not folder.is_dir() or is_zarr(folder) or not images_in(folder):
        return None
    is_mixed = named_as_labels([stem_of(file) for file in expand(folder)])
    return pairs_to_open(folder, folder) if is_mixed else None


def pairs_to_open(images: Path, labels: Path) -> MatchedFiles:
    """Return the images of a folder with their labels in another, or in the same.

    Parameters
    ----------
    images, labels : Path

    Raises
    ------
    UserError
        If they do not pair up, or are too many for a layer each.
    """
    matched = match_files(images, labels)
    _check_count(images, len(matched.pairs))
    return matched


def _check_count(folder: Path, count: int) -> None:
    if count > MOST_LAYERS:
        raise UserError(
            f"'{folder.name}' holds {count:,} images, too many for a layer each: open some of "
            "its files, or choose the folder itself in Train and Segment."
        )
