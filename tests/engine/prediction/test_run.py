"""Several processes on one result, and images that go wrong."""

import numpy as np
import pytest
import tifffile
import torch

from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.resume import Execution, decide
from napari_utile.errors import UserError
from napari_utile.events import TileDone, Warned
from napari_utile.io import ome_zarr
from napari_utile.io.images import open_image, write_tiff
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import SHAPE, ends, segment

torch.set_num_threads(1)


def test_time_points_are_said_to_be_slices_and_are_no_reason_to_refuse(blob_files, tmp_path):
    options = {"metadata": {"axes": "TYX"}, "ome": True}
    tifffile.imwrite(blob_files / "times.tif", blobs((2, 20, 30)), **options)
    told = []
    for output in ("instances", "classes"):
        given = {"strict": True, "output": output}
        events = segment(blob_files, tmp_path / f"{output}.zarr", ["times.tif"], **given)
        told.append([event.message for event in events if isinstance(event, Warned)])
    assert told[0][0].startswith("Image 'times.tif' has 2 time points and no z: they are taken")
    assert (len(told[0]), told[1]) == (1, [])


def test_parts_are_put_together_by_the_last_one(blob_files, tmp_path):
    out = tmp_path / "out.zarr"
    segment(blob_files, tmp_path / "whole.zarr", output="instances")
    for k in (2, 3):
        events = segment(blob_files, out, execution=Execution(part=(k, 3)), output="instances")
        assert ends(events)[0].status == "part"
        assert len([e for e in events if isinstance(e, TileDone)]) == 3 * 3
    assert (
        ends(segment(blob_files, out, execution=Execution(part=(1, 3)), output="instances"))[
            0
        ].status
        == "done"
    )
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)
    again = ends(
        segment(blob_files, out, execution=Execution(part=(2, 3)), output="instances")
    )[0]
    assert again.status == "kept" and again.objects == back.max()


def test_a_part_cuts_the_result_as_another_has_begun_it(blob_files, tmp_path, monkeypatch):
    segment(blob_files, tmp_path / "whole.zarr", tile=32)
    started = []

    def while_another_starts(task, execution):
        if not started:  # between its first look and the lock
            started.append(1)
            segment(blob_files, task.result, execution=Execution(part=(1, 2)), tile=32)
        return decide(task, execution)

    monkeypatch.setattr("napari_utile.engine.prediction.run.decide", while_another_starts)
    segment(blob_files, tmp_path / "out.zarr", execution=Execution(part=(2, 2)), tile=16)
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)
    assert ome_zarr.provenance(tmp_path / "out.zarr")["complete"]


def test_whatever_goes_wrong_with_one_image_the_others_are_done(
    blob_files, tmp_path, monkeypatch
):
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "model").symlink_to(blob_files / "model")
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


def test_what_is_there_stays_until_the_new_one_can_be_made(blob_files, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_utile.engine.prediction.cluster.CONNECT_TIMEOUT", 1)
    segment(blob_files, tmp_path / "out.zarr")
    before = open_image(tmp_path / "out.zarr").read()
    how = Execution(overwrite=True, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(UserError, match=r"No scheduler answers|pip install"):
        segment(blob_files, tmp_path / "out.zarr", execution=how)
    np.testing.assert_array_equal(open_image(tmp_path / "out.zarr").read(), before)
