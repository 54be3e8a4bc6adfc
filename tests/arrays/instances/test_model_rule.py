"""What a model remembers of its objects, in memory and in a file."""

import json

import pytest

from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.arrays.instances.model_rule import IN_SLICES, ModelRule
from napari_utile.arrays.instances.offsets import affinity_offsets

RULE = ModelRule.learnt(4, (40, 10, 10), affinity_offsets((40, 10, 10)), LinkCosts(ruined=0.5))


def test_objects_grow_over_half_of_the_border_in_pixels_of_each_axis():
    assert (RULE.axes, RULE.growth) == (3, (0.875, 3.5, 3.5))  # 1.4 times half of 4 + 1
    assert ModelRule.learnt(1, (1, 1)) == IN_SLICES


def test_it_comes_back_from_a_file():
    assert ModelRule.read(json.loads(json.dumps(RULE.as_dict()))) == RULE


@pytest.mark.parametrize(
    "wrong",
    [
        {"axes": 2}, {"axes": 4}, {"growth": [9, 9, 9]}, {"growth": [2, 2]}, {"growth": None},
        {"offsets": [[-1, 0]]}, {"offsets": 3}, {"offsets": [[0, 0, -9]]},
        {"costs": {"odd": 1}},
    ],
)  # fmt: skip
def test_what_cannot_be_is_no_rule(wrong):
    assert ModelRule.read({**RULE.as_dict(), **wrong}) is None
    assert ModelRule.read(None) is None
