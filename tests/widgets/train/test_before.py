"""What can be looked at before training."""

import json

import pytest

from napari_utile.events import RunDone, RunStarted
from napari_utile.widgets.train.panel import TrainPanel

STARTED = RunStarted(job="train", out="OUT", device="cpu", total=100)


@pytest.fixture
def panel(open_panel, viewer):
    return open_panel(TrainPanel, viewer)


def test_the_estimate_tells_what_volumes_would_cost(panel, script, press, qtbot, home):
    facts = {
        "network": "unet", "time": "about 9 s for 100 steps", "a step": "0.09 s",
        "training tile": 64, "with unet-3d": "about 1 min",
    }  # fmt: skip
    started = STARTED.model_copy(update={"facts": facts})
    arguments = script(started, RunDone(seconds=1))
    press(panel.estimate)
    qtbot.waitUntil(lambda: not panel.controls.is_running)
    assert (
        "unet: about 9 s for 100 steps (0.09 s a step, tiles of 64 px)."
        in panel.controls.messages.text()
    )
    assert "With unet-3d: about 1 min." in panel.controls.messages.text()
    command = json.loads(arguments.read_text())
    assert (command[0], command[-1]) == ("train", "--dry-run")
    assert not (home / "runs").exists()
