"""The stages after the network: fragments, ids over the stack, and the pyramid.

They yield events. What an event reports is on disk, and is not computed again.
"""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, Literal

from napari_utile.engine.prediction.instances import InstanceBuilder
from napari_utile.engine.prediction.progress import StageProgress
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.events import BlockDone, Event, Warned
from napari_utile.io.threads import run_in_order, usable_cores

Stage = Literal["objects", "numbers", "pyramid"]


def finish_result(
    task: PredictionTask, builder: InstanceBuilder | None, started: float | None = None
) -> Generator[Event, None, None]:
    """Do all that is missing when every block went through the network; mark the result.

    Parameters
    ----------
    task : PredictionTask
    builder : InstanceBuilder, optional
        Of instances.
    started : float, optional
        The seconds since this time are written down with the result.

    Yields
    ------
    BlockDone, Warned
    """
    task.announce_finishing()
    facts: dict[str, Any] = {}
    planes = task.blocks.planes
    if builder is not None:
        yield from find_fragments(task, builder, range(len(task.blocks)))
        first = builder.resume()
        progress = numbering_progress(task, first)
        for plane in range(first, planes):
            yield from number_plane(task, builder, plane, progress)
        progress = StageProgress(planes)
        builder.decide()
        with ThreadPoolExecutor(1, "links") as pool:
            links = pool.submit(builder.write_links)
            for done in builder.finish_ids():
                yield block_done(task, "numbers", progress.reach(done, planes))
            links.result()
        yield from (Warned(message=text) for text in builder.doubts())
        facts["objects"] = builder.count
    progress = StageProgress(0)
    for done, total in task.output.pyramids():
        yield block_done(task, "pyramid", progress.reach(done, total))
    if started is not None:
        facts["seconds"] = round(monotonic() - started, 1)
    task.complete(facts)


def find_fragments(
    task: PredictionTask, builder: InstanceBuilder, numbers: Iterable[int]
) -> Iterator[BlockDone]:
    """Find the fragments of blocks whose surroundings are computed; skip the others.

    Parameters
    ----------
    task : PredictionTask
    builder : InstanceBuilder
    numbers : iterable of int
        Blocks.

    Yields
    ------
    BlockDone
    """
    computed, found, reach = task.computed, builder.found, builder.reach
    missing = (
        number
        for number in numbers
        if not found[number]
        and computed[list(task.blocks.near(task.blocks[number], reach))].all()
    )
    progress = StageProgress(len(task.blocks), int(found.sum()))
    with ThreadPoolExecutor(usable_cores()) as pool:
        for _ in run_in_order(pool, builder.find_fragments, missing):
            yield block_done(task, "objects", progress.step())
            if not task.is_current:  # the process of another part has finished the result
                return


def numbering_progress(task: PredictionTask, first: int) -> StageProgress:
    """Return the progress of numbering: of slices, or of blocks where they are volumes.

    Parameters
    ----------
    task : PredictionTask
    first : int
        Planes that are done.
    """
    per_plane = 1 if task.blocks.ndim == 2 else task.blocks.per_plane
    return StageProgress(task.blocks.planes * per_plane, first * per_plane)


def number_plane(
    task: PredictionTask, builder: InstanceBuilder, plane: int, progress: StageProgress
) -> Iterator[BlockDone]:
    """Give ids to the objects of a plane; all planes before it must have theirs.

    Parameters
    ----------
    task : PredictionTask
    builder : InstanceBuilder
    plane : int
    progress : StageProgress
        See `numbering_progress`.

    Yields
    ------
    BlockDone
        For a slice one, for a volume one for each of its blocks.
    """
    for _ in builder.number_plane(plane):
        if task.blocks.ndim > 2:
            yield block_done(task, "numbers", progress.step())
    if task.blocks.ndim == 2:
        yield block_done(task, "numbers", progress.step())


def block_done(task: PredictionTask, stage: Stage, counted: dict[str, Any]) -> BlockDone:
    """Return the event of a block, or a plane of blocks, that finished a stage.

    Parameters
    ----------
    task : PredictionTask
    stage : {"objects", "numbers", "pyramid"}
    counted : dict
        From `StageProgress.step`.

    Returns
    -------
    BlockDone
    """
    return BlockDone(stage=stage, image=task.name, **counted)
