"""Disks that are full, vanish or are closed for real: faults 13 and 38."""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_utile.cli import display
from napari_utile.cli.main import main
from napari_utile.engine.models.model import load_model
from napari_utile.errors import UserError
from napari_utile.events import RunFailed, StepDone, TileDone, parse_event
from napari_utile.folders.job import JobFolder, JobRecord
from napari_utile.io.disk import all_or_none, atomic_write, locked
from napari_utile.io.images import as_stack, open_image, write_tiff
from napari_utile.widgets.layers.snapshots import path_on_disk
from napari_utile.widgets.process import worker
from napari_utile.widgets.process.detached import DetachedEngine
from tests.fixtures.coco_sample import write_coco_sample
from tests.fixtures.tiny_training import TINY, cells

torch.set_num_threads(1)

PAGE = 4096
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in TINY.items()]


RECORD = JobRecord(
    title="em", arguments=(), output="classes", out=Path("a.zarr"), created=datetime(2026, 1, 1)
)


class SmallDisk:
    """A disk in memory that becomes full."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={PAGE}", "tmpfs")

    def __truediv__(self, name):
        return self.path / name

    def resize(self, nbytes):
        self._mount("-o", f"remount,size={nbytes}")

    def close(self):
        """Disconnect it; what is open stays open."""
        subprocess.run(["umount", "--lazy", self.path], check=False, capture_output=True)

    def _mount(self, *arguments):
        subprocess.run(["mount", *arguments, self.path], check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path):
    try:
        disk = SmallDisk(tmp_path / "disk")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can mount a small disk")
    yield disk
    disk.close()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """em.tif, ids.tif, a run, and what it finds, on a disk with room."""
    folder = tmp_path_factory.mktemp("room")
    for name, array in zip(("em", "ids"), cells(), strict=True):
        write_tiff(folder / f"{name}.tif", array)
    write_coco_sample(folder)
    for arguments in COMMANDS.values():
        assert main(written_out(arguments, folder, folder)) == 0
    return folder


COMMANDS = {
    "run": ["train", "em.tif", "ids.tif", *FLAGS],
    "p.zarr": ["predict", "run", "em.tif", "--tile=16", "--output=instances"],
    "p.tif": ["predict", "run", "em.tif", "--tile=16", "--output=instances"],
    "w.tif": ["weights", "ids.tif"],
    "r.json": ["evaluate", "ids.tif", "ids.tif"],
    "r.csv": ["evaluate", "ids.tif", "ids.tif", "--objects-csv=TABLE", "--error-layer=LAYER"],
    "look": ["preview", "em.tif", "ids.tif", *FLAGS],
    "subset": ["coco", "subset", "annotations.json", "images"],
}
"""What is written -> the command that writes it."""


def written_out(arguments, folder, out):
    """Return a command line with paths: of input in `folder`, of output in `out`."""
    (name,) = (name for name, given in COMMANDS.items() if given is arguments)
    there = [str(folder / part) if part in PLACES else part for part in arguments]
    for place, file in OTHERS.items():
        there = [part.replace(place, str(out / file)) for part in there]
    return [*there, "--out", str(out / name)]


PLACES = {"em.tif", "ids.tif", "run", "annotations.json", "images"}
OTHERS = {"TABLE": "objects.csv", "LAYER": "errors.tif"}
"""Files that are written beside those."""


def contents(path):
    """Return the pixels or parameters, or the bytes, of a result."""
    if path.name == "run":
        return load_model(path).network.state_dict()
    if path.suffix in (".zarr", ".tif"):
        return {"": open_image(path).read()}
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {file.name: file.read_bytes() for file in files}


@pytest.mark.parametrize("name", COMMANDS)
def test_fault_38_on_a_disk_that_grows_the_same_command_ends_as_on_a_large_one(
    name, trained, disk, capsys
):
    command = written_out(COMMANDS[name], trained, disk.path)
    size, fulls = PAGE, 0
    while (status := main(command)) != 0:
        said = capsys.readouterr().err
        assert status == 2
        assert "Traceback" not in said
        *_, line = said.splitlines()
        assert line.startswith(f"utile: {disk.path}")
        assert "are missing" in line or "the disk is full" in line
        fulls, size = fulls + 1, size + max(PAGE, size // 2 // PAGE * PAGE)
        disk.resize(size)
        assert size < 2**21
    assert fulls
    expected, found = contents(trained / name), contents(disk / name)
    assert list(found) == list(expected)
    for part, value in expected.items():
        same = value == found[part]
        assert same if isinstance(value, bytes) else same.all()
    assert not list(disk.path.rglob("*.draft"))


def test_fault_38_a_file_says_how_many_bytes_are_missing_and_stays(disk):
    atomic_write(disk / "a", b"old")
    with pytest.raises(UserError, match=r"/a needs up to 8,192 bytes .* 8,192 are missing\.$"):
        atomic_write(disk / "a", bytes(2 * PAGE))
    assert (disk / "a").read_bytes() == b"old"


def test_fault_38_layers_that_do_not_fit_are_named_before_they_are_copied(disk):
    layer = as_stack(np.random.default_rng(0).random((3, 64, 64)), name="em")
    with pytest.raises(UserError, match=r"em\.zarr needs up to 98,304 bytes .* are missing"):
        next(path_on_disk(layer, disk / "inputs"))


@pytest.mark.parametrize("act", [JobFolder.begin, lambda job: job.write(RECORD)])
def test_fault_38_a_job_of_the_window_that_has_no_room_is_said_with_what_is_missing(act, disk):
    (disk / "full").write_bytes(bytes(PAGE))
    with pytest.raises(UserError, match=r"/job/\w+\.jsonl? needs up to .* are missing\.$"):
        act(JobFolder(disk / "job"))
    assert not JobFolder(disk / "job").record


@pytest.mark.parametrize(
    ("before", "said"),
    [(1, r"job.* missing\.$"), (0, "job: the disk is full")],
)
def test_fault_38_an_engine_whose_log_has_no_room_is_told_in_the_window(
    before, said, disk, monkeypatch, qtbot
):
    silent = [sys.executable, "-c", "raise SystemExit(2)"]
    monkeypatch.setattr(worker, "worker_command", lambda _: silent)
    (disk / "full").write_bytes(bytes(before))
    engine, heard = DetachedEngine(["predict"], JobFolder(disk / "job")), []
    engine.happened.connect(heard.append)
    engine.start()
    qtbot.waitUntil(lambda: bool(heard))
    assert re.search(said, heard[0].message)


def test_fault_38_a_copy_of_a_layer_that_finds_no_room_is_removed(disk):
    disk.resize(2**15)
    layer = as_stack(np.random.default_rng(0).random((1, 64, 62)), name="em")
    with pytest.raises(UserError, match=r"em\.zarr: the disk is full|are missing"):
        list(path_on_disk(layer, disk / "inputs"))
    assert not list(disk.path.rglob("*"))


def test_fault_38_files_that_belong_together_are_there_together_or_not_at_all(disk):
    disk.resize(3 * PAGE)
    for name in ("a", "b"):
        (disk / name).write_bytes(b"old")

    def write():
        with all_or_none():
            atomic_write(disk / "a", b"new")
            atomic_write(disk / "b", bytes(PAGE))

    with pytest.raises(UserError, match=r"/b needs up to"):
        write()
    assert [path.read_bytes() for path in sorted(disk.path.iterdir())] == [b"old", b"old"]


def test_fault_38_a_lock_holds_without_the_name_of_its_process(disk):
    (disk / "full").write_bytes(bytes(PAGE))
    with (
        locked(disk / "run"),
        pytest.raises(UserError, match="in use by"),
        locked(disk / "run"),
    ):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="no /dev/full")
@pytest.mark.parametrize(
    ("arguments", "status"), [(["doctor", "--json"], 2), (["predict", "run", "--events"], 2)]
)
def test_fault_38_standard_output_on_a_full_disk_is_said(
    arguments, status, monkeypatch, capsys
):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == status
        monkeypatch.undo()
    assert "Traceback" not in capsys.readouterr().err


# a place that vanishes


@pytest.mark.parametrize("how", ["disconnected", "moved"])
@pytest.mark.parametrize("name", ["run", "p.zarr", "p.tif"])
def test_fault_13_a_place_that_vanishes_ends_the_run_in_a_sentence(
    name, how, trained, disk, capsys, monkeypatch
):
    disk.resize(2**22)
    made = {"p.tif": "p.partial.tif"}.get(name, name)
    show, steps = display.print_line, iter(range(100))

    def vanish(event):
        show(event)
        if isinstance(event, TileDone | StepDone) and next(steps) == 2:
            disk.close() if how == "disconnected" else (disk / made).rename(disk / "moved")

    monkeypatch.setattr(display, "print_line", vanish)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main([*written_out(COMMANDS[name], trained, disk.path), "--events"]) == 2
    out, said = capsys.readouterr()
    assert f"utile: {disk / name} is no longer there" in said
    assert isinstance(parse_event(out.splitlines()[-1]), RunFailed)
    # nor is it made anew in silence: what was just being written looks like no result
    assert not [p for p in disk.path.glob(f"{name}/*") if p.is_file()]


# a place that another user may not write to


@pytest.fixture
def closed(trained, monkeypatch):
    """A folder that anybody may read and nobody may write to; for a while root is nobody."""
    if os.name == "nt":
        pytest.skip("Windows has other permissions")
    place = Path(tempfile.mkdtemp())
    for name in PLACES:
        copy = shutil.copytree if (trained / name).is_dir() else shutil.copyfile
        copy(trained / name, place / name)
    (place / "secret.tif").write_bytes((place / "em.tif").read_bytes())
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (place / "secret.tif").chmod(0)
    (place / "closed").mkdir(mode=0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield place / "closed"
    os.seteuid(user)
    shutil.rmtree(place)


@pytest.mark.parametrize("name", COMMANDS)
def test_fault_13_a_folder_of_another_user_is_refused_before_any_work(name, closed, capsys):
    assert main(written_out(COMMANDS[name], closed.parent, closed)) == 2
    *before, said = capsys.readouterr().err.splitlines()
    assert not before
    assert said.startswith(f"utile: {closed}")
    assert said.endswith("cannot be written: Permission denied.")
    assert not any(closed.iterdir())


def test_fault_13_a_file_of_another_user_is_named(closed, capsys):
    secret, out = closed.parent / "secret.tif", closed.parent / "p.zarr"
    assert main(["predict", str(closed.parent / "run"), str(secret), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"utile: {secret}")
    assert "ermission denied" in said or "may not be read" in said
