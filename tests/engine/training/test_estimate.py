"""What a training will cost, and what slices or volumes would cost instead."""

import re

import numpy as np
import pytest
import torch

from napari_utile.engine.training.estimate import counterpart, estimate_training
from napari_utile.events import RunStarted, StepDone
from napari_utile.io.images import write_tiff
from napari_utile.io.stack import Stack
from tests.fixtures.tiny_training import cells, drained, tiny

torch.set_num_threads(1)

VOLUME = Stack(np.zeros((4, 8, 8), np.uint8), "zyx")


@pytest.mark.parametrize(
    ("network", "other"),
    [("unet", "unet-3d"), ("encoder-decoder-3d", "encoder-decoder"), ("fcn", None)],
)
def test_the_counterpart_sees_volumes_or_slices(network, other):
    found = counterpart(tiny(network=network), [VOLUME])
    assert (found.network if found else None) == other


def test_images_without_slices_have_no_volumes():
    assert counterpart(tiny(), [Stack(np.zeros((8, 8), np.uint8), "yx")]) is None


def test_volumes_see_no_slices_around_each():
    assert counterpart(tiny(context=1), [VOLUME]).context == 0


def test_steps_are_timed_and_nothing_is_kept(tmp_path):
    paths = tmp_path / "em.tif", tmp_path / "ids.tif"
    for path, array in zip(paths, cells((6, 32, 40)), strict=True):
        write_tiff(path, array)
    options = tiny(network="unet-3d", spacing=(1, 1, 1), steps=1000)
    events, facts = drained(estimate_training(*paths, options))
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    assert started.facts == facts
    assert facts["pools"] == "1 x in z, y and x"
    seconds = float(facts["a step"].removesuffix(" s"))
    assert 0 < seconds < 60
    assert facts["time"].startswith("about ") and "for 1,000 steps" in facts["time"]
    assert "a step, tiles of 16 px" in facts["with unet"]
    assert {path.name for path in tmp_path.iterdir()} == {"em.tif", "ids.tif"}


def test_short_steps_are_timed_often_and_minutes_leave_a_tenth_for_validations(tmp_path):
    paths = tmp_path / "em.tif", tmp_path / "ids.tif"
    for path, array in zip(paths, cells((6, 32, 40)), strict=True):
        write_tiff(path, array)
    options = tiny().model_copy(update={"steps": None, "minutes": 5.0})
    events, facts = drained(estimate_training(*paths, options, alone=True))
    steps = [event for event in events if isinstance(event, StepDone)]
    assert len(steps) > 4 and steps[-1].progress == 1
    (told,) = re.findall(r"5 min, about ([\d,]+) steps", facts["time"])
    assert int(told.replace(",", "")) == pytest.approx(300 * steps[-1].rate * 0.9, rel=0.01)
