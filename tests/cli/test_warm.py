"""An engine that waits for commands."""

import json
import os
import subprocess
import sys

import pytest
import tifffile

from napari_utile.cli import warm
from tests.fixtures.tiny_training import cells

TINY = ["--depth", 1, "--width", 2, "--tile", 16, "--batch", 1, "--seed", 5]


class Waiting:
    """A process that waits, as a window speaks to it."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "napari_utile.cli.warm", json.dumps(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def said(self, until):
        """Return the lines up to one that begins with a word."""
        lines = []
        while not (lines and lines[-1].startswith(until)):
            lines.append(self.process.stdout.readline())
            assert lines[-1], "it has ended"
        return [line.strip() for line in lines]

    def give(self, *arguments, **files):
        command = {"arguments": [*map(str, arguments), "--events"], "folder": str(self.folder)}
        self.process.stdin.write(json.dumps(command | files) + "\n")

    def do(self, *arguments, **files):
        """Return the status of a command, and what it printed."""
        self.give(*arguments, **files)
        assert self.said(warm.TAKEN)
        *lines, last = self.said(warm.READY)
        return int(last.split()[1]), lines


@pytest.fixture
def waiting(tmp_path):
    engine = Waiting(tmp_path)
    engine.said(warm.READY)
    yield engine
    engine.process.kill()
    engine.process.wait()
    engine.process.stdout.close()


def test_what_was_done_before_changes_no_bit_and_words_stop_what_runs(waiting, tmp_path):
    """A run after others in the same process is that of a process of its own."""
    image, labels = cells()
    for name, pixels in (("image", image), ("labels", labels)):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels, photometric="minisblack")
    train = "train", "image.tif", "labels.tif", *TINY, "--steps"
    assert waiting.do(*train, 3, "--out", "first")[0] == 0
    log = tmp_path / "log.txt"
    files = {"events": str(tmp_path / "events.jsonl"), "log": str(log)}
    assert waiting.do("predict", "first", "image.tif", "--out", "a.zarr", **files) == (0, [])
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])["out"]
    status, lines = waiting.do("train", "none.tif", "labels.tif", "--out", "b")
    assert (status, json.loads(lines[-1])["user"]) == (2, True)

    # the word comes before the command is begun
    waiting.give(*train, 100_000, "--out", "stopped")
    waiting.process.stdin.write("stop\n")
    *_, end, ready = waiting.said(warm.READY)
    assert (json.loads(end)["stopped"], ready.split()[1]) == (True, "130")
    waiting.process.stdin.write("stop\n")  # comes too late: it is for nobody

    assert waiting.do(*train, 3, "--out", "again")[0] == 0
    first, again = (
        (tmp_path / run / "model" / "weights.pt").read_bytes() for run in ("first", "again")
    )
    assert first == again
    waiting.process.stdin.close()
    assert waiting.process.wait(20) == 0


def test_it_ends_when_nobody_needs_it(monkeypatch, capsys):
    read, write = os.pipe()
    monkeypatch.setattr(warm, "_LOADS", ())
    with open(read) as stdin, open(write, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert warm.wait_for_commands(idle_seconds=0.01) == 0
    assert capsys.readouterr().out.startswith(warm.READY)
