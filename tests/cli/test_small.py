"""`utile weights`, `utile sample` and `utile doctor`."""

import json

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_utile import __version__
from napari_utile.cli.main import main
from napari_utile.io.images import open_image, write_tiff
from napari_utile.samples.synthesis import synthetic_stack
from tests.fixtures.commands import complaint


def test_weights_are_the_weight_map(folder, tmp_path, capsys):
    from napari_utile.arrays.weight_maps.weight_map import weight_map

    out = tmp_path / "w.tif"
    labels = open_image(folder / "labels.tif").read()
    command = ["weights", str(folder / "labels.tif"), "--out", str(out), "--w0", "7"]
    assert main([*command, "--sigma", "3"]) == 0
    np.testing.assert_allclose(open_image(out).read(), weight_map(labels, 7, 3), rtol=1e-6)
    assert open_image(out).scale == (5, 2, 2)
    assert capsys.readouterr().out == ""
    assert "exists; --overwrite replaces it" in complaint(capsys, command)
    assert main([*command, "--overwrite", "--no-class-balance", "--ignore", "2"]) == 0
    expected = weight_map(np.where(labels == 2, 0, labels), 7, 5, False)
    expected[labels == 2] = 0
    np.testing.assert_allclose(open_image(out).read(), expected, rtol=1e-6)


def test_weights_of_a_mask_are_those_of_its_parts(tmp_path):
    from napari_utile.arrays.weight_maps.weight_map import weight_map

    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 3:12], mask[5:15, 14:25] = 255, 255
    write_tiff(tmp_path / "mask.tif", mask)
    out = tmp_path / "w.tif"
    assert main(["weights", str(tmp_path / "mask.tif"), "--out", str(out)]) == 0
    parts = mask // 255 + (np.arange(30) > 13) * (mask > 0)
    np.testing.assert_allclose(open_image(out).read(), weight_map(parts), rtol=1e-6)


def test_weights_of_what_is_no_mask_are_warned_of_or_refused(tmp_path, capsys):
    mask = np.zeros((40, 60))
    mask[5:25, 3:22], mask[5:25, 34:55] = 255, 255
    write_tiff(tmp_path / "soft.tif", gaussian_filter(mask, 1.5).astype(np.uint8))
    command = ["weights", str(tmp_path / "soft.tif"), "--out", str(tmp_path / "w.tif")]
    line = complaint(capsys, [*command, "--strict"])
    assert "mask with gray edges" in line and "leave out --strict" in line
    line = complaint(capsys, [*command, "--strict", "--ignore", "300"])
    assert "has the id 300, which ignore names" in line and "And 1 more doubt." in line
    assert not (tmp_path / "w.tif").exists()
    assert main(command) == 0
    assert "warning: Labels 'soft.tif' look like" in capsys.readouterr().err


def test_weights_of_nothing_are_warned_of_and_other_files_refused(tmp_path, capsys):
    write_tiff(tmp_path / "empty.tif", np.zeros((40, 60), np.uint8))
    command = ["weights", str(tmp_path / "empty.tif"), "--out"]
    assert "empty.tif holds no object" in complaint(capsys, [*command, "w.tif", "--strict"])
    assert "w.png: weights are written as .tif." in complaint(capsys, [*command, "w.png"])


def test_labels_are_never_overwritten_by_their_weights(folder, tmp_path, capsys):
    labels = tmp_path / "labels.tif"
    labels.write_bytes((folder / "labels.tif").read_bytes())
    line = complaint(capsys, ["weights", labels, "--out", labels, "--overwrite"])
    assert "is the labels themselves" in line
    assert labels.read_bytes() == (folder / "labels.tif").read_bytes()


def test_weights_that_the_memory_cannot_hold_are_refused_unread(tmp_path, capsys, monkeypatch):
    write_tiff(tmp_path / "l.tif", np.eye(30, dtype=np.uint8))
    monkeypatch.setattr("napari_utile.io.memory.memory_budget", lambda: 30_000)
    line = complaint(capsys, ["weights", tmp_path / "l.tif", "--out", tmp_path / "w.tif"])
    assert line.startswith(
        "The weight map of 900 pixels takes 36.0 kB of memory and 30.0 kB may"
    )
    assert not (tmp_path / "w.tif").exists()


def test_a_sample_can_be_trained_on(tmp_path, capsys):
    assert main(["sample", "synthetic", "--out", str(tmp_path / "s")]) == 0
    paths = capsys.readouterr().out.splitlines()
    assert paths == [str(tmp_path / "s" / name) for name in ("image.tif", "labels.tif")]
    image, labels = (open_image(path) for path in paths)
    assert image.shape == labels.shape
    assert labels.read().max() > 1
    assert "exists" in complaint(capsys, ["sample", "synthetic", "--out", tmp_path / "s"])


def test_a_sample_shows_what_is_asked_for(tmp_path, capsys):
    given = ["--slices=3", "--size=40", "--seed=5", "--branches=0.5", "--ruined=1"]
    assert main(["sample", "synthetic", "--out", str(tmp_path / "s"), *given]) == 0
    image = open_image(capsys.readouterr().out.splitlines()[0]).read()
    expected, _ = synthetic_stack((3, 40, 40), seed=5, branches=0.5, ruined=1)
    np.testing.assert_array_equal(image, expected)
    refused = complaint(capsys, ["sample", "isbi2012", "--out", tmp_path / "i", "--size=40"])
    assert refused.startswith("Options of the sample are for synthetic")


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["U-Tile"] == __version__
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in found)
