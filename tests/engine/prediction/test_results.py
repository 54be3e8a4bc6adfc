"""Where the results of one image and of many are written, and the table of a batch."""

import csv
import json

import pytest
import torch

from napari_utile.errors import UserError
from napari_utile.io.images import open_image, write_tiff
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import SHAPE, ends, segment

torch.set_num_threads(1)


def test_a_batch_has_a_table_and_goes_on(blob_files, tmp_path):
    for name in ("a.tif", "b.tif", "d.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "c.tif").write_bytes(b"")
    (tmp_path / "model").symlink_to(blob_files / "model")
    names = ["a.tif", "b.tif", "c.tif", "d.tif"]
    events = segment(tmp_path, tmp_path / "out", names, output="instances")
    assert [end.status for end in ends(events)] == ["done", "done", "failed", "done"]
    assert len(events[-1].failed) == 1 and "c.tif is empty" in events[-1].failed[0]
    rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").open()))
    assert list(rows[0]) == [
        "file",
        "size",
        "seconds",
        "objects",
        "status",
        "result",
        "message",
    ]
    assert [row["size"] for row in rows] == ["60 x 70", "60 x 70", "", "60 x 70"]
    assert int(rows[0]["objects"]) == open_image(tmp_path / "out" / "a.zarr").read().max()
    assert json.loads((tmp_path / "out" / "summary.json").read_text())[2]["status"] == "failed"
    # mended, the same command does what is missing and keeps the rest
    write_tiff(tmp_path / "c.tif", blobs(SHAPE[1:], seed=9))
    before = (tmp_path / "out" / "a.zarr" / "zarr.json").stat().st_mtime_ns
    events = segment(tmp_path, tmp_path / "out", names, output="instances")
    assert [end.status for end in ends(events)] == ["kept", "kept", "done", "kept"]
    assert ends(events)[0].objects == int(rows[0]["objects"])
    assert (tmp_path / "out" / "a.zarr" / "zarr.json").stat().st_mtime_ns == before


def test_one_image_in_a_folder_is_a_batch_of_one(blob_files, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "model").symlink_to(blob_files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / "images" / name, blobs(SHAPE[1:], seed=ord(name[0])))
        events = segment(tmp_path, tmp_path / "out", ["images"])
    assert [end.status for end in ends(events)] == ["kept", "done"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.zarr")) == [
        "a.zarr",
        "b.zarr",
    ]


def test_results_beside_the_images_are_no_images(blob_files, tmp_path):
    (tmp_path / "model").symlink_to(blob_files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    for status in ("done", "kept"):
        events = segment(tmp_path, tmp_path, ["."])
        assert [end.status for end in ends(events)] == [status] * 2


def test_a_folder_of_results_is_no_result(blob_files, tmp_path):
    segment(blob_files, tmp_path / "out")
    (tmp_path / "model").symlink_to(blob_files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:]))
    with pytest.raises(
        UserError, match=r"out is one file, and the results of 2 images are a fo"
    ):
        segment(tmp_path, tmp_path / "out", ["a.tif", "b.tif"])


def test_several_images_are_no_single_file(blob_files, tmp_path):
    with pytest.raises(
        UserError, match=r"out\.zarr is one file, and the results of 2 images are a folder"
    ):
        segment(blob_files, tmp_path / "out.zarr", ["em.tif", "em.tif"])


@pytest.mark.parametrize(("name", "form"), [("p.zarr", "tif"), ("p.tif", "zarr")])
def test_a_name_that_does_not_fit_the_format_is_refused(blob_files, tmp_path, name, form):
    with pytest.raises(UserError, match=rf"end the name in \.{form}"):
        segment(blob_files, tmp_path / name, format=form)
