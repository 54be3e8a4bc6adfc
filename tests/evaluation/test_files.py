"""Files and folders in, one report out; what does not fit together is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.files import evaluate_files, open_evaluation, pixel_um2
from napari_utile.events import drain
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.stack import Stack
from napari_utile.settings.evaluation import EvaluateSettings


@pytest.fixture
def cells():
    ids = np.zeros((5, 20, 24), np.uint8)
    ids[:, 2:8, 2:8], ids[:, 10:18, 4:20] = 1, 2
    return ids


@pytest.fixture
def folders(tmp_path, cells):
    """Three images of different sizes: a stack and two slices."""
    for side in ("found", "true"):
        (tmp_path / side).mkdir()
        tifffile.imwrite(tmp_path / side / "a.tif", cells)
        tifffile.imwrite(tmp_path / side / "b.tif", cells[0, :15, :20])
    np.save(tmp_path / "found/c_10.npy", (cells[0, :12] > 0).astype(np.float32))
    tifffile.imwrite(tmp_path / "true/c_10.ome.tif", cells[0, :12])
    return str(tmp_path / "found"), str(tmp_path / "true")


def report_of(*paths, **settings):
    opened, _ = open_evaluation(*map(str, paths))
    return drain(evaluate_files(opened, EvaluateSettings(**settings)))


def test_folders_pair_by_name_and_slices_are_called_by_it(folders):
    report = report_of(*folders)
    names = [row["slice"] for row in report.rows]
    assert names == [*(f"a {z}" for z in range(5)), "b", "c_10", "all"]
    assert report["f1_50"] == 1


def test_one_file_is_as_its_array(tmp_path, cells):
    found = np.roll(cells, 2, axis=2)
    tifffile.imwrite(tmp_path / "found.tif", found)
    tifffile.imwrite(tmp_path / "true.tif", cells)
    report = report_of(tmp_path / "found.tif", tmp_path / "true.tif")
    assert report.rows == evaluate(found, cells).rows


def test_channels_first_are_probabilities_whatever_the_axes_are_called(tmp_path, cells):
    p = np.stack([cells == 0, cells > 0]).astype(np.float32)
    np.save(tmp_path / "p.npy", p)
    tifffile.imwrite(tmp_path / "true.tif", cells)
    assert report_of(tmp_path / "p.npy", tmp_path / "true.tif")["iou"] == 1


@pytest.mark.parametrize("side", ["found", "true"])
def test_fault_27_files_without_counterpart_are_named(folders, tmp_path, cells, side):
    tifffile.imwrite(tmp_path / side / "lonely_7.tif", cells)
    other = {"found": "truth", "true": "prediction"}[side]
    said = rf"is broken: no {other} for lonely_7\.tif\. .*add skip broken"
    with pytest.raises(UserError, match=said):
        open_evaluation(*folders)


def test_fault_27_files_of_different_shape_are_named_with_both_shapes(folders, tmp_path, cells):
    tifffile.imwrite(tmp_path / "found/b.tif", cells[0])
    with pytest.raises(UserError) as error:
        open_evaluation(*folders)
    for said in ("found/b.tif (20, 24)", "true/b.tif (15, 20)"):
        assert said in str(error.value)


def test_the_image_of_a_fault_in_its_pixels_is_named(folders, tmp_path, cells):
    np.save(tmp_path / "found/c_10.npy", np.full((2, 12, 24), 1.5))
    with pytest.raises(UserError, match=r"c_10: Predicted probabilities must be 0 to 1"):
        report_of(*folders)


def test_thresholds_of_images_of_which_one_holds_labels_name_it(folders):
    with pytest.raises(UserError, match="a: The prediction holds labels"):
        report_of(*folders, score_thresholds=True)


# sizes


def ome(path, array, size, unit="nm"):
    metadata = {"axes": "ZYX"[-array.ndim :], "PhysicalSizeX": size, "PhysicalSizeY": size}
    metadata |= {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, array, ome=True, metadata=metadata)


def test_sizes_are_in_um2_where_the_truth_has_a_scale(tmp_path, cells):
    tifffile.imwrite(tmp_path / "found.tif", cells)
    ome(tmp_path / "true.ome.tif", cells, 500)
    sizes = report_of(tmp_path / "found.tif", tmp_path / "true.ome.tif").sizes
    assert {row["unit"] for row in sizes} == {"um2"}
    assert sizes[-1]["high"] == pytest.approx(8 * 16 * 0.5**2)


def test_images_of_different_scale_are_measured_in_pixels_and_it_is_said(
    folders, tmp_path, cells
):
    ome(tmp_path / "true/a.tif", cells, 500)
    report = report_of(*folders)
    assert {row["unit"] for row in report.sizes} == {"px"}
    assert any("pixels of the images differ in size" in note for note in report.notes)


@pytest.mark.parametrize(
    ("scale", "units", "area"),
    [
        ((4.0, 4.0), ("nanometer", "nanometer"), 16e-6),
        ((50.0, 0.5, 0.25), ("pixel", "micrometer", "micrometer"), 0.125),
        ((1.0, 1.0), ("pixel", "pixel"), None),
        ((1.0, 1.0), ("second", "micrometer"), None),
    ],
)
def test_area_of_a_pixel(scale, units, area):
    axes = "zyx"[-len(scale) :]
    stack = Stack(np.zeros((2, 3, 4)[-len(scale) :]), axes, scale=scale, units=units)
    assert pixel_um2(stack) == (area if area is None else pytest.approx(area))


def test_nothing_is_read_before_it_is_evaluated(folders, monkeypatch):
    monkeypatch.setattr(Stack, "read", lambda _: pytest.fail("read"))
    images, _ = open_evaluation(*folders)
    assert [image.name for image in images] == ["a", "b", "c_10"]
    assert open_image(f"{folders[1]}/b.tif").shape == images[1].truth.shape


def test_doubts_of_the_files_are_notes(folders):
    (found, true) = map(Path, folders)
    for side, color in ((found, 9), (true, 9), (found, 7)):
        name = {9: "d", 7: "e"}[color]
        for folder in {side, true}:
            picture = Image.fromarray(np.eye(30, dtype=np.uint8), mode="P")
            picture.putpalette([0, 0, 0, color if folder == found else 9, 0, 0])
            picture.save(folder / f"{name}.png")
    (found / "a.czi").touch()
    notes = report_of(*folders).notes
    assert "5 of the 6 images in" in notes[0]
    assert not any("palettes" in note for note in notes)
    classes = [f"{folder}/[de].png" for folder in folders]
    notes = report_of(*classes, target="classes").notes
    assert any("Id 1 has the color (9, 0, 0)" in note for note in notes)


def test_asked_for_probabilities_those_beside_the_instances_are_read(tmp_path, cells):
    path = tmp_path / "both.zarr"
    like = Stack(cells, "zyx")
    given = np.where(cells > 0, 255, 0).astype(np.uint8)
    image = create_image(path, (1, *cells.shape), "u1", (1, *cells.shape), like)
    image[:] = given[None]
    group = zarr.open_group(path, mode="r+")
    group.attrs["utile"] = {"kind": "instances"}
    create_labels(path, "instances", cells.shape, "u4", cells.shape, like)[:] = 0 * cells
    mark_complete(path)
    tifffile.imwrite(tmp_path / "true.tif", cells)
    names = str(path), str(tmp_path / "true.tif")
    assert report_of(*names)["iou"] == 0
    assert not any("copied completely" in note for note in report_of(*names).notes)
    assert report_of(*names, prediction_holds="probabilities")["iou"] == 1
    shutil.rmtree(path / "0" / "c")  # the labels are whole
    assert any("has 0 of 1 chunks" in note for note in report_of(*names).notes)
