"""Images with their labels: files that pair by name, and pairs of stacks."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.broken import open_sound
from napari_utile.io.images import (
    Names,
    as_stack,
    expand,
    files_behind,
    open_image,
    stem_of,
    unread_images,
)
from napari_utile.io.names import found_path, is_url, last_part
from napari_utile.io.pair_names import named_as_labels, pair_names
from napari_utile.io.stack import Stack
from napari_utile.io.tiff_parts import parts_among
from napari_utile.io.units import counted

Images = NDArray[Any] | Sequence[NDArray[Any]]
"""One array or several."""


WORD_OF = {"labels": "mask", "truth": "truth"}
"""What may be added to the name of an image to call its counterpart, by what that is."""
UNCLEAR = "it is not clear which belong together:"
FilePair = tuple[Path | str, Path | str]
"""An image and its labels."""


class MatchedFiles(NamedTuple):
    """Files that belong together by name, and those that are alone."""

    pairs: list[FilePair]
    lonely: dict[str, list[str]] = {}  # noqa: RUF012
    """Names without counterpart, by what they lack: "no labels for" or "no image for"."""

    @property
    def lacking(self) -> list[str]:
        """What each lonely file lacks, in words."""
        return [f"{what} {name}" for what, names in self.lonely.items() for name in names]

    def are_worth_reading(self, skip_broken: bool) -> bool:
        """Whether to read all pixels to find what is broken: not what is refused anyway."""
        return skip_broken if self.lacking else len(self.pairs) > 1


def pair_files(
    images: Names, labels: Names, kinds: tuple[str, str] = ("image", "labels")
) -> list[FilePair]:
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
        Lists the images without labels, the labels without image, names that occur twice, and
        those of which it is not clear which belong together.
    """
    matched = match_files(images, labels, kinds)
    if matched.lacking:
        raise UserError(_do_not_pair_up(kinds, matched.lonely))
    return matched.pairs


def match_files(
    images: Names, labels: Names, kinds: tuple[str, str] = ("image", "labels")
) -> MatchedFiles:
    """Pair images with their labels by name, and list those that are alone.

    Parameters
    ----------
    images, labels, kinds
        As of `pair_files`. Labels may lie beside their images, in one folder for both, if
        their names tell: see `pair_names`.

    Returns
    -------
    MatchedFiles
        With one pair at least.

    Raises
    ------
    UserError
        Lists names that occur twice or could belong to several; and all, if there is no pair.
    """
    image_files, label_files = expand(images), expand(labels)
    is_named = any(is_file_name(names) for names in (images, labels))
    if len(image_files) == len(label_files) == 1 and is_named:
        return MatchedFiles([(image_files[0], label_files[0])])
    image_files, label_files = _told_apart(image_files, label_files, kinds)
    stems = [*map(stem_of, image_files)], [*map(stem_of, label_files)]
    twice = {
        f"more than one {kind} called": _repeated(names)
        for kind, names in zip(kinds, stems, strict=True)
    }
    named = pair_names(*stems, kinds)
    if not any(twice.values()):
        twice[UNCLEAR] = [
            f"{' or '.join(last_part(image_files[i]) for i in here)} with "
            f"{' or '.join(last_part(label_files[i]) for i in there)}"
            for here, there in named.unclear
        ]
    unclear = [{i for places in named.unclear for i in places[side]} for side in (0, 1)]
    lonely: dict[str, list[str]] = {}
    for kind, files, paired, names in (
        (kinds[1], image_files, {*named.pairs} | unclear[0], labels),
        (kinds[0], label_files, {*named.pairs.values()} | unclear[1], images),
    ):
        parts = {stem_of(part) for part in parts_among(files_behind(names))}
        for path in (path for i, path in enumerate(files) if i not in paired):
            is_part = stem_of(path) in parts
            what = f"only a part of the {kind} for" if is_part else f"no {kind} for"
            lonely.setdefault(what, []).append(last_part(path))
    pairs = [(image_files[i], label_files[j]) for i, j in named.pairs.items()]
    if any(twice.values()) or not pairs:
        raise UserError(_do_not_pair_up(kinds, twice | lonely))
    return MatchedFiles(pairs, lonely)


def _told_apart(
    images: Sequence[Path | str], labels: Sequence[Path | str], kinds: tuple[str, str]
) -> tuple[list[Path | str], list[Path | str]]:
    """Leave files that are in both lists in one: labels where a name tells that they are it."""
    shared = {*images} & {*labels}
    stems = [*map(stem_of, images)]
    told = {images[i] for i in named_as_labels(stems, kinds)} & shared
    if not told:
        return [*images], [*labels]
    return (
        [file for file in images if file not in told],
        [file for file in labels if file in told or file not in shared],
    )


def is_file_name(names: Names) -> bool:
    """Whether names are those of images themselves, not of folders or globs.

    Parameters
    ----------
    names : path, or iterable of paths
    """
    listed = [names] if isinstance(names, str | Path) else list(names)
    return all(is_url(name) or expand(name) == [found_path(name)] for name in listed)


class OpenedPairs(NamedTuple):
    """Images and labels that were opened, and a warning of those that were left out."""

    images: list[Stack]
    labels: list[Stack]
    warnings: tuple[str, ...] = ()


def open_pairs(
    images: str | Path,
    labels: str | Path,
    skip_broken: bool = False,
    check: Callable[[Stack, Stack], object] = lambda image, labels: None,
) -> OpenedPairs:
    """Open one image and its labels, or those of two folders or globs that pair by name.

    Parameters
    ----------
    images, labels : path
        A file, folder or glob each.
    skip_broken : bool, default False
        Whether pairs that are broken or incomplete are left out.
    check : callable, optional
        Called with each image and its labels, if there are several; raises `UserError` if they
        are broken.

    Returns
    -------
    OpenedPairs

    Raises
    ------
    UserError
        If they do not pair up, or one cannot be opened: names all that are broken.
    """
    matched = match_files(images, labels)

    def open_pair(pair: FilePair) -> tuple[Stack, Stack]:
        image, truth = open_image(pair[0]), open_image(pair[1])
        if matched.are_worth_reading(skip_broken):
            check(image, truth)
        return image, truth

    opened, warnings = open_sound(matched.pairs, open_pair, skip_broken, matched.lacking)
    stacks, truths = [image for image, _ in opened], [truth for _, truth in opened]
    doubts = [*unread_images(images), *unread_images(labels), *_twins(stacks, truths)]
    stacks[0] = replace(stacks[0], doubts=(*stacks[0].doubts, *doubts))
    return OpenedPairs(stacks, truths, warnings)


def _twins(images: Sequence[Stack], labels: Sequence[Stack]) -> list[str]:
    """Describe images that are their own labels."""
    same = [
        i.source for i, truth in zip(images, labels, strict=True) if i.source == truth.source
    ]
    return [f"{same[0]} is both image and labels: give the labels of it."] if same else []


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
        raise UserError(
            f"{counted(len(images), 'images')} and labels of {len(labels)} do not pair up."
        )
    truths = [as_stack(ids, name=name) for ids, name in _named(labels, "labels")]
    stacks = [
        as_stack(image, name=name, shape=truth.shape)
        for (image, name), truth in zip(_named(images, "image"), truths, strict=True)
    ]
    return stacks, truths


def _several(images: Any) -> Sequence[Any]:
    is_one = isinstance(images, str) or not isinstance(images, Sequence)
    return [images] if is_one else images


def _named(arrays: Sequence[NDArray[Any]], name: str) -> Iterator[tuple[NDArray[Any], str]]:
    """Name each array for messages; several are counted from 1."""
    for number, array in enumerate(arrays, 1):
        yield array, f"{name} {number}" if len(arrays) > 1 else name


def _do_not_pair_up(kinds: tuple[str, str], problems: dict[str, list[str]]) -> str:
    listed = [f"{what} {_first_few(names)}" for what, names in problems.items() if names]
    both = f"{kinds[0].capitalize()}s and {kinds[1]}"
    word = WORD_OF[kinds[1]]
    hint = f" Give both the same name, or add a word: cell.tif and cell_{word}.tif."
    is_named_otherwise = any(
        names and (what.startswith("no ") or what == UNCLEAR)
        for what, names in problems.items()
    )
    return f"{both} do not pair up: {'; '.join(listed)}.{hint if is_named_otherwise else ''}"


def _repeated(stems: Iterable[str]) -> list[str]:
    return [stem for stem, count in Counter(stems).items() if count > 1]


def _first_few(names: Sequence[str], most: int = 5) -> str:
    """Join the first few names, and count the rest."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
