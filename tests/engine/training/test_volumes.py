"""Trainings of networks that see volumes, from beginning to end."""

import numpy as np
import pytest
import torch

import napari_utile as utile
from napari_utile.arrays.instances.offsets import affinity_offsets
from napari_utile.engine.prediction.plan import rule_of
from napari_utile.engine.training.front import train_files
from napari_utile.engine.training.run import TrainingRun
from napari_utile.engine.training.setup import set_up_training
from napari_utile.errors import UserError
from napari_utile.events import EpochDone, PreviewReady, Warned
from napari_utile.io.images import open_image, write_tiff
from tests.fixtures.tiny_training import drained, stacks, start, tiny

torch.set_num_threads(1)

CUBES = {"network": "unet-3d", "spacing": (1, 1, 1)}


def balls(shape=(12, 24, 48)):
    """Bright balls of radius 4 on a grid in a volume, and their ids."""
    centres = [(6, 6, 6), (6, 18, 6), (6, 6, 18), (6, 18, 18), (6, 6, 30), (6, 18, 42)]
    places, objects = np.indices(shape), np.zeros(shape, np.uint8)
    for number, centre in enumerate(centres, start=1):
        far = sum((axis - c) ** 2 for axis, c in zip(places, centre, strict=True))
        objects[far <= 16] = number
    noise = np.random.default_rng(0).normal(0, 10, shape)
    return (100 + 60 * (objects > 0) + noise).clip(0, 255).astype(np.uint8), objects


def test_a_volume_is_learnt_and_judged_as_one():
    options = tiny(**CUBES, width=8, tile=40, steps=60, w0=0, batch=2)
    events, model = drained(start(options, pair=balls()))
    done = [event for event in events if isinstance(event, EpochDone)][-1]
    assert done.scores["iou"] > 0.8
    assert (model.network.spacing, model.border) == ((1, 1, 1), 1)
    image, truth = balls()
    found = utile.predict(model, image)[1] > 0.5
    union = (found | (truth > 0)).sum()
    assert (found & (truth > 0)).sum() / union > 0.8


def test_what_the_network_is_is_said_before_the_first_step():
    options = tiny(network="encoder-decoder-3d", spacing=(40, 10, 10), depth=3, tile=32)
    first, *_ = start(options, pair=balls())
    assert first.facts["pools"] == "1 x in z, 3 x in y and x"
    assert first.facts["voxel"] == "40 x 10 x 10"


def test_a_few_slices_are_enough_to_start_from():
    image, objects = balls()
    painted = np.zeros_like(objects)
    painted[[3, 6, 8]] = objects[[3, 6, 8]]
    events, _ = drained(start(tiny(**CUBES), pair=(image, painted)))
    told = [event.message for event in events if isinstance(event, Warned)]
    assert any("9 of 12 slices of 'ids' have no label" in message for message in told)


def test_affinities_are_learnt_and_read_back(tmp_path):
    image, _ = balls()
    options = tiny(**CUBES, target="affinities", tile=40, steps=20, batch=2, width=4)
    events, model = drained(start(options, pair=balls()))
    assert "foreground, affinity_z-1, affinity_y-1" in events[0].facts["maps"]
    done = [event for event in events if isinstance(event, EpochDone)]
    assert done[-1].val_loss < done[0].val_loss
    assert {"iou", "f1_50"} <= done[-1].scores.keys()
    model.save(tmp_path / "model")
    loaded = utile.load_model(tmp_path / "model")
    assert (loaded.classes, loaded.ids, loaded.target) == (10, (0, 1), "instances")
    assert loaded.offsets == model.offsets == affinity_offsets((1, 1, 1))
    found = utile.predict(loaded, image)
    tiled = utile.predict(loaded, image, tile=(8, 16, 16))
    np.testing.assert_allclose(tiled, found, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"network": "unet-3d", "spacing": (2, 1, 1), "target": "affinities"},
        {"network": "unet-3d", "spacing": (2, 1, 1)},
        {"network": "unet", "spacing": (2, 1, 3)},
    ],
)
def test_a_model_is_judged_by_what_it_remembers_and_by_objects_as_drawn(options):
    image, _ = balls()
    objects = 1 + np.indices(image.shape)[2] // 8  # slabs that touch
    objects[:, :4] = 0
    setup = set_up_training(*stacks(image, objects), tiny(**options, border="4"))
    (plane, *_), run = setup.data.validation, TrainingRun(setup)
    assert plane.rule == rule_of(run.best.model)
    assert max(plane.rule.growth) == 3.5  # 1.4 times half of 4 + 1
    region = setup.data.split.validation[0]
    np.testing.assert_array_equal(plane.objects, objects[(*region.index, *region.window)])


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "em.tif", tmp_path / "ids.tif"
    for path, array in zip(paths, balls(), strict=True):
        write_tiff(path, array)
    return paths


@pytest.mark.parametrize("target", ["instances", "affinities"])
def test_a_run_that_was_stopped_ends_with_the_same_bits(files, tmp_path, target):
    options = tiny(**CUBES, padding="valid", steps=6, target=target)
    whole, _ = drained(train_files(*files, tmp_path / "whole", options))
    run = train_files(*files, tmp_path / "stopped", options)
    for event in run:
        if isinstance(event, EpochDone):
            break
    run.close()
    drained(train_files(*files, tmp_path / "stopped", options))
    ends = [utile.load_model(tmp_path / n).network.state_dict() for n in ("whole", "stopped")]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    shown = next(event for event in whole if isinstance(event, PreviewReady))
    slice_ = open_image(shown.path)
    assert slice_.spatial_axes == "yx" and len(shown.index) == 1  # the middle one


def test_one_image_without_slices_is_refused(files):
    with pytest.raises(UserError, match="sees volumes, and the image 'em' has one slice"):
        start(tiny(**CUBES), pair=tuple(array[0] for array in balls()))


def test_context_is_of_networks_of_slices():
    events, _ = drained(start(tiny(**CUBES, context=1), pair=balls()))
    assert any("unet-3d has no context: 1 is not used" in str(e) for e in events)
    images, _ = stacks(*balls())
    assert images[0].channels == 1
