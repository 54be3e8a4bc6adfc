"""Previews of what somebody looks at: right, seldom, and without a trace in the training."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from napari_utile.arrays.instances.decoding import foreground_probability
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.front import predict
from napari_utile.engine.training import viewing
from napari_utile.engine.training.run import run_training
from napari_utile.engine.training.setup import set_up_training
from napari_utile.engine.training.viewing import Viewing
from napari_utile.events import PreviewReady
from napari_utile.folders.looked_at import LookedAt
from napari_utile.io.images import open_image
from napari_utile.io.stack import Stack
from tests.fixtures.new_run import new_run
from tests.fixtures.tiny_training import cells, drained, stacks, tiny

torch.set_num_threads(1)
OPTIONS = {"dropout": 0.5, "deformed": 1.0}


@pytest.fixture
def at_every_step(monkeypatch):
    """Show a preview whenever there could be one."""
    for name in ("FIRST", "LEAST"):
        monkeypatch.setattr(viewing, name, 0)
    monkeypatch.setattr(viewing, "SHARE", 1e9)
    monkeypatch.setattr(viewing, "SHARE_ELSEWHERE", 1e9)


@pytest.fixture
def looking(tmp_path, at_every_step):
    """A run of a tiny network, and what shows its previews."""
    images, labels = stacks(*cells((4, 200, 120)))
    setup = set_up_training(images, labels, tiny())
    with new_run(tmp_path / "run", tiny()) as run:
        yield SimpleNamespace(run=run, setup=setup, shows=Viewing(setup, images, run))


def shown(looking):
    return looking.shows.preview(looking.setup.network, torch.device("cpu"), 7)


def trained(folder, stop_after=None):
    """Train, and stop after so many previews or not; return previews and parameters."""
    run = run_training(*stacks(*cells()), tiny(**OPTIONS), folder)
    previews = []
    for event in run:
        if isinstance(event, PreviewReady) and event.kind == "view":
            previews.append(event)
            if len(previews) == stop_after:
                run.close()
    _, model = drained(run_training(*stacks(*cells()), tiny(**OPTIONS), folder))
    return previews, model.network.state_dict()


def test_a_run_that_is_looked_at_and_stopped_ends_with_the_same_bits(tmp_path, at_every_step):
    none, alone = trained(tmp_path / "alone")
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen" / "settings.json").write_text(tiny(**OPTIONS).text())
    LookedAt(index=(3,)).write(tmp_path / "seen" / "view.json")
    previews, seen = trained(tmp_path / "seen", stop_after=3)
    assert (len(none), len(previews)) == (0, 3)
    assert {(event.index, event.image) for event in previews} == {((3,), "em")}
    assert all(value.equal(seen[name]) for name, value in alone.items())


def test_the_whole_slice_is_predicted_as_the_model_would(looking):
    LookedAt(index=(2,)).write(looking.run.view)
    event = shown(looking)
    assert (event.kind, event.index, event.origin, event.step) == ("view", (2,), (0, 0), 7)
    model = Model(looking.setup.network, normalization=looking.setup.data.normalization)
    expected = foreground_probability(predict(model, cells((4, 200, 120))[0][2]))
    np.testing.assert_allclose(open_image(event.path).read(), expected, atol=1e-5)
    assert looking.setup.network.training


def test_a_large_slice_is_shown_around_where_one_looks(looking):
    LookedAt(index=(2,), center=(190, 60)).write(looking.run.view)
    looking.shows._seconds_per_pixel = viewing.MOST_SECONDS / 80**2
    event = shown(looking)
    assert open_image(event.path).shape == (80, 80)
    assert event.origin == (120, 20)


def test_previews_take_a_tenth_of_the_time_and_another_slice_comes_sooner(looking, monkeypatch):
    monkeypatch.undo()
    now = [0.0]
    monkeypatch.setattr(viewing, "monotonic", lambda: now[0])
    predict = viewing.logits

    def slow(*given, **named):
        now[0] += 3
        return predict(*given, **named)

    monkeypatch.setattr(viewing, "logits", slow)
    shows = looking.shows = Viewing(looking.setup, looking.shows.images, looking.run)
    LookedAt(index=(2,)).write(looking.run.view)
    came = []
    for _ in range(200):
        now[0] += 0.5
        if shown(looking):
            came.append(now[0])
        if len(came) == 2:
            LookedAt(index=(1,)).write(looking.run.view)
    assert came[0] == viewing.FIRST + 3
    assert came[1] - came[0] == pytest.approx(30, abs=1)
    assert came[2] - came[1] == pytest.approx(10, abs=1)
    assert shows._shown.index == (1,)


@pytest.mark.parametrize(
    "text", ["", "{", '{"index": [9]}', '{"index": [1, 1]}', '{"index": [0], "x": 1}']
)
def test_a_file_that_is_not_understood_shows_nothing(looking, text):
    looking.run.view.write_text(text)
    assert shown(looking) is None
    looking.run.view.unlink()
    assert shown(looking) is None


def test_a_slice_in_which_nothing_can_be_seen_is_passed_over(looking):
    blank = np.zeros((4, 200, 120), np.uint8)
    looking.shows.images = [Stack(blank, "zyx", name="em")]
    LookedAt(index=(2,)).write(looking.run.view)
    assert shown(looking) is None
    assert looking.setup.network.training


def test_several_images_are_told_apart_by_name_and_volumes_seen_around_the_slice(
    tmp_path, at_every_step
):
    options = tiny(network="unet-3d", spacing=(1, 1, 1))
    pairs = [cells((24, 32, 40)), cells((24, 40, 56))]
    images = [Stack(pair[0], "zyx", name=f"{i}.tif") for i, pair in enumerate(pairs)]
    labels = [Stack(pair[1], "zyx", name=f"{i}.tif") for i, pair in enumerate(pairs)]
    setup = set_up_training(images, labels, options)
    with new_run(tmp_path / "run", options) as run:
        shows = Viewing(setup, images, run)
        for index, name in ((22, "1"), (0, "0.tif"), (9, "2")):
            LookedAt(index=(index,), image=name).write(run.view)
            event = shows.preview(setup.network, torch.device("cpu"), index)
            if name == "2":
                assert event is None
                continue
            assert event.image == images[int(name[0])].name
            assert open_image(event.path).shape == images[int(name[0])].shape[1:]
