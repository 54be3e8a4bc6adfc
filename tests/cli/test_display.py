"""A run in a terminal: shown, stopped, and given an exit status."""

import io
import json
import os
import queue
import signal
import sys
import threading
import time

import pytest
from rich.console import Console

from napari_utile.cli import display as console
from napari_utile.cli import stopping
from napari_utile.cli.display import (
    DEFECT,
    DONE,
    REFUSED,
    STOPPED,
    Display,
    epoch_line,
    follow_run,
    print_facts,
    print_line,
    print_table,
    print_warning,
    report,
)
from napari_utile.cli.stopping import StopRequest
from napari_utile.events import (
    CandidateDone,
    CandidateStarted,
    EpochDone,
    PreviewReady,
    RunDone,
    RunStarted,
    StepDone,
    TileDone,
    Warned,
    parse_event,
)

STARTED = RunStarted(job="train", out="run", device="cpu", facts={"network": "unet"})
STEP = StepDone(
    step=7, loss=0.25, learning_rate=1e-3, progress=0.5, rate=3.0, seconds_left=61.0
)
EPOCH = EpochDone(
    epoch=1, step=7, train_loss=0.3, val_loss=0.2, scores={"iou": 0.875, "dice": 0.9},
    is_best=True, seconds=75.0,
)  # fmt: skip
TILE = TileDone(done=1, total=4, image="x", index=(), write=((0, 4), (4, 9)), rate=1.0)
CANDIDATE = CandidateStarted(network="fcn", seed=3, number=2, total=6, out="cmp/fcn-seed3")
JUDGED = CandidateDone(
    network="fcn", seed=3, row={"iou": 0.9, "v_rand": 0.75, "seconds_to_train": 61.0}
)
PREVIEW = PreviewReady(path="a.tif", step=7)
DONE_WELL = RunDone(out="run", seconds=80.0)


@pytest.fixture(autouse=True)
def no_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))


class Run:
    """A run as a script; says whether it was closed before its end."""

    def __init__(self, *events, after=None):
        self.events, self.after = events, after
        self.stopped = False

    def __call__(self):
        try:
            for event in self.events:
                yield event
                if self.after:
                    self.after()
        except GeneratorExit:
            self.stopped = True
            raise


def test_a_run_that_ends_is_done():
    seen = []
    assert follow_run(Run(STARTED, STEP, DONE_WELL)(), seen.append).status == DONE
    assert seen == [STARTED, STEP, DONE_WELL]


def test_the_result_of_a_run_is_kept_and_that_of_a_stopped_one_is_none():
    def run():
        yield STARTED
        yield DONE_WELL
        return "table"

    assert follow_run(run(), lambda event: None) == (DONE, "table")

    def stop(event):
        if event == STARTED:
            os.kill(os.getpid(), signal.SIGINT)

    assert follow_run(run(), stop) == (STOPPED, None)


@pytest.mark.parametrize(("user", "status"), [(True, REFUSED), (False, DEFECT)])
def test_a_run_with_failed_inputs_is_no_success(user, status):
    failed = RunDone(out="run", seconds=1, failed=("a.tif: is empty.",), user=user)
    assert follow_run(Run(STARTED, failed)(), lambda event: None).status == status


def test_a_signal_ends_the_run_after_the_event_at_hand():
    seen, run = [], Run(STARTED, *[STEP] * 9, DONE_WELL)

    def show(event):
        seen.append(event)
        if event is STEP:
            os.kill(os.getpid(), signal.SIGINT)

    events = run()  # held here, so that no one else ends it
    assert follow_run(events, show).status == STOPPED
    assert run.stopped
    assert [event.event for event in seen] == ["RunStarted", "StepDone", "RunDone"]
    assert seen[-1].stopped
    assert seen[-1].out == "run"


def test_handlers_of_others_come_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest().listening(to_stdin=False):
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_asked_twice_it_ends_at_once():
    with StopRequest().listening(to_stdin=False) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_line_stop_ends_the_run(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("go on\nstop\n"))
    run = Run(STARTED, *[STEP] * 500, after=lambda: time.sleep(0.01))
    seen = []
    assert follow_run(run(), seen.append, to_stdin=True).status == STOPPED
    assert run.stopped
    assert len(seen) < 500


class Spoken(io.StringIO):
    """Standard input on which lines come when they are said."""

    def __init__(self):
        super().__init__()
        self.lines = queue.Queue()

    def __iter__(self):
        return iter(self.lines.get, None)

    def say(self, line):
        self.lines.put(line)


@pytest.mark.parametrize("last", ["resume\n", "stop\n", None])
def test_a_paused_run_stands_until_it_may_go_on(monkeypatch, last):
    stdin, seen = Spoken(), []
    monkeypatch.setattr(sys, "stdin", stdin)

    def show(event):
        seen.append(event)
        if len(seen) == 3:
            stdin.say("pause\n")
            time.sleep(0.1)  # it is heard

    run = Run(STARTED, *[STEP] * 20, DONE_WELL)
    statuses = []
    thread = threading.Thread(
        target=lambda: statuses.append(follow_run(run(), show, to_stdin=True).status),
        daemon=True,
    )
    thread.start()
    time.sleep(0.4)
    assert len(seen) == 3
    stdin.say(last)
    thread.join(timeout=5)
    assert statuses == [STOPPED if last == "stop\n" else DONE]
    assert len(seen) == (4 if last == "stop\n" else 22)


def test_a_signal_ends_a_paused_run(monkeypatch):
    stdin = Spoken()
    monkeypatch.setattr(sys, "stdin", stdin)
    seen, run = [], Run(STARTED, *[STEP] * 9, DONE_WELL)

    def show(event):
        seen.append(event)
        if len(seen) == 2:
            stdin.say("pause\n")
            time.sleep(0.1)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()

    assert follow_run(run(), show, to_stdin=True).status == STOPPED
    assert len(seen) == 3


@pytest.mark.parametrize("heard", ["", "stopp\n", "please stop\n"])
def test_nothing_else_does(monkeypatch, heard):
    monkeypatch.setattr(sys, "stdin", io.StringIO(heard))
    run = Run(STARTED, *[STEP] * 5, DONE_WELL, after=lambda: time.sleep(0.01))
    assert follow_run(run(), lambda event: None, to_stdin=True).status == DONE


@pytest.mark.parametrize("parent", ["alive", "dead"])
def test_a_run_does_not_outlive_the_window_that_started_it(monkeypatch, parent):
    read, write = os.pipe()
    os.close(write)
    monkeypatch.setattr(stopping, "sleep", lambda seconds: None)
    if parent == "dead":
        monkeypatch.setattr(stopping, "PARENT", 2**30)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        run = Run(STARTED, *[STEP] * 50, DONE_WELL, after=lambda: time.sleep(0.01))
        status = follow_run(run(), lambda event: None, to_stdin=True).status
    assert status == (STOPPED if parent == "dead" else DONE)


def test_a_run_without_input_may_outlive_its_shell(monkeypatch):
    monkeypatch.setattr(stopping, "sleep", lambda seconds: None)
    monkeypatch.setattr(stopping, "PARENT", 2**30)
    with open(os.devnull) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        run = Run(STARTED, *[STEP] * 20, DONE_WELL, after=lambda: time.sleep(0.01))
        assert follow_run(run(), lambda event: None, to_stdin=True).status == DONE


def test_in_a_thread_signals_are_left_alone():
    statuses = []
    thread = threading.Thread(
        target=lambda: statuses.append(
            follow_run(Run(STARTED, DONE_WELL)(), lambda event: None).status
        )
    )
    thread.start()
    thread.join()
    assert statuses == [DONE]


def test_a_listener_that_went_away_ends_the_run():
    run = Run(STARTED, STEP, DONE_WELL)
    events = run()

    def show(event):
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        follow_run(events, show)
    assert run.stopped


def test_events_are_lines_of_json_and_nothing_else(capsys):
    report(Run(STARTED, STEP, EPOCH, DONE_WELL)(), events=True, only_json=False)
    out, err = capsys.readouterr()
    assert [parse_event(line) for line in out.splitlines()] == [STARTED, STEP, EPOCH, DONE_WELL]
    assert err == ""


def test_an_event_is_flushed_at_once(monkeypatch):
    class Pipe(io.StringIO):
        flushed = False

        def flush(self):
            self.flushed = True

    monkeypatch.setattr(sys, "stdout", Pipe())
    print_line(STEP)
    assert sys.stdout.flushed


def test_json_is_the_result_alone(capsys):
    report(Run(STARTED, STEP, DONE_WELL)(), events=False, only_json=True)
    out, err = capsys.readouterr()
    assert json.loads(out) | {"event": "RunDone"} == json.loads(DONE_WELL.line())
    assert err == ""


def test_warnings_are_never_kept_back(capsys):
    for only_json in (True, False):
        report(Run(STARTED, Warned(message="no GPU"), DONE_WELL)(), False, only_json)
        out, err = capsys.readouterr()
        assert "warning: no GPU" in err
        assert "no GPU" not in out


def test_people_read_standard_error(capsys):
    assert report(Run(STARTED, STEP, EPOCH, TILE, PREVIEW, DONE_WELL)(), False, False) == DONE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "train on cpu: network unet",
        "1 min 15 s  step 7  loss 0.300  validation 0.200  iou 0.875  best",
        "done after 1 min 20 s: run",
    ]


def test_a_stopped_run_says_so(capsys):
    stopped = RunDone(out="run", seconds=3, stopped=True)
    report(Run(STARTED, stopped)(), events=False, only_json=False)
    assert "stopped after 3 s: run" in capsys.readouterr().err


def test_a_run_says_where_it_comes_from(capsys):
    started = STARTED.model_copy(update={"resumed_from": 7, "warm_start": "m", "processes": 2})
    report(Run(started, DONE_WELL)(), events=False, only_json=False)
    expected = "network unet, processes 2, starts from m, resumes from step 7"
    assert expected in capsys.readouterr().err


def test_a_run_that_was_finished_before_is_told_in_one_line_and_status_0(capsys):
    kept = RunDone(out="run", seconds=0, kept=True, reason="It was finished before.")
    assert report(Run(kept)(), events=False, only_json=False) == DONE
    assert capsys.readouterr().err == "run: It was finished before.\n"


def test_a_stop_is_answered_at_once_and_the_way_on_is_told(capsys):
    run = Run(STARTED, STEP, after=lambda: os.kill(os.getpid(), signal.SIGINT))
    assert report(run(), events=False, only_json=False) == STOPPED
    said = capsys.readouterr().err.splitlines()[-2:]
    assert said[0].startswith("stopping")
    assert said[1].endswith("run; the same command resumes it")


def test_nobody_is_told_to_go_on_where_nothing_does(capsys):
    stopped = RunDone(out="out.tif", seconds=3, stopped=True)
    report(Run(RunStarted(job="preview"), stopped)(), events=False, only_json=False)
    assert capsys.readouterr().err.endswith("stopped after 3 s: out.tif\n")


def test_without_a_terminal_a_line_tells_of_progress_now_and_then(capsys, monkeypatch):
    now = iter(range(0, 1000, 4))
    monkeypatch.setattr(console, "monotonic", lambda: next(now))
    with Display() as display:
        for _ in range(6):
            display(STEP)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [" 50%  step 7  loss 0.250  3.0 steps/s  1 min 1 s left"] * 2


def test_a_terminal_gets_a_bar():
    with Display() as display:
        display.console = Console(file=io.StringIO(), force_terminal=True, width=100)
        display.progress.live.console = display.console
        display(STEP)
        display(TILE)
        display.progress.refresh()
    assert display.progress.tasks[0].completed == 0.25
    assert "tile 1 of 4" in display.progress.tasks[0].description


def test_a_comparison_tells_of_each_network(capsys):
    events = (STARTED.model_copy(update={"job": "compare"}), CANDIDATE, STEP, JUDGED, DONE_WELL)
    assert report(Run(*events)(), events=False, only_json=False) == DONE
    assert capsys.readouterr().err.splitlines()[1:3] == [
        "fcn, seed 3 (2 of 6): cmp/fcn-seed3",
        "fcn, seed 3 is done: iou 0.900  v_rand 0.750  trained in 1 min 1 s",
    ]


def test_the_bar_of_a_comparison_is_that_of_the_whole():
    with Display() as display:
        display.console = Console(file=io.StringIO(), force_terminal=True, width=100)
        display.progress.live.console = display.console
        for event in (CANDIDATE, STEP):
            display(event)
        assert display.progress.tasks[0].description.startswith("fcn, seed 3  step 7")
        display(TILE)  # its tiles are no progress of the whole
    assert display.progress.tasks[0].completed == 0.5
    assert display.progress.tasks[0].description.startswith("fcn, seed 3  x  tile 1 of 4")


def test_a_table_puts_the_spread_below_the_mean(capsys):
    lines = [["network", "IoU"], ["unet", "0.900 ± 0.010"], ["[red]", "0.800 ± 0.020"]]
    print_table("out [1]", lines, ["A [note]."])
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert words[0] == ["out", "[1]"]
    assert ["network", "IoU"] in words
    assert words[-5:] == [["unet", "0.900"], ["±", "0.010"], ["[red]", "0.800"], ["±", "0.020"],
                          ["A", "[note]."]]  # fmt: skip


@pytest.mark.parametrize("name", ["cmp[/a]", "cmp[red]x", "x [1]", ":smile:"])
def test_a_table_shows_names_as_they_are(capsys, name):
    print_table(name, [["network", name], ["unet", name]], [name])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == name
    assert lines[1].split(maxsplit=1)[1].strip() == name
    assert lines[3].split(maxsplit=1)[1].strip() == name
    assert lines[-1] == name


def test_only_warnings_are_said_beside_json(capsys):
    for event in (STARTED, Warned(message="no GPU"), DONE_WELL):
        print_warning(event)
    out, err = capsys.readouterr()
    assert (out, err) == ("", "warning: no GPU\n")


@pytest.mark.parametrize("name", ["a[/b]", "[red]x", "x [1]", ":smile:", "y" * 300])
def test_names_are_shown_as_they_are(capsys, name):
    events = (
        STARTED.model_copy(update={"facts": {"model": name}}),
        TILE.model_copy(update={"image": name}),
        Warned(message=name),
        DONE_WELL.model_copy(update={"out": name}),
    )
    assert report(Run(*events)(), events=False, only_json=False) == DONE
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"train on cpu: model {name}",
        f"warning: {name}",
        f"done after 1 min 20 s: {name}",
    ]


def test_a_validation_in_one_line():
    worse = EPOCH.model_copy(update={"is_best": False, "scores": {}})
    assert epoch_line(worse).rstrip() == "1 min 15 s  step 7  loss 0.300  validation 0.200"


def test_names_steer_no_terminal_and_are_no_markup(capsys):
    name = "[red]a\x1b[2J\nb[/red].tif"
    with Display() as display:
        display(Warned(message=f"{name} is dark"))
        display(TILE.model_copy(update={"image": name}))
        display(RunDone(out=name, seconds=1.0))
    print_warning(Warned(message=name))
    print_table(name, [["a"], ["1"]], [name])
    print_facts({"file": name}, as_json=False)
    out, err = capsys.readouterr()
    assert "\x1b[2J" not in out + err
    assert err.count(r"[red]a\x1b[2J\nb[/red].tif") == 3
    assert out.count(r"[red]a\x1b[2J\nb[/red].tif") == 2  # the title is wrapped
