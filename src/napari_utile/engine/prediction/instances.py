"""Instances of a stack larger than memory: fragments per block, ids per plane, links.

    foreground --find_fragments, any block, any order--> fragments and their tables
               --number_plane, plane by plane--> labels, linked to the plane below
               --finish_ids, if ids of earlier planes changed--> labels

Memory holds a block with its halo, and the tables of a few planes. Where blocks are (Z, Y, X),
a plane is a whole volume: nothing is linked, and its large tables are read one by one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.affinity_sums import (
    affinity_halo,
    affinity_table,
    near_and_far,
    overlapping,
    partner_blocks,
)
from napari_utile.arrays.instances.assembly import PlaneObjects, assemble
from napari_utile.arrays.instances.evidence import ruin_text, unfit_text
from napari_utile.arrays.instances.fragments import fragments
from napari_utile.arrays.instances.link_costs import EDGE, Edges, LinkCosts
from napari_utile.arrays.instances.linking import (
    Numbering,
    Overlap,
    overlaps_of_runs,
    sum_overlaps,
)
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.arrays.instances.runs import Runs
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.errors import UserError
from napari_utile.folders.journal import Journal
from napari_utile.io.disk import atomic_write
from napari_utile.io.threads import run_in_order, usable_cores

FRAGMENTS, FINAL = "runs", "final"
"""Stages of the journal: blocks with fragments, and planes whose ids are final."""
SECONDS_BETWEEN_SAVES = 5
"""Planes that were numbered since the state was last saved are numbered again after a kill."""
LINK_COLUMNS = ("plane", "below", "above", "overlap", "iou", "joined")
GRAPH_COLUMNS = ("distance", "cost", "below_number", "above_number")
"""Of linking by a graph, behind the others."""


class InstanceBuilder:
    """Builds the instances of one prediction task.

    Parameters
    ----------
    task : PredictionTask
        Its foreground is read, its labels are written.
    journal : Journal, optional
        Of this process. Without one, only fragments can be found.
    """

    def __init__(self, task: PredictionTask, journal: Journal | None):
        self.task, self.blocks = task, task.blocks
        self.journal = journal
        plan, costs = task.plan, LinkCosts.of(task.plan.costs or {})
        self.rule = ObjectRule.of_settings(
            task.settings, self.blocks.ndim, plan.growth, plan.offsets, costs
        )
        self.work = task.work
        self._numbering = Numbering(self.rule)
        self._before: list[PlaneObjects] = []  # of the two planes before, the nearer one last
        self._final: NDArray[np.uint64] | None = None
        self._final_count: int | None = None
        self._last_edges = np.empty(0, EDGE)
        self._saved = monotonic()

    @property
    def reach(self) -> int:
        """Pixels around a block whose foreground decides about its fragments."""
        return self.rule.reach(self.blocks.ndim)

    @property
    def count(self) -> int:
        """Number of objects so far; those that touch count as one when all slices are done."""
        return self._numbering.count if self._final_count is None else self._final_count

    @property
    def found(self) -> NDArray[np.bool_]:
        """Mask of the blocks whose fragments are on disk, shape (blocks,)."""
        return self.work.done(FRAGMENTS, len(self.blocks))

    def find_fragments(self, number: int) -> None:
        """Find the fragments of a block, whose foreground with its halo is on disk."""
        block = self.blocks[number]
        foreground, inner = self.task.output.foreground(block, self.reach)
        origin = tuple(side.start for side in block.window)
        shape = self.blocks.shape[-self.blocks.ndim :]
        near = None
        if self.rule.offsets:
            near_ones, _ = near_and_far(self.rule.offsets)
            near = self.task.output.affinities_around(block, self.reach)[near_ones]
        found = fragments(foreground, inner, origin, shape, self.rule, near)
        arrays = {**Runs.of(found.labels)._asdict(), **found.tables}
        atomic_write(self._table_path(number), lambda draft: _save_arrays(draft, arrays))
        if self.journal:
            self.journal.write(FRAGMENTS, [number])

    def resume(self) -> int:
        """Restore the numbering that was last saved; return the plane that comes next."""
        saved = [int(path.stem) for path in (self.work / "numbering").glob("*.npz")]
        if not saved:
            self._numbering, self._before = Numbering(self.rule), []
            return 0
        last = max(saved)
        with np.load(self._state_path(last)) as arrays:
            self._numbering = Numbering.from_arrays(self.rule, dict(arrays))
        linked = self._planes_below(last + 1) if last + 1 < self.blocks.planes else 0
        planes = range(last + 1 - min(2, linked), last + 1)
        self._before = [self._assembled(plane) for plane in planes]
        return last + 1

    def number_plane(self, plane: int) -> Iterator[int]:
        """Give ids to the objects of a plane. All planes before it must have theirs.

        Yields
        ------
        int
            Numbers of its blocks, when they are written. The plane is numbered when all are.
        """
        # 1. the fragments of its blocks become objects of the plane
        objects = self._assembled(plane)
        # 2. they are linked to those of the plane below, or get new ids
        overlap, skipped = (self._overlap(plane, objects, step) for step in (1, 2))
        ids = self._numbering.plane(objects, overlap, skipped)
        # 3. labels, links and ids are on disk before the state that counts on them
        yield from self._write(plane, objects.maps, ids)
        if graph := self._numbering.graph:
            edges = {"edges": graph.take_edges()}
            atomic_write(self._edges_path(plane), lambda draft: _save_arrays(draft, edges))
        text = _csv_lines(self._numbering.links, len(LINK_COLUMNS))
        self._numbering.links.clear()
        atomic_write(self._links_path(plane), text.encode())
        if not self._numbering.is_final:
            maps = {f"{place}": ids[of_block] for place, of_block in enumerate(objects.maps)}
            atomic_write(self._ids_path(plane), lambda draft: _save_arrays(draft, maps))
        self._before = [*self._before[-1:], objects] if self.blocks.ndim == 2 else []
        is_due = monotonic() - self._saved > SECONDS_BETWEEN_SAVES
        if is_due or plane == self.blocks.planes - 1:
            self._save(plane)

    def _save(self, plane: int) -> None:
        """Save what the planes after this one must know of those before."""
        arrays = self._numbering.to_arrays()
        atomic_write(self._state_path(plane), lambda draft: _save_arrays(draft, arrays))
        for old in self._state_path(plane).parent.glob("*.npz"):
            if old != self._state_path(plane):
                old.unlink()
        self._saved = monotonic()

    def decide(self) -> None:
        """Find the final id of each object, when all planes are numbered.

        With linking by touch or a graph an object may join two that had their own ids, so only
        the last plane decides. With other linking ids are final at once.
        """
        self._final = self._numbering.final()
        if self._final is not None:
            self._final_count = int(self._final.max(initial=0))
            if graph := self._numbering.graph:
                self._last_edges = graph.take_edges()

    def finish_ids(self) -> Iterator[int]:
        """Write ids that were decided at last; yield how many planes have theirs."""
        if self._final is None:
            return
        missing = np.flatnonzero(~self.work.done(FINAL, self.blocks.planes)).tolist()
        done = self.blocks.planes - len(missing)
        with ThreadPoolExecutor(usable_cores(), "ids") as pool:
            finish = partial(self._finish_plane, self._final)
            for _ in run_in_order(pool, finish, missing):
                done += 1
                yield done

    def _finish_plane(self, final: NDArray[np.uint64], plane: int) -> None:
        with np.load(self._ids_path(plane)) as arrays:
            maps = [arrays[f"{place}"] for place in range(self.blocks.per_plane)]
        for _ in self._write(plane, maps, final):
            pass
        if self.journal:
            self.journal.write(FINAL, [plane])

    def write_links(self) -> None:
        """Write the table of all pairs of slices' objects: linked or not, and why."""
        if self.rule.linking not in ("overlap", "graph") or self.blocks.planes < 2:
            return
        columns = LINK_COLUMNS + (GRAPH_COLUMNS if self._numbering.graph else ())

        def gather(draft: Path) -> None:
            with draft.open("w", encoding="utf-8", newline="") as file:
                file.write(",".join(columns) + "\n")
                for text in self._link_texts():
                    file.write(text)

        atomic_write(self.task.links, gather)

    def _link_texts(self) -> Iterator[str]:
        """Yield the lines of the table, plane by plane."""
        graph, final = self._numbering.graph, self._final
        for plane in range(self.blocks.planes):
            yield self._links_path(plane).read_text(encoding="utf-8")
            if graph and final is not None:
                with np.load(self._edges_path(plane)) as arrays:
                    yield _edge_lines(arrays["edges"], final)
        if graph and final is not None:  # those of the last planes, which none came after
            yield _edge_lines(self._last_edges, final)

    def doubts(self) -> Iterator[str]:
        """Yield a sentence for each slice that looks ruined."""
        graph = self._numbering.graph
        for plane in graph.ruined if graph else ():
            yield ruin_text(*map(self._name, (plane, plane - 1, plane + 1)))
        for plane in graph.unfit if graph else ():
            yield unfit_text(self._name(plane))

    def _name(self, plane: int) -> str:
        """Return the indices of a plane in the image."""
        starts = self.blocks.starts[: len(self.blocks.leading)]
        numbers = np.add(starts, self.blocks.index(plane)).tolist()
        return ", ".join(map(str, numbers))

    def _write(
        self, plane: int, maps: Sequence[NDArray[Any]], ids: NDArray[np.uint64]
    ) -> Iterator[int]:
        """Write the labels of a plane: of each block the ids of what its fragments map to."""
        limit = self.task.output.max_label
        for number, block_map in zip(self.blocks.of_plane(plane), maps, strict=True):
            block, of_block = self.blocks[number], ids[block_map]
            if limit is not None and of_block.max(initial=0) > limit:
                raise UserError(f"A TIFF holds ids up to {limit:,}: write to .zarr instead.")
            labels = self._fragments(number).mapped(of_block)
            sizes = tuple(side.stop - side.start for side in block.window)
            self.task.output.put_labels(block, labels.pixels(sizes))
            yield number

    def _assembled(self, plane: int) -> PlaneObjects:
        """Join the fragments of all blocks of a plane to objects, from their tables."""
        paths = [self._table_path(number) for number in self.blocks.of_plane(plane)]
        read = (
            _all_tables if self.blocks.ndim == 2 else _TableOnDisk
        )  # those of planes are small
        affinities = [
            _TableOnDisk(self._summed_affinities(number))
            for number in self.blocks.of_plane(plane)
            if self.rule.offsets
        ]
        tables = [read(path) for path in paths]
        return assemble(tables, self.blocks.grid, self.rule, affinities)

    def _summed_affinities(self, number: int) -> Path:
        """Return the table of affinities of a block; made once, when all have fragments."""
        path = self.work / "affinity_sums" / str(number // 1000) / f"{number}.npz"
        if not path.exists():
            block = self.blocks[number]
            _, far = near_and_far(self.rule.offsets)
            offsets = [self.rule.offsets[i] for i in far]
            wide, inner = self.blocks.around(block, affinity_halo(offsets))
            labels = np.zeros([side.stop - side.start for side in wide], np.uint32)
            around = []
            for near in partner_blocks(self.blocks, block, offsets):
                here, there = overlapping(self.blocks[near].window, wide)
                labels[there] = self._pixels(near)[here]
                count = len(_TableOnDisk(self._table_path(near))["sizes"])
                around.append((near - self.blocks.of_plane(block.plane).start, there, count))
            affinities = self.task.output.affinities_around(block, 0)[far]
            table = affinity_table(labels, around, inner, affinities, offsets)
            atomic_write(path, lambda draft: _save_arrays(draft, table))
        return path

    def _overlap(self, plane: int, above: PlaneObjects, step: int) -> Overlap | None:
        """Count the pixels that objects share with those of a plane before, if they may."""
        if step > self._planes_below(plane) or (step > 1 and self.rule.linking != "graph"):
            return None
        below = self._before[-step]
        lower = self.blocks.of_plane(plane - step)
        numbers = zip(lower, self.blocks.of_plane(plane), strict=True)
        return sum_overlaps(
            [
                overlaps_of_runs(
                    self._fragments(low).mapped(low_map), self._fragments(high).mapped(high_map)
                )
                for (low, high), low_map, high_map in zip(
                    numbers, below.maps, above.maps, strict=True
                )
            ]
        )

    def _planes_below(self, plane: int) -> int:
        """Return how many planes before one it may be linked to: slices, not time points."""
        is_of_slices = self.blocks.ndim == 2 and "z" in self.task.stack.spatial_axes
        is_linked = is_of_slices and self.rule.linking != "none"
        return self.blocks.index(plane)[-1] if is_linked else 0

    def _pixels(self, number: int) -> NDArray[Any]:
        """Return the fragments of the pixels of a block."""
        window = self.blocks[number].window
        return self._fragments(number).pixels(tuple(side.stop - side.start for side in window))

    def _fragments(self, number: int) -> Runs:
        with np.load(self._table_path(number)) as arrays:
            return Runs(*(arrays[name] for name in Runs._fields))

    def _table_path(self, number: int) -> Path:
        return self.work / "tables" / str(number // 1000) / f"{number}.npz"

    def _state_path(self, plane: int) -> Path:
        return self.work / "numbering" / f"{plane}.npz"

    def _ids_path(self, plane: int) -> Path:
        return self.work / "ids" / f"{plane}.npz"

    def _links_path(self, plane: int) -> Path:
        return self.work / "links" / str(plane // 1000) / f"{plane}.csv"

    def _edges_path(self, plane: int) -> Path:
        return self.work / "links" / str(plane // 1000) / f"{plane}.npz"


def _all_tables(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tables of a block, but not its labels."""
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files if name not in Runs._fields}


class _TableOnDisk(Mapping[str, NDArray[Any]]):
    """Tables of a block; each is read when it is asked for."""

    def __init__(self, path: Path):
        self.path = path

    def __getitem__(self, name: str) -> NDArray[Any]:
        with np.load(self.path) as arrays:
            table: NDArray[Any] = arrays[name]
            return table

    def __iter__(self) -> Iterator[str]:
        with np.load(self.path) as arrays:
            return iter(list(arrays.files))

    def __len__(self) -> int:
        return len([*self])


def _save_arrays(path: Path, arrays: Any) -> None:
    """Write arrays by name; `np.savez` would add a suffix to the path."""
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _edge_lines(edges: Edges, final: NDArray[np.uint64]) -> str:
    """Return edges of a graph as lines of the table, between objects with their final ids."""
    below, above = final[edges["below"] + 1], final[edges["above"] + 1]
    columns = {
        "plane": edges["plane"],
        "below": below,
        "above": above,
        "overlap": edges["overlap"],
        "iou": edges["iou"].round(6),
        "joined": below == above,
        "distance": edges["distance"],
        "cost": edges["cost"].round(6),
        "below_number": edges["below_number"],
        "above_number": edges["above_number"],
    }
    ordered = (columns[name].tolist() for name in LINK_COLUMNS + GRAPH_COLUMNS)
    return _csv_lines(zip(*ordered, strict=True), len(columns))


def _csv_lines(rows: Iterable[tuple[float, ...]], columns: int) -> str:
    """Return rows of numbers as lines. There are millions; `csv.writer` takes 1.5 as long."""
    line = ",".join(["%r"] * columns) + "\n"
    return "".join(map(line.__mod__, rows))
