"""One image after the other: what becomes of what is there, and who does what is missing.

Nothing that is there is given up before everything that may be wrong has been looked at.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Self

import numpy as np

from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.estimate import Facts, estimate
from napari_utile.engine.prediction.in_memory import how_far
from napari_utile.engine.prediction.instances import Objects
from napari_utile.engine.prediction.outputs import TiffOutput, check_result
from napari_utile.engine.prediction.stages import (
    Failures,
    Following,
    finish,
    first_line,
    fragments_of,
)
from napari_utile.engine.prediction.stages import network as through_network
from napari_utile.engine.prediction.task import (
    NETWORK,
    PredictionPlan,
    PredictionTask,
    finished_facts,
    finished_plan,
    planned,
)
from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, Waiting, Warned
from napari_utile.folders.journal import Journal, WorkFolder
from napari_utile.io.disk import check_free
from napari_utile.settings import PredictSettings


@dataclass(frozen=True)
class Execution:
    """Where and by whom a prediction is made; no bit of the result depends on it.

    Attributes
    ----------
    overwrite : bool
        Replace results that are there.
    resume : bool
        Go on with those that are not finished.
    part : (int, int), optional
        Do only the k-th of n parts, counted from 1; others do the others.
    scheduler : str, optional
        Address of a dask scheduler whose workers compute the blocks.
    workers : int
        Start so many workers on this machine instead.
    dry_run : bool
        Say what it would take, and end.
    """

    overwrite: bool = False
    resume: bool = True
    part: tuple[int, int] | None = None
    scheduler: str | None = None
    workers: int = 0
    dry_run: bool = False


class PredictionRun:
    """One model, one set of settings, any number of images.

    Parameters
    ----------
    model, path : Model, Path
        What segments, and where it was read.
    settings, how
        What is written; where and by whom.
    is_alone : bool
        Whether there is only one image: what is wrong with it ends the run.
    """

    def __init__(
        self,
        model: Model,
        path: Path,
        settings: PredictSettings,
        how: Execution,
        is_alone: bool,
    ):
        self.model, self.path, self.settings, self.how = model, path, settings, how
        self.is_alone = is_alone
        self._held = ExitStack()
        self._client: Any = None

    def __enter__(self) -> Self:
        """Reach the workers, if others shall compute; nothing is begun before they answer."""
        if (self.how.scheduler or self.how.workers) and not self.how.dry_run:
            from napari_utile.engine.prediction.cluster import connected

            self._client = connected(self._held, self.how.scheduler, self.how.workers)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def foreseen(
        self, paths: Sequence[Path | str], results: Sequence[Path]
    ) -> tuple[Facts, list[str]]:
        """Say what it will take to do what is missing, and which images cannot be done."""
        jobs, doubts = [], []
        for path, result in zip(paths, results, strict=True):
            try:
                made = self.planned(path, result)
                if self.decide(made) != "keep":
                    jobs.append(made)
            except UserError as error:
                if self.is_alone:
                    raise
                doubts.append(f"{path} will be left out: {error}")
        return estimate(jobs, always=self.how.dry_run), doubts

    def image(self, image: Path | str, result: Path) -> Generator[Event, None, ImageDone]:
        """Segment one image; say how it ended."""
        began = monotonic()

        def ended(status: Any, **facts: Any) -> ImageDone:
            seconds = facts.pop("seconds", monotonic() - began)
            return ImageDone(
                image=str(image), out=str(result), status=status, seconds=seconds, **facts
            )

        try:
            with WorkFolder(result).held(self.how.part):
                made = yield from self._looked_at(image, result)
                kept = self._open(made)
                if kept is not None:
                    return ended("kept", shape=made.blocks.shape, **known(kept))
                status, facts = yield from self._fill(made, began)
        except Exception as error:  # whatever it is, the other images may be without it
            if self.is_alone:
                raise
            yield Warned(message=f"{image} is left out: {first_line(error)}")
            return ended("failed", message=first_line(error))
        return ended(status, shape=made.blocks.shape, **facts)

    def _looked_at(
        self, image: Path | str, result: Path
    ) -> Generator[Event, None, PredictionTask]:
        """Look at everything that may be wrong, before anything that is there is given up."""
        made = self.planned(image, result)
        with suppress(UserError):  # a slice that cannot be read is told when its turn comes
            if far := how_far(self.model, made.stack):
                yield Warned(message=far)
        if not self._client:
            made.connect()
        return made

    def planned(self, image: Path | str, result: Path) -> PredictionTask:
        """Look at an image and at what is there of its result."""
        made = planned(self.model, self.path, image, result, self.settings)
        self._cut_as_begun(made)
        return made

    def _cut_as_begun(self, made: PredictionTask) -> None:
        """Take over the blocks of what is there and not finished."""
        there = PredictionPlan.read(made.work.plan)
        if there and not self.how.overwrite:
            made.cut(there.tile)

    def decide(self, made: PredictionTask) -> Literal["begin", "go on", "keep"]:
        """Say what becomes of what is there.

        Raises
        ------
        UserError
            If it must not be touched, or was begun otherwise: names every difference.
        """
        overwrite, result = self.how.overwrite, made.result
        finished = finished_plan(result)
        is_again = self.how.part or not self.is_alone
        if finished and is_again and not overwrite and not finished.differences(made.plan):
            return "keep"
        refuse_what_cannot_be(made, self.how)
        begun = None if finished or overwrite else PredictionPlan.read(made.work.plan)
        if begun is None or not self.how.resume:
            check_result(result, made.stack, overwrite)
            if isinstance(made.output, TiffOutput):  # all of it is taken at once
                check_free(result, made.output.nbytes)
            return "begin"
        if differences := begun.differences(made.plan):
            raise UserError(
                f"{result} was begun otherwise: {'; '.join(differences)}. Give the same again "
                "to go on, or --overwrite to begin anew."
            )
        return "go on"

    def _open(self, made: PredictionTask) -> dict[str, Any] | None:
        """Begin a result or open it; of one that is complete give its facts instead."""
        with made.work.shared() if self.how.part else nullcontext():
            self._cut_as_begun(made)  # another part may have begun since it was planned
            match self.decide(made):
                case "keep":
                    return finished_facts(made.result)
                case "begin":
                    made.begin()
                case "go on":
                    made.go_on()
        return None

    def _fill(
        self, made: PredictionTask, began: float
    ) -> Generator[Event, None, tuple[str, dict[str, Any]]]:
        """Do what is missing of a result, or of one's part of it."""
        part = self.how.part
        journal = made.work.journal(f"{part[0]}-of-{part[1]}" if part else "")
        try:
            objects = None
            if made.settings.output == "instances":
                objects = Objects(made, journal)
                with made.work.shared() if part else nullcontext():
                    objects.begin()
            failures = yield from self._network(made, journal, objects)
            if failures:
                return "incomplete", {"message": complaint(made, failures)}
            if part:
                return (yield from self._finish_if_last(made, objects, part))
            yield from finish(made, objects, began)
            return "done", counted(objects)
        except BaseException:
            nothing = not made.work.done(NETWORK, len(made.blocks)).any()
            if nothing and not part and not finished_plan(made.result):
                made.discard()
            raise
        finally:
            journal.close()

    def _network(
        self, made: PredictionTask, journal: Journal, objects: Objects | None
    ) -> Generator[Event, None, Failures]:
        """Send blocks through the network, here or elsewhere; find objects meanwhile."""
        if self._client:
            from napari_utile.engine.prediction.cluster import through_workers

            return (yield from through_workers(self._client, made, journal, objects))
        if self.how.part or objects is None:
            part = self.how.part or (1, 1)
            return (yield from through_network(made, made.blocks.part(*part), journal))
        with Following(made, objects) as following:
            numbers = range(len(made.blocks))
            steps = through_network(made, numbers, journal, following.heed)
            failures = yield from accompanied(steps, following)
            if not failures:
                yield from following.rest()
        return failures

    def _finish_if_last(
        self, made: PredictionTask, objects: Objects | None, part: tuple[int, int]
    ) -> Generator[Event, None, tuple[str, dict[str, Any]]]:
        """Find the objects of one's own part; finish the result if all others are done."""
        if objects:
            yield from fragments_of(made, objects, made.blocks.part(*part))
        while True:
            with ExitStack() as held:
                try:
                    held.enter_context(made.work.shared())
                except UserError:
                    if made.is_being_finished:
                        return "part", {}
                    yield Waiting()
                    continue  # somebody only looks whether all is done, as this part does
                if finished_plan(made.result):
                    return "done", known(finished_facts(made.result))
                if not made.work.done(NETWORK, len(made.blocks)).all():
                    return "part", {}
                yield from finish(made, objects)
                return "done", counted(objects)


def refuse_what_cannot_be(made: PredictionTask, how: Execution) -> None:
    """Refuse what the format or several processes make impossible."""
    result = made.result
    if isinstance(made.output, TiffOutput):
        if how.part or how.scheduler or how.workers:
            raise UserError(
                f"{result}: several processes cannot share a TIFF; name a .zarr instead."
            )
        if made.output.form.probability_type == np.float16:
            raise UserError(f"{result}: a TIFF has no float16; choose --dtype float32.")
    if how.part and how.overwrite and (result.exists() or made.work.plan):
        raise UserError(
            f"{result} is there, and one part must not remove what others have done: remove it "
            "yourself, and start all parts without --overwrite."
        )


def known(facts: dict[str, Any]) -> dict[str, Any]:
    """Take what the table shows from the facts of a complete result."""
    return {name: facts[name] for name in ("objects", "seconds") if name in facts}


def accompanied(
    steps: Generator[Event, None, Failures], following: Following
) -> Generator[Event, None, Failures]:
    """Pass on the events of the network, and between them what follows on it."""
    with closing(steps):
        while True:
            try:
                yield next(steps)
            except StopIteration as end:
                failures: Failures = end.value
                return failures
            yield from following.news()


def counted(objects: Objects | None) -> dict[str, Any]:
    """Say how many objects there are, if any were looked for."""
    return {"objects": objects.count} if objects else {}


def complaint(made: PredictionTask, failures: Failures) -> str:
    """Say which blocks failed, and why the first of them did."""
    number, error = next(iter(failures.items()))
    block = made.blocks[number]
    y, x = block.window
    place = f"rows {y.start}-{y.stop}, columns {x.start}-{x.stop}"
    if block.index:
        place = f"slice {', '.join(map(str, block.index))}, {place}"
    return (
        f"{len(failures)} of {len(made.blocks)} blocks failed, the first at {place}: "
        f"{first_line(error)} The result is incomplete; the same command tries them again."
    )
