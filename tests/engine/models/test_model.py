import dataclasses
import os
import shutil

import numpy as np
import pytest
import torch
import yaml

from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models import model as module
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.front import predict
from napari_utile.errors import UserError
from napari_utile.folders import model_writing as folder_module
from napari_utile.folders.model import CARD_FORMAT, model_problem, read_card
from napari_utile.networks import EncoderDecoder, UNet
from napari_utile.settings.training import TrainSettings

NETWORKS = [
    UNet(3, 4, depth=2, width=3, padding="same", norm="batch", dropout=0.25),
    UNet(1, 1, depth=1, width=2),
    EncoderDecoder(1, 2, depth=3, width=2, norm="batch"),
]


def small():
    return Model(UNet(1, 2, depth=1, width=2))


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_saved_is_loaded_bit_by_bit(tmp_path, network):
    Model(network).save(tmp_path / "model")
    loaded = load_model(tmp_path / "model").network
    assert repr(loaded) == repr(network)
    assert type(loaded) is type(network)
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_everything_else_is_kept_too(tmp_path):
    model = Model(
        UNet(1, 3, depth=1, width=2),
        Normalization(mean=(12.5,), std=(0.1,)),
        TrainSettings(recipe="paper", minutes=2, target="classes"),
        target="classes",
        ids=(0, 7, 9),
        scores={"iou": 0.9},
        trained_on={"images": 3, "labels": "labels.tif"},
        border=4.5,
        name="Mine, großes",
    )
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    for name in (
        "normalization",
        "settings",
        "target",
        "ids",
        "scores",
        "trained_on",
        "border",
        "name",
        "version",
    ):
        assert getattr(loaded, name) == getattr(model, name), name


def test_a_model_of_format_1_is_loaded(tmp_path):
    model = Model(UNet(1, depth=1, width=2), settings=TrainSettings(validation_share=0.3))
    model.save(tmp_path / "model")
    path = tmp_path / "model" / "bioimageio.yaml"
    text = path.read_text().replace("validations_per_run:", "validations:")
    text = text.replace("validation_share:", "validation:").replace(
        f"  format: {CARD_FORMAT}", "  format: 1"
    )
    path.write_text(text)
    assert "format: 1" in text and "validation: 0.3" in text
    assert load_model(tmp_path / "model").settings == model.settings


def test_a_loaded_network_evaluates_and_can_be_trained_on(tmp_path):
    small().save(tmp_path / "model")
    network = load_model(tmp_path / "model").network
    assert not network.training
    assert all(p.requires_grad and p.device.type == "cpu" for p in network.parameters())


def test_the_folder_of_a_run_will_do(tmp_path):
    small().save(tmp_path / "run" / "model")
    assert load_model(tmp_path / "run").classes == 2


def test_by_default_gray_values_are_left_as_they_are():
    assert Model(UNet(3, width=1)).normalization == Normalization(mean=(0, 0, 0), std=(1, 1, 1))
    assert Model(UNet(1, 1, width=1)).ids == (0, 1)


def test_a_home_made_network_is_told_what_it_lacks():
    with pytest.raises(
        UserError, match=r"Conv2d cannot be tiled: it has no classes, no ndim, no margin"
    ):
        Model(torch.nn.Conv2d(1, 2, 3))


def test_a_home_made_network_works_and_cannot_be_saved(tmp_path):
    class Mine(UNet):
        pass

    with pytest.raises(UserError, match="Mine cannot be saved"):
        Model(Mine(width=1)).save(tmp_path / "model")


def test_normalization_has_the_channels_of_the_network():
    with pytest.raises(UserError, match="takes 3 channels, but 1 are normalized"):
        Model(UNet(3, width=1), Normalization.none(1))


def test_saving_again_replaces_the_model_and_leaves_nothing_else(tmp_path):
    small().save(tmp_path / "model")
    newer = small()
    newer.save(tmp_path / "model")
    expected = newer.network.classify.weight
    assert torch.equal(load_model(tmp_path / "model").network.classify.weight, expected)
    assert os.listdir(tmp_path) == ["model"]


def test_something_else_is_never_replaced(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(UserError, match="is not a model"):
        small().save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    "step", [(module, "write_parameters"), (folder_module, "_put_in_place")]
)
def test_a_save_that_breaks_leaves_the_older_model(tmp_path, monkeypatch, step):
    small().save(tmp_path / "model")
    before = load_model(tmp_path / "model").network.classify.weight

    def disk_full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*step, disk_full)
    with pytest.raises(UserError, match="model: the disk is full"):
        small().save(tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model").network.classify.weight, before)
    assert os.listdir(tmp_path) == ["model"]


def test_power_lost_between_the_two_renames_loses_nothing(tmp_path):
    small().save(tmp_path / "model")
    (tmp_path / "model").rename(tmp_path / ".model.previous")
    assert load_model(tmp_path / "model").classes == 2
    assert not model_problem(tmp_path / "model")  # the window offers it, too
    small().save(tmp_path / "model")
    assert os.listdir(tmp_path) == ["model"]


def test_the_description_is_a_bioimageio_model(tmp_path):
    small().save(tmp_path / "model")
    description = yaml.safe_load((tmp_path / "model" / "bioimageio.yaml").read_text())
    assert description["type"] == "model"
    assert description["weights"]["pytorch_state_dict"]["source"] == "weights.pt"


def test_a_moved_model_is_still_a_model(tmp_path):
    small().save(tmp_path / "model")
    shutil.move(tmp_path / "model", tmp_path / "Modell für Zoë")
    assert load_model(tmp_path / "Modell für Zoë").classes == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ids": (0, 0)}, r"ids \(0, 0\) must differ"),
        ({"ids": (0, -3)}, "lie between"),
        ({"target": "foo"}, "instances or classes, not 'foo'"),
        ({"offsets": ((-1, 0), (0, -1))}, "has 2 maps, but foreground and affinities of 2 off"),
        ({"offsets": ((-1, -1),)}, "offset leads along one of the 2 axes"),
        ({"offsets": ((-1, 0),)}, "by a network with activation sigmoid"),
    ],
)
def test_ids_and_targets_that_cannot_be_are_refused_at_once(change, reason):
    with pytest.raises(UserError, match=reason):
        dataclasses.replace(small(), **change)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_in_another_number_format_is_saved_and_predicts_in_float32(tmp_path, dtype):
    model = small()
    model.network.to(dtype)
    model.save(tmp_path / "model")
    image = np.random.default_rng(0).normal(size=(30, 30)).astype(np.float32)
    found = predict(model, image)
    assert model.network.classify.weight.dtype == dtype  # the caller's stays as it is
    np.testing.assert_allclose(found, predict(load_model(tmp_path / "model"), image), atol=1e-6)


# more than a slice


def thick(context=1, channels=2):
    network = UNet((2 * context + 1) * channels, depth=1, width=2)
    normal = Normalization(mean=(3.0, 7.0)[:channels], std=(2.0, 5.0)[:channels])
    return Model(network, normal, context=context)


def test_the_slices_that_a_model_sees_are_kept_and_described(tmp_path):
    model = thick()
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert (loaded.context, loaded.in_channels, loaded.normalization) == (
        1,
        2,
        model.normalization,
    )
    card = read_card(tmp_path / "model")
    assert (card.context, card.in_channels) == (1, 2)
    image = np.random.default_rng(0).normal(5, 3, (2, 4, 20, 24))
    np.testing.assert_array_equal(predict(loaded, image), predict(model, image))

    described = yaml.safe_load((tmp_path / "model/bioimageio.yaml").read_text())["inputs"][0]
    assert described["axes"][1]["channel_names"] == [
        "channel0_before1", "channel1_before1", "channel0", "channel1",
        "channel0_after1", "channel1_after1",
    ]  # fmt: skip
    assert described["preprocessing"][0]["kwargs"]["mean"] == [3.0, 7.0] * 3
    assert np.load(tmp_path / "model/test_input.npy").shape[1] == 6
    assert "of the slice 1 after" in (tmp_path / "model/README.md").read_text()


def test_a_package_of_several_slices_passes_its_test(tmp_path):
    thick().save(tmp_path / "model")
    path = tmp_path / "model/bioimageio.yaml"
    description = yaml.safe_load(path.read_text())
    del description["weights"]["pytorch_state_dict"]["sha256"]  # now its test decides
    path.write_text(yaml.safe_dump(description))
    assert load_model(tmp_path / "model").context == 1


@pytest.mark.parametrize("context", [0, 2])
def test_other_slices_than_the_package_describes_are_refused(tmp_path, context):
    thick(channels=1).save(tmp_path / "model")
    path = tmp_path / "model/bioimageio.yaml"
    text = path.read_text()
    path.write_text(text.replace("    context: 1\n", f"    context: {context}\n"))
    with pytest.raises(UserError, match=r"contradicts itself: inputs: channel_names"):
        load_model(tmp_path / "model")


def test_a_model_without_context_sees_one_slice():
    assert (small().context, small().in_channels) == (0, 1)


@pytest.mark.parametrize("context", [-1, 1, 2])
def test_a_network_whose_channels_are_not_those_of_slices_is_refused(context):
    with pytest.raises(UserError, match=f"context {context}"):
        Model(UNet(4, width=1), context=context)
