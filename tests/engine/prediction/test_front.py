"""Whole predictions of files: what comes out, of one image and of many."""

import csv
import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import zarr

import napari_utile as utile
from napari_utile.engine.prediction import instances
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.resume import Execution, decide
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, ImageDone, RunStarted, TileDone, Warned
from napari_utile.folders.journal import WorkFolder
from napari_utile.io import ome_zarr, zarr_folders
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.settings import PredictSettings
from tests.fixtures.blob_model import blob_model, blobs

torch.set_num_threads(1)

SHAPE, TILE = (3, 60, 70), 16


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    blob_model().save(folder / "model")
    write_tiff(folder / "em.tif", blobs(SHAPE))
    return folder


def segment(files, out, images=("em.tif",), execution=None, **options):
    settings = PredictSettings(**{"tile": TILE, "device": "cpu"} | options)
    paths = [files / name for name in images]
    return list(predict_files(files / "model", paths, out, settings, execution))


def ends(events):
    return [event for event in events if isinstance(event, ImageDone)]


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"instance_method": "components", "linking": "touch", "min_size": 5, "threshold": 0.8},
        {"instance_method": "components", "linking": "none", "fill_holes": 8},
        {"linking": "overlap", "link_iou": 0.6, "min_size": 9, "fill_holes": 8},
        {"linking": "touch", "threshold": 0.6},
    ],
    ids=str,
)
def test_objects_found_in_blocks_are_those_of_the_whole_stack(files, tmp_path, name, rule):
    segment(files, tmp_path / name, output="instances", **rule)
    segment(files, tmp_path / "p.zarr", output="instances")
    likely = open_zarr(tmp_path / "p.zarr", "probabilities").read()
    given = dict(rule)
    method = given.pop("instance_method", "watershed")
    expected = utile.instances(likely[np.newaxis], method=method, **given)
    assert expected.max() > 2
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), expected)


def test_every_decision_of_linking_is_in_a_table(files, tmp_path):
    (*_, end, _) = segment(files, tmp_path / "out.zarr", output="instances")
    labels = open_image(tmp_path / "out.zarr").read()
    assert end.objects == labels.max() == len(np.unique(labels)) - 1
    with (tmp_path / "out.zarr.links.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["plane"] for row in rows} == {"1", "2"}
    for row in rows:
        plane, below, above = (int(row[name]) for name in ("plane", "below", "above"))
        shared = (labels[plane - 1] == below) & (labels[plane] == above)
        if row["joined"] in ("True", "1"):
            assert below == above and shared.sum() == int(row["overlap"])
            union = ((labels[plane - 1] == below) | (labels[plane] == above)).sum()
            assert float(row["iou"]) == pytest.approx(shared.sum() / union, abs=1e-3)
        else:
            assert below != above


def test_nothing_is_linked_through_time(files, tmp_path):
    pixels = blobs((2, 3, 40, 40))
    pixels[1, 0] = pixels[0, 2]  # the same objects, one time point later
    group = zarr.open_group(tmp_path / "movie.zarr", mode="w")
    axes = [{"name": a, "type": "time" if a == "t" else "space"} for a in "tzyx"]
    scale = [{"type": "scale", "scale": [1, 1, 1, 1]}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
        ],
    }
    group.create_array("0", data=pixels)
    settings = PredictSettings(output="instances", tile=TILE, device="cpu")
    list(
        predict_files(files / "model", [tmp_path / "movie.zarr"], tmp_path / "o.zarr", settings)
    )
    first, second = open_image(tmp_path / "o.zarr").read()
    assert first.max() > 3
    assert not np.intersect1d(first[first > 0], second[second > 0]).size
    assert np.intersect1d(first[0][first[0] > 0], first[1][first[1] > 0]).size


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
@pytest.mark.parametrize("region", ["1:3,7:41,3:70", "0:1,16:48,32:48", "2:3,59:60,69:70"])
def test_a_region_is_cut_out_of_the_whole(files, tmp_path, name, region):
    segment(files, tmp_path / "whole.zarr", dtype="float32")
    segment(files, tmp_path / name, dtype="float32", region=region)
    where = tuple(slice(*map(int, part.split(":"))) for part in region.split(","))
    whole, part = (open_image(tmp_path / n).read() for n in ("whole.zarr", name))
    expected = whole[(slice(None), *where)]
    np.testing.assert_allclose(part.reshape(expected.shape), expected, atol=1e-5)
    if name == "out.zarr":
        assert open_image(tmp_path / name).translate == tuple(side.start for side in where)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_a_finished_result_of_the_same_plan_is_kept(files, tmp_path, name):
    segment(files, tmp_path / name, output="instances")
    before = open_image(tmp_path / name).read()
    events = segment(files, tmp_path / name, output="instances", tile=32)
    assert [end.status for end in ends(events)] == ["kept"]
    assert ends(events)[0].objects == before.max()
    assert not [event for event in events if isinstance(event, TileDone)]
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), before)
    with pytest.raises(UserError) as refusal:
        segment(files, tmp_path / name, output="instances", averaging=True)
    assert str(refusal.value) == (
        f"{tmp_path / name} was made with other settings (averaging: False there, True here). "
        "Choose another output, or overwrite it."
    )


def test_a_partial_result_of_an_older_version_is_resumed(files, tmp_path):
    stopped(files, tmp_path / "out.zarr", output="instances")
    plan = tmp_path / ".out.zarr.utile" / "plan.json"
    plan.write_text(plan.read_text().replace('"instance_method"', '"objects"'))
    events = segment(files, tmp_path / "out.zarr", output="instances")
    assert ends(events)[0].status == "done"
    assert len([e for e in events if isinstance(e, TileDone)]) <= 3 * 4 * 5 - 7


def test_a_batch_has_a_table_and_goes_on(files, tmp_path):
    for name in ("a.tif", "b.tif", "d.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "c.tif").write_bytes(b"")
    (tmp_path / "model").symlink_to(files / "model")
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


@pytest.mark.parametrize("form", ["zarr", "tif"])
def test_a_batch_keeps_only_what_was_made_in_the_same_way(files, tmp_path, form):
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "model").symlink_to(files / "model")
    names = ["a.tif", "b.tif"]
    segment(tmp_path, tmp_path / "out", names, format=form)
    assert sorted(p.suffix for p in (tmp_path / "out").glob("[ab].*")) == [f".{form}"] * 2
    write_tiff(tmp_path / "b.tif", blobs(SHAPE[1:], seed=7))
    events = segment(tmp_path, tmp_path / "out", names, format=form)
    assert [end.status for end in ends(events)] == ["kept", "failed"]
    assert f"b.{form} was made with other settings (the image: " in ends(events)[1].message


def test_parts_are_put_together_by_the_last_one(files, tmp_path):
    out = tmp_path / "out.zarr"
    segment(files, tmp_path / "whole.zarr", output="instances")
    for k in (2, 3):
        events = segment(files, out, execution=Execution(part=(k, 3)), output="instances")
        assert ends(events)[0].status == "part"
        assert len([e for e in events if isinstance(e, TileDone)]) == 4 * 5
    assert (
        ends(segment(files, out, execution=Execution(part=(1, 3)), output="instances"))[
            0
        ].status
        == "done"
    )
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)
    again = ends(segment(files, out, execution=Execution(part=(2, 3)), output="instances"))[0]
    assert again.status == "kept" and again.objects == back.max()


def test_a_part_never_removes_what_others_have_done(files, tmp_path):
    segment(files, tmp_path / "out.zarr", execution=Execution(part=(1, 2)))
    with pytest.raises(UserError, match=r"out\.zarr exists, and one part must not remove"):
        segment(files, tmp_path / "out.zarr", execution=Execution(part=(2, 2), overwrite=True))
    segment(files, tmp_path / "out.zarr", execution=Execution(part=(2, 2)))
    assert ome_zarr.provenance(tmp_path / "out.zarr")["complete"]


def test_whatever_goes_wrong_with_one_image_the_others_are_done(files, tmp_path, monkeypatch):
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "model").symlink_to(files / "model")
    read = BlockComputer.read

    def odd(self, number):
        if self.stack.name == "a.tif":
            raise ZeroDivisionError("an odd image\nwith many words")
        return read(self, number)

    monkeypatch.setattr(BlockComputer, "read", odd)
    events = segment(tmp_path, tmp_path / "out", ["a.tif", "b.tif"])
    assert [(end.status, end.message) for end in ends(events)] == [
        ("failed", "an odd image"),
        ("done", ""),
    ]


def stopped(files, out, count=7, **options):
    """A result that was begun and stopped."""
    settings = PredictSettings(**{"tile": TILE, "device": "cpu"} | options)
    run = predict_files(files / "model", [files / "em.tif"], out, settings)
    for event in run:
        if isinstance(event, TileDone) and event.done == count:
            break
    run.close()


def test_a_part_cuts_the_result_as_another_has_begun_it(files, tmp_path, monkeypatch):
    segment(files, tmp_path / "whole.zarr", tile=32)
    started = []

    def while_another_starts(task, execution):
        if not started:  # between its first look and the lock
            started.append(1)
            segment(files, task.result, execution=Execution(part=(1, 2)), tile=32)
        return decide(task, execution)

    monkeypatch.setattr("napari_utile.engine.prediction.run.decide", while_another_starts)
    segment(files, tmp_path / "out.zarr", execution=Execution(part=(2, 2)), tile=16)
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)
    assert ome_zarr.provenance(tmp_path / "out.zarr")["complete"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_image_that_has_the_name_of_an_unfinished_result_is_kept(files, tmp_path, overwrite):
    write_tiff(tmp_path / "out.partial.tif", blobs(SHAPE))
    (tmp_path / "model").symlink_to(files / "model")
    how = Execution(overwrite=overwrite)
    with pytest.raises(UserError, match=r"out\.partial\.tif is the image itself"):
        segment(tmp_path, tmp_path / "out.tif", ["out.partial.tif"], execution=how)
    np.testing.assert_array_equal(open_image(tmp_path / "out.partial.tif").read(), blobs(SHAPE))


def test_an_unfinished_tiff_is_not_replaced_unasked(files, tmp_path):
    stopped(files, tmp_path / "out.tif")
    with pytest.raises(UserError, match=r"out\.partial\.tif exists; overwrite replaces it"):
        segment(files, tmp_path / "out.tif", execution=Execution(resume=False))


def test_what_is_there_stays_until_the_new_one_can_be_made(files, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_utile.engine.prediction.cluster.CONNECT_TIMEOUT", 1)
    segment(files, tmp_path / "out.zarr")
    before = open_image(tmp_path / "out.zarr").read()
    how = Execution(overwrite=True, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(UserError, match=r"No scheduler answers|pip install"):
        segment(files, tmp_path / "out.zarr", execution=how)
    np.testing.assert_array_equal(open_image(tmp_path / "out.zarr").read(), before)


def test_a_slice_that_cannot_be_numbered_is_numbered_the_next_time(
    files, tmp_path, monkeypatch
):
    segment(files, tmp_path / "whole.zarr", output="instances", linking="none")
    monkeypatch.setattr(instances, "SECONDS_BETWEEN_SAVES", -1)
    number = instances.InstanceBuilder.number_plane

    def torn(self, plane):
        if plane == 1:
            raise OSError("torn")
        number(self, plane)

    monkeypatch.setattr(instances.InstanceBuilder, "number_plane", torn)
    with pytest.raises(OSError, match="torn"):
        segment(files, tmp_path / "out.zarr", output="instances", linking="none")
    monkeypatch.undo()
    segment(files, tmp_path / "out.zarr", output="instances", linking="none")
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)


def test_objects_that_touch_are_counted_once(files, tmp_path):
    how = {"instance_method": "components", "linking": "touch", "threshold": 0.8}
    (*_, end, _) = segment(files, tmp_path / "out.zarr", output="instances", **how)
    assert end.objects == open_image(tmp_path / "out.zarr").read().max()


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
def test_who_removes_an_unfinished_result_begins_anew(files, tmp_path, name):
    stopped(files, tmp_path / name)
    (tmp_path / "out.partial.tif").unlink(missing_ok=True)
    zarr_folders.remove_zarr(tmp_path / "out.zarr")
    events = segment(files, tmp_path / name)
    assert len([e for e in events if isinstance(e, TileDone)]) == 3 * 4 * 5
    assert ends(events)[0].status == "done"


def test_a_death_just_before_a_tiff_has_its_name_is_gone_on_from(files, tmp_path, monkeypatch):
    def dies(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_utile.io.tiff.finish_tiff", dies)
    with pytest.raises(KeyboardInterrupt):
        segment(files, tmp_path / "out.tif")
    monkeypatch.undo()
    assert ends(segment(files, tmp_path / "out.tif"))[0].status == "done"
    assert open_image(tmp_path / "out.tif").read().any()


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
@pytest.mark.parametrize("trouble", [OSError, KeyboardInterrupt])
def test_a_complete_result_stays_whatever_happens_after(
    files, tmp_path, monkeypatch, name, trouble
):
    clear = WorkFolder.clear

    def clear_badly(self):
        is_complete = (self / "plan.json").exists() and (tmp_path / name).exists()
        clear(self)
        if is_complete:
            raise trouble

    segment(files, tmp_path / "whole.zarr")
    monkeypatch.setattr(WorkFolder, "clear", clear_badly)
    # what could not be removed is no reason to call a complete result anything else
    with nullcontext() if trouble is OSError else pytest.raises(trouble):
        segment(files, tmp_path / name)
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", name))
    np.testing.assert_array_equal(there, back)


def test_a_plan_of_another_version_is_not_gone_on_with(files, tmp_path):
    stopped(files, tmp_path / "out.zarr")
    plan = tmp_path / ".out.zarr.utile" / "plan.json"
    plan.write_text(plan.read_text().replace('"tile": "auto"', '"tile": 16'))
    text = json.loads(plan.read_text())
    text["settings"]["an_option_to_come"] = 1
    plan.write_text(json.dumps(text))
    with pytest.raises(UserError, match=r"out\.zarr exists; overwrite replaces it"):
        segment(files, tmp_path / "out.zarr")


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
def test_settings_without_influence_may_change(files, tmp_path, begun, again):
    stopped(files, tmp_path / "out.zarr", **begun)
    events = segment(files, tmp_path / "out.zarr", **again)
    assert ends(events)[0].status == "done"
    assert len([e for e in events if isinstance(e, TileDone)]) <= 3 * 4 * 5 - 7


def test_one_image_in_a_folder_is_a_batch_of_one(files, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "model").symlink_to(files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / "images" / name, blobs(SHAPE[1:], seed=ord(name[0])))
        events = segment(tmp_path, tmp_path / "out", ["images"])
    assert [end.status for end in ends(events)] == ["kept", "done"]
    assert sorted(path.name for path in (tmp_path / "out").glob("*.zarr")) == [
        "a.zarr",
        "b.zarr",
    ]


def test_results_beside_the_images_are_no_images(files, tmp_path):
    (tmp_path / "model").symlink_to(files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    for status in ("done", "kept"):
        events = segment(tmp_path, tmp_path, ["."])
        assert [end.status for end in ends(events)] == [status] * 2


def test_a_folder_of_results_is_no_result(files, tmp_path):
    segment(files, tmp_path / "out")
    (tmp_path / "model").symlink_to(files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:]))
    with pytest.raises(
        UserError, match=r"out is one file, and the results of 2 images are a fo"
    ):
        segment(tmp_path, tmp_path / "out", ["a.tif", "b.tif"])


def test_a_dry_run_counts_what_is_missing_and_names_what_is_bad(files, tmp_path):
    (tmp_path / "model").symlink_to(files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "c.tif").write_bytes(b"")
    segment(tmp_path, tmp_path / "out", ["a.tif", "c.tif"])
    names = ["a.tif", "b.tif", "c.tif"]
    events = segment(tmp_path, tmp_path / "out", names, execution=Execution(dry_run=True))
    assert events[0].facts["blocks"] == 4 * 5
    assert [e.message for e in events if isinstance(e, Warned)] == [
        f"{tmp_path}/c.tif will be left out: {tmp_path}/c.tif is empty."
    ]


def test_links_go_when_their_result_does(files, tmp_path):
    segment(files, tmp_path / "out.zarr", output="instances")
    assert (tmp_path / "out.zarr.links.csv").exists()
    segment(
        files,
        tmp_path / "out.zarr",
        execution=Execution(overwrite=True),
        output="instances",
        linking="none",
    )
    assert not (tmp_path / "out.zarr.links.csv").exists()


def test_a_tiff_has_no_half_floats(files, tmp_path):
    with pytest.raises(
        UserError, match=r"out\.tif: a TIFF has no float16; choose the dtype float32"
    ):
        segment(files, tmp_path / "out.tif", dtype="float16")


def test_what_it_takes_is_said_before(files, tmp_path):
    how = Execution(dry_run=True)
    events = segment(files, tmp_path / "out.zarr", execution=how, output="instances")
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    facts = started.facts
    assert facts["blocks"] == 3 * 4 * 5
    assert facts["block"] == "16 x 16"
    assert facts["disk"].startswith(
        f"up to {(5 * 4 / 3 + 4) * np.prod(SHAPE) / 1000:.1f} kB of "
    )
    assert facts["memory"].startswith("about ") and facts["time"].startswith(
        ("about ", "less than 1 s")
    )
    assert not list(tmp_path.iterdir())


def test_the_stages_are_told_in_their_order(files, tmp_path):
    events = segment(files, tmp_path / "out.zarr", output="instances")
    stages = [e.stage for e in events if isinstance(e, BlockDone)]
    assert stages.count("objects") == 3 * 4 * 5
    assert stages.count("numbers") == 3
    assert stages[-1] == "pyramid"
    last = {e.stage: e for e in events if isinstance(e, BlockDone)}
    assert all(event.done == event.total for event in last.values())


def test_several_images_are_no_single_file(files, tmp_path):
    with pytest.raises(
        UserError, match=r"out\.zarr is one file, and the results of 2 images are a folder"
    ):
        segment(files, tmp_path / "out.zarr", ["em.tif", "em.tif"])


@pytest.mark.parametrize(("name", "form"), [("p.zarr", "tif"), ("p.tif", "zarr")])
def test_a_name_that_does_not_fit_the_format_is_refused(files, tmp_path, name, form):
    with pytest.raises(UserError, match=rf"end the name in \.{form}"):
        segment(files, tmp_path / name, format=form)


def test_pixels_that_are_no_numbers_are_told_once_a_slice(files, tmp_path):
    pixels = blobs(SHAPE).astype(np.float32)
    pixels[1, 20, 30] = np.nan
    write_tiff(tmp_path / "em.tif", pixels)
    (tmp_path / "model").symlink_to(files / "model")
    events = segment(tmp_path, tmp_path / "out.zarr")
    (warning,) = [event.message for event in events if isinstance(event, Warned)]
    assert "Slice 1 of em.tif has pixels that are NaN or infinite" in warning
