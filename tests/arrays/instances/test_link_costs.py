"""Costs are linear in the features, and refuse what is no number."""

import math

import numpy as np
import pytest

from napari_utile.arrays.instances.link_costs import (
    EDGE,
    LEAST_IOU,
    NEVER_ONE,
    NEXT,
    PAIR,
    SKIP,
    LinkCosts,
    with_costs,
)


def edge(distance, features, ruined=0, iou=1.0):
    edges = np.zeros(1, EDGE)
    edges["iou"] = iou
    edges["distance"], edges["features"], edges["ruined"] = distance, features, ruined
    return edges


@pytest.mark.parametrize("distance", [PAIR, NEXT, SKIP])
def test_a_cost_is_the_weighted_sum_of_the_features(distance):
    costs = LinkCosts(caution=0, next_bias=3, skip_bias=-2)  # whole numbers, too
    bias, *weights = costs.weights(distance)
    given = [0.3, 0.8, 2.0]
    (found,) = with_costs(edge(distance, given), costs)["cost"]
    assert found == pytest.approx(
        bias + sum(w * f for w, f in zip(weights, given, strict=True))
    )


def test_two_objects_of_one_slice_are_one_with_caution():
    (bold,), (cautious,) = (
        with_costs(edge(PAIR, [1, 1, 0]), LinkCosts(caution=caution))["cost"]
        for caution in (0, 1.5)
    )
    assert bold - cautious == pytest.approx(1.5)
    (same,), (other,) = (
        with_costs(edge(NEXT, [1, 1, 0]), LinkCosts(caution=caution))["cost"]
        for caution in (0, 1.5)
    )
    assert same == other


def test_every_number_but_the_last_two_is_a_weight_once():
    numbers = dict(zip(LinkCosts().as_dict(), range(1, 15), strict=True))
    costs = LinkCosts(**numbers)
    used = [weight for distance in (NEXT, SKIP, PAIR) for weight in costs.weights(distance)]
    assert sorted(used) == [*range(1, 13)]
    assert (costs.caution, costs.ruined) == (13, 14)


def test_ruined_slices_count_less_and_join_no_pairs():
    costs = LinkCosts(pair_bias=2.0, caution=0, ruined=0.25)
    plain, ruined = (
        with_costs(edge(NEXT, [1, 1, 0], ruined), costs)["cost"][0] for ruined in (0, 1)
    )
    assert ruined == plain / 4
    across = edge(NEXT, [1, 1, 0], 1, iou=LEAST_IOU - 0.01)
    assert with_costs(across, costs)["cost"][0] == 0
    assert with_costs(edge(NEXT, [1, 1, 0], 0, iou=0.01), costs)["cost"][0] == plain
    assert with_costs(edge(PAIR, [1, 1, 0], 1), costs)["cost"][0] == 0
    assert with_costs(edge(PAIR, [0, 0, 1], 1), costs)["cost"][0] == 2 - 7.3
    assert with_costs(edge(PAIR, [1, 1, 0], 2), costs)["cost"][0] == NEVER_ONE


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"next": 1}, "next is no cost; there are next_bias, "),
        ({"next_bias": math.nan}, "next_bias should be a number"),
        ({"next_bias": "1"}, "next_bias should be a number"),
        ({"ruined": -1}, "ruined should be 0 or more"),
        ([1], "an object of names and numbers"),
    ],
)
def test_what_are_no_costs_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        LinkCosts.of(given)


def test_costs_that_are_not_given_have_their_defaults():
    assert LinkCosts.of({"skip_bias": 1}) == LinkCosts(skip_bias=1)
