"""Zarr folders as folders: recognized, checked before they are overwritten, and removed."""

import os
import re
import shutil
from pathlib import Path

import psutil
import zarr

from napari_utile.errors import UserError
from napari_utile.io.disk import check_writable
from napari_utile.io.own_files import not_ours
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_nodes import MARKS

_DRAFT = re.compile(r"zarr\.[0-9a-f]{32}\.partial")
"""The files that zarr writes metadata to, before it renames them."""


def is_zarr(path: Path) -> bool:
    """Whether a folder is a Zarr group or array."""
    return any((path / mark).is_file() for mark in MARKS)


def check_zarr_output(
    path: Path | str, like: Stack | None = None, overwrite: bool = False
) -> None:
    """Refuse a Zarr output that exists, unless it may be overwritten, or cannot be written.

    Parameters
    ----------
    path : path
    like : Stack, optional
        The image that the output is made from: it is never overwritten.
    overwrite : bool, default False
        Whether an existing output of U-Tile is replaced. Another folder never is, but for one
        without files, as a killed process leaves it.

    Raises
    ------
    UserError
        Names the path and the reason.
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
    if not is_zarr(path) or not _is_own(path):
        raise UserError(not_ours(path))
    if not overwrite:
        raise UserError(f"{path} exists; overwrite replaces it.")


def _is_own(path: Path) -> bool:
    """Whether a Zarr folder says that U-Tile wrote it."""
    try:
        return isinstance(dict(zarr.open(path, mode="r").attrs).get("utile"), dict)
    except Exception:  # damaged metadata raise whatever stumbles over them
        return False


def remove_zarr(path: Path) -> None:
    """Delete a Zarr folder, or one without files; its name is free at once.

    What killed processes left of such a deletion is deleted, too.

    Parameters
    ----------
    path : Path
        Nothing happens if it does not exist, or is another folder.
    """
    _remove_leftovers(path)
    if is_zarr(path):
        # To rename takes a moment; to delete a million chunks takes minutes.
        waste = path.with_name(f".{path.name}.{os.getpid()}.old")
        os.replace(path, waste)
        shutil.rmtree(waste)
    elif _is_empty(path):
        _remove_folders(path)


def _is_empty(path: Path) -> bool:
    """Whether a folder holds nothing but folders, and unfinished metadata."""
    return path.is_dir() and not any(
        any(not _DRAFT.fullmatch(file) for file in files)
        or any(Path(folder, name).is_symlink() for name in inside)
        for folder, inside, files in os.walk(path)
    )


def _remove_folders(path: Path) -> None:
    """Remove a folder without files. `rmdir` fails if another process adds one now."""
    for folder, inside, files in os.walk(path, topdown=False):
        for draft in filter(_DRAFT.fullmatch, files):
            Path(folder, draft).unlink(missing_ok=True)
        for name in inside:
            Path(folder, name).rmdir()
    if not path.is_symlink():
        path.rmdir()


def _remove_leftovers(path: Path) -> None:
    """Delete what `remove_zarr` had renamed in processes that no longer live."""
    aside = re.compile(re.escape(f".{path.name}.") + r"(\d{1,9})\.old")
    for waste in path.parent.glob(".*.old"):
        if named := aside.fullmatch(waste.name):
            pid = int(named[1])
            if pid == os.getpid() or not psutil.pid_exists(pid):  # process ids are used again
                shutil.rmtree(waste, ignore_errors=True)
