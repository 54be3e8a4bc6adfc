"""Instances of stacks in blocks are those of the stack in memory."""

import csv
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

import napari_utile as utile
from napari_utile.engine.prediction import front, instances
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.relink import remake
from napari_utile.engine.prediction.resume import Execution
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, Warned
from napari_utile.io.images import open_image, write_tiff
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.io.stack import Stack
from napari_utile.results.stored_probabilities import StoredProbabilities
from napari_utile.settings.prediction import ObjectSettings, PredictSettings
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import TILE, segment
from tests.fixtures.volume_model import affinities_model, blobs_in_volume, cubes_model

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def likely(blob_files, tmp_path_factory):
    """Foreground probabilities of the whole stack, as they are kept beside instances."""
    out = tmp_path_factory.mktemp("likely") / "p.zarr"
    segment(blob_files, out, output="instances")
    return open_zarr(out, "probabilities").read()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("out.tif", {}),
        ("out.zarr", {"instance_method": "components", "linking": "touch", "min_size": 5,
                      "threshold": 0.8}),
        ("out.tif", {"instance_method": "components", "linking": "none", "fill_holes": 8}),
        ("out.zarr", {"linking": "overlap", "link_iou": 0.6, "min_size": 9, "fill_holes": 8}),
        ("out.tif", {"linking": "touch", "threshold": 0.6}),
        ("out.zarr", {"linking": "graph", "threshold": 0.6}),
    ],
    ids=str,
)  # fmt: skip
def test_objects_found_in_blocks_are_those_of_the_whole_stack(
    blob_files, likely, tmp_path, name, rule
):
    segment(blob_files, tmp_path / name, output="instances", **rule)
    given = dict(rule)
    method = given.pop("instance_method", "watershed")
    expected = utile.instances(likely[np.newaxis], method=method, **given)
    assert expected.max() > 2
    np.testing.assert_array_equal(open_image(tmp_path / name).read(), expected)


def test_every_decision_of_linking_is_in_a_table(blob_files, tmp_path):
    how = {"output": "instances", "linking": "overlap"}
    (*_, end, _) = segment(blob_files, tmp_path / "out.zarr", **how)
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


def test_every_edge_of_the_graph_is_in_a_table(blob_files, tmp_path):
    for name in ("graph", "none"):
        segment(blob_files, tmp_path / f"{name}.zarr", output="instances", linking=name)
    labels, alone = (open_image(tmp_path / f"{n}.zarr").read() for n in ("graph", "none"))
    with (tmp_path / "graph.zarr.links.csv").open() as file:
        rows = [{k: float(v) for k, v in row.items() if k != "joined"} | {
            "joined": row["joined"] == "True"} for row in csv.DictReader(file)]  # fmt: skip
    assert {row["distance"] for row in rows} == {0, 1, 2}
    firsts = [plane[plane > 0].min() for plane in alone]
    for row in rows:
        upper = int(row["plane"])
        lower = upper - int(row["distance"])
        below = alone[lower] == firsts[lower] + row["below_number"] - 1
        above = alone[upper] == firsts[upper] + row["above_number"] - 1
        assert (labels[lower][below] == row["below"]).all() and below.any()
        assert (labels[upper][above] == row["above"]).all() and above.any()
        assert row["joined"] == (row["below"] == row["above"])
        if row["distance"]:
            assert row["overlap"] == (below & above).sum() > 0
            union = (below | above).sum()
            assert row["iou"] == pytest.approx(row["overlap"] / union, abs=1e-6)
    assert np.corrcoef([r["cost"] for r in rows], [r["joined"] for r in rows])[0, 1] > 0.5


def test_nothing_is_linked_through_time(blob_files, tmp_path):
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
        predict_files(
            blob_files / "model", [tmp_path / "movie.zarr"], tmp_path / "o.zarr", settings
        )
    )
    first, second = open_image(tmp_path / "o.zarr").read()
    assert first.max() > 3
    assert not np.intersect1d(first[first > 0], second[second > 0]).size
    assert np.intersect1d(first[0][first[0] > 0], first[1][first[1] > 0]).size


def test_objects_that_touch_are_counted_once(blob_files, tmp_path):
    how = {"instance_method": "components", "linking": "touch", "threshold": 0.8}
    (*_, end, _) = segment(blob_files, tmp_path / "out.zarr", output="instances", **how)
    assert end.objects == open_image(tmp_path / "out.zarr").read().max()


def test_a_slice_that_cannot_be_numbered_is_numbered_the_next_time(
    blob_files, tmp_path, monkeypatch
):
    segment(blob_files, tmp_path / "whole.zarr", output="instances", linking="none")
    monkeypatch.setattr(instances, "SECONDS_BETWEEN_SAVES", -1)
    number = instances.InstanceBuilder.number_plane

    def torn(self, plane):
        if plane == 1:
            raise OSError("torn")
        return number(self, plane)

    monkeypatch.setattr(instances.InstanceBuilder, "number_plane", torn)
    with pytest.raises(OSError, match="torn"):
        segment(blob_files, tmp_path / "out.zarr", output="instances", linking="none")
    monkeypatch.undo()
    segment(blob_files, tmp_path / "out.zarr", output="instances", linking="none")
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)


# --- volumes: a network of three axes, blocks (Z, Y, X)

VOLUME = (20, 30, 36)


@pytest.fixture
def volume_files(tmp_path, monkeypatch):
    """Folder with a volume; the model is not on disk, as only networks of U-Tile can be."""
    write_tiff(tmp_path / "em.tif", blobs_in_volume(VOLUME))
    model = cubes_model()
    monkeypatch.setattr(front, "load_model", lambda path: model)
    return tmp_path


def segment_volume(files, name, image="em.tif", execution=None, **options):
    options = {"output": "instances", "tile": 14, "device": "cpu"} | options
    settings = PredictSettings(**options)
    return predict_files("cubes", [files / image], files / name, settings, execution)


def bytes_of(result):
    """Contents of all files of a result, but the seconds that it took."""
    return {
        str(path.relative_to(result)): path.read_bytes()
        for path in sorted(Path(result).rglob("*"))
        if path.is_file() and path.parent != result
    }


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("out.zarr", {}),
        ("out.tif", {"fill_holes": 30, "min_size": 40, "threshold": 0.45, "grow": 1.5}),
        ("out.zarr", {"instance_method": "components", "fill_holes": 30, "min_size": 40}),
    ],
    ids=str,
)
def test_objects_of_blocks_are_those_of_the_whole_volume(volume_files, name, rule):
    events = list(segment_volume(volume_files, name, **rule))
    likely = utile.predict(cubes_model(), open_image(volume_files / "em.tif"))
    given = dict(rule)
    method, growth = given.pop("instance_method", "watershed"), given.pop("grow", 0)
    expected = utile.instances(likely, volumetric=True, method=method, growth=growth, **given)
    assert expected.max() > 1
    np.testing.assert_array_equal(open_image(volume_files / name).read(), expected)
    assert not (volume_files / f"{name}.links.csv").exists()
    numbered = [e for e in events if isinstance(e, BlockDone) and e.stage == "numbers"]
    assert [e.done for e in numbered] == list(range(1, numbered[0].total + 1))
    assert numbered[0].total == 2 * 3 * 3  # blocks of 14 x 14 x 14


def test_the_result_does_not_depend_on_blocks_parts_or_stops(volume_files):
    list(segment_volume(volume_files, "whole.zarr"))
    whole = open_image(volume_files / "whole.zarr").read()
    list(segment_volume(volume_files, "other.zarr", tile=19))
    np.testing.assert_array_equal(open_image(volume_files / "other.zarr").read(), whole)
    for part in ((2, 2), (1, 2)):
        list(segment_volume(volume_files, "parts.zarr", execution=Execution(part=part)))
    assert bytes_of(volume_files / "parts.zarr") == bytes_of(volume_files / "whole.zarr")
    for stage, count in (("objects", 5), ("numbers", 7)):
        stopped = segment_volume(volume_files, "stopped.zarr")
        of_stage = (event for event in stopped if getattr(event, "stage", "") == stage)
        next(islice(of_stage, count, None))
        stopped.close()
        assert (volume_files / ".stopped.zarr.utile").exists()
    list(segment_volume(volume_files, "stopped.zarr"))
    assert bytes_of(volume_files / "stopped.zarr") == bytes_of(volume_files / "whole.zarr")


def test_objects_by_affinities_are_those_of_the_whole_volume_also_after_a_stop(
    volume_files, monkeypatch
):
    model = affinities_model()
    monkeypatch.setattr(front, "load_model", lambda path: model)
    likely = utile.predict(model, open_image(volume_files / "em.tif"))
    by_affinities = {"volumetric": True, "method": "watershed", "offsets": model.offsets}
    expected = utile.instances(likely, **by_affinities)
    assert expected.max() > 1
    without = utile.instances(likely[:1], volumetric=True, method="watershed")
    assert (expected != without).any()
    for stage, count in (("objects", 5), ("numbers", 3)):
        stopped = segment_volume(volume_files, "stopped.zarr")
        next(islice((e for e in stopped if getattr(e, "stage", "") == stage), count, None))
        stopped.close()
    for name in ("stopped.zarr", "whole.tif"):
        list(segment_volume(volume_files, name))
        np.testing.assert_array_equal(open_image(volume_files / name).read(), expected)
    assert not (volume_files / ".stopped.zarr.utile").exists()
    # again from what is kept: all of it by others, and a part as a prediction of it
    others = {"threshold": 0.4, "min_size": 9}
    with pytest.raises(UserError, match="does not hold the affinities"):
        list(remake(volume_files / "stopped.zarr", ObjectSettings(**others)))
    list(segment_volume(volume_files, "kept.zarr", keep_affinities=True))
    settings = PredictSettings(output="instances", **others)
    part = ((0, VOLUME[0]), (3, 20), (2, 21))
    kept = StoredProbabilities.of(volume_files / "kept.zarr")
    found = kept.objects(settings, part)
    likely = likely[:, :, 3:20, 2:21]
    np.testing.assert_array_equal(found, utile.instances(likely, **others, **by_affinities))
    list(remake(volume_files / "kept.zarr", ObjectSettings(**others)))
    list(segment_volume(volume_files, "anew.zarr", keep_affinities=True, **others))
    assert bytes_of(volume_files / "kept.zarr") == bytes_of(volume_files / "anew.zarr")


def test_volumes_of_time_points_are_apart(volume_files):
    movie = np.stack([blobs_in_volume(VOLUME)] * 2)
    write_tiff(volume_files / "movie.tif", movie, Stack(movie, "tzyx", "movie"))
    list(segment_volume(volume_files, "movie.zarr", image="movie.tif"))
    first, second = open_image(volume_files / "movie.zarr").read()
    np.testing.assert_array_equal(second, np.where(first > 0, first + first.max(), 0))


def test_linking_of_slices_has_no_effect_on_volumes_and_is_said_so(volume_files):
    events = list(segment_volume(volume_files, "a.zarr", linking="touch", link_iou=0.5))
    said = [event.message for event in events if isinstance(event, Warned)]
    assert any("linking and link iou have no effect on instances that are" in s for s in said)
    list(segment_volume(volume_files, "b.zarr"))
    np.testing.assert_array_equal(
        open_image(volume_files / "a.zarr").read(), open_image(volume_files / "b.zarr").read()
    )
    # a partial result of another linking is resumed, as it is the same
    kept = list(segment_volume(volume_files, "a.zarr", linking="none"))
    assert [event.status for event in kept if type(event).__name__ == "ImageDone"] == ["kept"]
    assert open_zarr(volume_files / "a.zarr", "probabilities").shape == VOLUME


def test_a_ruined_slice_is_named_by_its_place_in_the_image(blob_files, tmp_path):
    same, other = blobs((60, 70)), blobs((60, 70), seed=8)
    write_tiff(tmp_path / "em.tif", np.stack([same, same, same, other, same, same]))
    settings = PredictSettings(
        output="instances", tile=TILE, device="cpu", region="1:6,0:60,0:70"
    )
    run = predict_files(
        blob_files / "model", [tmp_path / "em.tif"], tmp_path / "o.zarr", settings
    )
    said = [event.message for event in run if isinstance(event, Warned)]
    (told,) = [text for text in said if "ruined" in text]
    assert told.startswith(
        "Slice 3 looks ruined: its objects fit neither those of slice 2 nor "
    )
    labels = open_image(tmp_path / "o.zarr").read()
    np.testing.assert_array_equal(labels[1], labels[3])  # over it
    likely = open_zarr(tmp_path / "o.zarr", "probabilities").read()
    with pytest.warns(UserWarning, match="Slice 2 looks ruined"):
        np.testing.assert_array_equal(utile.instances(likely[np.newaxis]), labels)
