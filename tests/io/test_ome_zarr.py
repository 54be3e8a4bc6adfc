"""OME-Zarr folders: created, filled, completed, reopened."""

import os
import shutil
from itertools import islice

import numpy as np
import pytest
import zarr

from napari_utile.errors import UserError
from napari_utile.io import ome_zarr, pyramids
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import (
    create_image,
    create_labels,
    mark_complete,
    open_zarr,
    provenance,
    reopen,
    sync_chunk,
)
from napari_utile.io.pyramids import write_smaller_levels
from napari_utile.io.stack import Stack
from tests.fixtures.ngff import EM, SPACE, content, ngff


def test_broken_metadata_are_one_sentence(tmp_path):
    path = ngff(tmp_path / "a.zarr", SPACE, [])
    (path / "s0" / ".zarray").write_text("{")
    with pytest.raises(UserError, match=r"\.zarray is not JSON, or cut off") as refused:
        open_image(path)
    assert "\n" not in str(refused.value)


def test_probabilities_come_back_with_their_place(tmp_path):
    path = tmp_path / "p.zarr"
    data = create_image(
        path, (2, *EM.shape), "f4", (1, 1, 16, 32), EM, channel_names=["0", "cell"]
    )
    assert (data.chunks, data.shards, data.fill_value) == ((1, 1, 16, 32), None, 0)
    data[1, 3, 16:32, 32:60] = 0.5
    stack = open_image(path)
    assert (stack.axes, stack.channels, stack.shape) == ("czyx", 2, EM.shape)
    assert (stack.scale, stack.translate, stack.units) == (EM.scale, EM.translate, EM.units)
    assert stack.plane((3,))[1, 20, 40] == 0.5
    assert stack.plane((3,))[0].max() == 0


def test_time_is_stored_before_channels_and_written_and_read_behind_them(tmp_path):
    path, movie = tmp_path / "p.zarr", Stack(np.zeros((4, 16, 16)), "tyx")
    pixels = np.random.default_rng(0).integers(1, 9, (2, *movie.shape)).astype("u1")
    data = create_image(path, pixels.shape, "u1", (2, 1, 8, 16), movie)
    for t in range(4):
        data[:, t] = pixels[:, t]
    group = zarr.open_group(path, mode="r")
    axes = group.attrs["ome"]["multiscales"][0]["axes"]
    assert [axis["name"] for axis in axes] == ["t", "c", "y", "x"]  # NGFF 0.5, section axes
    assert (group["0"].shape, group["0"].chunks) == ((4, 2, 16, 16), (1, 2, 8, 16))
    assert (reopen(path)[...] == pixels).all()
    assert (open_image(path).read() == pixels).all()


def test_one_tile_is_one_file(tmp_path):
    data = create_image(tmp_path / "p.zarr", EM.shape, "u1", (1, 16, 32), EM)
    data[3, 16:32, 32:60] = 7
    chunks = [p for p in (tmp_path / "p.zarr" / "0" / "c").rglob("*") if p.is_file()]
    assert [p.relative_to(tmp_path / "p.zarr/0/c").parts for p in chunks] == [("3", "1", "1")]


def test_metadata_are_ome_zarr_0_5(tmp_path):
    create_image(
        tmp_path / "p.zarr", (2, *EM.shape), "u1", (1, 1, 16, 16), EM, channel_names=["a", "b"]
    )
    group = zarr.open_group(tmp_path / "p.zarr", mode="r")
    assert group.metadata.zarr_format == 3
    ome = group.attrs["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert [axis["name"] for axis in multiscale["axes"]] == ["c", "z", "y", "x"]
    assert multiscale["axes"][0] == {"name": "c", "type": "channel"}
    assert multiscale["axes"][1] == {"name": "z", "type": "space", "unit": "nanometer"}
    scale, translation = multiscale["datasets"][0]["coordinateTransformations"]
    assert scale == {"type": "scale", "scale": [1.0, 50.0, 4.0, 4.0]}
    assert translation == {"type": "translation", "translation": [0.0, 0.0, 100.0, 200.0]}
    assert [c["label"] for c in ome["omero"]["channels"]] == ["a", "b"]
    assert group["0"].metadata.dimension_names == ("c", "z", "y", "x")


def test_an_image_is_incomplete_until_it_is_said_to_be_complete(tmp_path):
    path = tmp_path / "p.zarr"
    create_image(
        path, EM.shape, "u2", (1, 16, 16), EM, attributes={"kind": "instances", "model": "m"}
    )
    assert provenance(path) == {"kind": "instances", "complete": False, "model": "m"}
    mark_complete(path, seconds=3.5)
    assert provenance(path) == {
        "kind": "instances", "complete": True, "model": "m", "seconds": 3.5, "chunks": 0
    }  # fmt: skip
    assert open_zarr(path).shape == EM.shape


def test_an_image_of_others_has_no_provenance(tmp_path):
    assert provenance(ngff(tmp_path / "a.zarr", SPACE, [])) == {}
    zarr.create_array(tmp_path / "bare.zarr", shape=(4, 5), dtype="u1")
    assert provenance(tmp_path / "bare.zarr") == {}


@pytest.fixture
def result(tmp_path):
    """A result as the engine leaves it: probabilities, and instances decided from them."""
    path = tmp_path / "r.zarr"
    rng = np.random.default_rng(0)
    image = create_image(
        path, EM.shape, "u1", (1, 16, 16), EM, attributes={"kind": "instances"}
    )
    image[:] = rng.integers(0, 256, EM.shape)
    labels = create_labels(path, "instances", EM.shape, "u4", (1, 16, 16), EM)
    labels[:] = rng.integers(0, 4, EM.shape) * 70_000
    return path


def test_labels_are_named_and_point_to_their_image(result):
    create_labels(result, "classes", EM.shape, "u1", (1, 16, 16), EM)
    labels = zarr.open_group(result / "labels", mode="r")
    assert labels.attrs["ome"] == {"version": "0.5", "labels": ["classes", "instances"]}
    ome = labels["instances"].attrs["ome"]
    assert ome["image-label"] == {"source": {"image": "../../"}}
    assert [axis["name"] for axis in ome["multiscales"][0]["axes"]] == ["z", "y", "x"]
    assert labels["instances/0"].chunks == (1, 16, 16)
    assert "image-label" not in zarr.open_group(result).attrs["ome"]


def test_what_was_asked_for_is_opened_and_the_rest_by_name(result):
    inside = result / "labels" / "instances"
    for stack in (open_image(result), open_zarr(result, "instances"), open_image(inside)):
        assert (stack.dtype, stack.scale, stack.units) == ("u4", EM.scale, EM.units)
    assert open_image(result).path == result
    assert open_image(inside).path == inside
    assert open_zarr(result, "probabilities").dtype == np.uint8
    with pytest.raises(UserError, match=r"r\.zarr has no labels called classes"):
        open_zarr(result, "classes")


@pytest.mark.parametrize("part", ["labels/instances", "labels/instances/0", ""])
def test_labels_in_a_partial_result_are_doubted_by_whatever_path(result, part):
    group = zarr.open_group(result, mode="r+")
    group.attrs["utile"] = group.attrs["utile"] | {"complete": False}
    said = f"{result} is a partial result: what was not segmented yet is 0."
    assert open_image(result / part).doubts == (said,)
    mark_complete(result)
    assert open_image(result / part).doubts == ()


def test_a_result_without_its_labels_is_not_its_foreground(result):
    shutil.rmtree(result / "labels" / "instances")
    with pytest.raises(UserError, match="labels/instances is not there"):
        open_zarr(result)
    assert open_zarr(result, "probabilities").holds == "probabilities"


def test_labels_of_somebody_else_are_not_what_was_asked_for(result):
    group = zarr.open_group(result)
    group.attrs["utile"] = provenance(result) | {"kind": "probabilities"}
    assert open_image(result).dtype == np.uint8


@pytest.mark.parametrize("labels", [None, "instances"])
def test_a_reopened_image_goes_on_where_it_was(result, labels):
    before = reopen(result, labels)[:]
    reopen(result, labels)[4, 16:32, 16:32] = 9
    before[4, 16:32, 16:32] = 9
    np.testing.assert_array_equal(reopen(result, labels)[:], before)


def test_what_is_not_there_is_not_reopened(result, tmp_path):
    for path, labels in ((result, "classes"), (tmp_path / "none.zarr", None)):
        with pytest.raises(UserError, match=path.name):
            reopen(path, labels)
    assert not (tmp_path / "none.zarr").exists()


def test_ids_are_never_mixed(result):
    list(write_smaller_levels(result, "instances"))
    group = zarr.open_group(result / "labels" / "instances", mode="r")
    ids, halved = group["0"][:], group["1"][:]
    for z, y, x in np.ndindex(halved.shape):
        four = ids[z, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        values, counts = np.unique(four, return_counts=True)
        assert halved[z, y, x] in values[counts == counts.max()]
    assert set(np.unique(group["2"][:])) <= {0, 70_000, 140_000, 210_000}


def test_levels_say_where_they_are(result):
    assert len(multiscale_of(result)["datasets"]) == 1
    list(write_smaller_levels(result))
    places = [level["coordinateTransformations"] for level in multiscale_of(result)["datasets"]]
    assert [place[0]["scale"] for place in places] == [[50, 4, 4], [50, 8, 8], [50, 16, 16]]
    # the middle of 2 x 2 pixels is half a pixel from that of the first, that of 4 x 4 1.5
    assert [place[1]["translation"] for place in places] == [
        [0, 100, 200], [0, 102, 202], [0, 106, 206]
    ]  # fmt: skip


def multiscale_of(path):
    return zarr.open_group(path, mode="r").attrs["ome"]["multiscales"][0]


def test_an_image_of_one_chunk_needs_no_smaller_levels(tmp_path):
    create_image(tmp_path / "p.zarr", EM.shape, "u1", (1, 40, 60), EM)[:] = 1
    assert list(write_smaller_levels(tmp_path / "p.zarr")) == []
    assert len(multiscale_of(tmp_path / "p.zarr")["datasets"]) == 1


def test_a_stopped_pyramid_goes_on_with_the_same_result(result, tmp_path):
    stopped = tmp_path / "stopped.zarr"
    shutil.copytree(result, stopped)
    total = len(list(write_smaller_levels(result)))
    for steps in range(1, total + 1, 7):
        running = write_smaller_levels(stopped)
        list(islice(running, steps))
        running.close()
        assert len(multiscale_of(stopped)["datasets"]) == 1
    chunk = stopped / "1" / "c" / "0" / "0" / "0"
    made = chunk.stat()
    assert len(list(write_smaller_levels(stopped))) < total
    assert chunk.stat() == made  # its level was complete
    assert content(stopped) == content(result)
    assert list(write_smaller_levels(stopped)) == []


def test_a_chunk_is_brought_to_the_disk_with_its_folders(result, monkeypatch):
    synced = []
    monkeypatch.setattr(ome_zarr, "to_disk", lambda p: (synced.append(p), os.stat(p)))
    sync_chunk(reopen(result, "instances"), (3, 1, 2))
    level = result / "labels" / "instances" / "0"
    assert synced == [level / "c/3/1/2", level / "c/3/1", level / "c/3", level / "c", level]


def test_a_chunk_of_a_movie_is_found_by_its_place_in_memory(tmp_path, monkeypatch):
    movie = Stack(np.zeros((4, 16, 16)), "tyx")
    data = create_image(tmp_path / "p.zarr", (2, *movie.shape), "u1", (1, 1, 8, 16), movie)
    data[1, 3, 8:] = 5
    synced = []
    monkeypatch.setattr(ome_zarr, "to_disk", synced.append)
    sync_chunk(data, (1, 3, 1, 0))
    assert synced[0] == tmp_path / "p.zarr/0/c/3/1/1/0"
    assert synced[0].is_file()


def test_every_block_of_a_smaller_level_is_on_the_disk_before_it_counts(result, monkeypatch):
    synced = []
    monkeypatch.setattr(
        pyramids, "sync_chunk", lambda level, chunk: synced.append((level.path, chunk))
    )
    there = [{*synced} for _ in write_smaller_levels(result, "instances")]
    chunks = {1: (5, 2, 2), 2: (5, 1, 1)}  # of 5 x 64 x 48 px in chunks of 16 px
    order = [
        (f"labels/instances/{level}", chunk)
        for level, counts in chunks.items()
        for chunk in np.ndindex(counts)
    ]
    assert len(there) == len(order)
    for done, on_disk in enumerate(there, 1):
        assert {*order[:done]} <= on_disk


def test_a_chunk_of_zeros_has_no_file_and_reads_as_zeros(result):
    level = reopen(result)
    level[3, 16:32, 32:48] = 0
    assert not (result / "0" / "c" / "3" / "1" / "2").exists()
    sync_chunk(level, (3, 1, 2))
    assert not reopen(result)[3, 16:32, 32:48].any()
    assert reopen(result)[3].any()
    new = create_image(result.with_name("new.zarr"), EM.shape, "u1", (1, 16, 16), EM)
    new[:] = 0
    assert not (result.with_name("new.zarr") / "0" / "c").exists()


def test_a_damaged_chunk_is_noticed(result):
    chunk = result / "0" / "c" / "3" / "1" / "2"
    content = bytearray(chunk.read_bytes())
    content[len(content) // 2] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(UserError, match=r"r\.zarr, chunk .*3.*: cannot be read"):
        open_zarr(result, "probabilities").plane((3,))


def test_drafts_of_killed_writers_are_swept_at_the_end(result):
    draft = result / "0" / "c" / "3" / "1" / "2.0123456789abcdef.partial"
    draft.touch()
    before = len(content(result))
    mark_complete(result)
    assert len(content(result)) == before - 1
    assert not draft.exists()
