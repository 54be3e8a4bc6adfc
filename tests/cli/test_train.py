"""`utile train` and `utile preview`, with labels in every form."""

import json

import numpy as np
import pytest
import zarr
from PIL import Image

from napari_utile.cli.main import main
from napari_utile.events import RunDone, parse_event
from napari_utile.io.images import open_image
from tests.fixtures.commands import FLAGS, complaint


def test_what_training_would_see_is_written(folder, tmp_path, capsys):
    files = [str(folder / name) for name in ("image.tif", "labels.tif")]
    arguments = ["preview", *files, "--out", str(tmp_path / "seen"), "--count", "3", *FLAGS]
    assert main([*arguments, "--events"]) == 0
    events = [parse_event(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[0].job, type(events[-1])) == ("preview", RunDone)
    for name in ("image", "labels", "weights", "grid"):
        assert open_image(tmp_path / "seen" / f"{name}.tif").shape == (3, 16, 16)
    for name in ("split", "density"):
        stack = open_image(tmp_path / "seen" / f"{name}.tif")
        assert (stack.shape, stack.scale) == ((4, 32, 40), (5, 2, 2))
    assert "--overwrite replaces it" in complaint(capsys, arguments)
    assert main([*arguments, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["out"] == str(tmp_path / "seen")


@pytest.fixture
def as_converters_write(folder, tmp_path):
    """image.zarr and labels.zarr with all five axes, as bioformats2raw writes them."""
    for name in ("image", "labels"):
        pixels = open_image(folder / f"{name}.tif").read()
        axes = [{"name": axis, "type": kind} for axis, kind in zip("tczyx", KINDS, strict=True)]
        level = {"path": "0"}
        ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
        group = zarr.create_group(tmp_path / f"{name}.zarr", attributes={"ome": ome})
        group.create_array("0", data=pixels[None, None])
    return tmp_path


KINDS = ("time", "channel", "space", "space", "space")


def test_labels_with_all_five_axes_are_labels(folder, as_converters_write, capsys):
    image, labels = (str(as_converters_write / f"{name}.zarr") for name in ("image", "labels"))
    for command in ("train", "preview"):
        out = str(as_converters_write / command)
        assert main([command, image, labels, "--out", out, *FLAGS]) == 0
    out = as_converters_write / "weights.tif"
    assert main(["weights", labels, "--out", str(out)]) == 0
    assert open_image(out).read().squeeze().shape == (4, 32, 40)
    same = [labels, str(folder / "labels.tif")]
    for prediction, truth in (same, same[::-1], [labels, labels]):
        capsys.readouterr()
        assert main(["evaluate", prediction, truth, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["seg"] == 1


@pytest.fixture
def pictures(tmp_path):
    """Labels as gray.png, with alpha in la.png, and as colors in rgb.png."""
    ids = np.zeros((32, 40), np.uint8)
    ids[4:12, 4:12], ids[4:12, 20:30] = 1, 2
    gray = Image.fromarray(ids)
    for mode in ("L", "LA", "RGB"):
        gray.convert(mode).save(tmp_path / f"{mode.lower()}.png")
    return tmp_path


@pytest.mark.parametrize("name", ["l.png", "la.png"])
def test_labels_with_alpha_are_labels(pictures, name):
    noise = np.random.default_rng(0).integers(0, 200, (32, 40)).astype(np.uint8)
    Image.fromarray(noise).save(pictures / "image.png")
    files = [str(pictures / "image.png"), str(pictures / name)]
    assert main(["preview", *files, "--out", str(pictures / "seen"), *FLAGS]) == 0
    same = [str(pictures / "l.png"), files[1]]
    for pair in (same, same[::-1]):
        assert main(["evaluate", *pair]) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["weights", "rgb.png", "--out", "w.tif"],
        ["evaluate", "l.png", "rgb.png"],
        ["evaluate", "rgb.png", "l.png"],
        ["train", "rgb.png", "rgb.png", "--out", "run"],
        ["preview", "rgb.png", "rgb.png", "--out", "seen"],
    ],
)
def test_colors_are_no_labels(pictures, monkeypatch, capsys, arguments):
    monkeypatch.chdir(pictures)
    line = complaint(capsys, arguments)
    assert "'rgb.png'" in line
    assert "one id per pixel" in line
    assert not (pictures / "w.tif").exists()
