"""The table of objects: labels in, a row per object out; memory holds rows and a few slices.

A run is a generator of events: whoever stops iterating stops it. What it writes is resumed.
"""

import io
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import value_of_one
from napari_utile.arrays.labels import check_labels
from napari_utile.arrays.objects.measures import ObjectMeasures
from napari_utile.arrays.objects.sums import ObjectSums, PlaneWindow
from napari_utile.errors import UserError
from napari_utile.events import (
    BlockDone,
    Event,
    ImageDone,
    RunDone,
    RunStarted,
    doubted,
    drain,
    warn,
)
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.disk import atomic_write, check_file_output
from napari_utile.io.fingerprints import image_change
from napari_utile.io.images import as_stack
from napari_utile.io.names import is_url, last_part
from napari_utile.io.stack import Stack, check_holds_labels
from napari_utile.results.blocking import Blocking, chunk_depth
from napari_utile.results.columns import Calibration, Columns, object_columns, table_lines
from napari_utile.results.measured import Measured, channel_stacks, open_measured, result_of

SECONDS_BETWEEN_STATES = 5
"""Slabs that were measured since the sums were last saved are measured again after a kill."""
SAVE_DUTY_CYCLE = 1 / 20
"""Share of the time that saving may take: the table may be large."""
OTHERS = {"labels": "the labels", "image": "the image", "probabilities": "the probabilities"}


def objects_table(
    labels: Any,
    image: Any = None,
    *,
    probabilities: Any = None,
    spacing: Sequence[float] | None = None,
    on_event: Callable[[Event], object] = warn,
) -> Columns:
    """Measure every object of labels.

    Parameters
    ----------
    labels : array of int, path, or Stack, shape (Y, X), (Z, Y, X), or with t in front
        Ids of objects; 0 is background. Of the path of a result, image and probabilities are
        found by themselves. A 3D array is a stack of slices.
    image : array, path, or Stack, optional
        Of the shape of the labels, may have channels: gives the intensities.
    probabilities : array, optional
        Foreground probabilities of the shape of the labels. Unsigned integers are fractions of
        their largest value.
    spacing : sequence of float, optional
        Size of a pixel in um, per axis (y, x) or (z, y, x). By default what the file says, or
        else lengths are in pixels.
    on_event : callable, optional
        Called with every event. By default warnings become Python warnings.

    Returns
    -------
    dict of str to ndarray, shape (objects,)
        The columns by name, for instance for `pandas.DataFrame`. Names end in the unit. They
        are those of the command `utile objects`, by the ids in order; see docs/objects.md.

    Raises
    ------
    UserError
        If they are no labels, or the shapes differ.

    Examples
    --------
    >>> table = objects_table([[0, 4, 4], [0, 4, 0]])
    >>> table["id"], table["pixels"], table["centroid_y_px"].round(2)
    (array([4], dtype=uint64), array([3]), array([0.33]))
    """
    measured = _measured(labels, image, probabilities)
    calibration = Calibration.of(measured.labels)
    if spacing is not None:
        calibration = _with_spacing(calibration, spacing)
    table = InMemory()

    def run() -> Generator[Event, None, None]:
        doubts = [*measured.doubts, *filter(None, [calibration.doubt])]
        yield from doubted(doubts, strict=False)
        yield from measure_objects(measured, calibration, table)

    drain(run(), on_event)
    return table.columns()


def _measured(labels: Any, image: Any, probabilities: Any) -> Measured:
    """Return labels of any kind with what belongs to them."""
    if isinstance(labels, str | Path):
        measured = open_measured(labels)
    else:
        stack = as_stack(labels, name="labels")
        check_holds_labels(stack)
        measured = Measured(stack)
    shape = measured.labels.shape
    given: list[Stack | None] = [None, None]
    for i, (name, array) in enumerate((("image", image), ("probabilities", probabilities))):
        if array is not None:
            given[i] = found = as_stack(array, name=name, shape=shape)
            if found.shape != shape:
                raise UserError(f"The {name} {found.shape} and labels {shape} differ in shape.")
    if given[1] is not None and given[1].channels != 1:
        raise UserError("The probabilities have several channels: give that of the foreground.")
    starts = (0,) * len(shape) if given[0] else measured.starts
    return Measured(
        measured.labels,
        given[0] or measured.image,
        starts,
        given[1] or measured.probabilities,
        measured.doubts,
    )


def _with_spacing(calibration: Calibration, spacing: Sequence[float]) -> Calibration:
    """Return a calibration with another size of pixels, in um.

    Raises
    ------
    UserError
        If there are not as many numbers as axes, or they are not positive.
    """
    axes = calibration.axes
    sizes = tuple(map(float, spacing))
    if len(sizes) != len(axes) or not all(0 < size < float("inf") for size in sizes):
        raise UserError(
            f"spacing is {tuple(spacing)}, but pixels have a positive size in um along each of "
            f"the axes {', '.join(axes)}."
        )
    return Calibration(axes, sizes, (0.0,) * len(axes), "um")


class Keeper(Protocol):
    """Where finished time points go, and the sums of the one that is not finished."""

    def resume(self, sums: ObjectSums) -> int:
        """Restore the sums; return the slab that comes next."""

    def save(self, sums: ObjectSums, next_slab: int, is_last: bool = False) -> None:
        """Keep the sums of the slabs before the next one; `is_last`: the run is stopped."""

    def add(self, columns: Columns, time: int) -> None:
        """Keep the table of a time point."""


class InMemory:
    """Keeps the tables of all time points in memory."""

    def __init__(self) -> None:
        self._tables: list[Columns] = []

    def resume(self, sums: ObjectSums) -> int:
        return 0

    def save(self, sums: ObjectSums, next_slab: int, is_last: bool = False) -> None:
        pass

    def add(self, columns: Columns, time: int) -> None:
        self._tables.append(columns)

    def columns(self) -> Columns:
        first = self._tables[0]
        return {name: np.concatenate([table[name] for table in self._tables]) for name in first}


class _OnDisk:
    """Keeps tables and sums beside the file that will hold them."""

    def __init__(self, work: WorkFolder):
        self._work = work
        self._saved, self._took = monotonic(), 0.0
        self.count = 0

    def resume(self, sums: ObjectSums) -> int:
        states = sorted(int(path.stem) for path in (self._work / "sums").glob("*.npz"))
        if not states:
            return 0
        with np.load(self._path(states[-1])) as arrays:
            sums.take_arrays(dict(arrays))
        return states[-1]

    def save(self, sums: ObjectSums, next_slab: int, is_last: bool = False) -> None:
        pause = max(SECONDS_BETWEEN_STATES, self._took / SAVE_DUTY_CYCLE)
        if not is_last and monotonic() - self._saved < pause:
            return
        began, path = monotonic(), self._path(next_slab)
        buffer = io.BytesIO()
        np.savez(buffer, **sums.to_arrays())  # type: ignore[arg-type]
        atomic_write(path, buffer.getvalue())
        for old in path.parent.glob("*.npz"):
            if old != path:
                old.unlink()
        self._saved = monotonic()
        self._took = self._saved - began

    def add(self, columns: Columns, time: int) -> None:
        lines = (",".join(columns) + "\n") * (time == 0) + table_lines(columns)
        atomic_write(self._rows(time), lines.encode())

    def write(self, out: Path, times: int) -> int:
        """Join the tables of all time points; return the number of rows."""
        count = -1  # the line of names

        def gather(draft: Path) -> None:
            nonlocal count
            with draft.open("wb") as file:
                for time in range(times):
                    lines = self._rows(time).read_bytes()
                    count += lines.count(b"\n")
                    file.write(lines)

        atomic_write(out, gather)
        return count

    def _path(self, next_slab: int) -> Path:
        return self._work / "sums" / f"{next_slab}.npz"

    def _rows(self, time: int) -> Path:
        return self._work / "rows" / f"{time}.csv"


def measure_objects(
    measured: Measured, calibration: Calibration, keeper: Keeper
) -> Generator[BlockDone, None, None]:
    """Measure the objects of all time points, from where an earlier run stopped.

    Parameters
    ----------
    measured : Measured
    calibration : Calibration
    keeper : Keeper

    Yields
    ------
    BlockDone
    """
    reader = _Reader(measured)
    blocking, sums = reader.blocking, reader.new_sums()
    first = keeper.resume(sums)
    windows = blocking.windows
    began, start, next_slab, is_between = monotonic(), first * len(windows), first, True

    def progress(done: int) -> BlockDone:
        total = blocking.slabs * len(windows)
        rate = max(done - start, 1) / max(monotonic() - began, 1e-9)
        return BlockDone(
            stage="table", image=measured.labels.name, done=done, total=total, rate=rate,
            seconds_left=(total - done) / rate,
        )  # fmt: skip

    try:
        for number in range(first, blocking.slabs):
            is_between = False
            time, slices = blocking.slab(number)
            if slices.start == 0:
                sums = reader.new_sums()
            for i, window in enumerate(windows):
                if i:
                    yield progress(number * len(windows) + i)
                reader.add(sums, time, slices, window)
            sums.end_slab()
            if slices.stop == blocking.shape[1]:
                keeper.add(reader.columns(sums, calibration, time), time)
            next_slab, is_between = number + 1, True
            keeper.save(sums, next_slab)
            yield progress(next_slab * len(windows))
    except GeneratorExit:
        if is_between:
            keeper.save(sums, next_slab, is_last=True)
        raise


class _Reader:
    """Reads the blocks of labels and of what is measured with them."""

    def __init__(self, measured: Measured):
        self._labels = labels = measured.labels
        self._channels = list(channel_stacks(measured))
        self._names = measured.channels
        self._has_probability = measured.probabilities is not None
        axes = labels.spatial_axes
        self._has_time, self._is_flat = "t" in axes, "z" not in axes
        times = labels.shape[0] if self._has_time else 1
        spatial = labels.shape[self._has_time :]
        shape = (times, *((1,) if self._is_flat else ()), *spatial)
        stacks = [labels, *(stack for stack, _, _ in self._channels)]
        # numbers of the objects take 4 bytes more
        pixel_bytes = 4 + sum(stack.dtype.itemsize for stack in stacks)
        t, z, y, x = shape
        depth = max(map(chunk_depth, stacks))
        self.blocking = Blocking.of((t, z, y, x), depth, pixel_bytes)
        self._is_whole = len(self.blocking.windows) == 1
        self._below: tuple[int, int, PlaneWindow] | None = None

    def new_sums(self) -> ObjectSums:
        """Return the sums of no pixel."""
        dtypes = [stack.dtype for stack, _, _ in self._channels]
        return ObjectSums(self.blocking.shape[1:], dtypes, self._is_flat)

    def add(
        self, sums: ObjectSums, time: int, slices: slice, window: tuple[slice, slice]
    ) -> None:
        """Add a block to the sums."""
        below = None
        first = slices.start
        if self._below and self._below[:2] == (time, first - 1) and self._is_whole:
            below = self._below[2]
        elif first > 0:
            first -= 1
        labels = self._read_labels(time, slice(first, slices.stop), window)
        values = [
            self._read_values(i, time, slices, window) for i in range(len(self._channels))
        ]
        for z in range(first, slices.stop):
            start = (z, window[0].start, window[1].start)
            plane = PlaneWindow(labels[z - first], start)
            if z >= slices.start:
                here = z - slices.start
                sums.add_plane(plane, below, [pixels[here] for pixels in values], here)
            below = plane
        assert below is not None
        self._below = (time, slices.stop - 1, below)

    def columns(self, sums: ObjectSums, calibration: Calibration, time: int) -> Columns:
        """Return the table of a time point."""
        dtype = self._channels[-1][0].dtype if self._has_probability else None
        return object_columns(
            ObjectMeasures.of(sums, calibration.spacing, calibration.origin),
            calibration,
            self._names,
            value_of_one(np.empty(0, dtype)) if dtype else None,
            time if self._has_time else None,
        )

    def _read_labels(
        self, time: int, slices: slice, window: tuple[slice, slice]
    ) -> NDArray[Any]:
        """Read labels (Z, Y, X) with a row above and a column to the left, where there are."""
        wide = tuple(slice(max(side.start - 1, 0), side.stop) for side in window)
        pixels = self._window(self._labels, time, (slices, *wide), 0)
        return check_labels(pixels, f"labels '{self._labels.name}'")

    def _read_values(
        self, number: int, time: int, slices: slice, window: tuple[slice, slice]
    ) -> NDArray[Any]:
        """Read the values (Z, Y, X) of a channel."""
        stack, channel, starts = self._channels[number]
        if self._has_time:
            time, starts = time + starts[0], starts[1:]
        block = (slices, *window)
        starts = (*(0,) * (3 - len(starts)), *starts)
        moved = tuple(
            slice(side.start + start, side.stop + start)
            for side, start in zip(block, starts, strict=True)
        )
        return self._window(stack, time, moved, channel)

    def _window(
        self, stack: Stack, time: int, block: tuple[slice, ...], channel: int
    ) -> NDArray[Any]:
        index = (time,) if self._has_time else ()
        pixels = stack.window(index, block[self._is_flat :])[channel]
        return pixels[np.newaxis] if self._is_flat else pixels


def table_of(labels: str | Path) -> Path:
    """Return where the table of a result is written, where no other place is chosen.

    Parameters
    ----------
    labels : str or Path
        A result, labels in it, or another file; of an address it is the working folder.
    """
    if is_url(labels):
        return Path(f"{last_part(str(labels))}.objects.csv")
    place = Path(result_of(labels))
    return place.with_name(f"{place.name}.objects.csv")


def write_objects_table(
    labels: str | Path,
    out: Path,
    image: str | Path | None = None,
    overwrite: bool = False,
    strict: bool = False,
) -> Generator[Event, None, ImageDone]:
    """Write the table of the objects of labels, as CSV.

    Closing the generator stops the run; the same call resumes it. A table that is finished,
    of the same labels and image, is kept.

    Parameters
    ----------
    labels : str or Path
        A result of U-Tile, or any image file with labels.
    out : Path
    image : str or Path, optional
        The image of the labels; by default that of which a result was made.
    overwrite : bool, default False
    strict : bool, default False
        Whether doubts are a reason to refuse.

    Yields
    ------
    Warned, BlockDone

    Returns
    -------
    ImageDone
        With the number of rows.

    Raises
    ------
    UserError
        If there are no labels, the shapes differ, or the output exists or cannot be written.
    """
    began = monotonic()
    measured = open_measured(labels, image)
    inputs = [measured.labels, measured.image]
    if out.exists() and any(s and s.path and out.samefile(s.path) for s in inputs):
        raise UserError(f"{out} is what is measured; choose another output.")
    calibration = Calibration.of(measured.labels)
    doubts = [*measured.doubts, *filter(None, [calibration.doubt])]
    yield from doubted(doubts, strict)
    work, plan = WorkFolder(out), json.loads(json.dumps(measured.plan()))
    with work.held():
        finished = work.finished if out.exists() else {}
        if finished:
            differences = _differences(finished.get("plan", {}), plan)
            if not differences:
                return _ended(measured, out, "kept", began, finished.get("rows"))
            if not overwrite:
                raise UserError(
                    f"{out} was made of something else ({'; '.join(differences)}). Choose "
                    "another output, or overwrite it."
                )
        check_file_output(out, overwrite)
        if work.plan != plan:
            work.begin(plan)
        keeper = _OnDisk(work)
        yield from measure_objects(measured, calibration, keeper)
        times = measured.labels.shape[0] if "t" in measured.labels.spatial_axes else 1
        rows = keeper.write(out, times)
        work.finish({"plan": plan, "rows": rows})
        with suppress(OSError):
            work.clear()
    return _ended(measured, out, "done", began, rows)


def _ended(
    measured: Measured, out: Path, status: Any, began: float, rows: int | None
) -> ImageDone:
    labels = measured.labels
    return ImageDone(
        image=labels.source or labels.name, out=str(out), status=status,
        seconds=monotonic() - began, shape=labels.shape, objects=rows,
    )  # fmt: skip


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Return in what the plans of two tables differ, in words."""
    found = []
    for name, what in OTHERS.items():
        was, now = there.get(name), here.get(name)
        if (was is None) != (now is None):
            found.append(f"{what}: {'none' if was is None else 'some'} there")
        elif was is not None and now is not None and (change := image_change(was, now)):
            found.append(f"{what}: {change}")
    if there.get("place") != here.get("place"):
        found.append("the size or place of the pixels is another")
    return found


def measure_files(
    labels: str | Path,
    out: Path | None = None,
    image: str | Path | None = None,
    overwrite: bool = False,
    strict: bool = False,
) -> Generator[Event, None, Path]:
    """Write the table of the objects of one file; see `write_objects_table`.

    Yields
    ------
    RunStarted, Warned, BlockDone, ImageDone, RunDone

    Returns
    -------
    Path
        The table.
    """
    began, out = monotonic(), out or table_of(labels)
    yield RunStarted(job="objects", out=str(out))
    end = yield from write_objects_table(labels, out, image, overwrite, strict)
    yield end
    seconds, kept = monotonic() - began, end.status == "kept"
    reason = "kept: it was finished before, of the same labels" if kept else ""
    yield RunDone(out=str(out), seconds=seconds, kept=kept, reason=reason)
    return out
