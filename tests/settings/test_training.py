"""Options of a training: budget, limits, what a form shows."""

import pytest

from napari_utile.errors import UserError
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.training import TrainSettings


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


def test_networks_of_volumes_have_the_poolings_of_their_paper():
    assert TrainSettings(network="unet-3d").depth == 3
    assert TrainSettings(network="unet-3d", depth=2, recipe="paper").depth == 2
    candidates = CompareSettings(networks=("unet-3d", "encoder-decoder-3d"))
    assert candidates.candidate("unet-3d", 0) == TrainSettings(network="unet-3d")
    assert TrainSettings(network="unet").depth == 4


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
        {"rotation": 181},
    ],
)
def test_values_that_cannot_be_are_refused(wrong):
    with pytest.raises(UserError):
        TrainSettings(**wrong)


@pytest.mark.parametrize(
    ("kind", "others", "reason"),
    [
        (TrainSettings, {}, "target: unet sees slices, and affinities are learnt by networks"),
        (TrainSettings, {"network": "unet-3d", "sparse": True}, "sparse: affinities are learn"),
        (CompareSettings, {}, "networks: affinities are learnt by networks of volumes: compar"),
        (CompareSettings, {"networks": ("unet-3d",), "sparse": True}, "sparse: affinities are"),
    ],
)
def test_affinities_are_refused_where_they_cannot_be_learnt(kind, others, reason):
    with pytest.raises(UserError, match=reason):
        kind(target="affinities", **others)
