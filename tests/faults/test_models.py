"""Images that do not fit a model, and model folders that are broken, foreign or malicious."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
import yaml

from napari_utile.engine.models.model import DESCRIPTION, PARAMETERS_FILE, Model, load_model
from napari_utile.engine.models.parameters import digest
from napari_utile.engine.prediction.in_memory import logits, predict_stack
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.networks import UNet


@pytest.fixture
def folder(tmp_path):
    """A model on disk."""
    Model(UNet(1, 2, depth=1, width=2)).save(tmp_path / "model")
    return tmp_path / "model"


def describe_again(folder, **config):
    """Write the description anew: for the weights that lie there now, with other facts."""
    description = yaml.safe_load((folder / DESCRIPTION).read_text())
    description["weights"]["pytorch_state_dict"]["sha256"] = digest(folder / PARAMETERS_FILE)
    description["config"]["utile"] |= config
    (folder / DESCRIPTION).write_text(yaml.safe_dump(description))


def refusal(folder):
    """Load the model and give the one sentence that refuses it."""
    with pytest.raises(UserError) as refused:
        load_model(folder)
    message = str(refused.value)
    assert "weights_only" not in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 5), (17, 2)])
def test_fault_07_images_smaller_than_the_margin_are_mirrored(shape):
    network = UNet(1, 2, depth=4, width=1)
    image = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
    result = logits(network, image)
    assert result.shape == (2, *shape)
    assert np.isfinite(result).all()


def test_fault_23_channels_are_compared_before_anything_is_read():
    class NeverRead:
        shape, dtype = (100, 100, 3), np.dtype(np.uint8)

        def __getitem__(self, read):
            raise AssertionError("was read")

    stack = Stack(NeverRead(), "yxc", name="cells")
    with pytest.raises(UserError, match=r"The model expects 1 channel, cells has 3\."):
        next(predict_stack(Model(UNet(1, width=1)), stack, None))


class Malicious:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def bare_pickle(canary, path):
    path.write_bytes(pickle.dumps(Malicious(canary)))


def weights_with_code(canary, path):
    torch.save({"classify.weight": torch.zeros(1), "x": Malicious(canary)}, path)


def old_weights_with_code(canary, path):
    torch.save({"x": Malicious(canary)}, path, _use_new_zipfile_serialization=False)


def whole_module(canary, path):
    torch.save(UNet(width=1), path)


@pytest.mark.parametrize(
    "write", [bare_pickle, weights_with_code, old_weights_with_code, whole_module]
)
def test_fault_29_code_is_refused_and_never_run(tmp_path, folder, write):
    canary = tmp_path / "canary"
    write(canary, folder / PARAMETERS_FILE)
    describe_again(folder)
    message = refusal(folder)
    assert "nothing was run" in message or "no file of parameters" in message
    assert not canary.exists()


def test_fault_29_the_canary_would_have_been_written(tmp_path):
    weights_with_code(tmp_path / "canary", tmp_path / "weights.pt")
    torch.load(tmp_path / "weights.pt", weights_only=False)["x"].close()
    assert (tmp_path / "canary").exists()


def test_fault_29_yaml_that_names_python_is_refused(tmp_path, folder):
    canary = tmp_path / "canary"
    attack = f"!!python/object/apply:builtins.open [{canary}, w]"
    (folder / DESCRIPTION).write_text(attack)
    assert "not YAML" in refusal(folder)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda good: good[: len(good) // 2], "cut off"),
        (lambda good: good[:100], "cut off"),
        (lambda good: b"", "is empty"),
        (lambda good: b"git-lfs pointer", "no file of parameters"),
    ],
)
def test_fault_30_broken_weights_are_named(folder, content, reason):
    weights = folder / PARAMETERS_FILE
    weights.write_bytes(content(weights.read_bytes()))
    describe_again(folder)
    assert refusal(folder).startswith(str(weights))
    assert reason in refusal(folder)


def test_fault_30_a_changed_byte_is_noticed(folder):
    weights = folder / PARAMETERS_FILE
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    assert "is damaged or was changed" in refusal(folder)


def test_fault_30_a_zip_bomb_is_not_unpacked(folder):
    with zipfile.ZipFile(folder / PARAMETERS_FILE, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    describe_again(folder)
    assert "unpack to more than its size" in refusal(folder)


@pytest.mark.parametrize("missing", [PARAMETERS_FILE, DESCRIPTION])
def test_fault_30_what_is_missing_is_named(folder, missing):
    (folder / missing).unlink()
    assert missing in refusal(folder)


def test_fault_30_no_model_at_all(tmp_path):
    assert "does not exist" in refusal(tmp_path / "model")
    assert "is no model" in refusal(tmp_path)


def test_fault_31_the_first_differing_keys_are_named(folder):
    state = torch.load(folder / PARAMETERS_FILE)
    state["classify.weights"] = state.pop("classify.weight")
    state["classify.bias"] = torch.zeros(5)
    torch.save(state, folder / PARAMETERS_FILE)
    describe_again(folder)
    message = refusal(folder)
    assert "'classify.weight' is missing" in message
    assert "'classify.bias' is (5,) instead of (2,)" in message
    assert "'classify.weights' is unknown" in message


def test_fault_31_another_architecture_is_refused(folder):
    arguments = yaml.safe_load((folder / DESCRIPTION).read_text())["config"]["utile"][
        "arguments"
    ]
    describe_again(folder, arguments=arguments | {"depth": 3})
    assert "fits another network" in refusal(folder)


@pytest.mark.parametrize(
    "change", [{"depth": 10**9}, {"width": -1}, {"widht": 4}, {"norm": "x"}]
)
def test_fault_31_impossible_arguments_are_refused_at_once(folder, change):
    arguments = yaml.safe_load((folder / DESCRIPTION).read_text())["config"]["utile"][
        "arguments"
    ]
    describe_again(folder, arguments=arguments | change)
    assert "cannot" in refusal(folder)


def test_fault_31_nan_weights_are_refused(folder):
    state = torch.load(folder / PARAMETERS_FILE)
    state["classify.bias"][1] = torch.nan
    torch.save(state, folder / PARAMETERS_FILE)
    describe_again(folder)
    assert "NaN or infinite, in 'classify.bias'" in refusal(folder)


def test_fault_33_a_newer_model_is_told_by_both_versions(folder):
    describe_again(folder, format=99, version="7.0.0")
    message = refusal(folder)
    assert "written by U-Tile 7.0.0" in message
    assert "this is U-Tile 0." in message


def test_fault_33_an_option_of_a_newer_version_is_named(folder):
    describe_again(folder, depth_of_field=3)
    assert "depth_of_field" in refusal(folder)


def test_fault_32_a_foreign_package_is_not_opened(folder):
    description = yaml.safe_load((folder / DESCRIPTION).read_text())
    del description["config"]
    (folder / DESCRIPTION).write_text(yaml.safe_dump(description))
    assert "not made by U-Tile" in refusal(folder)
