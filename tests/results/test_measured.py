"""What belongs to labels is found: the image, also of a region, and the probabilities."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_utile.errors import UserError
from napari_utile.io.images import write_tiff
from napari_utile.results.measured import channel_stacks, made_by, open_measured, result_of
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

INSTANCES = {"output": "instances", "tile": 64}


@pytest.fixture(scope="module")
def results(blob_files, tmp_path_factory):  # noqa: F811
    """Folder with the results whole.zarr, part.zarr and whole.tif."""
    folder = tmp_path_factory.mktemp("results")
    segment(blob_files, folder / "whole.zarr", **INSTANCES)
    segment(blob_files, folder / "part.zarr", region="1:3,8:50,16:60", **INSTANCES)
    segment(blob_files, folder / "whole.tif", **INSTANCES)
    return folder


@pytest.mark.parametrize("inside", ["", "labels/instances", "labels/instances/0"])
def test_image_and_probabilities_of_a_result_are_found(results, blob_files, inside):  # noqa: F811
    found = open_measured(results / "whole.zarr" / inside)
    assert found.image.path == blob_files / "em.tif"
    assert found.probabilities.shape == found.labels.shape == found.image.shape
    assert found.probabilities.dtype == np.uint8
    assert found.doubts == ()
    assert len(list(channel_stacks(found))) == 2
    assert result_of(results / "whole.zarr" / inside) == results / "whole.zarr"


def test_a_tiff_has_an_image_and_no_probabilities(results, blob_files):  # noqa: F811
    found = open_measured(results / "whole.tif")
    assert found.image.path == blob_files / "em.tif"
    assert found.probabilities is None


def test_the_result_of_a_region_knows_its_place_in_the_image(results, blob_files):  # noqa: F811
    for image in (None, blob_files / "em.tif"):
        found = open_measured(results / "part.zarr", image)
        assert found.starts == (1, 8, 16)
    assert found.plan() != open_measured(results / "whole.zarr").plan()


def test_an_image_that_is_gone_or_changed_is_said(results, blob_files, tmp_path, monkeypatch):  # noqa: F811
    there = blob_files / "em.tif"
    kept = there.read_bytes()
    there.unlink()
    try:
        found = open_measured(results / "whole.zarr")
        assert found.image is None
        assert "there are no intensities. Give the image" in found.doubts[0]
        write_tiff(there, np.zeros((3, 60, 70), np.uint8))
        (doubt,) = open_measured(results / "whole.zarr").doubts
        assert "is not as it was when" in doubt
    finally:
        there.write_bytes(kept)


def test_labels_of_others_have_what_is_given(tmp_path):
    labels, image = np.eye(5, dtype=np.uint16), np.zeros((5, 5, 3), np.uint8)
    write_tiff(tmp_path / "labels.tif", labels)
    write_tiff(tmp_path / "small.tif", np.zeros((4, 5), np.uint8))
    np.save(tmp_path / "color.npy", image)
    assert made_by(tmp_path / "labels.tif") == {}
    assert open_measured(tmp_path / "labels.tif").image is None
    found = open_measured(tmp_path / "labels.tif", tmp_path / "color.npy")
    assert found.channels == ["_0", "_1", "_2"]
    assert_array_equal([channel for _, channel, _ in channel_stacks(found)], [0, 1, 2])
    with pytest.raises(UserError, match=r"Image .*small.tif \(4, 5\) and labels .* differ"):
        open_measured(tmp_path / "labels.tif", tmp_path / "small.tif")


def test_probabilities_are_no_labels(blob_files, tmp_path):  # noqa: F811
    segment(blob_files, tmp_path / "p.zarr", tile=64)
    with pytest.raises(UserError, match="are probabilities, as their file says"):
        open_measured(tmp_path / "p.zarr")
