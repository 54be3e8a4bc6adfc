"""Existing output is kept, resumed, overwritten or refused."""

import json

import numpy as np
import pytest
import torch

from napari_utile.engine.prediction.resume import Execution
from napari_utile.errors import UserError
from napari_utile.events import TileDone
from napari_utile.io import ome_zarr, zarr_folders
from napari_utile.io.images import open_image, write_tiff
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import SHAPE, ends, segment, stopped

torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_a_finished_result_of_the_same_plan_is_kept(blob_files, tmp_path, name):
    segment(blob_files, tmp_path / name, output="instances")
    before = open_image(tmp_path / name).read()
    events = segment(blob_files, tmp_path / name, output="instances", tile=32)
    assert [end.status for end in ends(events)] == ["kept"]
    assert ends(events)[0].objects == before.max()
    assert not [event for event in events if isinstance(event, TileDone)]
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), before)
    with pytest.raises(UserError) as refusal:
        segment(blob_files, tmp_path / name, output="instances", averaging=True)
    assert str(refusal.value) == (
        f"{tmp_path / name} was made with other settings (averaging: False there, True here). "
        "Choose another output, or overwrite it."
    )


def test_a_finished_result_that_lost_a_chunk_is_not_kept(blob_files, tmp_path):
    result = tmp_path / "out.zarr"
    segment(blob_files, result, output="instances")
    level = result / "labels" / "instances" / "0"
    next(file for file in sorted((level / "c").rglob("*")) if file.is_file()).unlink()
    with pytest.raises(UserError, match=r"has \d+ of \d+ chunks.*overwrite it to make it"):
        segment(blob_files, result, output="instances")


def test_a_partial_result_of_an_older_version_is_resumed(blob_files, tmp_path):
    stopped(blob_files, tmp_path / "out.zarr", output="instances")
    plan = tmp_path / ".out.zarr.utile" / "plan.json"
    plan.write_text(plan.read_text().replace('"instance_method"', '"objects"'))
    events = segment(blob_files, tmp_path / "out.zarr", output="instances")
    assert ends(events)[0].status == "done"
    assert len([e for e in events if isinstance(e, TileDone)]) <= 3 * 3 * 3 - 7


@pytest.mark.parametrize("form", ["zarr", "tif"])
def test_a_batch_keeps_only_what_was_made_in_the_same_way(blob_files, tmp_path, form):
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "model").symlink_to(blob_files / "model")
    names = ["a.tif", "b.tif"]
    segment(tmp_path, tmp_path / "out", names, format=form)
    assert sorted(p.suffix for p in (tmp_path / "out").glob("[ab].*")) == [f".{form}"] * 2
    write_tiff(tmp_path / "b.tif", blobs(SHAPE[1:], seed=7))
    events = segment(tmp_path, tmp_path / "out", names, format=form)
    assert [end.status for end in ends(events)] == ["kept", "failed"]
    assert f"b.{form} was made with other settings (the image: " in ends(events)[1].message


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_image_that_has_the_name_of_an_unfinished_result_is_kept(
    blob_files, tmp_path, overwrite
):
    write_tiff(tmp_path / "out.partial.tif", blobs(SHAPE))
    (tmp_path / "model").symlink_to(blob_files / "model")
    how = Execution(overwrite=overwrite)
    with pytest.raises(UserError, match=r"out\.partial\.tif is the image itself"):
        segment(tmp_path, tmp_path / "out.tif", ["out.partial.tif"], execution=how)
    np.testing.assert_array_equal(open_image(tmp_path / "out.partial.tif").read(), blobs(SHAPE))


def test_an_unfinished_tiff_is_not_replaced_unasked(blob_files, tmp_path):
    stopped(blob_files, tmp_path / "out.tif")
    with pytest.raises(UserError, match=r"out\.partial\.tif exists; overwrite replaces it"):
        segment(blob_files, tmp_path / "out.tif", execution=Execution(resume=False))


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_who_removes_an_unfinished_result_begins_anew(blob_files, tmp_path, name):
    stopped(blob_files, tmp_path / name)
    (tmp_path / "out.partial.tif").unlink(missing_ok=True)
    zarr_folders.remove_zarr(tmp_path / "out.zarr")
    events = segment(blob_files, tmp_path / name)
    assert len([e for e in events if isinstance(e, TileDone)]) == 3 * 3 * 3
    assert ends(events)[0].status == "done"


def test_a_plan_of_another_version_is_not_gone_on_with(blob_files, tmp_path):
    stopped(blob_files, tmp_path / "out.zarr")
    plan = tmp_path / ".out.zarr.utile" / "plan.json"
    plan.write_text(plan.read_text().replace('"tile": "auto"', '"tile": 16'))
    text = json.loads(plan.read_text())
    text["settings"]["an_option_to_come"] = 1
    plan.write_text(json.dumps(text))
    with pytest.raises(UserError, match=r"out\.zarr exists; overwrite replaces it"):
        segment(blob_files, tmp_path / "out.zarr")


@pytest.mark.parametrize(
    ("begun", "again"),
    [
        ({}, {"min_size": 9, "linking": "none", "threshold": 0.7}),
        ({"output": "instances"}, {"output": "instances", "dtype": "float16"}),
        ({"region": "0:3,0:60,0:70"}, {}),
        ({"device": "auto"}, {"device": "cpu"}),
        (
            {"output": "instances", "linking": "none"},
            {"output": "instances", "linking": "none", "link_iou": 0.9},
        ),
    ],
    ids=str,
)
def test_settings_without_influence_may_change(blob_files, tmp_path, begun, again):
    stopped(blob_files, tmp_path / "out.zarr", **begun)
    events = segment(blob_files, tmp_path / "out.zarr", **again)
    assert ends(events)[0].status == "done"
    assert len([e for e in events if isinstance(e, TileDone)]) <= 3 * 3 * 3 - 7


def test_links_go_when_their_result_does(blob_files, tmp_path):
    segment(blob_files, tmp_path / "out.zarr", output="instances")
    assert (tmp_path / "out.zarr.links.csv").exists()
    segment(
        blob_files,
        tmp_path / "out.zarr",
        execution=Execution(overwrite=True),
        output="instances",
        linking="none",
    )
    assert not (tmp_path / "out.zarr.links.csv").exists()


def test_a_part_never_removes_what_others_have_done(blob_files, tmp_path):
    segment(blob_files, tmp_path / "out.zarr", execution=Execution(part=(1, 2)))
    with pytest.raises(UserError, match=r"out\.zarr exists, and one part must not remove"):
        segment(
            blob_files, tmp_path / "out.zarr", execution=Execution(part=(2, 2), overwrite=True)
        )
    segment(blob_files, tmp_path / "out.zarr", execution=Execution(part=(2, 2)))
    assert ome_zarr.provenance(tmp_path / "out.zarr")["complete"]


def test_a_tiff_has_no_half_floats(blob_files, tmp_path):
    with pytest.raises(
        UserError, match=r"out\.tif: a TIFF has no float16; choose the dtype float32"
    ):
        segment(blob_files, tmp_path / "out.tif", dtype="float16")
