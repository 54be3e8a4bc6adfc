"""Zarr folders: recognized, overwritten only as Zarr folders, and removed whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_utile.errors import UserError
from napari_utile.io.ome_zarr import (
    create_image,
)
from napari_utile.io.zarr_folders import check_zarr_output, remove_zarr
from tests.fixtures.ngff import EM, content

METADATA = {Path("zarr.json"), Path("0/zarr.json")}


def killed_early(path):
    """What is left of a process that was killed before there were metadata."""
    (path / "0" / "c").mkdir(parents=True)
    (path / "zarr.0123456789abcdef0123456789abcdef.partial").write_text("{")
    return path


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_without_files_is_no_obstacle(tmp_path, overwrite):
    path = killed_early(tmp_path / "p.zarr")
    check_zarr_output(path, EM, overwrite)
    create_image(path, EM.shape, "u1", (1, 16, 16), EM, overwrite=overwrite)
    assert set(content(path)) == METADATA
    assert not (path / "0" / "c").exists()


def test_an_empty_folder_may_be_a_link_to_another_disk(tmp_path):
    path, disk = tmp_path / "p.zarr", tmp_path / "disk"
    path.symlink_to(killed_early(disk), target_is_directory=True)
    create_image(path, EM.shape, "u1", (1, 16, 16), EM)
    assert set(content(disk)) == METADATA


@pytest.mark.parametrize("name", ["notes.txt", "0/c/notes.txt", "zarr.partial"])
@pytest.mark.parametrize("kind", ["file", "link"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path, name, kind, overwrite):
    path = killed_early(tmp_path / "p.zarr")
    if kind == "file":
        (path / name).touch()
    else:
        (path / name).symlink_to(tmp_path)
    before = sorted(path.rglob("*"))
    with pytest.raises(UserError, match=r"p\.zarr exists"):
        create_image(path, EM.shape, "u1", (1, 16, 16), EM, overwrite=overwrite)
    remove_zarr(path)
    assert sorted(path.rglob("*")) == before


def test_what_a_process_was_killed_in_deleting_is_deleted_by_the_next(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead, mine, living = process.pid, os.getpid(), os.getppid()
    names = [f".p[1].zarr.{pid}.old" for pid in (dead, mine, living)]
    names += [f".q.zarr.{dead}.old", ".p[1].zarr.notes.old"]
    for name in names:
        (tmp_path / name / "0").mkdir(parents=True)
        (tmp_path / name / "zarr.json").write_text("{}")
    path = tmp_path / "p[1].zarr"
    create_image(path, EM.shape, "u1", (1, 16, 16), EM)
    assert {p.name for p in tmp_path.iterdir()} == {path.name, *names[2:]}
    (tmp_path / names[1]).mkdir()
    remove_zarr(path)
    assert {p.name for p in tmp_path.iterdir()} == set(names[2:])
