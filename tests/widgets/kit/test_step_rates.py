"""Steps a minute: measured by what decides them, kept for this machine."""

import pytest

from napari_utile.engine.training.estimate import estimate_training
from napari_utile.events import RunStarted, StepDone
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.kit import step_rates
from napari_utile.widgets.kit.step_rates import Pace, keep_rate, known_rate
from tests.fixtures.tiny_training import cells, drained, tiny

IMAGE = Stack(cells((3, 40, 48))[0], "zyx", scale=(50.0, 4.0, 4.0))


def test_a_rate_holds_for_what_takes_the_same_time_on_this_machine(home, monkeypatch):
    wide, long = TrainSettings(width=8), TrainSettings(minutes=3, w0=5)
    keep_rate(Pace.of(TrainSettings(), IMAGE), 55.5)
    assert known_rate(Pace.of(long, IMAGE)) == 55.5
    assert known_rate(Pace.of(wide, IMAGE)) is None
    monkeypatch.setattr(step_rates.platform, "node", lambda: "another")
    assert known_rate(Pace.of(long, IMAGE)) is None


def test_a_damaged_file_of_rates_is_measured_again(home):
    home.mkdir()
    (home / "steps-per-minute.json").write_text("[1")
    assert known_rate(Pace.of(TrainSettings(), IMAGE)) is None
    keep_rate(Pace.of(TrainSettings(), IMAGE), 2)
    assert known_rate(Pace.of(TrainSettings(), IMAGE)) == 2


@pytest.mark.parametrize(
    "options",
    [{}, {"network": "unet-3d"}, {"sparse": True, "context": 1}, {"target": "classes"}],
)
def test_an_engine_can_train_on_a_sample(options, tmp_path):
    pace = Pace.of(tiny(**options), IMAGE)
    paths = pace.write_sample(tmp_path)
    events, facts = drained(estimate_training(*paths, pace.settings, alone=True))
    steps = [event for event in events if isinstance(event, StepDone)]
    assert steps[-1].rate > 0
    assert sum(isinstance(event, RunStarted) for event in events) == 1
    assert not [name for name in facts if name.startswith("with ")]


def test_a_color_image_has_a_sample_of_its_channels(tmp_path):
    image = Stack(cells((40, 48))[0][..., None].repeat(3, -1), "yxc")
    pace = Pace.of(tiny(), image)
    _, facts = drained(estimate_training(*pace.write_sample(tmp_path), pace.settings))
    assert facts["channels"] == 3
