"""Images with their labels, as pairs of stacks: of files, or of arrays."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.images import as_stack, open_image, pairs
from napari_utile.io.stack import Stack

Images = NDArray[Any] | Sequence[NDArray[Any]]
"""One array or several."""


def open_pairs(images: str | Path, labels: str | Path) -> tuple[list[Stack], list[Stack]]:
    """Open one image and its labels, or those of two folders or globs that pair by name.

    Parameters
    ----------
    images, labels : path
        A file, folder or glob each.

    Returns
    -------
    images, labels : list of Stack
        Of the same length.

    Raises
    ------
    UserError
        If they do not pair up, or one cannot be opened.
    """
    stacks, truths = [], []
    for image, label in pairs(images, labels):
        truths.append(open_image(label))
        stacks.append(open_image(image))
    return stacks, truths


def stack_pairs(images: Images, labels: Images) -> tuple[list[Stack], list[Stack]]:
    """Take arrays, one or several, as pairs of an image and its labels.

    Parameters
    ----------
    images : ndarray, shape (Y, X) or (Z, Y, X), or a sequence of them
        Channels, if there are any, are the axis that the labels lack, first or last.
    labels : ndarray of int or bool, or a sequence of them
        Of the images' spatial shape.

    Returns
    -------
    images, labels : list of Stack
        Of the same length.

    Raises
    ------
    UserError
        If they do not pair up.
    """
    images, labels = _several(images), _several(labels)
    if len(images) != len(labels):
        raise UserError(f"{len(images)} images and {len(labels)} labels do not pair up.")
    truths = [as_stack(ids, name=name) for ids, name in _named(labels, "labels")]
    stacks = [
        as_stack(image, name=name, shape=truth.shape)
        for (image, name), truth in zip(_named(images, "image"), truths, strict=True)
    ]
    return stacks, truths


def _several(images: Images) -> Sequence[NDArray[Any]]:
    return images if isinstance(images, Sequence) else [images]


def _named(arrays: Sequence[NDArray[Any]], name: str) -> Iterator[tuple[NDArray[Any], str]]:
    """Name each array for messages; several are counted from 1."""
    for number, array in enumerate(arrays, 1):
        yield array, f"{name} {number}" if len(arrays) > 1 else name
