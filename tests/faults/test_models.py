"""Images that do not fit a model, and model folders that are broken, foreign or malicious."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
import yaml

from napari_utile.engine.models.model import (
    DESCRIPTION,
    PARAMETERS_FILE,
    Model,
    build_network,
    load_model,
)
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
    weights = description["weights"]["pytorch_state_dict"]
    weights["sha256"] = digest(folder / PARAMETERS_FILE)
    description["config"]["utile"] |= config
    weights["architecture"]["kwargs"] = description["config"]["utile"]["arguments"]
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
    "change",
    [
        {"depth": 10**9}, {"width": -1}, {"widht": 4}, {"norm": "x"}, {"width": 0},
        {"in_channels": 0}, {"classes": 0}, {"depth": 4096}, {"depth": 2.5}, {"depth": None},
        {"width": "8"}, {"dropout": float("nan")}, {"padding": "../x"},
    ],
)  # fmt: skip
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


FORMATS = ["float64", "float16", "bfloat16", "int64", "bool", "complex64"]


@pytest.mark.parametrize("dtype", FORMATS)
def test_fault_31_another_number_format_is_named(folder, dtype):
    state = torch.load(folder / PARAMETERS_FILE)
    state["classify.bias"] = torch.zeros(2, dtype=getattr(torch, dtype))
    torch.save(state, folder / PARAMETERS_FILE)
    describe_again(folder)
    assert f"'classify.bias' is {dtype}, not float32" in refusal(folder)


def test_fault_31_a_tensor_as_large_as_the_network_claims_is_not_looked_at(folder):
    """The network of the card would have 10^11 parameters; the file holds one number."""
    arguments = {"in_channels": 1, "classes": 2, "depth": 6, "width": 4096}
    network = build_network("unet", arguments)
    one = torch.zeros(1)
    state = {name: one.expand(value.shape) for name, value in network.state_dict().items()}
    torch.save(state, folder / PARAMETERS_FILE)
    describe_again(folder, arguments=arguments)
    assert "claims more numbers than it holds" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ids": [0, 1, 2]}, "2 kinds of pixels apart, but 3 ids"),
        ({"ids": [1, 1]}, "ids must differ"),
        ({"ids": [0, 2**40]}, "ids must differ"),
        ({"normalization": {"mean": [float("nan")], "std": [1.0]}}, "must be finite"),
        ({"normalization": {"mean": [1.0, 2.0], "std": [1.0, 1.0]}}, "contradicts itself"),
        ({"normalization": None}, "normalization"),
        ({"arguments": [1]}, "arguments"),
        ({"format": "2"}, "names no format"),
        ({"format": True}, "names no format"),
        ({"format": 99, "version": "\x1b[31m7"}, "by U-Tile unknown"),
        ({"\x1b[31m": 1}, "x1b[31m: Extra inputs"),
    ],
)
def test_fault_31_a_card_that_cannot_be_is_refused(folder, change, reason):
    describe_again(folder, **change)
    message = refusal(folder)
    assert reason in message and message.isprintable()


@pytest.mark.parametrize("weights", [None, [], {}, {"pytorch_state_dict": [1]}, "weights.pt"])
def test_fault_32_a_description_without_parameters_is_damaged(folder, weights):
    description = yaml.safe_load((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(yaml.safe_dump(description | {"weights": weights}))
    assert "its weights name no pytorch_state_dict" in refusal(folder)


@pytest.mark.parametrize(
    "source", ["../weights.pt", "/etc/passwd", "https://example.org/weights.pt", "network.py"]
)
def test_fault_32_parameters_from_elsewhere_are_not_fetched(folder, source):
    description = yaml.safe_load((folder / DESCRIPTION).read_text())
    description["weights"]["pytorch_state_dict"]["source"] = source
    (folder / DESCRIPTION).write_text(yaml.safe_dump(description))
    assert f"takes its parameters from elsewhere, {source!r}" in refusal(folder)


def test_fault_32_a_link_out_of_the_folder_is_not_followed(folder, tmp_path):
    weights = folder / PARAMETERS_FILE
    weights.rename(tmp_path / "elsewhere.pt")
    weights.symlink_to("../elsewhere.pt")
    assert "takes its parameters from elsewhere" in refusal(folder)


def test_fault_32_the_python_of_a_package_is_not_run(folder, tmp_path):
    canary = tmp_path / "canary"
    for name in ("network.py", "torch.py", "yaml.py", "sitecustomize.py"):
        (folder / name).write_text(f"open({str(canary)!r}, 'w')")
    load_model(folder)
    assert not canary.exists()


MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join(9 * [f'*{chr(ord(name) - 1)}'])}]}}\n"
    for name in "bcdefghij"
)
"""A billion mappings, merged."""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MERGED, "not YAML"),
        ("a: " + 10_000 * "[", "not YAML"),
        ("a: " + 5_000 * "9", "not YAML"),
        ("a: 2026-99-99", "not YAML"),
        ("a: !!python/name:os.system", "not YAML"),
        ("\x00", "not YAML"),
        ("a: &a [*a]\nconfig: {utile: *a}", "not made by U-Tile"),
        (" " * 1_000_001, "too large to describe a model"),
        ("", "does not describe a model"),
    ],
)
def test_fault_30_a_description_that_would_take_for_ever_is_refused(folder, text, reason):
    (folder / DESCRIPTION).write_text(text)
    assert reason in refusal(folder)


def test_fault_30_a_packed_model_is_to_be_unpacked(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("../bioimageio.yaml", "type: model")
    assert "is a file, and a model is a folder: unpack it" in refusal(tmp_path / "model.zip")


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
