"""Options of a prediction."""

from dataclasses import replace

import pytest

from napari_utile.engine.prediction.task import PredictionPlan
from napari_utile.errors import UserError
from napari_utile.settings.prediction import PredictSettings


def test_the_plan_of_a_result_under_old_names_is_the_same_plan():
    how = PredictSettings(output="instances", instance_method="components")
    plan = PredictionPlan(
        "digest", {"shape": [9, 9]}, how.model_dump(), "float32", (8, 8), "m", "i"
    )
    settings = plan.settings | {"objects": plan.settings["instance_method"]}
    del settings["instance_method"]
    old = PredictionPlan.read(plan.as_dict() | {"settings": settings})
    assert old.differences(plan) == []
    other = replace(plan, settings=plan.settings | {"instance_method": "watershed"})
    assert old.differences(other) == ["instance-method: components there, watershed here"]


@pytest.mark.parametrize("tile", ["auto", 1, 4096])
def test_a_tile_is_a_number_or_auto(tile):
    assert PredictSettings(tile=tile).tile == tile


@pytest.mark.parametrize("region", ["0:10", "a", "0:1,2", "0-1,2-3", "0:1, 2:3"])
def test_a_region_that_names_no_ranges_is_refused(region):
    with pytest.raises(ValueError, match="is no region; write it like 0:10,256:768,0:512"):
        PredictSettings(region=region)


@pytest.mark.parametrize("tile", ["big", 0, -3, 1.5])
def test_a_tile_is_nothing_else(tile):
    with pytest.raises(UserError):
        PredictSettings(tile=tile)
