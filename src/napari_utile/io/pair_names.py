"""Names that belong together: an image and its labels differ in usual words alone."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

_IMAGE = "image images img imgs im raw input inputs orig original originals"
_LABELS = (
    "mask masks msk label labels lbl lbls seg segs segm segmentation segmentations segmented "
    "gt gts groundtruth truth annotation annotations annotated annot anno instance instances "
    "inst semantic binary roi rois manual"
)
_LABEL_PHRASES = (
    "labels of", "label of", "mask of", "masks of",
    "cp masks",  # Cellpose
    "ground truth",
    "man seg", "man track",  # Cell Tracking Challenge
    "simple segmentation", "object identities",  # ilastik
)  # fmt: skip
_PREDICTION = "prediction predictions predicted pred preds probabilities result results"

_TRUTH_WORDS = frozenset({*_LABELS.split(), *_LABEL_PHRASES})
WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "image": frozenset(_IMAGE.split()),
        "labels": _TRUTH_WORDS,
        "prediction": _TRUTH_WORDS | {*_PREDICTION.split()},
        "truth": _TRUTH_WORDS,
    }
)
"""Words of a name that say what it is, not of what, by what messages call such files."""
_ALL_WORDS = frozenset().union(*WORDS.values())
Parts = tuple[str, ...]


class NamedPairs(NamedTuple):
    """Names that belong together, by their places.

    Attributes
    ----------
    pairs : dict of int to int
        In the order of the first names.
    unclear : list of (tuple of int, tuple of int)
        Places of names of which it cannot be said which belongs to which.
    """

    pairs: dict[int, int]
    unclear: list[tuple[tuple[int, ...], tuple[int, ...]]]


def pair_names(
    first: Sequence[str],
    second: Sequence[str],
    kinds: tuple[str, str] = ("image", "labels"),
) -> NamedPairs:
    """Pair names that are the same, or differ in words like "mask" or "img" alone.

    Parameters
    ----------
    first, second : sequence of str
        Names of images and of labels, without suffix.
    kinds : (str, str), default ("image", "labels")
        Of `WORDS`: what the two are.

    Returns
    -------
    NamedPairs
        Names that are the same are paired first; then those that are it without regard to case
        and separators, without the words of labels, and without those of images.

    Examples
    --------
    >>> pair_names(["a", "b_img", "c"], ["b-mask", "a_cp_masks", "c_gt", "c_seg"])
    NamedPairs(pairs={0: 1, 1: 0}, unclear=[((2,), (2, 3))])
    """
    mine, theirs = (WORDS.get(kind, frozenset()) for kind in kinds)
    ways: tuple[tuple[Callable[[str], object], Callable[[str], object]], ...] = (
        (str, str),
        (_parts_of_name, _parts_of_name),
        (_parts_of_name, lambda name: _name_without(theirs, name)),
        (lambda name: _name_without(mine, name), _parts_of_name),
        (lambda name: _name_without(mine, name), lambda name: _name_without(theirs, name)),
    )
    here, there = [*range(len(first))], [*range(len(second))]
    pairs, unclear = dict[int, int](), []
    for key, other_key in ways:
        alike = _by_key(second, there, other_key)
        for name, places in _by_key(first, here, key).items():
            if not (others := alike.get(name, [])):
                continue
            if len(places) == len(others) == 1:
                pairs[places[0]] = others[0]
            else:
                unclear.append((tuple(places), tuple(others)))
            here = [place for place in here if place not in places]
            there = [place for place in there if place not in others]
    return NamedPairs(dict(sorted(pairs.items())), unclear)


def named_as_labels(
    names: Sequence[str], kinds: tuple[str, str] = ("image", "labels")
) -> list[int]:
    """Return which of some names are called as the labels of another one of them.

    Parameters
    ----------
    names : sequence of str
        Without suffix.
    kinds : (str, str), default ("image", "labels")
        As of `pair_names`.

    Returns
    -------
    list of int
        Their places.

    Examples
    --------
    >>> named_as_labels(["a", "a_mask", "b_mask"])
    [1]
    """
    mine, theirs = (WORDS.get(kind, frozenset()) for kind in kinds)
    bodies = [_name_without(theirs, name) for name in names]
    plain = [
        name for name, body in zip(names, bodies, strict=True) if body == _parts_of_name(name)
    ]
    known = {_parts_of_name(name) for name in plain} | {
        _name_without(mine, name) for name in plain
    }
    return [
        place
        for place, (name, body) in enumerate(zip(names, bodies, strict=True))
        if body in known and body != _parts_of_name(name)
    ]


def says_image_alone(name: str) -> bool:
    """Whether a name says that it is of images, and not of what.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> says_image_alone("Raw_images"), says_image_alone("worm images")
    (True, False)
    """
    return _name_without(WORDS["image"], name) == ()


def plain_pair(names: Sequence[str]) -> tuple[int, int] | None:
    """Return which of some names is that of images and which that of labels, if it is plain.

    Parameters
    ----------
    names : sequence of str
        Of folders.

    Returns
    -------
    (int, int) or None
        Places of the images and of the labels.

    Examples
    --------
    >>> plain_pair(["masks", "images"]), plain_pair(["a", "a_labels"]), plain_pair(["a", "b"])
    ((1, 0), (0, 1), None)
    """
    bare = [i for i, name in enumerate(names) if _name_without(WORDS["labels"], name) == ()]
    labels = {*bare, *named_as_labels(names)}
    others = [i for i in range(len(names)) if i not in labels]
    images = [i for i in others if says_image_alone(names[i])]
    for found in (others, images):
        if len(found) == len(labels) == 1:
            return found[0], min(labels)
    return None


def _by_key(
    names: Sequence[str], places: Sequence[int], key: Callable[[str], object]
) -> dict[object, list[int]]:
    """Sort places by the key of their names."""
    found: dict[object, list[int]] = {}
    for place in places:
        found.setdefault(key(names[place]), []).append(place)
    return found


def _parts_of_name(name: str) -> Parts:
    """Return the parts of a name between separators; "mask07" has two."""
    parts: list[str] = []
    for part in re.findall(r"[^\W_]+", name.casefold()):
        glued = re.fullmatch(r"([^\W\d_]+)(\d+)", part)
        parts += glued.groups() if glued and glued[1] in _ALL_WORDS else [part]
    return tuple(parts)


def _name_without(words: frozenset[str], name: str) -> Parts:
    """Return the parts of a name without some words and phrases."""
    if words is WORDS["image"] and (frame := re.fullmatch(r"t(\d+)", name.casefold())):
        return (frame[1],)  # Cell Tracking Challenge: t007 and man_seg007
    longest = sorted(words, key=len, reverse=True)
    found = re.sub(rf"\b({'|'.join(longest)})\b", " ", " ".join(_parts_of_name(name)))
    return tuple(found.split())
