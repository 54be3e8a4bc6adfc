"""Zarr folders as folders: told from others, replaced, and removed whole."""

import os
import re
import shutil
from pathlib import Path

import psutil

from napari_utile.errors import UserError
from napari_utile.io.disk import check_writable
from napari_utile.io.ngff import MARKS
from napari_utile.io.stack import Stack

DRAFT = re.compile(r"zarr\.[0-9a-f]{32}\.partial")
"""What zarr writes metadata to before it names them."""


def is_zarr(path: Path) -> bool:
    """Say whether a folder is a Zarr group or array."""
    return any((path / mark).is_file() for mark in MARKS)


def check_zarr_output(
    path: Path | str, like: Stack | None = None, overwrite: bool = False
) -> None:
    """Refuse an output that must not be replaced: `create` would do so, but later.

    Raises
    ------
    UserError
        If it is there without `overwrite`, is no Zarr folder, holds the input, or cannot be
        written. A folder without files, as a killed process leaves it, is no obstacle.
    """
    path = Path(path)
    check_writable(path)
    if not path.exists():
        return
    if like is not None and like.path is not None:
        source, target = like.path.resolve(), path.resolve()
        if source == target or target in source.parents or source in target.parents:
            raise UserError(f"{path} is the image itself; choose another output.")
    if _is_empty(path):
        return
    if not overwrite:
        raise UserError(f"{path} exists; --overwrite replaces it.")
    if not is_zarr(path):
        raise UserError(f"{path} exists and is no Zarr folder; choose another output.")


def remove_zarr(path: Path) -> None:
    """Delete a Zarr folder, or one without files; its name is free at once.

    What processes that were killed while they did so have left is deleted, too.
    """
    _remove_leftovers(path)
    if is_zarr(path):
        waste = path.with_name(f".{path.name}.{os.getpid()}.old")
        os.replace(path, waste)
        shutil.rmtree(waste)
    elif _is_empty(path):
        _remove_folders(path)


def _is_empty(path: Path) -> bool:
    """Say whether there is nothing in a folder but folders, and metadata half written."""
    return path.is_dir() and not any(
        any(not DRAFT.fullmatch(file) for file in files)
        or any(Path(folder, name).is_symlink() for name in inside)
        for folder, inside, files in os.walk(path)
    )


def _remove_folders(path: Path) -> None:
    """Remove a folder that is empty; a file that somebody puts there meanwhile stops it."""
    for folder, inside, files in os.walk(path, topdown=False):
        for draft in filter(DRAFT.fullmatch, files):
            Path(folder, draft).unlink(missing_ok=True)
        for name in inside:
            Path(folder, name).rmdir()
    if not path.is_symlink():
        path.rmdir()


def _remove_leftovers(path: Path) -> None:
    """Delete what `remove` had put aside in processes that no longer live."""
    aside = re.compile(re.escape(f".{path.name}.") + r"(\d{1,9})\.old")
    for waste in path.parent.glob(".*.old"):
        if named := aside.fullmatch(waste.name):
            pid = int(named[1])
            if pid == os.getpid() or not psutil.pid_exists(pid):  # numbers come again
                shutil.rmtree(waste, ignore_errors=True)
