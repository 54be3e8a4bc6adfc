"""What may be wrong with labels: gray values in place of ids, exchanged or mistaken meanings.

Every threshold is far outside of what annotated data show. Of EM, light microscopy and
fluorescence data sets, for instance, at most 1.4 % of the pixels at an edge lie between their
neighbours; of a mask that was smoothed, resized or saved as JPEG it is 13 % and more.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled
from napari_utile.arrays.doubts.ids import LOWEST_WHITE, IdRegions, one_id_per_object
from napari_utile.arrays.doubts.wording import Doubt, count_of
from napari_utile.arrays.instances.regions import regions
from napari_utile.arrays.labels import Labels, ignored_pixels
from napari_utile.settings.options import Target

LARGEST_SIDE = 2048
"""Of what is looked at of a plane, in its middle, px."""
FEW = 30
"""Pixels or objects: fewer are chance."""
SPECK = 3
"""Largest region that is a speck, px."""
BETWEEN = 0.08
"""Share of the pixels at an edge that lie between their neighbours, as gray values do."""
SPECKS = 0.8
"""Share of the regions that are specks."""
FLAT = 0.25
"""Share of the pixels that equal those to the right and below; an image has fewer."""
BLACK_OR_WHITE = 0.5
"""Share of the pixels of a mask with gray edges that are neither."""
FRAME = 0.7
"""Share of the border of a plane that is background, if it is not full of objects."""
FEW_CLASSES = 5
"""Ids that may be drawn as outlines, one pixel wide."""
GRAY = "gray values"
"""Kind of the doubt about labels that look like an image."""
EXCHANGED = 0.01
"""Share of the pixels that are 0, where background has another id."""
MUCH_BACKGROUND = 0.2
"""Share of the pixels that are 0 in predicted objects, but not in an image."""
UNIT_STEPS = 0.9
"""Share of the edges over which an id rises by 1, as on a slope."""
MOST_LOOKED_AT = 2**23
"""Pixels of one stack of labels that are looked at; of any stack it is one plane at least."""
IGNORED_IDS = (255, 65535)
"""What data sets write where nothing is annotated."""


class Steps(NamedTuple):
    """How often ids change between neighbours along an axis."""

    edges: int
    """Pixels that differ from a neighbour."""
    between: int
    """Pixels between two neighbours along an axis: one is lower, the other higher."""
    every: int
    """Pairs of neighbours that differ."""
    by_one: int
    """Pairs of neighbours whose ids differ by 1."""

    @property
    def unit_share(self) -> float:
        """Share of the pairs that differ in which they do so by 1."""
        return self.by_one / max(self.every, 1)


@dataclass(frozen=True, eq=False)
class LabelPlane:
    """One plane of labels, and what can be seen in it.

    Parameters
    ----------
    ids : ndarray of int, shape (Y, X)
        0 is background.
    place : str
        Where it is, for messages: "slice 3"; empty if there is one plane only.
    """

    ids: Labels
    place: str = ""

    @classmethod
    def of(cls, ids: Labels, place: str = "", ignore: int | None = None) -> "LabelPlane":
        """Return the middle of a plane; ignored pixels are background."""
        here = tuple(
            slice(max(0, (side - LARGEST_SIDE) // 2), (side + LARGEST_SIDE) // 2)
            for side in ids.shape
        )
        seen = ids[here]
        seen = np.where(ignored_pixels(seen, ignore), 0, seen) if ignore is not None else seen
        return cls(np.asarray(seen).astype(np.int64), place)

    @cached_property
    def values(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The ids that occur, without background, and their pixels."""
        _, sizes, of = self.regions  # far fewer than pixels
        found, which = np.unique(of, return_inverse=True)
        counts = np.zeros(len(found), np.int64)
        np.add.at(counts, which, sizes)
        return found.astype(np.int64, copy=False), counts

    @cached_property
    def is_between(self) -> NDArray[np.bool_]:
        """Pixels between two neighbours along an axis: one is lower, the other higher."""
        found = np.zeros(self.ids.shape, bool)
        for ids, marks in ((self.ids, found), (self.ids.T, found.T)):
            steps = np.sign(np.diff(ids, axis=0))
            marks[1:-1] |= steps[:-1] * steps[1:] > 0
        return found

    @cached_property
    def steps(self) -> "Steps":
        """How often ids change between neighbours along an axis."""
        return Steps(*_edge_steps(self.ids))

    @property
    def flat(self) -> float:
        """Share of the pixels that equal those to the right and below."""
        here = self.ids[:-1, :-1]
        same = (here == self.ids[1:, :-1]) & (here == self.ids[:-1, 1:])
        return float(same.mean()) if same.size else 1.0

    @cached_property
    def regions(self) -> tuple[NDArray[np.uint32], NDArray[np.int64], Labels]:
        """Connected regions of one id: number at each pixel; pixels and id of each region."""
        numbers, firsts = regions(self.ids)
        return numbers, _sizes(numbers, len(firsts)), self.ids.ravel()[firsts]

    @property
    def id_regions(self) -> IdRegions:
        """Connected regions of one id: pixels and id of each."""
        return IdRegions(*self.regions[1:])


@compiled
def _edge_steps(ids: NDArray[np.int64]) -> tuple[int, int, int, int]:
    """Count the pixels and pairs of `Steps` in ids (Y, X)."""
    height, width = ids.shape
    edges = between = every = by_one = 0
    for y in range(height):
        # At the border of the plane, a row or a pixel is its own neighbour.
        above, below = ids[max(y - 1, 0)], ids[min(y + 1, height - 1)]
        row = ids[y]
        for x in range(width):
            here = row[x]
            left, right = row[max(x - 1, 0)], row[min(x + 1, width - 1)]
            up, down = here - above[x], below[x] - here
            back, on = here - left, right - here
            edges += (up != 0) | (down != 0) | (back != 0) | (on != 0)
            between += (
                ((up > 0) & (down > 0))
                | ((up < 0) & (down < 0))
                | ((back > 0) & (on > 0))
                | ((back < 0) & (on < 0))
            )
            every += (down != 0) + (on != 0)
            by_one += (abs(down) == 1) + (abs(on) == 1)
    return edges, between, every, by_one


@compiled
def _sizes(numbers: NDArray[np.uint32], count: int) -> NDArray[np.int64]:
    """Return the pixels of regions 1 ... `count`; `np.bincount` would copy the plane."""
    sizes = np.zeros(count + 1, np.int64)
    for number in numbers.ravel():
        sizes[number] += 1
    return sizes[1:]


def looked_at(
    labels: Any, ignore: int | None = None, most: int = MOST_LOOKED_AT
) -> list[LabelPlane]:
    """Return planes of labels to look at: all, or evenly spaced ones.

    Parameters
    ----------
    labels : array-like of int, shape (..., Y, X)
        Indexed plane by plane, so it may be lazy.
    ignore : int, optional
        Id of unannotated pixels.
    most : int, default 2^23
        Pixels of all planes together.

    Returns
    -------
    list of LabelPlane
    """
    indices = list(np.ndindex(*labels.shape[:-2]))
    size = min(labels.shape[-2], LARGEST_SIDE) * min(labels.shape[-1], LARGEST_SIDE)
    count = min(len(indices), max(1, most // max(size, 1)))
    chosen = np.unique(np.linspace(0, len(indices) - 1, count).round().astype(int))
    return [
        LabelPlane.of(
            np.asarray(labels[indices[i]]),
            "slice " + ", ".join(map(str, indices[i])) if indices[i] else "",
            ignore,
        )
        for i in chosen
    ]


def label_doubts(
    planes: Iterable[LabelPlane],
    name: str,
    target: Target = "instances",
    ignore: int | None = None,
    sparse: bool = False,
    kind: str = "Labels",
    is_predicted: bool = False,
    has_target: bool = True,
) -> list[Doubt]:
    """Return what may be wrong with labels.

    Parameters
    ----------
    planes : iterable of LabelPlane
        Those that are looked at.
    name : str
        What the labels are called; may be empty.
    target : {"instances", "classes"}, default "instances"
        What an id means.
    ignore : int, optional
        Id of unannotated pixels.
    sparse : bool, default False
        Whether 0 means unannotated, and 1 background.
    kind : str, default "Labels"
        What messages call them.
    is_predicted : bool, default False
        Whether a network may have made them: specks and mistaken objects are then results.
    has_target : bool, default True
        Whether the user can choose the target; `utile weights` is of instances alone.

    Returns
    -------
    list of Doubt
        At most one of each kind; the first that was found.

    Notes
    -----
    About 0.02 s for 10^6 pixels.
    """
    looked = [plane for plane in planes if plane.ids.any()]
    who = f"{kind} '{name}'" if name else f"The {kind.lower()}"
    for plane in looked:
        if doubt := _gray_values(plane, who, is_predicted):
            return [doubt]  # anything else would follow from it
    if is_predicted:
        doubt = (
            _classes_as_instances(looked, who, has_target) if target == "instances" else None
        )
        return [doubt] if doubt else []
    tests = [_unset_ignore]
    is_of_objects = target == "instances" and not sparse
    if is_of_objects:
        tests.append(_background_as_object)
    found = [_classes_as_instances(looked, who, has_target)] if is_of_objects else []
    found += [_most(looked, test, who) for test in tests]
    if sparse:
        found.append(_object_as_background(looked, who))
    elif target == "classes":
        found.append(_no_background(looked, who))
    if target == "classes":
        found.append(
            _most(looked, _instances_as_classes, who)
            or one_id_per_object([plane.id_regions for plane in looked], who)
        )
    return [doubt for doubt in found if doubt]


def _most(planes: Sequence[LabelPlane], test: Any, who: str) -> Doubt | None:
    """Return the first doubt that a test has, if it has one about most planes."""
    found = [doubt for plane in planes if (doubt := test(plane, who))]
    return found[0] if 2 * len(found) > len(planes) else None


def _gray_values(plane: LabelPlane, who: str, is_predicted: bool = False) -> Doubt | None:
    """Doubt ids that change as gray values do."""
    ids, _ = plane.values
    between, edges = plane.steps.between, plane.steps.edges
    _, sizes, _ = plane.regions
    specks = int((sizes <= SPECK).sum())
    is_gray = len(ids) > 2 and between >= FEW and between > BETWEEN * edges
    if (
        len(ids) <= FEW_CLASSES
    ):  # an outline may be one pixel wide, and its class between others
        is_gray = is_gray and not is_predicted and 2 * specks > len(sizes)
    is_speckled = len(ids) > 1 and specks >= 3 * FEW and specks > SPECKS * len(sizes)
    is_slope = len(ids) >= FEW // 2 and plane.steps.unit_share > UNIT_STEPS
    if not (is_gray or (is_speckled and not is_predicted) or is_slope):
        return None
    where = f" in {plane.place}" if plane.place else ""
    seen = f"{count_of(len(ids), 'id')} in {count_of(len(sizes), 'region')}"
    if gray := _gray_edges(plane):
        top, values, pixels = gray
        return Doubt(
            "gray edges",
            f"{who} look like a mask with gray edges{where}, as of JPEG, a soft brush or "
            f"resizing: beside 0 and {top} there are {count_of(values, 'other value')} on "
            f"{pixels:,} px, each of which counts as an id. Save the mask with 2 values, as "
            "PNG or TIFF, without smoothing.",
        )
    if is_predicted and not is_slope and (plane.ids == 0).mean() > MUCH_BACKGROUND:
        return None  # the parts of a rough mask
    if plane.flat < FLAT or is_slope:
        return Doubt(
            GRAY,
            f"{who} look like an image, not like ids{where}: {seen}, {specks:,} of them of 1 "
            f"to {SPECK} px. Give labels with one id per object, or exchange image and labels.",
        )
    return Doubt(
        "rims",
        f"{who} look as if they were resized or smoothed like an image{where}: {_rims(plane)} "
        f"of {len(ids)} ids are rims between others ({between:,} px), {specks:,} of "
        f"{len(sizes):,} regions are specks of 1 to {SPECK} px. Save them without "
        "interpolation, as PNG or TIFF.",
    )


def _rims(plane: LabelPlane) -> int:
    """Return the number of ids most of whose pixels lie between their neighbours."""
    ids, counts = plane.values
    inside, pixels = np.unique(plane.ids[plane.is_between], return_counts=True)
    of = dict(zip(inside.tolist(), pixels.tolist(), strict=True))
    return sum(
        2 * of.get(i, 0) >= n for i, n in zip(ids.tolist(), counts.tolist(), strict=True)
    )


def _gray_edges(plane: LabelPlane) -> tuple[int, int, int] | None:
    """Return the value of a mask, and how many others there are on how many pixels.

    None if the pixels are not mostly 0, or close to the most frequent high value.
    """
    ids, counts = plane.values
    top, highest = int(ids[counts.argmax()]), int(ids.max())
    is_mask = (plane.ids <= 0.1 * highest) | (plane.ids >= 0.9 * highest)
    if highest < LOWEST_WHITE or top < 0.9 * highest or is_mask.mean() < BLACK_OR_WHITE:
        return None
    return top, len(ids) - 1, int(counts.sum() - counts.max())


def _unset_ignore(plane: LabelPlane, who: str) -> Doubt | None:
    """Doubt an id far above all others that data sets write where nothing is annotated."""
    ids, counts = plane.values
    others = ids[~np.isin(ids, IGNORED_IDS)]
    marks = ids[np.isin(ids, IGNORED_IDS)]
    if not others.size or len(marks) != 1 or others.max() > 128 or others.max() > marks[0] // 2:
        return None
    mark = int(marks[0])
    share = counts[ids == mark][0] / plane.ids.size
    return Doubt(
        "ignore",
        f"{who} have the ids up to {others.max()} and then {mark} ({share:.1%} of the pixels), "
        f"which many data sets give to unannotated pixels: if so, set ignore to {mark}.",
    )


def _classes_as_instances(
    planes: Sequence[LabelPlane], who: str, has_target: bool
) -> Doubt | None:
    """Doubt few ids each of which is in several places, slice by slice."""
    pieces: Counter[int] = Counter()
    shown: Counter[int] = Counter()
    for plane in planes:
        _, sizes, of = plane.regions
        pieces.update(of[sizes > 2 * SPECK].tolist())
        shown.update(plane.values[0].tolist())
    count, every = len(shown), pieces.total()
    if not 2 <= count <= FEW or every < max(5 * count, 3 * shown.total()):
        return None
    if any(pieces[i] < 2 * shown[i] for i in shown):
        return None
    choice = "choose the target classes, or " if has_target else ""
    return Doubt(
        "classes",
        f"{who} have {count_of(count, 'id')} in {every:,} separate regions, so that "
        "they look like classes, but each id counts as one object: "
        f"{choice}give each object an id of its own.",
    )


def _background_as_object(plane: LabelPlane, who: str) -> Doubt | None:
    """Doubt an object that surrounds all others, as background does."""
    numbers, sizes, of = plane.regions
    largest = int(sizes.argmax())
    share, inside = sizes[largest] / plane.ids.size, numbers == largest + 1
    border = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    if share < 0.5 or border.mean() < FRAME:
        return None
    _, others = regions(~inside)
    ids, _ = plane.values
    if len(ids) > 1 and (plane.ids == 0).mean() > EXCHANGED:  # a table with things on it
        return None
    id_ = int(of[largest])
    if share < 0.99 and len(others) < 3:
        return None
    way_on = "invert the mask"
    if len(ids) > 1:
        way_on = f"give background the id 0 in place of {id_}"
        way_on += ", or set sparse, where 1 is background" * (id_ == 1)
    around = f" around {count_of(len(others), 'other region')}" if len(others) else ""
    return Doubt(
        "background",
        f"{who} have one object, id {id_}, on {share:.1%} of the pixels{around}, so that "
        f"objects and background seem to be exchanged: if so, {way_on}.",
    )


def _object_as_background(planes: Sequence[LabelPlane], who: str) -> Doubt | None:
    """Doubt sparse labels in which id 1 is one region like those of many other ids."""
    sizes = np.concatenate([plane.regions[1] for plane in planes] or [np.zeros(0, int)])
    of = np.concatenate([plane.regions[2] for plane in planes] or [np.zeros(0, int)])
    ones, others = sizes[of == 1], sizes[of > 1]
    ids = np.unique(of[of > 1])
    is_like = len(ones) <= len(planes) and ones.max(initial=0) <= 2 * others.max(initial=0)
    if len(ids) < FEW_CLASSES or len(others) > 2 * len(ids) * len(planes) or not is_like:
        return None
    if ones.sum() > 2 * others.sum() / len(ids):
        return None
    return Doubt(
        "sparse",
        f"{who} have the id 1 on {ones.sum():,} px only, as large as an object of the "
        f"{len(ids)} other ids, but with sparse it is background, and 0 unannotated: if 0 is "
        "background, leave out sparse; if not, paint more background as 1.",
    )


def _instances_as_classes(plane: LabelPlane, who: str) -> Doubt | None:
    """Doubt many ids, each in one place."""
    ids, _ = plane.values
    _, sizes, _ = plane.regions
    if len(ids) < FEW or len(sizes) > 2 * len(ids):
        return None
    return Doubt(
        "instances",
        f"{who} have {len(ids)} ids in {len(sizes)} regions, so that they look like one id per "
        "object, but each id counts as a class of its own: choose the target instances.",
    )


def _no_background(planes: Sequence[LabelPlane], who: str) -> Doubt | None:
    """Doubt classes that cover all, none of them 0."""
    if not planes or any((plane.ids == 0).any() for plane in planes):
        return None
    ids = np.unique(np.concatenate([plane.values[0] for plane in planes]))
    if len(ids) < 2 or ids[0] != 1:
        return None
    return Doubt(
        "no background",
        f"{who} have no pixel of id 0, which is background, but the ids 1 to {ids[-1]} "
        "everywhere: if 1 is background, set sparse.",
    )
