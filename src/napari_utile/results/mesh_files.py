"""A file with the surface of each object of labels: found, cut out, and written one by one."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.errors import UserError
from napari_utile.events import (
    BlockDone,
    Event,
    ImageDone,
    RunDone,
    RunStarted,
    Warned,
    doubted,
)
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.disk import atomic_write, check_writable
from napari_utile.io.fingerprints import fingerprint, image_change
from napari_utile.io.memory import memory_budget
from napari_utile.io.units import size_text
from napari_utile.results.columns import Calibration, Columns
from napari_utile.results.measured import Measured, open_measured
from napari_utile.results.meshes import MESH_FORMATS, mesh_of
from napari_utile.results.objects import InMemory, measure_objects

MESHES = "meshes"
"""Stage of the journal: objects whose file is on disk."""
PIXEL_BYTES = 24
"""Of memory that a pixel in the box of an object takes: labels, mask, marching cubes."""
SMALLEST_BUDGET = 2**26
"""Bytes that an object may take however little memory is free."""


def write_meshes(
    labels: str | Path,
    out: Path,
    ids: Sequence[int] | None = None,
    form: str = "ply",
    step: int = 1,
    smoothing: int = 0,
    overwrite: bool = False,
) -> Generator[Event, None, list[Path]]:
    """Write the surfaces of objects as triangles.

    Closing the generator stops the run; the same call resumes it.

    Parameters
    ----------
    labels : str or Path
        A result of U-Tile, or any image file with labels, that has slices.
    out : Path
        Folder of the meshes, ID.ply each; with time points t2_ID.ply.
    ids : sequence of int, optional
        Of the objects; all by default.
    form : {"ply", "obj"}
    step : int, default 1
        Every how many pixels are looked at, along each axis.
    smoothing : int, default 0
        How many times vertices are moved to the mean of their neighbours.
    overwrite : bool, default False

    Yields
    ------
    RunStarted, Warned, BlockDone, ImageDone, RunDone

    Returns
    -------
    list of Path

    Raises
    ------
    UserError
        If there are no such labels or objects, or the output cannot be written.
    """
    began = monotonic()
    measured = open_measured(labels)
    stack = measured.labels
    calibration = Calibration.of(stack)
    if "z" not in calibration.axes:
        raise UserError(f"{stack.source} has no slices, and an image has no surfaces.")
    measured = Measured(stack, doubts=stack.doubts)
    options = {"ids": ids and list(ids), "form": form, "step": step, "smoothing": smoothing}
    plan = json.loads(json.dumps({"labels": fingerprint(stack), "options": options}))
    work = WorkFolder(out)
    end = ImageDone(image=stack.source, out=str(out), status="done")
    with work.held():
        kept = _finished_meshes(work, plan, out, overwrite)
        yield RunStarted(job="mesh", out=str(out))
        doubts = [*measured.doubts, *filter(None, [calibration.doubt])]
        yield from doubted(doubts, strict=False)
        if kept:
            yield end.model_copy(update={"status": "kept", "objects": kept["files"]})
            yield RunDone(
                out=str(out), seconds=monotonic() - began, kept=True,
                reason="kept: it was finished before, of the same labels",
            )  # fmt: skip
            return sorted(out.glob(f"*.{form}"))
        if work.plan != plan:
            work.begin(plan)
        boxes = InMemory()
        yield from measure_objects(measured, calibration, boxes)
        try:
            table = _chosen(boxes.columns(), ids, stack.name)
        except UserError:
            work.clear()
            raise
        writer = _Writer(measured, calibration, out, options)
        yield from writer.write_all(table, work)
        paths, failed = writer.paths, tuple(writer.failed)
        if not failed:
            work.finish({"plan": plan, "files": len(paths)})
        with suppress(OSError):
            work.clear()
    seconds = monotonic() - began
    status: Any = "incomplete" if failed else "done"
    more = {"status": status, "objects": len(paths), "seconds": seconds}
    yield end.model_copy(update=more | {"message": failed[0] if failed else ""})
    yield RunDone(out=str(out), seconds=seconds, failed=failed, user=bool(failed))
    return paths


def _finished_meshes(
    work: WorkFolder, plan: Mapping[str, Any], out: Path, overwrite: bool
) -> dict[str, Any]:
    """Return the facts about meshes that are finished; refuse a folder of other things.

    Raises
    ------
    UserError
        If something is there that may not be overwritten, or nothing can be written.
    """
    check_writable(out)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file, and meshes are written to a folder: name one.")
    there = out.is_dir() and any(out.iterdir())
    if not there or overwrite or work.plan == plan:
        return {}
    finished = work.finished
    if finished.get("plan") == plan and finished["files"] == sum(1 for _ in out.iterdir()):
        return finished
    was = finished.get("plan", {}).get("labels", {})
    change = image_change(was, plan["labels"]) if was else None
    why = f" ({change})" if change else ""
    raise UserError(f"{out} holds something else{why}. Choose another folder, or overwrite it.")


def _chosen(table: Columns, ids: Sequence[int] | None, name: str) -> Columns:
    """Return the rows of the objects that were asked for.

    Raises
    ------
    UserError
        If one of them is not there.
    """
    if ids is None:
        return table
    missing = [number for number in ids if number not in table["id"]]
    if missing:
        there = table["id"].tolist()
        some = ", ".join(map(str, there[:5])) + (" ..." if len(there) > 5 else "")
        raise UserError(
            f"{name} has no object {missing[0]}; it has {len(there):,}: {some or 'none'}."
        )
    kept = np.isin(table["id"], np.array(ids, np.uint64))
    return {column: values[kept] for column, values in table.items()}


class _Writer:
    """Cuts objects out of their stack, and writes the surface of each."""

    def __init__(
        self,
        measured: Measured,
        calibration: Calibration,
        out: Path,
        options: Mapping[str, Any],
    ):
        self._labels, self._calibration, self._out = measured.labels, calibration, out
        self._form, self._step = options["form"], options["step"]
        self._smoothing = options["smoothing"]
        self.paths: list[Path] = []
        self.failed: list[str] = []

    def write_all(
        self, table: Columns, work: WorkFolder
    ) -> Generator[BlockDone | Warned, None, None]:
        """Write the objects of a table that are not on disk yet."""
        total = len(table["id"])
        done = work.done(MESHES, total)
        journal, began, written = work.journal(), monotonic(), 0
        try:
            for row in range(total):
                number = int(table["id"][row])
                time = int(table["t"][row]) if "t" in table else None
                path = self._path(number, time)
                if not (done[row] and path.exists()):
                    try:
                        self._write(path, table, row, time)
                        journal.write(MESHES, [row])
                    except UserError as error:
                        self.failed.append(str(error))
                        yield Warned(message=str(error))
                        continue
                self.paths.append(path)
                written += 1
                rate = written / max(monotonic() - began, 1e-9)
                yield BlockDone(
                    stage="mesh", image=self._labels.name, done=row + 1, total=total,
                    rate=rate, seconds_left=(total - row - 1) / rate,
                )  # fmt: skip
        finally:
            journal.close()

    def _path(self, number: int, time: int | None) -> Path:
        name = f"{number}" if time is None else f"t{time}_{number}"
        return self._out / f"{name}.{self._form}"

    def _write(self, path: Path, table: Columns, row: int, time: int | None) -> None:
        mask, first = self._mask(table, row, time)
        calibration, step = self._calibration, self._step
        spacing = [size * step for size in calibration.spacing]
        origin = [
            start + size * place
            for start, size, place in zip(
                calibration.origin, calibration.spacing, first, strict=True
            )
        ]
        if not mask.any():
            raise UserError(
                f"Object {table['id'][row]} has no pixel at a step of {step}: reduce it."
            )
        mesh = mesh_of(mask, spacing, origin, self._smoothing)
        atomic_write(path, MESH_FORMATS[self._form](mesh, calibration.unit))

    def _mask(
        self, table: Columns, row: int, time: int | None
    ) -> tuple[NDArray[np.bool_], list[int]]:
        """Read the mask of an object in its box, and return it with its first pixel.

        Raises
        ------
        UserError
            If it does not fit into the memory.
        """
        step, number = self._step, table["id"][row]
        box = [
            slice(int(table[f"{axis}_start_px"][row]), int(table[f"{axis}_stop_px"][row]), step)
            for axis in self._calibration.axes
        ]
        sizes = [len(range(side.start, side.stop, step)) for side in box]
        needed, budget = prod(sizes) * PIXEL_BYTES, max(memory_budget(), SMALLEST_BUDGET)
        if needed > budget:
            raise UserError(
                f"Object {number} fills a box of {' x '.join(map(str, sizes))} px, which takes "
                f"{size_text(needed)} of memory, and {size_text(budget)} may be used: give a "
                f"step of {step + 1} or more."
            )
        index = () if time is None else (time,)
        if step == 1:  # at once: a chunk may hold many slices
            mask = self._labels.window(index, tuple(box))[0] == number
            return mask, [side.start for side in box]
        mask = np.empty(sizes, bool)
        for i, z in enumerate(range(box[0].start, box[0].stop, step)):
            plane = self._labels.window(index, (slice(z, z + 1), *box[1:]))[0, 0]
            mask[i] = plane == number
        return mask, [side.start for side in box]
