"""How a command ends early: a word on standard input, a signal, a window that dies."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest

from napari_utile.cli.main import main
from napari_utile.events import RunDone, RunStarted, parse_event
from napari_utile.folders.job import JobFolder
from tests.fixtures.commands import predict, train
from tests.fixtures.processes import Command


@pytest.mark.parametrize("told_by", ["a word", "a file"])
def test_a_window_stops_a_training_which_saves(folder, tmp_path, monkeypatch, capsys, told_by):
    job, word = JobFolder(tmp_path / "job"), "stop\n" if told_by == "a word" else ""
    monkeypatch.setattr(sys, "stdin", io.StringIO(word))
    job.begin()
    if told_by == "a file":
        job.request_stop()
    given = ["--steps", "100000", "--events", "--job", str(job.path)]
    assert main(train(folder, tmp_path / "run", *given)) == 130
    last = parse_event(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(last, RunDone)
    assert last.stopped
    assert main(predict(tmp_path, tmp_path / "p.zarr")) == 2  # no image.tif there
    image = str(folder / "image.tif")
    model = str(tmp_path / "run" / "model")
    assert main(["predict", model, image, "--out", str(tmp_path / "p.zarr")]) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_ends(folder, tmp_path, how):
    arguments = train(folder, tmp_path / "run", "--steps", "100000", "--validations", "20000")
    running = Command([*arguments, "--events"], tmp_path)
    told = tmp_path / "run" / "events.jsonl"
    while not told.exists() or '"EpochDone"' not in told.read_text():
        time.sleep(0.01)
    running.send_signal(how)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (130, "")
    assert parse_event(out.splitlines()[-1]).stopped
    from napari_utile.engine.models.model import load_model

    assert load_model(tmp_path / "run").scores


def test_a_run_ends_soon_after_its_window_was_killed(folder, tmp_path):
    command = [sys.executable, "-m", "napari_utile", *train(folder, tmp_path / "run")]
    command += ["--steps", "1000000", "--events"]
    window = subprocess.Popen(
        [sys.executable, "-c", WINDOW, *command], stdout=subprocess.PIPE, text=True
    )
    engine = int(window.stdout.readline())
    assert isinstance(parse_event(window.stdout.readline()), RunStarted)
    window.kill()
    window.wait()
    window.stdout.close()
    for _ in range(100):
        if not is_alive(engine):
            break
        time.sleep(0.1)
    else:
        os.kill(engine, signal.SIGKILL)
        pytest.fail("the engine outlived its window")


WINDOW = """
import subprocess, sys
pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
engine = subprocess.Popen(sys.argv[1:], text=True, **pipes)
print(engine.pid, flush=True)
for line in engine.stdout:
    print(line, end="", flush=True)
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended and that nobody has asked about yet
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("flag", ["--events", "--json"])
def test_who_reads_no_more_ends_a_run_without_a_word(folder, tmp_path, flag):
    command = [sys.executable, "-m", "napari_utile", *train(folder, tmp_path / "run"), flag]
    pipes = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.PIPE)
    with subprocess.Popen(command, **pipes) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 130
