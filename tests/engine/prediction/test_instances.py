"""Instances of stacks in blocks are those of the stack in memory."""

import csv

import numpy as np
import pytest
import torch
import zarr

import napari_utile as utile
from napari_utile.engine.prediction import instances
from napari_utile.engine.prediction.front import predict_files
from napari_utile.io.images import open_image
from napari_utile.io.ome_zarr import open_zarr
from napari_utile.settings import PredictSettings
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import TILE, segment

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def likely(blob_files, tmp_path_factory):
    """Foreground probabilities of the whole stack, as they are kept beside instances."""
    out = tmp_path_factory.mktemp("likely") / "p.zarr"
    segment(blob_files, out, output="instances")
    return open_zarr(out, "probabilities").read()


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
    (*_, end, _) = segment(blob_files, tmp_path / "out.zarr", output="instances")
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
        number(self, plane)

    monkeypatch.setattr(instances.InstanceBuilder, "number_plane", torn)
    with pytest.raises(OSError, match="torn"):
        segment(blob_files, tmp_path / "out.zarr", output="instances", linking="none")
    monkeypatch.undo()
    segment(blob_files, tmp_path / "out.zarr", output="instances", linking="none")
    there, back = (open_image(tmp_path / n).read() for n in ("whole.zarr", "out.zarr"))
    np.testing.assert_array_equal(there, back)
