"""What files call the channels of images: names that decide which channel is which."""

import re
from collections.abc import Sequence
from typing import Any

from napari_utile.io.stack import Stack

_NUMBERED = re.compile(r"(channel|ch|c)?[\s:_#.-]*\d*([\s:/_.-]+\d+)*", re.IGNORECASE)
_PLACE = re.compile(r"\b[czt]:\d+/\d+\b[\s:;,-]*")
"""What ImageJ writes in front of the name of a page."""


def distinct_names(names: Sequence[Any], channels: int) -> tuple[str, ...]:
    """Return the names of channels, if they tell the channels apart; else none.

    Parameters
    ----------
    names : sequence
        As a file gives them.
    channels : int
        Number of channels. One alone cannot be taken for another.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> distinct_names(["DAPI", "GFP "], 2), distinct_names(["Channel 0", "Channel 1"], 2)
    (('DAPI', 'GFP'), ())
    """
    found = tuple(" ".join(name.split())[:60] for name in names if isinstance(name, str))
    is_told = channels > 1 and len({name.casefold() for name in found}) == channels
    if not is_told or len(names) != channels or any(map(_NUMBERED.fullmatch, found)):
        return ()
    return found


def imagej_names(labels: Any, channels: int) -> tuple[str, ...]:
    """Return the names of channels, if ImageJ wrote them beside each page.

    Parameters
    ----------
    labels : list of str
        Of the pages, of which channels go first.
    channels : int

    Examples
    --------
    >>> imagej_names(["c:1/2 z:1/2 - A", "c:2/2 z:1/2 - B", "c:1/2 z:2/2 - A", "B"], 2)
    ('A', 'B')
    """
    if not isinstance(labels, list):
        return ()
    found = [_PLACE.sub("", str(label)).strip() for label in labels]
    is_repeated = all(name == found[i % channels] for i, name in enumerate(found))
    return distinct_names(found[:channels], channels) if is_repeated else ()


def are_the_same(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two images name their channels alike, or one of them does not say.

    Parameters
    ----------
    names, others : sequence of str
    """
    folded = [[name.casefold() for name in each] for each in (names, others)]
    return not all(folded) or folded[0] == folded[1]


def different_channels(images: Sequence[Stack]) -> list[str]:
    """Return a doubt about images that are used together, and name their channels otherwise.

    Parameters
    ----------
    images : sequence of Stack

    Returns
    -------
    list of str
        One sentence at most.
    """
    groups: list[list[Stack]] = []
    for image in images:
        if not image.channel_names:
            continue
        same = (g for g in groups if are_the_same(g[0].channel_names, image.channel_names))
        if group := next(same, None):
            group.append(image)
        else:
            groups.append([image])
    if len(groups) < 2:
        return []
    told = "; ".join(
        f"{', '.join(group[0].channel_names)} in {len(group)} ('{group[0].name}'"
        f"{', ...' * (len(group) > 1)})"
        for group in groups[:3]
    )
    return [
        f"The images name their channels differently: {told}. A network knows them by their "
        "place alone: save all images with the same channels in one order."
    ]


def other_channels(image: Stack, learnt: Sequence[str]) -> list[str]:
    """Return a doubt about an image whose channels are not named as those of training.

    Parameters
    ----------
    image : Stack
    learnt : sequence of str
        Names in training.

    Returns
    -------
    list of str
        One sentence at most.
    """
    if are_the_same(image.channel_names, learnt):
        return []
    return [
        f"{image.name}: its channels are {', '.join(image.channel_names)}, but those of "
        f"training were {', '.join(learnt)}, and a network knows them by their place alone: "
        "save the image with the same channels in the same order."
    ]
