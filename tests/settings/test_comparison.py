"""Options of a comparison."""

import pytest

from napari_utile.errors import UserError
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import SLICE_NETWORKS
from napari_utile.settings.training import TrainSettings


def test_a_comparison_under_old_names_goes_on(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(CompareSettings(validation_share=0.3).text().replace("_share", ""))
    assert CompareSettings.read(path) == CompareSettings(validation_share=0.3)


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
