"""The table of objects: of files and arrays, stopped and resumed, with the same bytes."""

import csv

import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal

import napari_utile as utile
from napari_utile.arrays.objects.values import CELL
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, ImageDone, RunDone, RunStarted, Warned
from napari_utile.io.images import write_tiff
from napari_utile.io.stack import Stack
from napari_utile.results import objects
from napari_utile.results.blocking import Blocking
from napari_utile.results.columns import read_table
from napari_utile.results.objects import measure_files, objects_table, table_of
from tests.fixtures.measured_labels import boxes, by_skimage
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

SHAPE = (7, 33, 41)


@pytest.fixture
def files(tmp_path):
    """labels.tif and image.tif, with pixels of 40 x 8 x 4 nm."""
    place = {"scale": (40, 8, 4), "units": ("nanometer",) * 3}
    image = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    for name, array in (("labels", boxes(SHAPE)), ("image", image)):
        write_tiff(tmp_path / f"{name}.tif", array, like=Stack(array, "zyx", **place))
    return tmp_path


def written(files, out="o.csv", **more):
    run = measure_files(files / "labels.tif", files / out, files / "image.tif", **more)
    return list(run)


def test_the_table_of_files_is_that_of_skimage(files):
    events = written(files)
    assert isinstance(events[0], RunStarted) and isinstance(events[-1], RunDone)
    blocks = [event for event in events if isinstance(event, BlockDone)]
    assert [event.done for event in blocks] == list(range(1, len(blocks) + 1))
    assert blocks[-1].done == blocks[-1].total
    found = read_table((files / "o.csv").read_text())
    labels, spacing = boxes(SHAPE), (0.04, 0.008, 0.004)
    values = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    expected = by_skimage(labels, values.astype(float), spacing)
    (end,) = [event for event in events if isinstance(event, ImageDone)]
    assert end.objects == len(expected["label"])
    assert_array_equal(found["id"], expected["label"])
    assert_allclose(found["volume_um3"], expected["area"], rtol=1e-8)
    for i, axis in enumerate("zyx"):
        assert_allclose(found[f"centroid_{axis}_um"], expected[f"centroid-{i}"])
    assert_allclose(found["axis_major_um"], expected["axis_major_length"], atol=1e-8)
    assert_allclose(found["intensity_mean"], expected["intensity_mean"], rtol=1e-6)
    assert_allclose(found["intensity_sd"], expected["intensity_std"], rtol=1e-6)


@pytest.mark.parametrize(("chunks", "depth"), [((1, 300, 290), 1), ((3, 64, 64), 3)])
def test_no_chunks_and_no_windows_change_a_byte(tmp_path, monkeypatch, chunks, depth):
    shape = (5, 300, 290)
    image = np.random.default_rng(0).normal(1e5, 3, shape).astype(np.float32)
    arrays = {"labels": boxes(shape, side=40), "image": image}
    for name, array in arrays.items():
        write_tiff(tmp_path / f"{name}.tif", array, like=Stack(array, "zyx"))
        stored = zarr.create_array(
            tmp_path / f"{name}.zarr", shape=shape, chunks=chunks, dtype=array.dtype,
            dimension_names=list("zyx"),
        )  # fmt: skip
        stored[:] = array
    list(measure_files(tmp_path / "labels.tif", tmp_path / "a.csv", tmp_path / "image.tif"))
    windows = Blocking((1, *shape), depth, CELL)  # four windows, of 256 px and less
    monkeypatch.setattr(objects.Blocking, "of", lambda *_: windows)
    list(measure_files(tmp_path / "labels.zarr", tmp_path / "b.csv", tmp_path / "image.zarr"))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


class Killed(BaseException):
    """Ends a run as a kill does: nothing is saved any more."""


@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_run_that_ended_early_is_resumed_with_the_same_bytes(files, monkeypatch, end, after):
    written(files, "whole.csv")
    monkeypatch.setattr(objects, "SECONDS_BETWEEN_STATES", 0 if end == "killed" else 1e9)
    monkeypatch.setattr(objects, "SAVE_DUTY_CYCLE", 1e9)
    run = measure_files(files / "labels.tif", files / "o.csv", files / "image.tif")
    for event in run:
        if isinstance(event, BlockDone) and event.done == after:
            break
    if end == "stopped":
        run.close()
    else:
        with pytest.raises(Killed):
            run.throw(Killed)
    assert not (files / "o.csv").exists()
    first, *_ = [event for event in written(files) if isinstance(event, BlockDone)]
    assert first.done == after + 1
    assert (files / "o.csv").read_bytes() == (files / "whole.csv").read_bytes()


def test_a_finished_table_is_kept_and_another_is_not_overwritten(files):
    written(files)
    before = (files / "o.csv").stat().st_mtime_ns
    assert written(files)[-1].kept
    assert (files / "o.csv").stat().st_mtime_ns == before
    run = measure_files(files / "labels.tif", files / "o.csv")
    with pytest.raises(UserError, match=r"was made of something else \(the image: some there"):
        list(run)
    assert not list(measure_files(files / "labels.tif", files / "o.csv", overwrite=True))[
        -1
    ].kept
    assert "intensity_mean" not in read_table((files / "o.csv").read_text())


def test_a_table_of_somebody_else_is_not_overwritten(files):
    (files / "o.csv").write_text("mine")
    with pytest.raises(UserError, match="overwrite replaces it"):
        written(files)
    assert (files / "o.csv").read_text() == "mine"
    with pytest.raises(UserError, match="is what is measured"):
        list(measure_files(files / "labels.tif", files / "labels.tif", overwrite=True))


def test_time_points_are_measured_on_their_own(tmp_path):
    labels = np.zeros((3, 6, 8), np.uint16)
    labels[0, 1:3, 1:3], labels[2, 2:5, 4:8], labels[2, 0, 0] = 5, 5, 2
    write_tiff(tmp_path / "l.tif", labels, like=Stack(labels, "tyx"))
    list(measure_files(tmp_path / "l.tif", tmp_path / "o.csv"))
    rows = list(csv.DictReader((tmp_path / "o.csv").open()))
    assert [(row["id"], row["t"], row["pixels"]) for row in rows] == [
        ("5", "0", "4"), ("2", "2", "1"), ("5", "2", "12"),
    ]  # fmt: skip
    assert rows[2]["touches_border"] == "yes" and rows[0]["touches_border"] == "no"


def test_a_result_is_measured_with_its_image_and_probabilities(blob_files, tmp_path):  # noqa: F811
    out = tmp_path / "r.zarr"
    segment(blob_files, out, output="instances", tile=64)
    list(measure_files(out))
    found = read_table(table_of(out).read_text())
    ids = zarr.open_array(out / "labels/instances/0", mode="r")[:]
    foreground = zarr.open_array(out / "0", mode="r")[:]
    image = utile.objects_table(ids, blob_files / "em.tif", probabilities=foreground)
    for number, mean, count in zip(
        found["id"], found["probability_mean"], found["voxels"], strict=True
    ):
        inside = foreground[ids == number]
        assert len(inside) == count
        assert mean == pytest.approx(inside.mean() / 255)
    assert_allclose(found["intensity_mean"], image["intensity_mean"], rtol=1e-8)
    assert_allclose(found["probability_mean"], image["probability_mean"], rtol=1e-8)


def test_arrays_are_measured_in_the_given_spacing():
    labels = boxes((20, 30))
    found = objects_table(labels, labels, spacing=(0.5, 0.25))
    expected = by_skimage(labels, labels, (0.5, 0.25))
    assert_array_equal(found["intensity_mean"], found["id"])
    assert_allclose(found["area_um2"], expected["area"])
    assert_allclose(found["axis_minor_um"], expected["axis_minor_length"])


def test_a_lazy_image_of_several_channels():
    labels = boxes((4, 20, 30))
    image = np.stack([labels, labels // 1000])
    found = objects_table(labels, zarr.array(image, chunks=(1, 4, 10, 10)))
    assert_array_equal(found["intensity_mean_0"], found["id"])
    assert_array_equal(found["intensity_mean_1"], found["id"] // 1000)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((4, 5))}, r"image \(4, 5\) .*is no image that fits"),
        ({"spacing": (1, 2, 3)}, "spacing is .*along each of the axes y, x"),
        ({"spacing": (1, -2)}, "spacing is"),
        ({"probabilities": np.zeros((2, 5, 5))}, "have several channels"),
        ({"labels": np.full((5, 5), -1)}, "negative id -1"),
        ({"labels": np.full((5, 5), 0.5)}, "0.5, but ids are whole"),
    ],
)
def test_what_cannot_be_measured_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        objects_table(**{"labels": np.eye(5, dtype=int)} | given)


def test_a_scale_without_unit_is_warned_of(tmp_path):
    labels = np.eye(5, dtype=np.uint8)
    events = []
    stack = Stack(labels, "yx", scale=(2, 3))
    found = objects_table(stack, on_event=events.append)
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "image has pixels of 2 x 3 in an unknown unit: lengths are in pixels."
    ]
    assert found["area_px2"].tolist() == [5]
