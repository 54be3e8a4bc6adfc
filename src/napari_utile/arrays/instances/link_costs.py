"""The numbers by which evidence becomes a cost: how likely two objects of slices are one.

Each edge of the graph joins two objects. Its cost is the logarithm of the odds that they are
one object: positive attracts, negative repels. It is linear in a few features of the edge, so
that the numbers can be learnt by logistic regression, see `link_learning`.
"""

from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

PAIR, NEXT, SKIP = 0, 1, 2
"""Distances of two objects in slices: of one slice, of neighbours, of next but one."""
NEVER_ONE = -100.0
"""Cost of two objects of a ruined slice: what they overlap says nothing."""
LEAST_IOU = 0.2
"""An object of a ruined slice may be one with those that it shares at least this IoU with."""
FEATURES = 3
"""Of each edge, see `LinkCosts`."""

EDGE = np.dtype(
    [
        ("plane", np.int64),
        ("below", np.int64),
        ("above", np.int64),
        ("below_number", np.int64),
        ("above_number", np.int64),
        ("distance", np.int64),
        ("overlap", np.int64),
        ("iou", np.float64),
        ("features", np.float64, (FEATURES,)),
        ("ruined", np.int64),
        ("cost", np.float64),
    ]
)
"""An edge: the upper plane; the objects, numbered through the stack and in their planes; their
distance in slices; pixels shared and IoU; features; 1 if it leads to a ruined slice or says so
by what lies there, 2 within one."""

Edges = NDArray[Any]
"""Array of `EDGE`, shape (E,)."""


@dataclass(frozen=True)
class LinkCosts:
    """What each piece of evidence adds to the logarithm of the odds that two objects are one.

    The defaults were fitted to synthetic stacks with and without branches.

    Attributes
    ----------
    next_bias, skip_bias : float
        For two objects that overlap, of neighbouring slices, and of next but one.
    next_larger, skip_larger : float
        Times the larger of the two shares that the common pixels have of each object.
    next_smaller, skip_smaller : float
        Times the smaller of them.
    next_rank, skip_rank : float
        Once for each of the two that overlaps a third object more.
    pair_bias : float
        For two objects of one slice that both overlap a third, in the next slice or the next
        but one, before or after; once for each such object.
    pair_inside : float
        Times the share of them, the smaller one, that lies on the third.
    pair_whole : float
        Times that share, if the third continues as one object on its other side: times the
        IoU with which it does, less what a second object takes there. So profiles of a
        branching neurite attract, and two neurites that are falsely one in a slice do not.
    pair_size : float
        Times the share of the third, the smaller one, that they cover.
    caution : float
        Taken from the cost of two objects of one slice: what is one there shows in every score
        of that slice, so the odds must be good.
    ruined : float
        Factor of the costs of edges between a ruined slice and others.

    Raises
    ------
    ValueError
        If a number is not finite, or `caution` or `ruined` is negative.
    """

    next_bias: float = 2.6
    next_larger: float = 0.8
    next_smaller: float = 1.6
    next_rank: float = -3.5
    skip_bias: float = 0.75
    skip_larger: float = 1.35
    skip_smaller: float = 3.85
    skip_rank: float = -2.45
    pair_bias: float = -3.4
    pair_inside: float = 3.85
    pair_whole: float = 3.65
    pair_size: float = -7.3
    caution: float = 2.0
    ruined: float = 0.25

    def __post_init__(self) -> None:
        for name, number in self.as_dict().items():
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if not is_number or not isfinite(number) or abs(number) > 1e6:
                raise ValueError(f"{name} should be a number up to a million, not {number!r}")
        for name in ("caution", "ruined"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} should be 0 or more, not {getattr(self, name)}")

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return asdict(self)

    @classmethod
    def of(cls, given: Any) -> Self:
        """Return costs from names and numbers; those that are not given have their defaults.

        Raises
        ------
        ValueError
            If there is no such name, or what is given for it is no number.
        """
        if not isinstance(given, dict):
            raise ValueError("an object of names and numbers is expected")
        names = [field.name for field in fields(cls)]
        if unknown := [name for name in given if name not in names]:
            raise ValueError(f"{unknown[0]} is no cost; there are {', '.join(names)}")
        return cls(**given)

    def weights(self, distance: int) -> tuple[float, float, float, float]:
        """Return bias and weights of the features of the edges of a distance in slices."""
        kinds = {
            PAIR: (self.pair_bias, self.pair_inside, self.pair_whole, self.pair_size),
            NEXT: (self.next_bias, self.next_larger, self.next_smaller, self.next_rank),
            SKIP: (self.skip_bias, self.skip_larger, self.skip_smaller, self.skip_rank),
        }
        return kinds[distance]


DEFAULT_COSTS = LinkCosts()


def with_costs(edges: Edges, costs: LinkCosts) -> Edges:
    """Return edges with their costs.

    Parameters
    ----------
    edges : ndarray of EDGE, shape (E,)
    costs : LinkCosts

    Returns
    -------
    ndarray of EDGE, shape (E,)

    Notes
    -----
    Edges to a ruined slice count less, and do not attract below `LEAST_IOU`: what is left there
    of a neurite has its place, and what runs across several has none. Two objects do not
    attract by what lies in it, and two of its own stay apart. The sums are taken column by
    column: a matrix product would round differently for other numbers of edges, and the same
    stack in other blocks must come out the same.
    """
    edges = edges.copy()
    for distance in (PAIR, NEXT, SKIP):
        here = edges["distance"] == distance
        bias, *weights = costs.weights(distance)
        bias -= costs.caution if distance == PAIR else 0
        cost = np.full(int(here.sum()), bias, np.float64)
        for column, weight in enumerate(weights):
            cost += weight * edges["features"][here, column]
        edges["cost"][here] = cost
    ruined, is_pair = edges["ruined"], edges["distance"] == PAIR
    edges["cost"][(ruined > 0) & ~is_pair] *= costs.ruined
    by_ruined = (ruined > 0) & (is_pair | (edges["iou"] < LEAST_IOU))
    edges["cost"][by_ruined] = np.minimum(edges["cost"][by_ruined], 0)
    edges["cost"][(ruined > 1) & is_pair] = NEVER_ONE
    return edges
