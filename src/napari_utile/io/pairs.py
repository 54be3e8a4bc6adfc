"""Images with their labels: files that pair by name, and pairs of stacks."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.images import Names, as_stack, expand, open_image, stem_of
from napari_utile.io.names import found_path, is_url, last_part
from napari_utile.io.stack import Stack

Images = NDArray[Any] | Sequence[NDArray[Any]]
"""One array or several."""


def pair_files(
    images: Names, labels: Names, kinds: tuple[str, str] = ("image", "labels")
) -> list[tuple[Path | str, Path | str]]:
    """Pair images with their labels by name.

    Parameters
    ----------
    images, labels : path, or iterable of paths
        As for `expand`. One file that is named itself pairs with one other, whatever its name.
    kinds : (str, str), default ("image", "labels")
        What messages call the two sides.

    Returns
    -------
    list of (image, labels)

    Raises
    ------
    UserError
        Lists the images without labels, the labels without image, and names that occur twice.
    """
    image_files, label_files = expand(images), expand(labels)
    is_named = any(is_file_name(names) for names in (images, labels))
    if len(image_files) == len(label_files) == 1 and is_named:
        return [(image_files[0], label_files[0])]
    problems = []
    for kind, files in zip(kinds, (image_files, label_files), strict=True):
        twice = [stem for stem, n in Counter(map(stem_of, files)).items() if n > 1]
        if twice:
            problems.append(f"more than one {kind} called {_first_few(twice)}")
    labels_of = {stem_of(path): path for path in label_files}
    stems = {stem_of(path) for path in image_files}
    if lonely := [last_part(p) for p in image_files if stem_of(p) not in labels_of]:
        problems.append(f"no {kinds[1]} for {_first_few(lonely)}")
    if lonely := [last_part(p) for p in label_files if stem_of(p) not in stems]:
        problems.append(f"no {kinds[0]} for {_first_few(lonely)}")
    if problems:
        both = f"{kinds[0].capitalize()}s and {kinds[1]}"
        raise UserError(f"{both} do not pair up: {'; '.join(problems)}.")
    return [(path, labels_of[stem_of(path)]) for path in image_files]


def is_file_name(names: Names) -> bool:
    """Whether names are those of images themselves, not of folders or globs.

    Parameters
    ----------
    names : path, or iterable of paths
    """
    listed = [names] if isinstance(names, str | Path) else list(names)
    return all(is_url(name) or expand(name) == [found_path(name)] for name in listed)


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
    for image, label in pair_files(images, labels):
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


def _first_few(names: Sequence[str], most: int = 5) -> str:
    """Join the first few names, and count the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
