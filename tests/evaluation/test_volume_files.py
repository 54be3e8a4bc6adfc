"""Large volumes on disk: the same report as in memory, read block by block."""

import numpy as np
import pytest
import tifffile

from napari_utile.errors import UserError
from napari_utile.evaluation import volume_files as module
from napari_utile.evaluation.files import evaluate_files, open_evaluation
from napari_utile.evaluation.volume_files import Planewise
from napari_utile.events import Warned
from napari_utile.io.images import write_tiff
from napari_utile.io.ome_zarr import create_image, create_labels
from napari_utile.io.stack import Stack
from napari_utile.metrics.volume_tables import BLOCK, REACH
from napari_utile.settings.evaluation import EvaluateSettings

SHAPE = (7, 40, 48)


def cells(shape=SHAPE):
    truth = np.zeros(shape, np.uint16)
    for i, y in enumerate(range(2, shape[-2] - 10, 12)):
        for j, x in enumerate(range(2, shape[-1] - 10, 12)):
            truth[..., y : y + 10, x : x + 10] = 1 + 10 * i + j
    prediction = truth.copy()
    prediction[..., 4:, :, :][prediction[..., 4:, :, :] == 12] = 77
    prediction[prediction == 2] = 1
    prediction[..., 2:10, 12:14] = 1
    prediction[prediction == 22] = 0
    return prediction, truth


def evaluated(folder, large, monkeypatch, **options):
    monkeypatch.setattr(module, "LARGE", 0 if large else 2**60)
    opened, _ = open_evaluation(str(folder / "p.tif"), str(folder / "t.tif"))
    return drained(evaluate_files(opened, EvaluateSettings(volumetric=True, **options)))


def drained(run):
    """Events, and the report."""
    events = []
    while True:
        try:
            events.append(next(run))
        except StopIteration as end:
            return events, end.value


@pytest.fixture
def written(tmp_path):
    def written(prediction, truth, **options):
        tifffile.imwrite(tmp_path / "p.tif", prediction, compression="zlib", **options)
        tifffile.imwrite(tmp_path / "t.tif", truth, compression="zlib", **options)
        return tmp_path

    return written


@pytest.mark.parametrize(
    ("options", "change"),
    [
        ({}, lambda p, t: (p, t)),
        ({"ignore": 13}, lambda p, t: (np.where(t == 13, 12, p), t)),
        ({"sparse": True}, lambda p, t: (p, np.where(t == 21, 0, np.where(t == 0, 1, t)))),
        ({}, lambda p, t: (p, t > 0)),  # a mask needs the whole
        ({}, lambda p, t: (np.stack([p, p[::-1]]), np.stack([t, t]))),
    ],
    ids=["instances", "ignore", "sparse", "mask", "time"],
)
def test_the_report_is_that_of_arrays_in_memory(written, monkeypatch, options, change):
    sides = [side.astype(np.uint16) for side in change(*cells())]
    axes = {"metadata": {"axes": "TZYX"[-sides[0].ndim :]}, "ome": True}
    folder = written(*sides, **axes)
    reports, events = [], []
    for large in (False, True):
        found, report = evaluated(folder, large, monkeypatch, **options)
        reports.append(report)
        events.append([e.message for e in found if isinstance(e, Warned)])
    memory, disk = reports
    is_mask = bool(memory.sides[0].masks)
    assert isinstance(disk.sides[0].truth, Planewise) != is_mask
    assert [dict(row) for row in disk.rows] == [dict(row) for row in memory.rows]
    assert disk.objects_csv() == memory.objects_csv()
    assert disk.splits_merges == memory.splits_merges and (memory.splits_merges or is_mask)
    assert disk.notes == memory.notes and events[0] == events[1]
    np.testing.assert_array_equal(disk.error_layer(), memory.error_layer())


def test_probabilities_beside_a_result_rank_its_objects(tmp_path, monkeypatch):
    prediction, truth = cells()
    p = np.clip(0.5 + truth % 9 / 20, 0, 1)
    like = Stack(truth, "zyx")
    out = tmp_path / "p.tif"  # the name of a folder
    image = create_image(
        out, (1, *SHAPE), np.uint8, (1, 1, 40, 48), like, attributes={"kind": "instances"}
    )
    image[:] = (255 * p[None]).astype(np.uint8)
    create_labels(out, "instances", SHAPE, np.uint32, (1, 40, 48), like)[:] = prediction
    write_tiff(tmp_path / "t.tif", truth)
    memory, disk = (evaluated(tmp_path, large, monkeypatch)[1] for large in (False, True))
    assert isinstance(disk.sides[0].truth, Planewise)
    assert dict(disk) == pytest.approx(dict(memory))
    assert 0 < memory["coco_ap"] < 1


def test_what_is_small_or_asked_otherwise_is_read_as_before(written, monkeypatch):
    folder = written(*cells())
    monkeypatch.setattr(module, "LARGE", 0)
    opened, _ = open_evaluation(str(folder / "p.tif"), str(folder / "t.tif"))
    image = opened[0].image()
    assert image.volume(EvaluateSettings(volumetric=True))
    for options in ({"volumetric": False}, {"target": "classes"}, {"score_thresholds": True}):
        assert image.volume(EvaluateSettings(**{"volumetric": True} | options)) is None
    monkeypatch.setattr(module, "LARGE", 10**6)
    assert image.volume(EvaluateSettings(volumetric=True)) is None


def test_negative_ids_are_refused_with_the_same_words(written, monkeypatch):
    prediction, truth = (side.astype(np.int16) for side in cells())
    prediction[5, 3, 3] = -7
    folder = written(prediction, truth)
    said = []
    for large in (False, True):
        with pytest.raises(UserError) as refused:
            evaluated(folder, large, monkeypatch)
        said.append(str(refused.value))
    assert said[0] == said[1]
    assert said[0] == "The predicted labels (int16) have the negative id -7."


def test_no_more_than_a_block_and_its_halo_is_read_at_once(written, monkeypatch):
    folder = written(*(np.tile(side, (16, 1, 1)) for side in cells((7, 26, 26))))
    sizes, read = [], Planewise.__getitem__

    def counted(self, where):
        sizes.append(read(self, where).shape)
        return read(self, where)

    monkeypatch.setattr(Planewise, "__getitem__", counted)
    monkeypatch.setattr(module, "LOOKED_AT", 0)
    _, report = evaluated(folder, True, monkeypatch)
    assert len(report.rows) == 113
    deepest = max(shape[0] for shape in sizes if len(shape) == 3)
    assert BLOCK[0] < deepest <= BLOCK[0] + 1 + 2 * REACH < 112
