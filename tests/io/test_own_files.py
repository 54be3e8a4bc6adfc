"""What may be overwritten: outputs that say of themselves that U-Tile wrote them."""

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.reports.write import write_report
from napari_utile.io.disk import check_file_output
from napari_utile.io.images import write_tiff
from napari_utile.io.ome_zarr import create_image
from napari_utile.io.stack import Stack
from napari_utile.io.tiff import write_colors
from napari_utile.io.zarr_folders import check_zarr_output

PIXELS = np.random.default_rng(0).integers(0, 9, (3, 240, 300, 3), np.uint8)
LABELS = PIXELS[..., 0]


def of_tifffile(path):
    tifffile.imwrite(path, LABELS, ome=True)


def of_pillow(path):
    Image.fromarray(PIXELS[0]).save(path)


def of_numpy(path):
    with path.open("wb") as file:
        np.save(file, LABELS)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "write"),
    [("a.tif", of_tifffile), ("a.png", of_pillow), ("a.npy", of_numpy), ("a.csv", of_numpy)],
)
def test_fault_12_pixels_of_others_are_never_overwritten(tmp_path, name, write, overwrite):
    write(tmp_path / name)
    with pytest.raises(UserError, match=rf"{name} exists, and is no output .* or remove it"):
        check_file_output(tmp_path / name, overwrite)


def report(path):
    write_report(path, evaluate(*[np.eye(24, 30, dtype=int)] * 2))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.tif", lambda path: write_tiff(path, LABELS)),
        ("a.tif", lambda path: write_tiff(path, LABELS, holds="instances")),
        ("a.tif", lambda path: write_colors(path, PIXELS)),
        *((f"a{suffix}", report) for suffix in (".png", ".html", ".json", ".csv")),
        ("a.txt", lambda path: path.write_text("object,area\n1,9\n")),
        ("a.tif", lambda path: path.touch()),
    ],
)
def test_fault_12_own_files_and_text_are_overwritten_if_asked(tmp_path, name, write):
    write(tmp_path / name)
    check_file_output(tmp_path / name, overwrite=True)
    with pytest.raises(UserError, match="exists; overwrite replaces it"):
        check_file_output(tmp_path / name)


@pytest.mark.parametrize("overwrite", [False, True])
def test_fault_12_a_zarr_of_others_is_never_overwritten(tmp_path, overwrite):
    zarr.create_array(tmp_path / "raw", data=LABELS)
    zarr.open_group(tmp_path / "group.zarr").create_array("0", data=LABELS)
    for name in ("raw", "group.zarr"):
        with pytest.raises(UserError, match=rf"{name} exists, and is no output"):
            check_zarr_output(tmp_path / name, overwrite=overwrite)
    like = Stack(LABELS, "zyx")
    create_image(tmp_path / "own.zarr", LABELS.shape, "u1", LABELS.shape, like)
    check_zarr_output(tmp_path / "own.zarr", like, overwrite=True)
