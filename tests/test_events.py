"""Events: one line of JSON each, and back."""

import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_utile.errors import UserError
from napari_utile.events import (
    BlockDone,
    CandidateDone,
    CandidateStarted,
    EpochDone,
    Event,
    ImageDone,
    PreviewReady,
    RunDone,
    RunFailed,
    RunStarted,
    SliceDone,
    StepDone,
    TileDone,
    Waiting,
    Warned,
    doubted,
    drain,
    parse_event,
    tap,
    transform,
    warn,
)

EVENTS = [
    RunStarted(job="train", out="run", device="cpu", total=3, facts={"a": 1, "b": 0.5}),
    RunStarted(job="train", resumed_from=7, warm_start="model", processes=2),
    StepDone(step=1, loss=0.5, learning_rate=1e-3, progress=0.5, rate=2.0),
    EpochDone(
        epoch=1,
        step=4,
        train_loss=0.3,
        val_loss=0.1 + 0.2,
        scores={"iou": 0.9},
        is_best=True,
        seconds=3.0,
    ),
    PreviewReady(path="a.tif", step=4, index=(3,), origin=(0, 8)),
    TileDone(done=1, total=2, image="x", index=(), write=((0, 4), (4, 9)), rate=1.0),
    SliceDone(done=1, total=2, image="x", rate=1.0),
    BlockDone(stage="objects", done=1, total=2, image="x", rate=1.0, seconds_left=1.0),
    ImageDone(image="x", out="x.zarr", status="failed", shape=(4, 9), message="is empty"),
    CandidateStarted(network="unet", seed=1, number=1, total=2, out="cmp/unet-1"),
    CandidateDone(network="unet", seed=1, row={"iou": 0.5}),
    Waiting(message="no worker is left"),
    Warned(message="zwei\nZeilen, \u2028 und µm"),
    RunFailed(message="no", user=True),
    RunDone(out="run", seconds=1.0, stopped=True, failed=("a.tif: is empty.",)),
    RunDone(out="run", seconds=0.0, kept=True, reason="It was finished before."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_an_event_is_one_line_of_json_and_comes_back(event):
    assert parse_event(event.line()) == event
    assert parse_event(event.line().encode()) == event
    assert "\n" not in event.line()
    assert json.loads(event.line())["event"] == type(event).__name__


def test_every_kind_of_event_is_tested_here():
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@given(st.floats(), st.floats())
def test_any_number_comes_back_in_strict_json(loss, rate):
    event = StepDone(step=1, loss=loss, learning_rate=rate, progress=0, rate=1)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    json.loads(event.line(), parse_constant=refuse)
    back = parse_event(event.line())
    for name in ("loss", "learning_rate"):
        assert repr(getattr(back, name)) == repr(getattr(event, name))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_events_are_frozen(event):
    with pytest.raises(ValidationError, match="frozen"):
        event.event = "Other"


@pytest.mark.parametrize(
    "line", ["", "stop", "[]", "{}", '{"event": "Nothing"}', '{"event": "Warned"}', "Warned"]
)
def test_what_is_no_event_is_refused(line):
    with pytest.raises(ValueError, match="validation error"):
        parse_event(line)


def test_progress_is_a_share():
    for progress in (-0.1, 1.1):
        with pytest.raises(ValidationError):
            StepDone(step=1, loss=0, learning_rate=0, progress=progress, rate=0)


def test_events_name_files_and_hold_no_pixels():
    for kind in get_args(Event):
        assert not any(field.annotation is Path for field in kind.model_fields.values())
        assert "ndarray" not in str(kind.model_fields)


# the two loops over a run


def run_of_two(log=None):
    """A run that warns twice and returns 7; it notes when it is closed."""
    try:
        yield Warned(message="one")
        yield Warned(message="two")
        return 7
    finally:
        if log is not None:
            log.append("closed")


def test_drain_returns_the_result_and_shows_every_event():
    seen = []
    assert drain(run_of_two(), seen.append) == 7
    assert [event.message for event in seen] == ["one", "two"]


def test_what_a_watcher_raises_closes_the_run():
    log = []

    def refuse(_event):
        raise KeyError

    with pytest.raises(KeyError):
        drain(run_of_two(log), refuse)
    assert log == ["closed"]


def test_tap_passes_on_events_and_the_result():
    seen = []
    assert drain(tap(run_of_two(), seen.append)) == 7
    assert len(seen) == 2


def test_closing_a_tap_closes_the_run():
    log = []
    run = tap(run_of_two(log), lambda event: None)
    next(run)
    run.close()
    assert log == ["closed"]


def test_transform_changes_events_or_leaves_them_out():
    run = transform(run_of_two(), lambda e: None if e.message == "one" else Warned(message="2"))
    seen = []
    assert drain(run, seen.append) == 7
    assert seen == [Warned(message="2")]


def test_the_number_of_images_is_read_from_lines_of_older_versions():
    old = '{"event": "RunStarted", "job": "predict", "facts": {"model": "m", "images": 3}}'
    assert parse_event(old).images == 3
    assert parse_event(old.replace('"images": 3', '"blocks": 3')).images == 1


def test_a_warning_event_becomes_a_python_warning():
    with pytest.warns(UserWarning, match="one") as caught:
        warn(Warned(message="one"))
    assert caught[0].filename == __file__


def test_the_start_of_a_run_of_an_older_version_is_read():
    old = '{"event":"RunStarted","job":"augment","out":"r","facts":{"goes on":"from step 7"}}'
    started = parse_event(old)
    assert (started.job, started.resumed_from, started.processes) == ("augment", None, 1)


def test_a_doubt_is_a_warning_each_once():
    assert [*doubted(["a.tif: 5 of 6.", "b.", "a.tif: 5 of 6."], strict=False)] == [
        Warned(message="a.tif: 5 of 6."),
        Warned(message="b."),
    ]


def test_a_doubt_is_a_refusal_if_strict():
    assert [*doubted([], strict=True)] == []
    with pytest.raises(UserError, match=r"5 of 6\. And 1 more doubt\..* leave out strict"):
        [*doubted(["a.tif: 5 of 6.", "b."], strict=True)]
