"""Doubts in words: what each is about, and how those about many images are told as one."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

MOST_NAMED = 5
"""Images of which the names are told."""


class Doubt(NamedTuple):
    """What may be wrong with one image or its labels.

    Attributes
    ----------
    kind : str
        The same for all images that have the same trouble.
    text : str
        Sentences that name the image, count what was seen, and tell the way on.
    """

    kind: str
    text: str


def told_together(found: Iterable[tuple[str, Doubt]], total: int, what: str) -> list[str]:
    """Return one message of each kind of doubt, however many images have it.

    Parameters
    ----------
    found : iterable of (str, Doubt)
        Names of images, with a doubt about each.
    total : int
        Number of the images.
    what : str
        What they are: "labels".

    Returns
    -------
    list of str

    Examples
    --------
    >>> gray = Doubt("gray", "'a' looks gray.")
    >>> told_together([("a", gray), ("b", gray), ("c", gray)], 9, "labels")
    ["'a' looks gray. The same is true of 2 more of 9 labels: b, c."]
    """
    texts: dict[str, str] = {}
    names: dict[str, list[str]] = {}
    for name, doubt in found:
        texts.setdefault(doubt.kind, doubt.text)
        names.setdefault(doubt.kind, []).append(name)
    return [text + _the_same(names[kind][1:], total, what) for kind, text in texts.items()]


def _the_same(names: Sequence[str], total: int, what: str) -> str:
    if not names:
        return ""
    more = ", ..." if len(names) > MOST_NAMED else "."
    listed = ", ".join(names[:MOST_NAMED]) + more
    return f" The same is true of {len(names)} more of {total} {what}: {listed}"


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> count_of(1, "id"), count_of(1200, "region")
    ('1 id', '1,200 regions')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
