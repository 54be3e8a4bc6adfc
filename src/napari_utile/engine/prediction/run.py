"""Predict images one by one: keep, resume or overwrite output; compute the missing blocks.

Existing output is not given up before everything that may be wrong has been checked.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.cluster import Workers, compute_on_workers, connected
from napari_utile.engine.prediction.compute import Failures, compute_blocks, first_line
from napari_utile.engine.prediction.estimate import Facts, estimate
from napari_utile.engine.prediction.in_memory import (
    check_channels,
    device_and_dtype,
)
from napari_utile.engine.prediction.instance_worker import InstanceWorker
from napari_utile.engine.prediction.instances import InstanceBuilder
from napari_utile.engine.prediction.mismatch import MANY_BLOCKS, doubts_before
from napari_utile.engine.prediction.normalizing import is_measured, normalized_by
from napari_utile.engine.prediction.plan import PredictionPlan, digest_of_model
from napari_utile.engine.prediction.progress import StageProgress, tile_done
from napari_utile.engine.prediction.resume import (
    Decision,
    Execution,
    decide,
    finished_facts,
    finished_plan,
)
from napari_utile.engine.prediction.stages import find_fragments, finish_result
from napari_utile.engine.prediction.task import NETWORK, PredictionTask
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, Waiting, Warned, doubted, transform
from napari_utile.folders.journal import Journal, WorkFolder
from napari_utile.io.agreement import time_texts
from napari_utile.io.images import open_image
from napari_utile.results.edits import finish_edits
from napari_utile.results.objects import table_of, write_objects_table
from napari_utile.settings.prediction import PredictSettings


class PredictionRun:
    """One model, one set of settings, any number of images.

    Parameters
    ----------
    model, path : Model, Path
        The model, and where it was read.
    settings : PredictSettings
    execution : Execution
    is_alone : bool
        Whether there is only one image: what is wrong with it ends the run.
    """

    def __init__(
        self,
        model: Model,
        path: Path,
        settings: PredictSettings,
        execution: Execution,
        is_alone: bool,
    ):
        self.model, self.path, self.settings = model, path, settings
        self.execution, self.is_alone = execution, is_alone
        self._held = ExitStack()
        self._workers: Workers | None = None
        self._tasks: dict[Path, PredictionTask] = {}
        self._is_first = True

    def __enter__(self) -> Self:
        """Connect to the workers, if there are to be any, before anything is written."""
        execution = self.execution
        if (execution.scheduler or execution.workers) and not execution.dry_run:
            self._workers = connected(self._held, execution.scheduler, execution.workers)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @cached_property
    def network(self) -> TiledNetwork:
        """The network on its device, once for all images."""
        model = self.model
        return TiledNetwork(model.network, *device_and_dtype(self.settings), model.offsets)

    @cached_property
    def digest(self) -> str:
        """Digest of the model, which reads all of its parameters."""
        return digest_of_model(self.model)

    def estimated(
        self, images: Sequence[Path | str], results: Sequence[Path]
    ) -> tuple[Facts, list[str]]:
        """Estimate what is missing of all results; name images that cannot be predicted.

        Parameters
        ----------
        images : sequence of path
        results : sequence of Path
            As many.

        Returns
        -------
        facts : dict
            See `estimate`.
        warnings : list of str

        Raises
        ------
        UserError
            If the only image cannot be predicted.
        """
        tasks, warnings = [], []
        for image, result in zip(images, results, strict=True):
            try:
                self._tasks[result] = self.planned(image, result)
                task, decision = decide(self._tasks[result], self.execution)
                if not self.is_alone:  # they may be many, and each holds a file open
                    self._tasks.clear()
                if decision is not Decision.KEEP:
                    tasks.append(task)
                if self.execution.dry_run:  # else they are reported when it is predicted
                    found = doubted(self._doubts(task), self.settings.strict)
                    warnings += [event.message for event in found]
                    warnings += self._time_texts(task)
            except UserError as error:
                if self.is_alone:
                    raise
                warnings.append(f"{image} will be left out: {error}")
        # a block is timed here: workers may be faster or slower
        network = self.network if tasks else None
        return estimate(tasks, network, always=self.execution.dry_run), warnings

    def planned(self, image: Path | str, result: Path) -> PredictionTask:
        """Open an image and plan its prediction; nothing is computed or written.

        Raises
        ------
        UserError
            If it cannot be read, has other channels than the model, or not the region.
        """
        stack = open_image(image)
        check_channels(self.model, stack)
        plan = PredictionPlan.of(self.model, self.digest, self.path, stack, self.settings)
        if "linking" not in self.settings.model_fields_set and not self.execution.overwrite:
            # older versions linked by overlap unless they were told otherwise
            begun = PredictionPlan.read(WorkFolder(result).plan)
            plan = plan.linked_as(finished_plan(result) or begun)
        return PredictionTask(self.model, stack, result, plan)

    def predict_image(
        self, image: Path | str, result: Path
    ) -> Generator[Event, None, ImageDone]:
        """Predict one image; return how it ended."""
        started, end = monotonic(), partial(ImageDone, image=str(image), out=str(result))
        try:
            with WorkFolder(result).held(self.execution.part):
                task = yield from self._checked(image, result)
                with task.room():
                    facts = yield from self._predicted(task, started)
                if self.settings.objects_table and facts["status"] in ("done", "kept"):
                    yield from self._measured_objects(task, image)
        except Exception as error:  # whatever it is, the other images may be without it
            if self.is_alone:
                raise
            yield Warned(message=f"{image} is left out: {first_line(error)}")
            seconds = monotonic() - started
            user = isinstance(error, UserError | OSError)
            return end(status="failed", message=first_line(error), seconds=seconds, user=user)
        return end(shape=task.blocks.shape, **{"seconds": monotonic() - started} | facts)

    def _predicted(
        self, task: PredictionTask, started: float
    ) -> Generator[Event, None, dict[str, Any]]:
        """Compute what is missing of a result; return fields of `ImageDone`."""
        task, decision = self._opened(task)
        if decision is Decision.KEEP:
            return {"status": "kept"} | _known_facts(task.result)
        with task.recorded(self.execution.part) as journal:
            builder = self._builder(task, journal)
            failures = Failures()
            with self._worker(task, builder) as worker:
                yield from self._computation(task, journal, worker, failures)
                if worker and not failures:
                    yield from worker.drain()
            return (yield from self._finished(task, builder, failures, started))

    def _measured_objects(
        self, task: PredictionTask, image: Path | str
    ) -> Generator[Event, None, None]:
        """Write the table of the objects of a complete result; one that is there is kept."""
        result, known = task.result, {*task.stack.doubts}
        if self.settings.output != "instances":
            return
        run = write_objects_table(result, table_of(result), image, self.execution.overwrite)

        def new(event: Event) -> Event | None:
            return None if isinstance(event, Warned) and event.message in known else event

        try:
            yield from transform(run, new)
        except UserError as error:
            if not self.execution.part:
                raise
            yield Warned(message=f"{result}: no table of objects. {error}")

    def _checked(
        self, image: Path | str, result: Path
    ) -> Generator[Event, None, PredictionTask]:
        """Check everything that may be wrong, before existing output is overwritten."""
        task = self._tasks.pop(result, None) or self.planned(image, result)
        if not self._workers:
            _ = self.network  # raises if the device cannot be used
        yield from _measuring(task)
        yield from doubted(self._doubts(task), self.settings.strict)
        yield from (Warned(message=text) for text in self._time_texts(task))
        return task

    def _time_texts(self, task: PredictionTask) -> list[str]:
        """Say that time points are not linked, where slices are."""
        links = self.settings.output == "instances" and self.settings.linking != "none"
        return time_texts([task.stack]) if links else []

    def _doubts(self, task: PredictionTask) -> list[str]:
        """List what is doubtful about an image, before hours are spent on it."""

        def network() -> TiledNetwork | None:
            return self.network if self._probes(task) else None

        return doubts_before(self.model, task.stack, self.settings, network)

    def _probes(self, task: PredictionTask) -> bool:
        """Whether to look at objects first: one tile, little of a large image or of many."""
        is_first, self._is_first = self._is_first, False
        by = normalized_by(self.model, self.settings)
        if self.execution.dry_run and not is_measured(task.stack, by):
            return False  # an estimate does not read a whole image
        return not self._workers and (is_first or len(task.blocks) >= MANY_BLOCKS)

    def _opened(self, task: PredictionTask) -> tuple[PredictionTask, Decision]:
        """Create or reopen the output, as `decide` says; one that is complete stays closed."""
        with self._alone(task):  # another part may have created it since it was planned
            task, decision = decide(task, self.execution)
            if decision is Decision.CREATE:
                task.create()
            elif decision is Decision.RESUME:
                task.resume()
            elif decision is Decision.KEEP and not self.execution.part:
                finish_edits(task.result)  # of which a killed window may have left one
            if decision is not Decision.KEEP:
                task.record_gray_values()
        return task, decision

    def _builder(self, task: PredictionTask, journal: Journal) -> InstanceBuilder | None:
        if task.settings.output != "instances":
            return None
        return InstanceBuilder(task, journal)

    def _worker(
        self, task: PredictionTask, builder: InstanceBuilder | None
    ) -> AbstractContextManager[InstanceWorker | None]:
        """Return a thread that builds instances; parts and workers do it later."""
        if builder is None or self._workers or self.execution.part:
            return nullcontext()
        return InstanceWorker(task, builder)

    def _alone(self, task: PredictionTask) -> AbstractContextManager[None]:
        """Keep the processes of other parts out, if there are any."""
        return task.work.shared() if self.execution.part else nullcontext()

    def _computation(
        self,
        task: PredictionTask,
        journal: Journal,
        worker: InstanceWorker | None,
        failures: Failures,
    ) -> Generator[Event, None, None]:
        """Return the run that computes the missing blocks, here or on workers."""
        blocks, computed = task.blocks, task.computed
        share = blocks.part(*(self.execution.part or (1, 1)))
        missing = [number for number in share if not computed[number]]
        progress = StageProgress(len(missing) + int(computed.sum()), int(computed.sum()))

        def report(number: int) -> Iterator[Event]:
            yield from computer.take_warnings() if computer else ()
            if worker:
                worker.block_done(number)
            yield tile_done(task.name, blocks[number], progress)
            if worker:
                yield from worker.poll()

        def write(number: int, values: NDArray[np.float32]) -> None:
            task.write(number, values)
            journal.write(NETWORK, [number])

        if self._workers:
            computer, device = None, self.settings.device
            return compute_on_workers(self._workers, task, device, journal, report, failures)
        computer, at_once = task.computer(self.network), self.network.at_once
        return compute_blocks(
            missing, computer.read, computer.compute, write, report, failures, at_once
        )

    def _finished(
        self,
        task: PredictionTask,
        builder: InstanceBuilder | None,
        failures: Failures,
        started: float,
    ) -> Generator[Event, None, dict[str, Any]]:
        """Run the later stages, if all blocks are there; return fields of `ImageDone`."""
        if failures:
            if not task.computed.any():
                raise next(iter(failures.values()))
            return {"status": "incomplete", "message": _failure_message(task, failures)}
        if self.execution.part:
            return (yield from self._finished_if_last(task, builder, self.execution.part))
        yield from finish_result(task, builder, started)
        return {"status": "done", **_object_count(builder)}

    def _finished_if_last(
        self, task: PredictionTask, builder: InstanceBuilder | None, part: tuple[int, int]
    ) -> Generator[Event, None, dict[str, Any]]:
        """Find the fragments of this part; finish the result if all other parts are done."""
        if builder:
            yield from find_fragments(task, builder, task.blocks.part(*part))
        while True:
            with ExitStack() as held:
                try:
                    held.enter_context(task.work.shared())
                except UserError:
                    if task.is_being_finished:
                        return {"status": "part"}
                    yield Waiting()
                    continue  # another part only looks whether all is done, as this one does
                if finished_plan(task.result):
                    return {"status": "done", **_known_facts(task.result)}
                if not task.computed.all():
                    return {"status": "part"}
                yield from finish_result(task, builder)
                return {"status": "done", **_object_count(builder)}


def _measuring(task: PredictionTask) -> Generator[Waiting, None, None]:
    """Measure an image that is normalized by itself; a second at a time, it can be stopped."""
    last = monotonic()
    for _ in task.measured():
        if monotonic() - last > 1:
            last = monotonic()
            yield Waiting(message=f"Reading the gray values of all of {task.name}")


def _known_facts(result: Path) -> dict[str, Any]:
    """Return objects and seconds of a complete result, as fields of `ImageDone`."""
    facts = finished_facts(result)
    return {name: facts[name] for name in ("objects", "seconds") if name in facts}


def _object_count(builder: InstanceBuilder | None) -> dict[str, Any]:
    return {"objects": builder.count} if builder else {}


def _failure_message(task: PredictionTask, failures: Failures) -> str:
    """Return which blocks failed, and why the first of them did."""
    number, error = next(iter(failures.items()))
    block = task.blocks[number]
    names = {"y": "rows", "x": "columns"}
    axes = task.stack.spatial_axes[-len(block.window) :]
    place = ", ".join(
        f"{names.get(axis, axis)} {side.start}-{side.stop}"
        for axis, side in zip(axes, block.window, strict=True)
    )
    if block.index:
        place = f"slice {', '.join(map(str, block.index))}, {place}"
    return (
        f"{len(failures)} of {len(task.blocks)} blocks failed, the first at {place}: "
        f"{first_line(error)} The result is incomplete; the same command tries them again."
    )
