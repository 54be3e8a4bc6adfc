"""One result: its region, its end, and what is left of it."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from napari_utile.folders.journal import WorkFolder
from napari_utile.io.images import open_image
from tests.fixtures.segmented import ends, segment

torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
@pytest.mark.parametrize("region", ["1:3,7:41,3:70", "0:1,16:48,32:48", "2:3,59:60,69:70"])
def test_a_region_is_cut_out_of_the_whole(blob_files, tmp_path, name, region):
    segment(blob_files, tmp_path / "whole.zarr", dtype="float32")
    segment(blob_files, tmp_path / name, dtype="float32", region=region)
    where = tuple(slice(*map(int, part.split(":"))) for part in region.split(","))
    whole, part = (open_image(tmp_path / n).read() for n in ("whole.zarr", name))
    expected = whole[(slice(None), *where)]
    np.testing.assert_allclose(part.reshape(expected.shape), expected, atol=1e-5)
    if name == "out.zarr":
        assert open_image(tmp_path / name).translate == tuple(side.start for side in where)


def test_a_death_just_before_a_tiff_has_its_name_is_gone_on_from(
    blob_files, tmp_path, monkeypatch
):
    def dies(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_utile.io.tiff.finish_tiff", dies)
    with pytest.raises(KeyboardInterrupt):
        segment(blob_files, tmp_path / "out.tif")
    monkeypatch.undo()
    assert ends(segment(blob_files, tmp_path / "out.tif"))[0].status == "done"
    assert open_image(tmp_path / "out.tif").read().any()


@pytest.mark.parametrize("name", ["out.zarr", "out.tif"])
@pytest.mark.parametrize("trouble", [OSError, KeyboardInterrupt])
def test_a_complete_result_stays_whatever_happens_after(
    blob_files, tmp_path, monkeypatch, name, trouble
):
    clear = WorkFolder.clear

    def clear_badly(self):
        is_complete = (self / "plan.json").exists() and (tmp_path / name).exists()
        clear(self)
        if is_complete:
            raise trouble

    segment(blob_files, tmp_path / "whole.zarr")
    monkeypatch.setattr(WorkFolder, "clear", clear_badly)
    # what could not be removed is no reason to call a complete result anything else
    with nullcontext() if trouble is OSError else pytest.raises(trouble):
        segment(blob_files, tmp_path / name)
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", name))
    np.testing.assert_array_equal(there, back)
