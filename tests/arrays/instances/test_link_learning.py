"""Costs are learnt from planted ones, and kept where there is too little to learn from."""

import numpy as np
import pytest

from napari_utile.arrays.instances.link_costs import (
    EDGE,
    NEXT,
    PAIR,
    SKIP,
    LinkCosts,
    with_costs,
)
from napari_utile.arrays.instances.link_learning import FEWEST, learnt_costs

PLANTED = LinkCosts(
    next_bias=1.0, next_larger=-2.0, next_smaller=3.0, next_rank=-1.5, skip_bias=-1.0,
    skip_larger=2.0, skip_smaller=1.0, skip_rank=-0.5, pair_bias=-1.0, pair_inside=2.0,
    pair_whole=1.5, pair_size=-3.0, caution=0.0,
)  # fmt: skip


def drawn(count, costs=PLANTED, seed=0):
    """Edges with random features, and whether they join: with the odds of the costs."""
    rng = np.random.default_rng(seed)
    edges = np.zeros(count, EDGE)
    edges["distance"] = rng.choice([PAIR, NEXT, SKIP], count)
    edges["features"] = rng.random((count, 3))
    links = edges["distance"] != PAIR
    edges["features"][links, 2] = rng.integers(0, 3, links.sum())
    edges = with_costs(edges, costs)
    return edges, rng.random(count) < 1 / (1 + np.exp(-edges["cost"]))


def test_planted_costs_are_found():
    costs, counts = learnt_costs(*drawn(60_000))
    assert {*counts} == {"next", "skip", "pair"} and sum(counts.values()) == 60_000
    planted = PLANTED.as_dict()
    for name, number in costs.as_dict().items():
        if name not in ("caution", "ruined"):
            # standard errors of 20,000 draws are below 0.1
            assert number == pytest.approx(planted[name], abs=0.35), name


def test_it_is_the_minimum_of_the_loss():
    edges, is_one = drawn(3000, seed=1)
    costs, _ = learnt_costs(edges, is_one)

    def loss(numbers):
        odds = with_costs(edges, LinkCosts(**numbers | {"caution": 0}))["cost"]
        change = np.array([*numbers.values()]) - [*LinkCosts().as_dict().values()]
        return np.logaddexp(0, odds).sum() - odds[is_one].sum() + 0.05 * (change**2).sum()

    best = costs.as_dict()
    for name in best:
        if name not in ("caution", "ruined"):
            for step in (-0.02, 0.02):
                assert loss(best | {name: best[name] + step}) > loss(best)


def test_few_edges_change_nothing_and_those_of_ruined_slices_do_not_count():
    edges, is_one = drawn(3 * FEWEST // 2)
    assert learnt_costs(edges, is_one) == (LinkCosts(), {})
    edges, is_one = drawn(3000)
    edges["ruined"] = 1
    assert learnt_costs(edges, is_one) == (LinkCosts(), {})
    edges, _ = drawn(3000)
    assert learnt_costs(edges, np.ones(3000, bool)) == (LinkCosts(), {})


def test_what_is_not_learnt_is_kept():
    prior = LinkCosts(caution=1.5, ruined=0.1)
    costs, _ = learnt_costs(*drawn(3000), prior)
    assert (costs.caution, costs.ruined) == (1.5, 0.1)
