"""From foreground to numbered objects, block by block and plane by plane, on disk throughout.

Fragments are found in blocks, by anyone; planes are numbered in order, by one. What is in
memory is a block with its context, and the tables of two planes.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Block
from napari_utile.arrays.instances.fragments import (
    HALO,
    ObjectRule,
    PlaneObjects,
    assembled,
    fragments,
)
from napari_utile.arrays.instances.linking import Numbering, added, overlaps
from napari_utile.engine.prediction.outputs import LARGEST, TIFF, create_plain, open_plain
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.errors import UserError
from napari_utile.folders.journal import Journal
from napari_utile.io import ome_zarr, zarr_folders
from napari_utile.io.disk import atomic_write

FOUND, FINAL = "fragments", "final"
"""Stages of the journal: of blocks, and of planes whose ids had to wait."""
SECONDS = 5
"""Between two times that the numbering is kept; planes since then are numbered again."""
COLUMNS = ("plane", "below", "above", "overlap", "iou", "joined")


class Objects:
    """The objects of one segmentation.

    Parameters
    ----------
    made : PredictionTask
        Of instances; its foreground is read, its labels are written.
    journal : Journal, optional
        Where this process writes down what it has done; one that has none only finds fragments.
    """

    def __init__(self, made: PredictionTask, journal: Journal | None):
        self.made, self.blocks = made, made.blocks
        self.journal: Any = journal
        how = made.settings
        self.rule = ObjectRule(
            threshold=how.threshold,
            min_size=how.min_size,
            fill_holes=how.fill_holes,
            method=how.instance_method,
            linking=how.linking,
            link_iou=how.link_iou,
        )
        self.work = made.work
        self._labels: Any = None
        self._numbering = Numbering(self.rule)
        self._below: PlaneObjects | None = None
        self._final: int | None = None
        self._saved = monotonic()

    @property
    def count(self) -> int:
        """Objects so far; those that touch count as one when all slices are numbered."""
        return self._numbering.count if self._final is None else self._final

    def begin(self) -> None:
        """Make room for the fragments, if that has not been done, and go on where it ended."""
        place = self.work / "fragments"
        if not zarr_folders.is_zarr(place):
            create_plain(place, self.blocks.shape, np.uint32, self.made.output.form.chunks)
        self._labels = open_plain(place)

    def find(self, number: int) -> None:
        """Find the fragments of a block. Its foreground and that around it must be there."""
        block = self.blocks[number]
        foreground, inner = self.made.output.foreground(block, HALO)
        origin = (block.window[0].start, block.window[1].start)
        height, width = self.blocks.shape[-2:]
        found = fragments(foreground, inner, origin, (height, width), self.rule)
        where = (*block.index, *block.window)
        self._labels[where] = found.labels
        atomic_write(self._table(number), lambda draft: savez(draft, found.tables))
        row, column = divmod(number - block.plane * self.blocks.per_plane, self.blocks.grid[1])
        ome_zarr.sync_chunk(self._labels, (*block.index, row, column))
        if self.journal:
            self.journal.write(FOUND, [number])

    def resume(self) -> int:
        """Take up the numbering where it was last kept; give the slice that comes next."""
        kept = [int(path.stem) for path in (self.work / "numbering").glob("*.npz")]
        if not kept:
            self._numbering, self._below = Numbering(self.rule), None
            return 0
        last = max(kept)
        with np.load(self._state(last)) as arrays:
            self._numbering = Numbering.from_arrays(self.rule, dict(arrays))
        self._below = self._assembled(last)
        return last + 1

    def number(self, plane: int) -> None:
        """Number the objects of a plane, after those of all planes before it."""
        objects = self._assembled(plane)
        overlap = self._overlap(plane, objects) if self._has_plane_below(plane) else None
        ids = self._numbering.plane(objects, overlap)
        self._write(plane, objects, ids)
        text = table(self._numbering.links)
        self._numbering.links.clear()
        atomic_write(self._links(plane), text.encode())
        if self.rule.linking == "touch":
            atomic_write(self._ids(plane), lambda draft: savez(draft, {"ids": ids}))
        self._below = objects
        if monotonic() - self._saved > SECONDS or plane == self.blocks.planes - 1:
            self._save(plane)

    def _save(self, plane: int) -> None:
        """Keep what the planes after this one must know of those before."""
        arrays = self._numbering.to_arrays()
        atomic_write(self._state(plane), lambda draft: savez(draft, arrays))
        for old in self._state(plane).parent.glob("*.npz"):
            if old != self._state(plane):
                old.unlink()
        self._saved = monotonic()

    def finals(self) -> Iterator[tuple[int, int]]:
        """Give ids that could not be final their last value; yield planes done of how many."""
        final = self._numbering.final()
        if final is None:
            return
        self._final = int(final.max(initial=0))
        done = self.work.done(FINAL, self.blocks.planes)
        for plane in np.flatnonzero(~done).tolist():
            with np.load(self._ids(plane)) as arrays:
                ids = final[arrays["ids"]]
            self._write(plane, self._assembled(plane), ids)
            self.journal.write(FINAL, [plane])
            done[plane] = True
            yield int(done.sum()), len(done)

    def write_links(self) -> None:
        """Write the table of what became one through the slices, and why."""
        if self.rule.linking != "overlap" or self.blocks.planes < 2:
            return

        def gather(draft: Path) -> None:
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.write(",".join(COLUMNS) + "\n")
                for plane in range(self.blocks.planes):
                    file.write(self._links(plane).read_text(encoding="utf-8"))

        atomic_write(self.made.links, gather)

    def _write(self, plane: int, objects: PlaneObjects, ids: NDArray[np.uint64]) -> None:
        if self.made.result.suffix.lower() in TIFF and ids.max(initial=0) > LARGEST:
            raise UserError(f"A TIFF holds ids up to {LARGEST:,}: write to .zarr instead.")
        for number, block_map in zip(self.blocks.of_plane(plane), objects.maps, strict=True):
            block = self.blocks[number]
            self.made.output.put_labels(block, ids[block_map][self._fragments(block)])

    def _assembled(self, plane: int) -> PlaneObjects:
        tables = []
        for number in self.blocks.of_plane(plane):
            with np.load(self._table(number)) as arrays:
                tables.append(dict(arrays))
        return assembled(tables, self.blocks.grid, self.rule)

    def _overlap(self, plane: int, above: PlaneObjects) -> Any:
        below = self._below
        assert below is not None
        numbers = zip(self.blocks.of_plane(plane - 1), self.blocks.of_plane(plane), strict=True)
        return added(
            [
                overlaps(
                    low_map[self._fragments(self.blocks[low])],
                    high_map[self._fragments(self.blocks[high])],
                )
                for (low, high), low_map, high_map in zip(
                    numbers, below.maps, above.maps, strict=True
                )
            ]
        )

    def _has_plane_below(self, plane: int) -> bool:
        """Only slices follow on each other; time points do not."""
        axes = self.made.stack.spatial_axes
        return self.rule.linking != "none" and "z" in axes and self.blocks.index(plane)[-1] > 0

    def _fragments(self, block: Block) -> NDArray[np.uint32]:
        return np.asarray(self._labels[(*block.index, *block.window)])

    def _table(self, number: int) -> Path:
        return self.work / "tables" / str(number // 1000) / f"{number}.npz"

    def _state(self, plane: int) -> Path:
        return self.work / "numbering" / f"{plane}.npz"

    def _ids(self, plane: int) -> Path:
        return self.work / "ids" / f"{plane}.npz"

    def _links(self, plane: int) -> Path:
        return self.work / "links" / str(plane // 1000) / f"{plane}.csv"


def savez(path: Path, arrays: Any) -> None:
    """Write arrays by name to exactly that path."""
    with path.open("wb") as file:
        np.savez(file, **arrays)


def table(rows: Any) -> str:
    """Write rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
