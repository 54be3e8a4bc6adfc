r"""Link the objects of a stack by a signed graph, through gaps, branches and a ruined slice.

    slice z+2    a''      b''     Nodes are the objects of slices, whose pixels do not change.
                 | \      |       Edges join those that overlap, in the next slice and in the
    slice z+1    a' :     b'      next but one (:), and objects of one slice that overlap a
                 | /       |      common one (==), which repel unless evidence joins them.
    slice z      a ===== b        Costs are in `link_costs`, the evidence in `evidence`.

The objects of the stack are the sets of nodes with the largest sum of costs within them: a
*multicut*, also known as correlation clustering.

    plane --overlaps--> evidence --3 slices later--> edges with costs --window--> decisions

A decision is final when `AHEAD` further slices are known. So a window of slices is in memory,
and of the rest only which objects were joined.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.evidence import (
    LinkEvidence,
    branch_pairs,
    fit,
    link_evidence,
    looks_ruined,
)
from napari_utile.arrays.instances.link_costs import (
    EDGE,
    NEXT,
    PAIR,
    SKIP,
    Edges,
    LinkCosts,
    with_costs,
)
from napari_utile.arrays.instances.regions import united

_SIGNED = np.dtype([("below", np.int64), ("above", np.int64), ("cost", np.float64)])
STEP, AHEAD = 16, 16
"""Slices whose decisions become final at once, and how many more must be known for that."""
_KEPT = 7
"""Slices whose overlaps are kept: three before the one that is settled, and three after it."""


def cut(count: int, pairs: NDArray[np.int64], costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the least member of the set of each node, of sets with large costs within them.

    Parameters
    ----------
    count : int
        The nodes are 0, 1, ... `count` - 1.
    pairs : ndarray of int64, shape (E, 2)
        Nodes that an edge joins; several edges of two nodes are added.
    costs : ndarray of float64, shape (E,)
        Positive attracts, negative repels.

    Returns
    -------
    ndarray of int64, shape (count,)

    Notes
    -----
    The sum of the costs within sets is large, not always the largest: that is NP-hard. Edges
    are contracted greedily [1]_, then nodes change sides and sets are joined as long as the
    sum grows [2]_, in each part that attracting edges connect by itself.

    References
    ----------
    .. [1] Keuper et al., "Efficient Decomposition of Image and Mesh Graphs by Lifted
       Multicuts", ICCV 2015, alg. 1.
    .. [2] Keuper et al., alg. 2, after Kernighan & Lin, Bell Syst. Tech. J. 49(2), 1970.

    Examples
    --------
    >>> cut(3, np.array([[0, 1], [1, 2], [0, 2]]), np.array([3.0, 1.0, -2.0]))
    array([0, 0, 2])
    """
    from bioimage_cpp.graph import UndirectedGraph, multicut  # the window needs none of it

    low, high = pairs.min(1), pairs.max(1)
    keys, which = np.unique(low * count + high, return_inverse=True)
    if not keys.size:
        return np.arange(count)
    sums = np.bincount(which, costs, len(keys))
    edges = np.stack(np.divmod(keys, count), axis=1).astype(np.uint64)
    problem = multicut.MulticutObjective(UndirectedGraph.from_edges(count, edges), sums)
    solver = multicut.MulticutDecomposer(multicut.KernighanLinMulticut(), number_of_threads=1)
    _, sets = np.unique(solver.optimize(problem), return_inverse=True)
    least = np.full(count, count)
    np.minimum.at(least, sets, np.arange(count))
    return least[sets]


class _GraphPlane(NamedTuple):
    """A plane of a volume, and its overlaps with the two before it."""

    number: int
    start: int
    sizes: NDArray[np.int64]
    next: LinkEvidence | None
    skip: LinkEvidence | None


def _link(one: _GraphPlane, other: _GraphPlane) -> LinkEvidence | None:
    """Return the overlaps of two planes of a volume, from the upper one of them."""
    lower, upper = sorted((one, other), key=lambda plane: plane.number)
    return upper.next if upper.number == lower.number + 1 else upper.skip


def _fit(lower: _GraphPlane, upper: _GraphPlane) -> tuple[float, int]:
    """Return how well two planes fit each other, and how many objects do."""
    link = _link(lower, upper)
    if link is None:
        return 0.0, 0
    return fit(link, lower.sizes, upper.sizes), int(link.is_first.all(1).sum())


def _looks_unfit(across: tuple[float, int], around: Sequence[tuple[float, int]]) -> bool:
    return looks_ruined([value for value, _ in around], *across)


class GraphLinking:
    """Sets of the objects of a stack, decided plane by plane.

    Parameters
    ----------
    costs : LinkCosts

    Attributes
    ----------
    ruined : list of int
        Planes that look ruined, so far, and that objects are bridged over.
    unfit : list of int
        Those that look ruined at an end of the stack, or two in a row: nothing is bridged.
    """

    def __init__(self, costs: LinkCosts):
        self.costs = costs
        self.ruined: list[int] = []
        self.unfit: list[int] = []
        self._count = 0  # objects so far
        self._planes: list[_GraphPlane] = []  # the last ones of the volume
        self._settled = 0  # how many of the planes so far have their edges
        self._edges: list[Edges] = []  # that nobody has taken
        # The window: objects from `_low`; of those below `_frozen` the sets are known.
        self._low = self._frozen = 0
        self._roots = np.empty(0, np.int64)
        self._starts: list[int] = []  # first objects of settled planes that are not frozen
        self._window: list[NDArray[Any]] = []  # (below, above, cost) as structured edges
        self._joined: list[NDArray[np.int64]] = []

    def plane(
        self,
        sizes: NDArray[np.int64],
        below: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
        skipped: tuple[NDArray[np.int64], NDArray[np.int64]] | None,
    ) -> None:
        """Take the next plane.

        Parameters
        ----------
        sizes : ndarray of int64, shape (objects + 1,)
            Of its objects, from object 0.
        below, skipped : (pairs, shared) or None
            Overlaps with the plane before, and with the one before that; see
            `linking.overlaps`. Without `below` a new volume begins.
        """
        if below is None:
            self._end_volume()
        number = self._planes[-1].number + 1 if self._planes else self._settled
        kept = self._planes
        near = None if below is None else link_evidence(*below, kept[-1].sizes, sizes)
        far = None
        if skipped is not None and len(kept) > 1:
            far = link_evidence(*skipped, kept[-2].sizes, sizes)
        kept.append(_GraphPlane(number, self._count, sizes, near, far))
        self._count += len(sizes) - 1
        self._look_for_ruins()
        del kept[:-_KEPT]
        if self._settled <= number - 3:
            self._settle(self._settled)
            if len(self._starts) >= STEP + AHEAD:
                self._freeze(self._starts[STEP])

    def _end_volume(self) -> None:
        """Decide all that is left: what comes is not linked to it."""
        if len(self._planes) > 3 and self._settled <= self._planes[-1].number:
            *_, before, near, last = self._planes
            if _looks_unfit(_fit(before, near), [_fit(near, last), _fit(before, last)]):
                self.unfit.append(last.number)
        while self._planes and self._settled <= self._planes[-1].number:
            self._settle(self._settled)
        self._freeze(self._count)
        self._planes.clear()
        self._window.clear()

    def take_edges(self) -> Edges:
        """Return the edges since the last call."""
        edges = np.concatenate([np.empty(0, EDGE), *self._edges])
        self._edges.clear()
        return edges

    def sets(self) -> NDArray[np.int64]:
        """Return the least member of the set of each object, 0, 1, ..., after the last plane.

        Returns
        -------
        ndarray of int64, shape (objects,)
        """
        self._end_volume()
        return united(self._count, np.concatenate([np.empty((0, 2), int), *self._joined]))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state from which `from_arrays` resumes; edges must have been taken."""
        arrays = {
            "graph": np.array(
                [self._count, self._settled, self._low, self._frozen, len(self._planes)]
            ),
            "graph_ruined": np.array(self.ruined, np.int64),
            "graph_unfit": np.array(self.unfit, np.int64),
            "graph_roots": self._roots,
            "graph_starts": np.array(self._starts, np.int64),
            "graph_window": np.concatenate([np.empty(0, _SIGNED), *self._window]),
            "graph_joined": np.concatenate([np.empty((0, 2), np.int64), *self._joined]),
        }
        for place, plane in enumerate(self._planes):
            arrays[f"graph_plane{place}"] = np.array([plane.number, plane.start])
            arrays[f"graph_sizes{place}"] = plane.sizes
            for name, link in (("next", plane.next), ("skip", plane.skip)):
                if link is not None:
                    arrays[f"graph_{name}{place}"] = np.column_stack([link.pairs, link.shared])
        return arrays

    @classmethod
    def from_arrays(cls, costs: LinkCosts, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Resume from the state that `to_arrays` returned."""
        graph = cls(costs)
        graph._count, graph._settled, graph._low, graph._frozen, kept = arrays["graph"].tolist()
        graph.ruined, graph.unfit, graph._starts = (
            arrays[f"graph_{name}"].tolist() for name in ("ruined", "unfit", "starts")
        )
        graph._roots, graph._window = arrays["graph_roots"], [arrays["graph_window"]]
        graph._joined = [arrays["graph_joined"]]
        sizes = [arrays[f"graph_sizes{place}"] for place in range(kept)]
        for place in range(kept):
            links: dict[str, LinkEvidence | None] = {}
            for name, distance in (("next", NEXT), ("skip", SKIP)):
                table = arrays.get(f"graph_{name}{place}")
                # of the first planes that are kept, those before them are gone
                links[name] = None
                if table is not None and place >= distance:
                    below = sizes[place - distance]
                    links[name] = link_evidence(table[:, :2], table[:, 2], below, sizes[place])
            number, start = arrays[f"graph_plane{place}"].tolist()
            graph._planes.append(_GraphPlane(number, start, sizes[place], **links))
        return graph

    def _look_for_ruins(self) -> None:
        """Judge the plane before the last one; the first one and two in a row, too."""
        kept = self._planes
        if len(kept) > 2:
            lower, plane, upper = kept[-3:]
            if _looks_unfit(_fit(lower, upper), [_fit(lower, plane), _fit(plane, upper)]):
                self.ruined.append(plane.number)
        if len(kept) == 4:  # of three slices, two may be alike by chance
            first, near, after, _ = kept
            if _looks_unfit(_fit(near, after), [_fit(first, near), _fit(first, after)]):
                self.unfit.append(first.number)
        if len(kept) > 4 and len(kept[-1].sizes) > 1:  # otherwise the sample may have ended
            a, b, c, d, e = kept[-5:]
            around = [_fit(b, c), _fit(b, d), _fit(c, e), _fit(d, e)]
            if _looks_unfit(_fit(a, b), around):
                self.unfit += [c.number, d.number]

    def _settle(self, number: int) -> None:
        """Make the edges from a plane upwards and within it: what they depend on is known."""
        here = {plane.number - number: plane for plane in self._planes}
        plane = here[0]
        found = [np.empty(0, EDGE)]
        for distance in (NEXT, SKIP):
            upper = here.get(distance)
            if upper and (link := _link(plane, upper)):
                found.append(self._link_edges(plane, upper, link))
        for step in (-2, -1, 1, 2):
            found += self._pair_edges(here, step)
        edges = with_costs(np.concatenate(found), self.costs)
        self._edges.append(edges)
        self._window.append(edges[["below", "above", "cost"]].copy())
        self._starts.append(plane.start)
        self._settled += 1

    @property
    def _all_ruined(self) -> list[int]:
        return self.ruined + self.unfit

    def _link_edges(self, lower: _GraphPlane, upper: _GraphPlane, link: LinkEvidence) -> Edges:
        """Return the edges between the objects of two planes."""
        edges = self._new_edges(lower, upper, link.pairs)
        edges["distance"] = upper.number - lower.number
        edges["overlap"], edges["iou"] = link.shared, link.iou
        edges["features"][:, 0] = link.shares.max(1)
        edges["features"][:, 1] = link.shares.min(1)
        edges["features"][:, 2] = (~link.is_first).sum(1)
        edges["ruined"] = not {lower.number, upper.number}.isdisjoint(self._all_ruined)
        return edges

    def _pair_edges(self, here: Mapping[int, _GraphPlane], step: int) -> list[Edges]:
        """Return the edges between objects that overlap one of the plane at a distance.

        What lies behind it says whether that goes on as one.
        """
        plane, other = here[0], here.get(step)
        beyond = here.get(step + (1 if step > 0 else -1))
        if not other or not (link := _link(plane, other)):
            return []
        far = _link(other, beyond) if beyond else None
        pairs, features = branch_pairs(link, int(step < 0), far, len(other.sizes) - 1)
        edges = self._new_edges(plane, plane, pairs)
        edges["distance"], edges["features"] = PAIR, features
        ruined = self._all_ruined
        edges["ruined"] = 2 if plane.number in ruined else other.number in ruined
        return [edges]

    @staticmethod
    def _new_edges(lower: _GraphPlane, upper: _GraphPlane, pairs: NDArray[np.int64]) -> Edges:
        edges = np.zeros(len(pairs), EDGE)
        edges["plane"] = upper.number
        edges["below_number"], edges["above_number"] = pairs.T
        edges["below"] = lower.start + pairs[:, 0] - 1
        edges["above"] = upper.start + pairs[:, 1] - 1
        return edges

    def _freeze(self, end: int) -> None:
        """Decide the window, and make final what that says of the objects before `end`."""
        edges = np.concatenate(self._window) if self._window else np.empty(0, _SIGNED)
        # 1. objects whose sets are known stand for them
        ends = np.stack([self._root(edges["below"]), self._root(edges["above"])], axis=1)
        nodes, places = np.unique(ends, return_inverse=True)
        sets = nodes[cut(len(nodes), places.reshape(ends.shape), edges["cost"])]
        # 2. sets that have become one, as far as they are final
        is_new = (sets != nodes) & (nodes < end)
        self._joined.append(np.stack([nodes[is_new], sets[is_new]], axis=1))
        # 3. the window moves on: the last two planes that are final have edges to later ones
        after = [start for start in self._starts if start >= end]
        final = [start for start in self._starts if start < end]
        low = final[-2] if len(final) > 1 else min([end, *final])
        front = np.arange(low, end)
        roots = self._root(front)
        where = np.searchsorted(nodes, roots).clip(max=max(len(nodes) - 1, 0))
        known = nodes[where] == roots if len(nodes) else np.zeros(len(roots), bool)
        roots[known] = sets[where[known]]
        # 4. what is known between sets that go on counts later, too
        edges["below"], edges["above"] = sets[places.reshape(ends.shape)].T
        is_open = (ends >= end).any(1)
        edges["below"][is_open], edges["above"][is_open] = ends[is_open].T
        goes_on = np.isin(edges["below"], roots) & np.isin(edges["above"], roots)
        goes_on &= edges["below"] != edges["above"]
        self._window = [edges[is_open | goes_on]]
        self._low, self._frozen, self._roots, self._starts = low, end, roots, after

    def _root(self, objects: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the least member of the set of each object, as far as that is final."""
        found = objects.copy()
        known = (objects >= self._low) & (objects < self._frozen)
        found[known] = self._roots[objects[known] - self._low]
        return found
