"""How an evaluation goes on, and what becomes of several images."""

import pytest

from napari_utile.errors import UserError
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.evaluate import EvaluatedImage, evaluate_images
from napari_utile.events import RunDone, RunStarted, SliceDone, drain
from napari_utile.settings.evaluation import EvaluateSettings


def run_of(prediction, truth, **options):
    image = EvaluatedImage(lambda: (prediction, truth), len(truth))
    return evaluate_images([image], EvaluateSettings(**options))


def test_a_run_starts_reports_its_steps_and_ends_with_the_scores(prediction, truth, foreground):
    for given, thresholds in [(prediction, False), (foreground, False), (foreground, True)]:
        events = []
        report = drain(run_of(given, truth, score_thresholds=thresholds), events.append)
        start, *steps, end = events
        assert (start.job, start.total) == ("evaluate", steps[0].total)
        assert {type(step) for step in steps} == {SliceDone}
        done = [step.done for step in steps]
        assert done == sorted(set(done)) and done[-1] == start.total
        assert (steps[-1].seconds_left, steps[-1].rate > 0) == (0, True)
        assert end == RunDone(seconds=end.seconds, scores=dict(report), notes=report.notes)
        assert dict(report) == dict(evaluate(given, truth, score_thresholds=thresholds))


def test_the_python_function_hands_events_to_whoever_asks(prediction, truth):
    events = []
    evaluate(prediction, truth, on_event=events.append)
    assert [type(event) for event in events] == [RunStarted, *5 * [SliceDone], RunDone]


def test_classes_are_counted_slice_by_slice(truth):
    events = []
    drain(run_of(truth % 3, truth % 3, target="classes"), events.append)
    assert [event.done for event in events if isinstance(event, SliceDone)] == [1, 2, 3, 4]


def test_a_report_is_written_before_the_run_is_done(prediction, truth):
    order = []
    image = EvaluatedImage(lambda: (prediction, truth), len(truth))
    report = drain(evaluate_images([image], EvaluateSettings(), order.append), order.append)
    assert order[-2] is report and isinstance(order[-1], RunDone)


def test_closing_the_run_stops_it(foreground, truth):
    run = run_of(foreground, truth)
    next(run)
    run.close()
    assert next(run, None) is None


# several images


def test_images_of_any_size_are_the_slices_of_one_report(prediction, truth):
    pairs = [
        EvaluatedImage(lambda: (prediction[:2], truth[:2]), 2, "stack"),
        EvaluatedImage(lambda: (prediction[2, :15, :20], truth[2, :15, :20]), 1, "cut"),
    ]
    report = drain(evaluate_images(pairs, EvaluateSettings()))
    assert [row["slice"] for row in report.rows] == ["stack 0", "stack 1", "cut", "all"]
    alone = [evaluate(*pair.read()) for pair in pairs]
    assert report["true_positives"] == sum(each["true_positives"] for each in alone)
    assert report.rows[2] == alone[1].rows[0] | {"slice": "cut"}
    assert len(report.objects) == sum(len(each.objects) for each in alone)
    last = len(report.objects) - 1
    assert report.objects.image(last) == 1
    assert report.objects.row(last)["slice"] == "cut"
    assert len(report.objects.position(last)) == 2
    assert [report.error_layer(i).shape for i in (0, 1)] == [(2, 24, 32), (15, 20)]


def test_images_are_read_when_their_turn_comes(prediction, truth):
    read = []

    def pair(i):
        return EvaluatedImage(lambda: read.append(i) or (prediction, truth), 4, str(i))

    run = evaluate_images([pair(0), pair(1)], EvaluateSettings())
    assert isinstance(next(run), RunStarted) and read == []
    next(run)
    assert read == [0]


def test_time_without_slices_is_no_volume(prediction, truth):
    settings = EvaluateSettings(volumetric=True)
    image = EvaluatedImage(lambda: (prediction, truth), 4, axes="tyx")
    assert "joins objects over time" in drain(evaluate_images([image], settings)).notes[0]
    with pytest.raises(UserError, match="joins objects over time"):
        drain(evaluate_images([image], settings.model_copy(update={"strict": True})))


def test_several_volumes_are_pooled(prediction, truth):
    pairs = [EvaluatedImage(lambda: (prediction, truth), 4, name) for name in "ab"]
    report = drain(evaluate_images(pairs, EvaluateSettings(volumetric=True)))
    alone = evaluate(prediction, truth, volumetric=True)
    assert report["false_positives"] == 2 * alone["false_positives"]
    assert report["v_rand"] == pytest.approx(alone["v_rand"])
    assert len(report.rows) == 2 * 4 + 1
