"""The cut beside brute force; stacks worked by hand; windows beside the whole."""

from itertools import pairwise

import numpy as np
import pytest

from napari_utile.arrays.instances import graph as graph_module
from napari_utile.arrays.instances.graph import GraphLinking, cut
from napari_utile.arrays.instances.link_costs import NEXT, PAIR, SKIP, LinkCosts
from napari_utile.arrays.instances.linking import overlaps
from tests.fixtures.drifting import NEURITES, drifting

COSTS = LinkCosts()


def linked(planes, costs=COSTS, between=lambda graph: graph):
    """Link planes one by one; give objects 1, 2, ... in the pixels, the graph and its edges."""
    graph, edges, planes = GraphLinking(costs), [], np.array(planes)
    for z, plane in enumerate(planes):
        sizes = np.bincount(plane.ravel())
        sizes[0] = 0
        before = [overlaps(planes[z - step], plane) if z >= step else None for step in (1, 2)]
        graph.plane(sizes, *before)
        edges.append(graph.take_edges())
        graph = between(graph)
    sets = graph.sets()
    edges.append(graph.take_edges())
    starts = np.cumsum([0, *(plane.max() for plane in planes)])
    found = [np.r_[0, sets[a:b] + 1] for a, b in pairwise(starts)]
    pixels = np.array([ids[plane] for ids, plane in zip(found, planes, strict=True)])
    return pixels, graph, np.concatenate(edges)


def every_partition(count):
    """All ways to divide 0, 1, ... into sets, as the least member of each one's set."""
    if not count:
        yield ()
        return
    for rest in every_partition(count - 1):
        for least in {*rest, count - 1}:
            yield (*rest, least)


# --- the cut


@pytest.mark.parametrize("seed", range(12))
def test_the_cut_has_the_largest_sum_of_all_partitions(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 8))
    pairs = np.array([(a, b) for a in range(count) for b in range(a) if rng.random() < 0.7])
    pairs = pairs.reshape(-1, 2)
    costs = rng.normal(0.3, 2, len(pairs))

    def total(sets):
        sets = np.asarray(sets)
        return costs[sets[pairs[:, 0]] == sets[pairs[:, 1]]].sum() if len(pairs) else 0.0

    found = cut(count, pairs, costs)
    assert (found[found] == found).all() and (found <= np.arange(count)).all()
    assert total(found) == pytest.approx(max(map(total, every_partition(count))))


def test_edges_of_the_same_two_nodes_add_up():
    pairs = np.array([[0, 1], [1, 0]])
    assert cut(2, pairs, np.array([3.0, -2.0])).tolist() == [0, 0]
    assert cut(2, pairs, np.array([3.0, -4.0])).tolist() == [0, 1]


def test_nodes_without_edges_stay_alone():
    assert cut(3, np.empty((0, 2), int), np.empty(0)).tolist() == [0, 1, 2]
    assert cut(0, np.empty((0, 2), int), np.empty(0)).tolist() == []


# --- stacks


def columns(*spans, width=40):
    """A plane of 8 rows with an object in each span of columns."""
    plane = np.zeros((8, width), int)
    for number, (start, stop) in enumerate(spans, 1):
        plane[:, start:stop] = number
    return plane


def test_a_gap_of_one_slice_is_bridged():
    a, b = (2, 12), (20, 32)
    found, _, edges = linked([columns(a, b), columns(a), columns(a, b), columns(a, b)])
    assert found[0, 0, 25] == found[2, 0, 25] == found[3, 0, 25]
    assert found[0, 0, 5] != found[0, 0, 25]
    assert {*edges["distance"].tolist()} == {NEXT, SKIP}


def test_a_branch_is_kept_and_a_false_merger_is_not():
    stem, left, right = (4, 30), (4, 17), (19, 30)
    branch = [columns(stem)] * 4 + [columns(left, right)] * 4
    found, _, edges = linked(branch, LinkCosts(caution=0))
    assert len(np.unique(found[found > 0])) == 1
    pairs = edges[edges["distance"] == PAIR]
    assert pairs["plane"].tolist() == [4, 4, 5]  # two slices before it, and two
    # two neurites that a leak joins in one slice
    merger = [columns(left, right)] * 3 + [columns(stem)] + [columns(left, right)] * 3
    found, _, edges = linked(merger, LinkCosts(caution=0))
    assert found[0, 0, 10] == found[6, 0, 10] != found[0, 0, 25] == found[6, 0, 25]
    assert edges[edges["distance"] == PAIR]["plane"].tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize("kind", ["blank", "shifted"])
def test_a_ruined_slice_is_named_and_bridged(kind):
    planes = drifting(9)
    good = planes.copy()
    planes[4] = 0 if kind == "blank" else np.roll(planes[4], (17, 23), (0, 1))
    found, graph, _ = linked(planes)
    assert graph.ruined == [4]
    for below, above in ((0, 8), (3, 5)):
        ids = [
            [found[z][good[z] == n][0] for n in range(1, NEURITES + 1)] for z in (below, above)
        ]
        assert ids[0] == ids[1] and len({*ids[0]}) == NEURITES
    assert linked(good)[1].ruined == linked(good)[1].unfit == []


@pytest.mark.parametrize("places", [(0,), (8,), (4, 5)])
def test_ruined_slices_that_nothing_bridges_are_named(places):
    planes = drifting(9)
    for z in places:
        planes[z] = np.roll(planes[z], (17, 23 + 9 * z), (0, 1))
    for resumed in (lambda g: g, lambda g: GraphLinking.from_arrays(COSTS, g.to_arrays())):
        _, graph, _ = linked(planes, between=resumed)
        assert (graph.ruined, graph.unfit) == ([], [*places])


def test_one_slice_between_few_objects_is_not_called_ruined():
    few = [columns((2, 12)), columns(), columns((2, 12))]
    assert linked(few)[1].ruined == []


def test_the_next_volume_is_not_linked():
    plane = columns((2, 12))
    sizes = np.array([0, plane.astype(bool).sum()])
    graph = GraphLinking(COSTS)
    for below in (None, overlaps(plane, plane), None, overlaps(plane, plane)):
        graph.plane(sizes, below, None)
    assert graph.sets().tolist() == [0, 0, 2, 2]


# --- windows and breaks


@pytest.fixture
def noisy():
    """40 slices with gaps, mergers and splits."""
    rng, planes = np.random.default_rng(3), drifting(40)
    for plane in planes:
        gone, merged, into, cut_up = rng.integers(1, NEURITES + 1, 4)
        plane[plane == gone] = 0
        plane[plane == merged] = into
        half = (plane == cut_up) & (np.arange(plane.shape[1]) % 16 < 8)
        plane[half] = NEURITES + 1
    return np.array([np.unique(plane, return_inverse=True)[1] for plane in planes])


def test_windows_decide_as_the_whole_stack(noisy, monkeypatch):
    found, _, edges = linked(noisy)  # in two windows
    monkeypatch.setattr(graph_module, "STEP", 1000)
    whole, _, the_same = linked(noisy)
    np.testing.assert_array_equal(edges, the_same)
    np.testing.assert_array_equal(found, whole)


def test_it_resumes_from_its_arrays_at_every_slice(noisy):
    found, graph, edges = linked(noisy)

    def again(graph):
        return GraphLinking.from_arrays(COSTS, graph.to_arrays())

    resumed, other, the_same = linked(noisy, between=again)
    np.testing.assert_array_equal(resumed, found)
    np.testing.assert_array_equal(the_same, edges)
    assert other.ruined == graph.ruined


def test_its_memory_does_not_grow_with_the_slices(noisy):
    sizes = []

    def measured(graph):
        state = graph.to_arrays()
        sizes.append(sum(a.nbytes for n, a in state.items() if n != "graph_joined"))
        return graph

    linked(np.concatenate([noisy] * 4), between=measured)
    assert max(sizes[80:]) < 1.2 * max(sizes[:80])
