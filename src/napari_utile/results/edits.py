"""Corrections by hand of the labels in a result: each is written as a whole, and recorded.

    pixels before and after, on disk --record--> chunks, smaller levels --> record is done

Until the record is written nothing has changed; from then on the correction is carried out, by
the next call if this process is killed. Each step may be taken twice. The pixels from before
stay in the result, under ``edits`` of its labels. Where two corrections change the same pixel,
the later one counts, and the record of the later one holds what the earlier one had made.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.disk import check_free, room_for, to_disk
from napari_utile.io.ngff import LABELS, utile_of
from napari_utile.io.ome_zarr import (
    COMPRESSION,
    mark_complete,
    open_multiscale,
    provenance,
    sync_chunks,
)
from napari_utile.io.pyramids import renew_smaller_levels
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.io.zarr_nodes import open_folder
from napari_utile.results.objects import table_of

Kind = Literal["instances", "classes"]
Box = tuple[tuple[int, int], ...]
"""First pixel and one past the last, along each axis of the labels."""
EDITS = "edits"
"""Key of the records of corrections in the metadata of labels, and group of their pixels."""


@dataclass(frozen=True)
class SavedEdit:
    """What became of a correction.

    Attributes
    ----------
    pixels : int
        That have another id than before.
    renumbered : dict of int to int
        Ids of new objects that were taken, and those that they got.
    overridden : int
        Pixels that another correction had changed in the meantime: this one counts.
    stale : tuple of str
        Names of tables of the objects as they were, which were put aside.
    """

    pixels: int
    renumbered: dict[int, int]
    overridden: int = 0
    stale: tuple[str, ...] = ()


def edits_of(result: Path) -> list[dict[str, Any]]:
    """List the records of the corrections of a result, the oldest first.

    Parameters
    ----------
    result : Path
        Any path; what is no result in Zarr has none.

    Returns
    -------
    list of dict
        `kind`, `number`, `box`, `saved` (date and time), `pixels`, `done`.
    """
    found: list[dict[str, Any]] = []
    if is_zarr(result):
        with suppress(UserError):
            for kind in ("instances", "classes"):
                group = open_folder(result).get(f"{LABELS}/{kind}")
                if isinstance(group, zarr.Group):
                    found += [{"kind": kind} | record for record in _records(group)]
    return found


def refuse_edited(result: Path) -> None:
    """Refuse to replace labels that were corrected by hand.

    Raises
    ------
    UserError
        If there are such corrections.
    """
    if records := edits_of(result):
        count = len(records)
        what = "a correction" if count == 1 else f"{count} corrections"
        raise UserError(
            f"{result} holds {what} by hand, the last of {records[-1]['saved'][:16]}: "
            "overwrite replaces what was corrected, too."
        )


def finish_edits(result: Path) -> bool:
    """Carry out a correction that was recorded and not completed: its process was killed.

    The caller holds the result, see `WorkFolder.held`.

    Returns
    -------
    bool
        Whether there was one.
    """
    begun = [record for record in edits_of(result) if not record["done"]]
    for record in begun:
        _carry_out(result, record["kind"], record)
    return bool(begun)


def read_to_edit(
    result: Path, kind: Kind, box: Box
) -> Generator[None, None, tuple[NDArray[Any], int]]:
    """Read a part of the labels of a result, to correct it.

    Parameters
    ----------
    result : Path
        Complete, .zarr.
    kind : {"instances", "classes"}
    box : tuple of (int, int)

    Yields
    ------
    None
        After each plane that is looked through for the largest id, if that is not known.

    Returns
    -------
    labels : ndarray of int
    free : int
        An id that no object of the whole result has.

    Raises
    ------
    UserError
        If the result is in use, or not complete.
    """
    _check_complete(result)
    if any(not record["done"] for record in edits_of(result)):
        with WorkFolder(result).held():
            finish_edits(result)
    level: Any = open_multiscale(result, kind)["0"]
    labels = np.asarray(level[_slices(box)])
    largest = yield from _largest_id(result, kind)
    return labels, 1 + max(largest, int(labels.max(initial=0)))


def save_edit(
    result: Path,
    kind: Kind,
    box: Box,
    seen: NDArray[Any],
    edited: NDArray[Any],
) -> Generator[None, None, SavedEdit]:
    """Write a corrected part of the labels of a result into it.

    Only the pixels that were changed are written. An id of instances that was not in the part
    before is a new object, and gets one that is free in the whole result; unless the object
    continues one of the slice before or behind that has this id and overlaps it.

    Parameters
    ----------
    result : Path
        Complete, .zarr.
    kind : {"instances", "classes"}
    box : tuple of (int, int)
    seen : ndarray of int, shape of the box
        Labels as they were read to be corrected.
    edited : ndarray of int, shape of the box
        Labels as they are to be.

    Yields
    ------
    None
        While it works. To stop iterating before the last step leaves the rest to the next call.

    Returns
    -------
    SavedEdit

    Raises
    ------
    UserError
        If the result is in use or not complete, there is no room, or an id does not fit.
    """
    _check_complete(result)
    with WorkFolder(result).held():
        finish_edits(result)
        level: Any = open_multiscale(result, kind)["0"]
        before = np.asarray(level[_slices(box)])
        is_changed = edited != seen
        _refuse_ids(edited[is_changed], before.dtype)
        overridden = int((is_changed & (before != seen) & (before != edited)).sum())
        renumbered: dict[int, int] = {}
        largest = yield from _largest_id(result, kind)
        if kind == "instances":
            known = np.union1d(seen, before)
            new = np.setdiff1d(edited[is_changed], known)
            new = new[new > 0]
            goes_on = [n for n in new.tolist() if _continues(level, box, edited, n)]
            renumbered = _free_ids(np.setdiff1d(new, goes_on).tolist(), largest)
        after = before.copy()
        after[is_changed] = edited[is_changed]
        for was, now in renumbered.items():
            _refuse_ids(np.array([now]), before.dtype)
            after[is_changed & (edited == was)] = now
        pixels = int((after != before).sum())
        yield
        if not pixels:
            return SavedEdit(0, {})
        record = _recorded(result, kind, box, before, after, largest)
        yield
        stale = _carry_out(result, kind, record)
        renumbered = {was: now for was, now in renumbered.items() if was != now}
        return SavedEdit(pixels, renumbered, overridden, stale)


def _check_complete(result: Path) -> None:
    if not is_zarr(result):
        raise UserError(f"{result} is not there any more: it was moved or removed.")
    if not provenance(result).get("complete"):
        raise UserError(f"{result} is not complete: let it finish before you correct it.")


def _records(group: zarr.Group) -> list[dict[str, Any]]:
    found = utile_of(group).get(EDITS, [])
    return [*found] if isinstance(found, list) else []


def _slices(box: Sequence[Sequence[int]]) -> tuple[slice, ...]:
    return tuple(slice(first, end) for first, end in box)


def _refuse_ids(ids: NDArray[Any], dtype: np.dtype) -> None:
    """Refuse ids that the labels cannot hold."""
    limits = np.iinfo(dtype)
    low, high = int(ids.min(initial=0)), int(ids.max(initial=0))
    if low < 0 or high > limits.max:
        wrong = low if low < 0 else high
        raise UserError(f"The result holds ids from 0 to {limits.max:,}, not {wrong:,}.")


def _largest_id(result: Path, kind: Kind) -> Generator[None, None, int]:
    """Return the largest id of the labels; objects of a result are numbered from 1."""
    group = open_multiscale(result, kind)
    said = [record["largest"] for record in _records(group)]
    counted = provenance(result).get("objects") if kind == "instances" else None
    if said or isinstance(counted, int):
        return max([*said, counted or 0])
    level: Any = group["0"]
    largest = 0
    for first in range(0, level.shape[0], level.chunks[0]):
        largest = max(largest, int(level[first : first + level.chunks[0]].max(initial=0)))
        yield
    return largest


def _continues(level: Any, box: Box, edited: NDArray[Any], new: int) -> bool:
    """Whether an object overlaps one with its id in the slice before or behind the part."""
    names = tuple(level.metadata.dimension_names or ())
    if "z" not in names:
        return False
    axis = names.index("z")
    first, end = box[axis]
    for outside, inside in ((first - 1, 0), (end, -1)):
        if 0 <= outside < level.shape[axis]:
            where = [*_slices(box)]
            where[axis] = slice(outside, outside + 1)
            there = np.asarray(level[tuple(where)]) == new
            if (there & (np.take(edited, [inside], axis) == new)).any():
                return True
    return False


def _free_ids(new: list[int], largest: int) -> dict[int, int]:
    """Return a free id for each new object: its own, if no object has that."""
    given = {each: each for each in new if each > largest}
    following = max([largest, *given]) + 1
    taken = [each for each in new if each <= largest]
    return given | dict(zip(taken, range(following, following + len(taken)), strict=True))


def _recorded(
    result: Path,
    kind: Kind,
    box: Box,
    before: NDArray[Any],
    after: NDArray[Any],
    largest: int,
) -> dict[str, Any]:
    """Put the pixels of a correction on disk, and then its record."""
    group = open_multiscale(result, kind)
    records, level = _records(group), group["0"]
    is_whole = after.size == prod(level.shape)
    record = {
        "number": len(records),
        "box": [[*map(int, side)] for side in box],
        "saved": datetime.now().isoformat(timespec="seconds"),
        "pixels": int((after != before).sum()),
        "largest": max(largest, int(after.max(initial=0))),
        "done": False,
    }
    if kind == "instances":
        counted = provenance(result).get("objects")
        record["objects"] = _count_after(counted, largest, before, after, is_whole)
    check_free(result, before.nbytes + after.nbytes)
    with room_for(result, before.nbytes + after.nbytes):
        place = group.require_group(EDITS).create_group(str(len(records)), overwrite=True)
        for name, pixels in (("before", before), ("after", after)):
            place.create_array(name, data=pixels, compressors=COMPRESSION)
        for path in _folder(result, kind, EDITS, str(len(records))).rglob("*"):
            to_disk(path)
        _write_records(result, kind, [*records, record])
    return record


def _carry_out(result: Path, kind: Kind, record: dict[str, Any]) -> tuple[str, ...]:
    """Do what a record says; each step may have been taken before."""
    box, number = record["box"], str(record["number"])
    group = open_multiscale(result, kind)
    pixels: Any = group[f"{EDITS}/{number}"]
    level: Any = group["0"]
    with room_for(result):
        if "after" in pixels:
            level[_slices(box)] = np.asarray(pixels["after"])
            sync_chunks(level, box)
            for _ in renew_smaller_levels(result, kind, box):
                pass
            stale = tuple(_put_aside(result))
            counted = {"objects": record["objects"]} if "objects" in record else {}
            mark_complete(result, **counted)
        else:
            stale = ()
        records = _records(group := open_multiscale(result, kind))
        done = [each | {"done": True} if each["number"] == record["number"] else each
                for each in records]  # fmt: skip
        _write_records(result, kind, done)
        pixels = group[f"{EDITS}/{number}"]
        if "after" in pixels:  # it is in the labels now
            del pixels["after"]
    return stale


def _write_records(result: Path, kind: Kind, records: list[dict[str, Any]]) -> None:
    group = open_multiscale(result, kind)
    group.attrs["utile"] = utile_of(group) | {EDITS: records}
    for path in (_folder(result, kind, "zarr.json"), _folder(result, kind)):
        to_disk(path)


def _folder(result: Path, kind: Kind, *inside: str) -> Path:
    return Path(result, LABELS, kind, *inside)


def _count_after(
    counted: int | None,
    largest: int,
    before: NDArray[Any],
    after: NDArray[Any],
    is_whole: bool,
) -> int | None:
    """Return how many objects the result has now; None if that is not known.

    An object that is gone from a part may go on elsewhere.
    """
    there, here = (np.setdiff1d(ids, [0]) for ids in (before, after))
    if is_whole:
        return len(here)
    if counted is None or len(np.setdiff1d(there, here)):
        return None
    return counted + int((here > largest).sum())


def _put_aside(result: Path) -> Iterator[str]:
    """Rename the tables of the objects as they were; yield their new names."""
    for table in (table_of(result), result.with_name(f"{result.name}.links.csv")):
        if table.exists():
            old = table.with_suffix(".old.csv")
            table.replace(old)
            yield old.name
