"""Costs come back as they were written; other files are refused by name."""

import pytest

from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.errors import UserError
from napari_utile.folders.link_costs import read_link_costs, write_link_costs


def test_costs_come_back(tmp_path):
    costs = LinkCosts(next_bias=1 / 3, ruined=0)
    write_link_costs(tmp_path / "new" / "costs.json", costs)
    assert read_link_costs(tmp_path / "new" / "costs.json") == costs


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"next": 1}', "holds no costs of linking: next is no cost; there are next_bias"),
        ("[1]", "holds no costs of linking: an object of names and numbers is expected"),
        ('{"next_bias": "much"}', "next_bias should be a number"),
        ("{", "is not JSON"),
    ],
)
def test_what_holds_no_costs_is_refused(tmp_path, text, told):
    path = tmp_path / "costs.json"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as refused:
        read_link_costs(path)
    assert str(path) in str(refused.value)
