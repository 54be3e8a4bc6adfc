"""Whether an image has changed, found out without reading all of it.

Work that is resumed, or shared by several machines, must not mix two states of an image.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_nodes import chunk_files

SMALL = 64_000_000
"""Bytes up to which all pixels count, and no dates: a copy is the same image."""
PATCHES, SIDE = 24, 32
"""Number of squares that are read of every image, and their side in pixels."""
R2_STEPS = (0.7548776662466927, 0.5698402909980532)
"""The fractional parts of their multiples fill a square evenly: the sequence R2 of M. Roberts,
"The unreasonable effectiveness of quasirandom sequences" (2018)."""

UNREADABLE = np.frombuffer(b"unreadable", np.uint8)
"""Stands for pixels that cannot be read."""

Fingerprint = dict[str, Any]


def fingerprint(stack: Stack) -> Fingerprint:
    """Describe the state of an image, so that another image, or another state, differs.

    Parameters
    ----------
    stack : Stack

    Returns
    -------
    dict of plain JSON types
        shape, channels, axes, dtype, and

        samples : str
            Digest of a few squares, spread over all planes, the first and last included.
        pixels : str
            Digest of all pixels, if they are few (`SMALL`) and on this machine.
        files : dict
            Otherwise, of local files: their number, bytes, last change, and a digest of the
            content of a single small file, else of size and time of change of each.

    Raises
    ------
    UserError
        If no sample can be read.

    Notes
    -----
    Unreadable pixels count as a constant: one damaged block makes no stack useless, and a
    block that was repaired is a change.

    Not noticed are changes of a large image in memory, or on another machine, outside of the
    samples; and of a Zarr array with more than `MOST_FILES` chunks, in those between.
    """
    found: Fingerprint = {
        "shape": list(stack.shape),
        "channels": stack.channels,
        "axes": stack.axes,
        "dtype": stack.dtype.name,
        "samples": _digest(_samples(stack)),
    }
    is_remote = stack.path is None and stack.source
    if stack.nbytes <= SMALL and not is_remote:
        found["pixels"] = _digest(_readable_plane(stack, index) for index in stack.indices)
    elif files := _files(stack):
        found["files"] = _described(*files)
    return found


def image_change(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Describe how an image has changed; None if it has not.

    Parameters
    ----------
    there, here : mapping
        The fingerprint that was recorded, and that of today.

    Returns
    -------
    str or None

    Examples
    --------
    >>> image_change({"shape": [9, 9]}, {"shape": [8, 9]})
    'its shape was (9, 9) and is (8, 9)'
    """
    for name in ("shape", "channels", "axes", "dtype"):
        was, now = (of.get(name, "unknown") for of in (there, here))
        if was != now:
            plural = name in ("channels", "axes")
            verbs = ("were", "are") if plural else ("was", "is")
            return f"its {name} {verbs[0]} {_shown(was)} and {verbs[1]} {_shown(now)}"
    if there.get("samples") != here.get("samples"):
        return "its pixels have changed"
    if "pixels" in there and "pixels" in here:
        return "its pixels have changed" if there["pixels"] != here["pixels"] else None
    if "files" in there and "files" in here:
        return _changed(there["files"], here["files"])
    return None


def _shown(value: Any) -> str:
    """Write a shape as Python does; JSON keeps it as a list."""
    return str(tuple(value) if isinstance(value, list) else value)


def _changed(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    if there["bytes"] != here["bytes"]:
        return f"it had {there['bytes']:,} bytes and has {here['bytes']:,}"
    if there["digest"] == here["digest"]:
        return None
    if there["changed"] == here["changed"]:
        return "its files have changed"
    when = datetime.fromtimestamp(here["changed"] / 1e9)
    return f"it was modified on {when:%Y-%m-%d at %H:%M:%S}"


def _samples(stack: Stack) -> list[NDArray[Any]]:
    """Read squares that are spread over the planes, and within the plane."""
    planes, (height, width) = stack.indices, stack.shape[-2:]
    places = []
    for number in range(PATCHES):
        # Planes evenly spaced; in the plane the next point of R2, so no place is read twice.
        index = planes[round(number * (len(planes) - 1) / (PATCHES - 1))]
        y, x = (
            int(step * number % 1 * max(1, n - SIDE + 1))
            for step, n in zip(R2_STEPS, (height, width), strict=True)
        )
        places.append((index, slice(y, y + SIDE), slice(x, x + SIDE)))
    samples = [_readable_plane(stack, *place) for place in places]
    if all(pixels is UNREADABLE for pixels in samples):
        stack.plane(*places[0])  # says why
    return samples


def _readable_plane(stack: Stack, *place: Any) -> NDArray[Any]:
    """Read a plane, or a part of it, as `Stack.plane` does; `UNREADABLE` if that fails."""
    try:
        return stack.plane(*place)
    except (UserError, OSError):
        return UNREADABLE


def _digest(parts: Iterable[NDArray[Any]]) -> str:
    digest = blake2b(digest_size=16)
    for pixels in parts:
        # The same on machines of either byte order.
        little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
        digest.update(np.ascontiguousarray(little).data)
    return digest.hexdigest()


def _files(stack: Stack) -> list[Path]:
    """List the local files that hold the pixels; of many chunks, `MOST_FILES` spread evenly."""
    data = stack.data
    if not isinstance(data, zarr.Array) or not hasattr(data.store, "root"):
        return [stack.path] if stack.path and stack.path.is_file() else []
    return chunk_files(data)


def _described(*files: Path) -> dict[str, Any]:
    digest, there = blake2b(digest_size=16), list(_existing(files))
    total = sum(status.st_size for _, status in there)
    if len(files) == 1 and total <= SMALL:
        digest.update(files[0].read_bytes())
    else:
        for file, status in there:
            digest.update(f"{file} {status.st_size} {status.st_mtime_ns}\n".encode())
    changed = max((status.st_mtime_ns for _, status in there), default=0)
    return {
        "count": len(there), "bytes": total, "changed": changed, "digest": digest.hexdigest()
    }  # fmt: skip


def _existing(files: tuple[Path, ...]) -> Iterator[tuple[int, os.stat_result]]:
    """Yield number and status of the files that exist; a chunk of zeros has none."""
    for number, file in enumerate(files):
        try:
            yield number, file.stat()
        except FileNotFoundError:
            continue


def digest_of_planes(
    stacks: Sequence[Stack], places: Iterable[tuple[int, tuple[int, ...]]]
) -> str:
    """Compute the BLAKE2 digest of planes.

    Parameters
    ----------
    stacks : sequence of Stack
    places : iterable of (int, tuple of int)
        Number of the stack, and index of the plane, or volume, in it.

    Returns
    -------
    str
    """
    digest = blake2b(digest_size=16)
    for i, index in places:
        everything = (len(stacks[i].shape) - len(index)) * (slice(None),)
        pixels = np.ascontiguousarray(stacks[i].window(index, everything))
        digest.update(f"{i} {index} {pixels.dtype} {pixels.shape}".encode())
        digest.update(pixels.data)
    return digest.hexdigest()


def aligned_index(index: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return the index of the same plane in a stack with `count` leading axes.

    Parameters
    ----------
    index : tuple of int
        Of the plane, along the leading axes of one stack.
    count : int
        Leading axes of the other one; those that only one of them has are of length 1.

    Examples
    --------
    >>> aligned_index((4,), 2), aligned_index((0, 4), 1)
    ((0, 4), (4,))
    """
    return (0,) * (count - len(index)) + index[max(0, len(index) - count) :]
