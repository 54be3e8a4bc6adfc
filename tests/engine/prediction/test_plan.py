"""The plan of a prediction: what changes its bits, and what does not."""

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.engine.prediction.plan import (
    PredictionPlan,
    digest_of_model,
    options_without_effect,
)
from napari_utile.io.stack import Stack
from napari_utile.networks import UNet, UNet3D
from napari_utile.settings.prediction import PredictSettings

PIXELS = np.arange(4 * 30 * 40, dtype=np.uint16).reshape(4, 30, 40)


def model(seed=0, border=1.0):
    torch.manual_seed(seed)
    return utile.Model(UNet(1, 2, depth=1, width=2), border=border)


def plan(pixels=PIXELS, seed=0, border=1.0, **settings):
    made, chosen = (
        model(seed, border),
        PredictSettings(**{"device": "cpu", "tile": 16} | settings),
    )
    digest = digest_of_model(made)
    return PredictionPlan.of(made, digest, "model", Stack(pixels, "zyx"), chosen)


@pytest.mark.parametrize(
    ("changed", "maps", "is_tiff", "said"),
    [
        (
            {"threshold": 0.8, "min_size": 9},
            2,
            False,
            "s threshold and min size have no",
        ),
        (
            {"output": "classes", "threshold": 0.9},
            2,
            False,
            "most probable is taken: leave",
        ),
        ({"output": "classes", "threshold": 0.9}, 1, False, ""),
        ({"output": "classes", "dtype": "float32"}, 2, True, " dtype has no effect on classes"),
        ({"output": "classes", "dtype": "float32"}, 2, False, ""),
        (
            {"output": "instances", "dtype": "float32"},
            2,
            False,
            "no effect on instances",
        ),
        ({"output": "instances", "threshold": 0.8, "min_size": 9}, 2, False, ""),
        (
            {"linking": "touch", "link_iou": 0.5, "output": "instances"},
            2,
            False,
            " link iou",
        ),
        ({"device": "cpu", "tile": 16, "normalize": "image"}, 2, False, ""),
    ],
)
def test_options_without_effect_on_what_is_written_are_told(changed, maps, is_tiff, said):
    told = options_without_effect(PredictSettings(**changed), maps, is_tiff)
    assert said in "".join(told) and bool(told) == bool(said)


def test_the_same_is_the_same_also_when_read_again():
    assert plan().differences(plan()) == []
    assert PredictionPlan.read(plan().as_dict()) == plan()
    assert PredictionPlan.read(plan().as_dict() | {"format": 0}) is None
    assert PredictionPlan.read({"format": 1}) is None


@pytest.mark.parametrize(
    ("there", "here", "difference"),
    [
        ({}, {"seed": 1}, "the model is another"),
        ({}, {"pixels": PIXELS + 1}, "the image: "),
        ({}, {"dtype": "float32"}, "dtype: uint8 there, float32 here"),
        ({"output": "instances"}, {"output": "instances", "min_size": 5}, "min"),
        ({}, {"region": "0:2,0:30,0:40"}, "region"),
        (
            {"output": "instances", "border": 4},
            {"output": "instances", "border": 4, "grow": 0},
            "instances grow by 3.5 x 3.5 px there and by nothing here",
        ),
    ],
)
def test_what_changes_the_result_is_named(there, here, difference):
    (found,) = plan(**there).differences(plan(**here))
    assert found.startswith(difference)


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ({}, {"tile": 32}),
        ({}, {"min_size": 5, "threshold": 0.7}),  # of probabilities they decide nothing
        ({"output": "instances"}, {"output": "instances", "dtype": "float32"}),
        ({}, {"region": "0:4,0:30,0:40"}),  # all of it
        ({"output": "instances", "border": 4}, {"output": "instances", "grow": 3.5}),
    ],
)
def test_what_changes_no_bit_may_change(there, here):
    assert plan(**there).differences(plan(**here)) == []


def test_instances_grow_by_what_the_model_learnt_in_voxels_of_each_axis():
    spacing, settings = (40.0, 20.0, 10.0), PredictSettings(output="instances", tile=16)
    network = UNet3D(1, 2, depth=1, width=2, spacing=spacing)
    stack = Stack(PIXELS, "zyx")

    def growth(border, **changed):
        made = utile.Model(network, border=border)
        chosen = settings.model_copy(update=changed)
        return PredictionPlan.of(made, "digest", "model", stack, chosen).growth

    assert growth(3) == pytest.approx((0.7, 1.4, 2.8))  # 1.4 (3 + 1) / 2 pixels of x
    assert growth(100) == (1, 2, 4)  # no farther than parts reach
    assert growth(100, grow=1.0) == (0.25, 0.5, 1)
    assert growth(1) == growth(5, grow=0.0) == growth(5, output="classes") == ()
    assert growth(5, instance_method="components") == ()


def test_the_digest_is_of_parameters_and_normalization():
    one = model()
    before = digest_of_model(one)
    assert digest_of_model(model()) == before
    with torch.no_grad():
        one.network.classify.bias[0] += 1
    assert digest_of_model(one) != before
