"""Progress of a run as text and as a share."""

import pytest

from napari_utile.events import ImageDone, RunDone, RunStarted, StepDone, TileDone, drain
from napari_utile.widgets.kit import progress
from napari_utile.widgets.kit.progress import RunProgress, Step, needs_text, outcome_text, steps


def tile(done, image="a.tif"):
    where = {"index": (0,), "write": ((0, 16), (0, 16))}
    return TileDone(done=done, total=4, image=image, rate=2, seconds_left=60.0, **where)


def image(status="done", **more):
    return ImageDone(image="a.tif", out="OUT", status=status, seconds=80, **more)


def test_share_and_time_left_of_several_images_are_of_all_of_them():
    run = RunProgress()
    assert not run.add(RunStarted(job="predict", images=3, facts={"images": 3}))
    assert run.add(tile(2))
    assert (run.share, run.line()) == (
        (0 + 2 / 4) / 3,
        "image 1 of 3, a.tif · tile 2 of 4 · 2 tiles/s · 3 min 2 s left",
    )  # 60 s of this one, and twice 2 tiles / 2 per second + 60 s
    run.add(image())
    run.add(tile(1))
    assert (run.share, run.seconds_left) == ((1 + 1 / 4) / 3, 60 + 80)
    run.add(tile(4).model_copy(update={"seconds_left": 0.0}))
    assert run.seconds_left == 80  # the last image waits
    run.add(image("failed", message="It is torn."))
    assert run.summary() == "1 done, 1 failed"


@pytest.mark.parametrize(("count", "words"), [(0, "0 objects"), (1, "1 object")])
def test_the_end_of_one_image_counts_its_objects(count, words):
    run = RunProgress()
    run.add(RunStarted(job="predict", images=1))
    run.add(image(objects=count))
    assert run.summary() == words


def test_a_step_tells_the_share_and_the_end_is_kept():
    run = RunProgress()
    assert run.add(
        StepDone(step=3, loss=1, learning_rate=1, progress=0.25, rate=2.0, seconds_left=6.0)
    )
    assert (run.share, run.line()) == (0.25, "step 3 · 2 steps/s · 6 s left")
    end = RunDone(seconds=1)
    assert not run.add(end)
    assert run.end == end


def test_work_is_told_step_by_step_and_keeps_its_result(monkeypatch):
    def work():
        yield 1, 2
        yield 2, 2
        return "result"

    times = iter([100.0, 103.0, 104.0])
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    seen = []
    assert drain(steps("slice", work()), seen.append) == "result"
    assert seen == [Step("slice", 1, 2, 3.0), Step("slice", 2, 2, 4.0)]
    run = RunProgress()
    run.add(seen[0])
    assert run.line() == "slice 1 of 2 · 0.333/s · 3 s left"


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (image(objects=1234), "done in 1 min 20 s, 1,234 objects"),
        (image(objects=1), "done in 1 min 20 s, 1 object"),
        (image("kept"), "kept, as it was finished"),
        (image("failed", message="It is torn."), "failed: It is torn."),
    ],
)
def test_how_an_image_ended(event, words):
    assert outcome_text(event) == words


@pytest.mark.parametrize(("blocks", "words"), [(96, "96 blocks"), (1, "1 block")])
def test_what_a_run_needs(blocks, words):
    facts = {"model": "m", "images": 1, "blocks": blocks, "memory": "about 1.1 GB"}
    needs = needs_text(RunStarted(job="predict", facts=facts))
    assert needs == f"{words}, memory about 1.1 GB"
