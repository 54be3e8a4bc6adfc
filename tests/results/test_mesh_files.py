"""Files of meshes: which objects, where they are, resumed, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_utile.errors import UserError
from napari_utile.events import BlockDone, RunDone, Warned
from napari_utile.io.images import write_tiff
from napari_utile.io.stack import Stack
from napari_utile.results import mesh_files
from napari_utile.results.mesh_files import write_meshes

PLACE = {"scale": (40, 8, 4), "units": ("nanometer",) * 3}


@pytest.fixture
def labels(tmp_path):
    """Three boxes, the objects 3, 7 and 9, with pixels of 40 x 8 x 4 nm."""
    volume = np.zeros((6, 20, 30), np.uint16)
    volume[1:4, 2:12, 5:25], volume[4, 15:18, 1:4], volume[5, 0, 0] = 3, 7, 9
    write_tiff(tmp_path / "l.tif", volume, like=Stack(volume, "zyx", **PLACE))
    return tmp_path / "l.tif"


def vertices(path):
    rows = [line.split() for line in path.read_text().splitlines() if line[0] == "v"]
    return np.array([[float(number) for number in row[1:]] for row in rows])


def test_each_object_is_a_file_at_its_place(labels):
    out = labels.parent / "meshes"
    events = list(write_meshes(labels, out, form="obj"))
    assert sorted(path.name for path in out.iterdir()) == ["3.obj", "7.obj", "9.obj"]
    found = vertices(out / "3.obj")
    # half a pixel outside of the centers of the outermost pixels, x y z in um
    assert_allclose(found.min(axis=0), [0.004 * 4.5, 0.008 * 1.5, 0.04 * 0.5], rtol=1e-6)
    assert_allclose(found.max(axis=0), [0.004 * 24.5, 0.008 * 11.5, 0.04 * 3.5], rtol=1e-6)
    assert [e.done for e in events if isinstance(e, BlockDone) and e.stage == "mesh"] == [
        1,
        2,
        3,
    ]
    assert list(write_meshes(labels, out, form="obj"))[-1].kept


def test_chosen_objects_at_a_coarser_step(labels):
    out = labels.parent / "meshes"
    list(write_meshes(labels, out, ids=[3], form="obj", step=2))
    (path,) = out.iterdir()
    assert_allclose(vertices(path).min(axis=0), [0.004 * 4, 0.008, 0], atol=1e-9)


def test_a_run_that_was_stopped_is_resumed(labels, monkeypatch):
    out = labels.parent / "meshes"
    for event in (run := write_meshes(labels, out)):
        if isinstance(event, BlockDone) and event.stage == "mesh":
            break
    run.close()
    first = out / "3.ply"
    before = first.stat().st_mtime_ns
    monkeypatch.setattr(mesh_files._Writer, "_write", lambda _, path, *__: path.write_text("x"))
    list(write_meshes(labels, out))
    assert first.stat().st_mtime_ns == before
    assert (out / "7.ply").read_text() == "x"


def test_an_object_that_is_too_large_is_named_and_the_others_are_written(labels, monkeypatch):
    monkeypatch.setattr(mesh_files, "memory_budget", lambda: 1000)
    monkeypatch.setattr(mesh_files, "SMALLEST_BUDGET", 1000)
    events = list(write_meshes(labels, labels.parent / "meshes"))
    (warned,) = [event.message for event in events if isinstance(event, Warned)]
    assert "Object 3 fills a box of 3 x 10 x 20 px, which takes 14.4 kB" in warned
    assert "give a step of 2 or more" in warned
    assert isinstance(events[-1], RunDone) and events[-1].failed == (warned,)
    names = sorted(path.name for path in (labels.parent / "meshes").iterdir())
    assert names == ["7.ply", "9.ply"]


def test_objects_of_time_points_have_files_of_their_own(tmp_path):
    volume = np.zeros((2, 3, 4, 5), np.uint8)
    volume[:, 1, 1:3, 1:3] = 4
    write_tiff(tmp_path / "l.tif", volume, like=Stack(volume, "tzyx"))
    list(write_meshes(tmp_path / "l.tif", tmp_path / "m"))
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["t0_4.ply", "t1_4.ply"]


def test_what_cannot_be_written_is_refused(labels, tmp_path):
    with pytest.raises(UserError, match="has no object 4; it has 3: 3, 7, 9"):
        list(write_meshes(labels, tmp_path / "m", ids=[3, 4]))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(UserError, match="full holds something else"):
        list(write_meshes(labels, tmp_path / "full"))
    with pytest.raises(UserError, match="is a file, and meshes are written to a folder"):
        list(write_meshes(labels, labels))
    write_tiff(tmp_path / "flat.tif", np.eye(5, dtype=np.uint8))
    with pytest.raises(UserError, match="has no slices"):
        list(write_meshes(tmp_path / "flat.tif", tmp_path / "m"))
