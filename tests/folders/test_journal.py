"""What is done of a result, written down so that it outlives its process."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.folders import journal as journals
from napari_utile.folders.journal import WorkFolder


@pytest.fixture
def work(tmp_path):
    folder = WorkFolder(tmp_path / "cells.zarr")
    folder.begin({"format": 1})
    return folder


def test_what_was_written_down_is_done(work):
    journal = work.journal()
    journal.write("network", [0, 3])
    journal.write("numbers", [1])
    assert work.done("network", 5).tolist() == [True, False, False, True, False]
    assert np.flatnonzero(work.done("numbers", 5)).tolist() == [1]
    assert not work.done("network", 0).size


def test_journals_of_several_processes_are_read_together(work):
    for name, number in (("1-of-2", 0), ("2-of-2", 2)):
        work.journal(name).write("network", [number])
    assert work.done("network", 3).tolist() == [True, False, True]


def test_a_line_that_was_cut_off_does_not_count(work):
    journal = work.journal()
    journal.write("network", [1, 23])
    journal.close()
    path = work / "journal.txt"
    path.write_bytes(path.read_bytes()[:-2])  # "network 2": 23 was not wholly written
    assert np.flatnonzero(work.done("network", 30)).tolist() == [1]
    again = work.journal()
    assert np.flatnonzero(work.done("network", 30)).tolist() == [1]
    again.write("network", [5])
    assert np.flatnonzero(work.done("network", 30)).tolist() == [1, 5]


def test_a_disk_may_leave_zeros_in_a_journal(work):
    work.journal().write("network", [1])
    with (work / "journal.txt").open("ab") as file:
        file.write(b"\0\0\0\nnetwork x\nnetwork 99\n")
    assert np.flatnonzero(work.done("network", 30)).tolist() == [1]


@pytest.mark.parametrize("piece", [1, 2, 7, 12, 100])
def test_wherever_a_journal_is_divided_every_line_counts_once_and_whole(
    work, monkeypatch, piece
):
    monkeypatch.setattr(journals, "JOURNAL_READ_BYTES", piece)
    lines = b"net 5\nnetwork 1\n\nnetwork 23\nnetworks 7\nmy network 8\nnetwork 4 4\nnetwork "
    (work / "journal.txt").write_bytes(lines)
    assert np.flatnonzero(work.done("network", 30)).tolist() == [1, 23]
    journal = work.journal()
    assert (work / "journal.txt").read_bytes() == lines[: -len("network ")]
    journal.write("network", [6])
    assert np.flatnonzero(work.done("network", 30)).tolist() == [1, 6, 23]


@pytest.mark.parametrize("there", [b"", b"network 1", b"\0" * 30])
def test_a_journal_without_a_whole_line_begins_anew(work, there, monkeypatch):
    monkeypatch.setattr(journals, "JOURNAL_READ_BYTES", 8)
    (work / "journal.txt").write_bytes(there)
    work.journal().close()
    assert (work / "journal.txt").read_bytes() == b""


def test_a_long_journal_takes_little_memory_and_is_not_read_to_be_gone_on_with(work):
    number, count = np.arange(200_000), 200_000
    text = "".join(f"network {i}\nfragments {i}\n" for i in number[::2])
    (work / "journal.txt").write_text(text)
    tracemalloc.start()
    try:
        done = work.done("network", count)
        assert tracemalloc.get_traced_memory()[1] < len(text)  # read whole it is 10 times that
        tracemalloc.reset_peak()
        work.journal().close()
        assert tracemalloc.get_traced_memory()[1] < len(text) // 2
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(done, number % 2 == 0)


def test_a_new_beginning_forgets_what_was_done(work):
    work.journal().write("network", [1])
    (work / "tables").mkdir()
    work.begin({"format": 2})
    assert work.plan == {"format": 2}
    assert not work.done("network", 3).any()
    assert not (work / "tables").exists()


def test_nothing_is_left_when_all_is_done(work):
    work.journal().write("network", [1])
    work.clear()
    assert not work.path.exists()
    assert work.plan == {}
    work.clear()


def test_a_plan_that_cannot_be_read_is_none(work):
    (work / "plan.json").write_text("{")
    assert work.plan == {}
    (work / "plan.json").write_text("[]")
    assert work.plan == {}


@pytest.fixture
def tiff(tmp_path):
    """The folder of a result that cannot hold what is known of it, and its unfinished file."""
    partial = tmp_path / "cells.partial.tif"
    partial.write_bytes(b"pixels")
    return WorkFolder(tmp_path / "cells.tif"), partial


def test_what_is_known_of_a_file_is_known_when_it_has_its_name(tiff):
    work, partial = tiff
    work.finish({"objects": 3}, of=partial)
    assert work.finished == {}  # it was killed before it was renamed
    partial.rename(work.result)
    assert work.finished == {"objects": 3}
    work.clear()
    assert work.finished == {"objects": 3}
    work.finish({"objects": 4})
    assert work.finished == {"objects": 4}
    work.begin({"format": 1})
    assert work.finished == {}


@pytest.mark.parametrize(
    ("content", "later"), [(b"others", 1), (b"longer pixels", 0), (None, 0)]
)
def test_nothing_is_known_of_a_file_that_took_its_place(tiff, content, later):
    work, partial = tiff
    work.finish({"objects": 3}, of=partial)
    partial.rename(work.result)
    when = work.result.stat().st_mtime_ns
    work.result.unlink()
    if content:
        work.result.write_bytes(content)
        os.utime(work.result, ns=(when, when + later * 1000))
    assert work.finished == {}


HOLDER = """
import sys
from pathlib import Path
from napari_utile.folders.journal import WorkFolder
part = tuple(map(int, sys.argv[2:])) or None
with WorkFolder(Path(sys.argv[1])).held(part):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the result, or a part of it."""
    started = []

    def hold(*part):
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "cells.zarr"), *map(str, part)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in started:
        process.communicate()


@pytest.mark.parametrize(
    ("theirs", "mine"), [((), None), ((1, 2), None), ((1, 2), (1, 2))], ids=str
)
def test_what_another_process_has_is_refused_with_pid_and_host(work, other, theirs, mine):
    process = other(*theirs)
    with (
        pytest.raises(UserError, match=f"is in use by process {process.pid} on "),
        work.held(mine),
    ):
        pass


def test_a_part_waits_for_nobody_who_has_another_part(work, other):
    other(1, 2)
    with work.held((2, 2)):
        pass


def test_a_part_is_refused_while_another_process_has_the_whole(work, other, monkeypatch):
    monkeypatch.setattr("napari_utile.folders.journal.PART_TIMEOUT", 0.1)
    process = other()
    with (
        pytest.raises(UserError, match=f"is in use by process {process.pid} on "),
        work.held((1, 2)),
    ):
        pass


def test_the_locks_of_killed_processes_are_free(work, other):
    process = other(1, 2)
    process.kill()
    process.wait()
    with work.held():
        pass


def test_the_last_part_that_leaves_a_finished_result_removes_the_folder(work, other):
    process = other(1, 2)
    with work.held((2, 2)):
        work.clear()
    assert (work / ".part-1-of-2.lock").exists()  # it is held
    process.communicate()
    assert not work.path.exists()


def test_locks_stay_while_something_is_missing(work):
    with work.held((1, 2)):
        pass
    assert work.plan
    assert (work / ".part-1-of-2.lock").exists()


def test_what_a_killed_part_held_is_removed_with_the_folder(work, other):
    process = other(1, 2)
    process.kill()
    process.wait()
    with work.held((2, 2)):
        work.clear()
    assert not work.path.exists()


def test_what_is_known_of_a_finished_file_stays_without_the_locks(work):
    with work.held((1, 2)):
        work.clear()
        work.finish({"objects": 3})
    assert work.finished == {"objects": 3}
    assert [path.name for path in work.path.iterdir()] == ["finished.json"]
