"""Files are written whole or not at all, and not where another process writes."""

import errno
import os
import stat
import subprocess
import sys
from contextlib import nullcontext

import pytest

from napari_utile.errors import UserError
from napari_utile.io import disk
from napari_utile.io.disk import (
    atomic_write,
    check_file_output,
    check_free,
    check_writable,
    is_locked,
    locked,
    private_folder,
    room_for,
)


def test_two_outputs_do_not_hold_each_other(tmp_path):
    a, b = tmp_path / "new" / "a", tmp_path / "new" / "b"
    with locked(a), locked(b):
        assert is_locked(a) and is_locked(b)
    assert not is_locked(a) and not is_locked(tmp_path / "never")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "a b.json"
    atomic_write(path, b"one")
    atomic_write(path, lambda draft: draft.write_bytes(b"two"))
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    def fail(draft):
        draft.write_bytes(b"half")
        raise RuntimeError("no")

    path = tmp_path / "a"
    atomic_write(path, b"old")
    with pytest.raises(RuntimeError):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, b"old")
    code = (
        "import os, sys; from napari_utile.io.disk import atomic_write\n"
        "def half(draft): draft.write_bytes(b'half'); os.kill(os.getpid(), 9)\n"
        "atomic_write(sys.argv[1], half)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -9
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("refused", [True, False])
def test_what_windows_would_hide_is_no_output_there(refused, tmp_path, monkeypatch):
    monkeypatch.setattr(disk, "IS_WINDOWS", refused)
    sentence = "cells:2.tif cannot be written: names have no ':'."
    with pytest.raises(UserError, match=sentence) if refused else nullcontext():
        check_file_output(tmp_path / "cells:2.tif")


def test_windows_replaces_a_file_once_nobody_reads_it(tmp_path, monkeypatch):
    free, pauses = disk.os.replace, []

    def replace(draft, path):
        if len(pauses) < 2:
            raise PermissionError(13, "The process cannot access the file", path)
        free(draft, path)

    monkeypatch.setattr(disk.os, "replace", replace)
    monkeypatch.setattr(disk, "sleep", pauses.append)
    monkeypatch.setattr(disk, "IS_WINDOWS", True)
    atomic_write(tmp_path / "settings.json", b"new")
    assert (tmp_path / "settings.json").read_bytes() == b"new" and len(pauses) == 2
    monkeypatch.setattr(disk, "IS_WINDOWS", False)
    pauses.clear()
    with pytest.raises(PermissionError):
        atomic_write(tmp_path / "settings.json", b"newer")
    assert pauses == []


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path):
    def full(draft):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a"
    atomic_write(path, b"old")
    with pytest.raises(UserError, match=r"/a: the disk is full \([\d,]+ bytes free\)"):
        atomic_write(path, full)
    assert path.read_bytes() == b"old"


def test_the_new_file_is_on_disk_before_the_old_one_goes(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(disk, "to_disk", lambda path: done.append(f"sync {path.suffix}"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("replace") or replace(*paths))
    atomic_write(tmp_path / "a", b"")
    assert done == ["sync .draft", "replace", "sync "]


def test_too_little_room_is_said_in_bytes(tmp_path):
    check_free(tmp_path / "new" / "out", 1)
    with pytest.raises(
        UserError, match=r"out needs up to 1,000,000,000,000,000 .* are missing"
    ):
        check_free(tmp_path / "new" / "out", 10**15)


def test_an_output_file_is_refused_if_it_is_there(tmp_path):
    check_file_output(tmp_path / "new" / "a.tif")
    (tmp_path / "a.tif").touch()
    check_file_output(tmp_path / "a.tif", overwrite=True)
    with pytest.raises(UserError, match=r"a\.tif exists; overwrite replaces it"):
        check_file_output(tmp_path / "a.tif")


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_private_folder_is_its_users_alone_whatever_the_mask(tmp_path):
    (tmp_path / "there").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        private_folder(tmp_path / "there" / "new" / "job")
        private_folder(tmp_path / "there" / "new" / "job")
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE((tmp_path / p).stat().st_mode) for p in ("there/new/job", "there/new")
    ]
    assert modes == [0o700, 0o700]
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o755


def test_links_that_others_put_there_are_not_written_through(tmp_path):
    """As in a folder where everybody may write."""
    (tmp_path / "precious").write_text("years of work")
    for name in (".out.holder", f".out.{os.getpid()}.draft"):
        (tmp_path / name).symlink_to("precious")
    with locked(tmp_path / "out"):
        atomic_write(tmp_path / "out", b"result")
    assert (tmp_path / "precious").read_text() == "years of work"
    assert (tmp_path / "out").read_bytes() == b"result"


def test_a_name_that_leaves_no_room_for_the_files_beside_it(tmp_path):
    longest = 255 - len(disk.BESIDE)
    check_writable(tmp_path / ("x" * longest))
    with pytest.raises(UserError, match="its name is too long, with the 28 letters of files"):
        check_writable(tmp_path / ("x" * (longest + 1)))


def test_what_is_missing_is_asked_for_when_a_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_utile.io.disk.free_disk", lambda path: 40)
    with room_for(tmp_path / "a", lambda: 1 // 0):
        pass
    with (
        pytest.raises(UserError, match=r"/a needs up to 100 bytes .* 60 are missing"),
        room_for(tmp_path / "a", lambda: 100),
    ):
        raise OSError(errno.ENOSPC, "full")
