"""Options: checked, frozen, the same in a file as in memory."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from napari_utile import evaluate, settings
from napari_utile.coco.experiment.evaluate import check_out
from napari_utile.engine.prediction.task import PredictionPlan
from napari_utile.engine.training.losses import LOSSES
from napari_utile.errors import UserError
from napari_utile.networks import NETWORKS
from napari_utile.settings import (
    LOSS_NAMES,
    NETWORK_NAMES,
    PAPER,
    RECIPES,
    SLICE_NETWORKS,
    CocoEvaluateSettings,
    CocoSettings,
    CompareSettings,
    EvaluateSettings,
    LinkSettings,
    NetworkChoice,
    PredictSettings,
    SampleSettings,
    Settings,
    TrainingOptions,
    TrainSettings,
    WeightSettings,
)

EVERY = [
    TrainSettings,
    PredictSettings,
    WeightSettings,
    EvaluateSettings,
    CocoSettings,
    CocoEvaluateSettings,
    LinkSettings,
    SampleSettings,
]


@pytest.mark.parametrize("kind", EVERY)
def test_every_option_has_a_default_and_help(kind):
    assert kind() == kind.model_validate({})
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert not field.description.endswith("."), name


@pytest.mark.parametrize("kind", [*EVERY, CompareSettings])
def test_a_form_shows_every_option_once(kind):
    folded = [name for names in kind.groups().values() for name in names]
    assert sorted([*kind.main_options(), *folded]) == sorted(kind.model_fields)
    assert "More" not in [*kind.groups()][:-1]


def test_the_groups_of_training():
    groups = TrainSettings.groups()
    assert [*groups] == [
        "Labels and validation", "Network", "Tiles and augmentation", "Learning", "Input",
        "More",
    ]  # fmt: skip
    assert groups["Network"] == [
        "depth", "width", "padding", "norm", "dropout", "spacing", "output",
    ]  # fmt: skip
    assert "minutes" in TrainSettings.main_options()


def test_the_networks_and_losses_to_choose_from_are_those_there_are():
    assert tuple(NETWORKS) == NETWORK_NAMES
    assert tuple(LOSSES) == LOSS_NAMES


@pytest.mark.parametrize("kind", EVERY)
def test_a_file_gives_back_the_same_settings(kind, tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(kind().text())
    assert kind.read(path) == kind()
    assert kind.read(path).text() == path.read_text()
    assert set(json.loads(path.read_text())) == set(kind.model_fields)


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": "paper"},
        {"recipe": "paper", "width": 8, "padding": "same"},
        {"minutes": 0.1},
        {"minutes": 2.5, "steps": 7},
        {"ignore": -1, "sparse": True, "seed": 2**31 - 1},
        {"learning_rate": 0.1 + 0.2},
    ],
)
def test_a_file_of_chosen_settings_gives_the_same_bytes(options, tmp_path):
    chosen = TrainSettings(**options)
    path = tmp_path / "settings.json"
    path.write_text(chosen.text())
    assert TrainSettings.read(path) == chosen
    assert TrainSettings.read(path).text() == chosen.text()


@pytest.mark.parametrize("kind", EVERY)
def test_settings_are_frozen(kind):
    name = next(iter(kind.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(kind(), name, None)


@pytest.mark.parametrize("kind", EVERY)
def test_an_option_that_is_not_there_is_refused(kind):
    with pytest.raises(UserError, match="widht"):
        kind(widht=3)


VALUES = {
    "validation_share": 0.3, "validations_per_run": 3, "instance_method": "components",
    "target": "classes", "score_thresholds": True, "threshold_slices": "1:2",
}  # fmt: skip
RENAMED = [(kind, *names) for kind in EVERY for names in kind.renamed.items()]


@pytest.mark.parametrize(("kind", "old", "new"), RENAMED)
def test_an_old_name_of_an_option_is_read_and_the_new_one_written(kind, old, new, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({old: VALUES[new]}))
    read = kind.read(tmp_path / "settings.json")
    assert read == kind(**{old: VALUES[new]}) == kind(**{new: VALUES[new]}) != kind()
    assert old not in json.loads(read.text())
    with pytest.raises(UserError, match=f"{old} is the old name of {new}: give one of"):
        kind(**{old: VALUES[new], new: VALUES[new]})


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


def test_a_comparison_under_old_names_goes_on(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(CompareSettings(validation_share=0.3).text().replace("_share", ""))
    assert CompareSettings.read(path) == CompareSettings(validation_share=0.3)


def test_scores_of_coco_under_old_names_are_the_same_scores(tmp_path):
    facts = {"annotations": "a.json"} | CocoEvaluateSettings().model_dump()
    (tmp_path / "data.json").write_text(json.dumps(facts).replace("instance_method", "objects"))
    check_out(tmp_path, facts, overwrite=False)
    with pytest.raises(UserError, match="other images or options"):
        check_out(tmp_path, facts | {"instance_method": "components"}, overwrite=False)


def test_a_function_takes_old_names_of_options_as_keywords():
    truth = np.array([[1, 1, 0, 2]])
    old = evaluate(truth * 7, truth, labels="classes", objects="components")
    new = evaluate(truth * 7, truth, target="classes", instance_method="components")
    assert old.to_json() == new.to_json() != evaluate(truth * 7, truth).to_json()
    with pytest.raises(ValueError, match="labels is the old name of target"):
        evaluate(truth, truth, labels="classes", target="classes")


def test_the_paper_is_one_word():
    paper = TrainSettings(recipe="paper")
    assert {name: getattr(paper, name) for name in PAPER} == PAPER
    # sec. 3: "high momentum (0.99)", "a single image" per batch, unpadded convolutions;
    # fig. 1: 64 features, 388 pixels out of 572
    assert (paper.momentum, paper.batch, paper.padding) == (0.99, 1, "valid")
    assert (paper.width, paper.depth, paper.tile) == (64, 4, 388)
    # sec. 3: eq. 2 with w0 = 10 and sigma about 5 pixels; 3.1: 10 pixels on a 3 x 3 grid
    assert (paper.w0, paper.sigma, paper.elastic) == (10, 5, 10)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_one_word(name):
    settings = TrainSettings(recipe=name)
    assert {option: getattr(settings, option) for option in RECIPES[name]} == RECIPES[name]


def test_what_is_given_wins_over_the_recipe():
    assert TrainSettings(recipe="paper", width=8).width == 8
    assert TrainSettings(width=8, recipe="paper").momentum == 0.99


def test_networks_of_volumes_have_the_poolings_of_their_paper():
    assert TrainSettings(network="unet-3d").depth == 3
    assert TrainSettings(network="unet-3d", depth=2, recipe="paper").depth == 2
    candidates = CompareSettings(networks=("unet-3d", "encoder-decoder-3d"))
    assert candidates.candidate("unet-3d", 0) == TrainSettings(network="unet-3d")
    assert TrainSettings(network="unet").depth == 4


def test_filling_in_a_recipe_changes_neither_it_nor_what_was_given():
    given, before = {"recipe": "paper", "width": 8}, dict(PAPER)
    TrainSettings.model_validate(given)
    assert given == {"recipe": "paper", "width": 8}
    assert before == PAPER


def test_without_a_budget_there_is_one_in_steps():
    assert TrainSettings().steps
    assert TrainSettings(minutes=5).steps is None
    assert TrainSettings(steps=9).minutes is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"minutes": 0},
        {"minutes": float("nan")},
        {"minutes": float("inf")},
        {"learning_rate": -1},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"sigma": float("inf")},
        {"w0": float("nan")},
        {"w0": float("inf")},
        {"elastic": float("nan")},
        {"elastic": float("inf")},
        {"weight_decay": float("inf")},
        {"validation_share": 1},
        {"validation_share": 0},
        {"depth": 0},
        {"momentum": 1},
        {"network": "vgg"},
        {"rotation": 181},
        {"seed": -1},
        {"seed": 2**31},
    ],
)
def test_values_that_cannot_be_are_refused(wrong):
    with pytest.raises(UserError):
        TrainSettings(**wrong)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        (
            {},
            "target: unet sees slices, and affinities are learnt by networks of volumes: ",
        ),
        ({"network": "unet-3d", "sparse": True}, "sparse: affinities are learnt of whole obj"),
    ],
)
def test_affinities_are_refused_where_they_cannot_be_learnt(others, reason):
    with pytest.raises(UserError, match=reason):
        TrainSettings(target="affinities", **others)
    with pytest.raises(UserError, match="target"):
        CompareSettings(networks=("unet-3d", "encoder-decoder-3d"), target="affinities")


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


def test_what_two_panels_share_has_one_default():
    # the default recipe learns with w0 = 2 and no class balance; the map is the paper's
    for name in ("sigma", "ignore"):
        assert getattr(TrainSettings(), name) == getattr(WeightSettings(), name)
    assert PredictSettings().threshold == EvaluateSettings().threshold


def test_nothing_else_hides_in_the_module():
    classes = [c for c in vars(settings).values() if isinstance(c, type)]
    kinds = {c for c in classes if issubclass(c, Settings)}
    assert kinds == {Settings, NetworkChoice, TrainingOptions, CompareSettings, *EVERY}


def test_the_paper_balances_the_classes():
    assert TrainSettings(recipe="paper").class_balance
    assert WeightSettings().class_balance


# a comparison


def test_a_comparison_names_every_network_of_slices_unless_told():
    assert CompareSettings().networks == SLICE_NETWORKS
    assert CompareSettings().seeds == (0,)
    assert CompareSettings(networks=("fcn", "unet", "fcn"), seeds=(2, 2)).networks == (
        "fcn",
        "unet",
    )


def test_a_comparison_refuses_an_unknown_network_and_a_single_one():
    with pytest.raises(UserError, match="no network 'vnet'; there are unet, encoder-dec"):
        CompareSettings(networks=("unet", "vnet"))
    for name, value in (("network", "unet"), ("seed", 3)):
        with pytest.raises(UserError, match=f"name them in {name}s"):
            CompareSettings(**{name: value})


def test_a_candidate_is_trained_like_the_others():
    settings = CompareSettings(recipe="paper", width=8, networks=("unet",), seeds=(5,))
    expected = TrainSettings(recipe="paper", width=8, network="unet", seed=5)
    assert settings.candidate("unet", 5) == expected


def test_a_comparison_is_read_back(tmp_path):
    settings = CompareSettings(networks=("unet", "fcn"), seeds=(1, 2), minutes=3)
    (tmp_path / "settings.json").write_text(settings.text())
    assert CompareSettings.read(tmp_path / "settings.json") == settings
