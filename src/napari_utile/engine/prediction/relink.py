"""Make or link the objects of a finished result again, without the network.

    foreground of the result --fragments, numbers--> ids in the work folder --exchange--> result

Until the exchange the result is as it was. A kill at any moment is resumed by the same call,
also one within the exchange: it is a list of steps, each of which may be taken twice.
"""

import os
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.engine.prediction.instances import InstanceBuilder
from napari_utile.engine.prediction.output_spec import OutputSpec
from napari_utile.engine.prediction.outputs import ZarrOutput, open_plain
from napari_utile.engine.prediction.plan import PredictionPlan
from napari_utile.engine.prediction.resume import finished_facts
from napari_utile.engine.prediction.stages import finish_result
from napari_utile.engine.prediction.task import PredictionTask
from napari_utile.errors import UserError
from napari_utile.events import Event, ImageDone, RunDone, RunStarted
from napari_utile.folders.journal import WorkFolder
from napari_utile.folders.link_costs import read_link_costs
from napari_utile.io import ome_zarr, pyramids
from napari_utile.io.disk import check_free, to_disk
from napari_utile.io.ngff import AFFINITIES, LABELS
from napari_utile.results.edits import refuse_edited
from napari_utile.results.learn_links import settings_of_instances
from napari_utile.results.stored_probabilities import StoredProbabilities, plan_of_instances
from napari_utile.settings.prediction import LinkSettings, ObjectSettings, PredictSettings

EXCHANGE = "exchange"
"""Stage of the journal: the new ids are complete, and are put in place of the old ones."""
INSTANCES = "instances"


def relink(
    result: Path,
    settings: LinkSettings,
    costs: LinkCosts | None = None,
    overwrite: bool = False,
) -> Generator[Event, None, Path]:
    """Link the objects of a finished result again.

    Closing the generator stops it; the same call resumes it, with the same ids. A result that
    is linked so already is kept.

    Parameters
    ----------
    result : Path
        Of `predict_files`, as .zarr, with instances of slices.
    settings : LinkSettings
    costs : LinkCosts, optional
        For linking by a graph; those that the result was linked with by default.
    overwrite : bool, default False
        Replace objects that were corrected by hand.

    Yields
    ------
    RunStarted, BlockDone, Warned, ImageDone, RunDone

    Returns
    -------
    Path
        The result.

    Raises
    ------
    UserError
        If it is no such result, is in use, was corrected by hand, or the disk has no room.
    """
    settings_of_instances(result)
    return (yield from _made_again(result, settings, costs, overwrite))


def remake(
    result: Path, settings: ObjectSettings, overwrite: bool = False
) -> Generator[Event, None, Path]:
    """Make the objects of a finished result again from its probabilities, by other settings.

    Closing the generator stops it; the same call resumes it. The result is, to the byte, as if
    it had been predicted by these settings. One that is made so already is kept.

    Parameters
    ----------
    result : Path
        Of `predict_files`, as .zarr, with instances.
    settings : ObjectSettings
        Those that were not given stay as they were.
    overwrite : bool, default False
        Replace objects that were corrected by hand.

    Yields
    ------
    RunStarted, BlockDone, Warned, ImageDone, RunDone

    Returns
    -------
    Path
        The result.

    Raises
    ------
    UserError
        If it is no such result, lacks what objects are made of, is in use, was corrected by
        hand, or the disk has no room.
    """
    plan_of_instances(result)
    return (yield from _made_again(result, settings, None, overwrite))


def _made_again(
    result: Path,
    settings: LinkSettings | ObjectSettings,
    costs: LinkCosts | None,
    overwrite: bool,
) -> Generator[Event, None, Path]:
    """Make or link the objects of a result again."""
    started = monotonic()
    with WorkFolder(result).held():
        work = _LinkFolder(result)
        if work.done(EXCHANGE, 1).all():  # killed while ids were exchanged
            _exchange(result, work, _plan_in(work))
        plan = _new_plan(result, settings, costs)
        old = PredictionPlan.read(finished_facts(result).get("plan", {}))
        job: Literal["link", "instances"] = "link"
        if isinstance(settings, ObjectSettings):
            job = "instances"
        yield RunStarted(job=job, out=str(result), device="cpu")
        status: Literal["kept", "done"] = "kept"
        facts = finished_facts(result)
        if old is None or old.differences(plan):
            status = "done"
            if not overwrite:
                refuse_edited(result)
            task = _LinkTask(result, plan, work)
            with task.room():
                yield from _linked(task)
            facts = finished_facts(result)
        else:
            work.clear()  # of another linking that was begun and given up
    seconds = monotonic() - started
    yield ImageDone(
        image=str(result),
        out=str(result),
        status=status,
        seconds=seconds,
        objects=facts.get("objects"),
    )
    yield RunDone(out=str(result), seconds=seconds, kept=status == "kept")
    return result


def _new_plan(
    result: Path, settings: LinkSettings | ObjectSettings, costs: LinkCosts | None
) -> PredictionPlan:
    """Return the plan of the result with other settings of its objects, or of their links."""
    old = PredictionPlan.read(finished_facts(result)["plan"])
    if old is None:
        raise UserError(f"{result} was written by another version of U-Tile.")
    stored, remakes = StoredProbabilities.of(result), isinstance(settings, ObjectSettings)
    changed = settings.model_dump(exclude={"linking_costs"}, exclude_unset=remakes)
    if remakes and settings.linking_costs:
        changed["linking_costs"] = settings.linking_costs
        costs = read_link_costs(settings.linking_costs)
    asked = PredictSettings(**old.settings | changed)
    stored.check(asked)
    numbers = None
    if asked.linking == "graph" and len(old.tile) == 2:
        kept = LinkCosts.of(old.costs) if old.costs else stored.rule.costs
        numbers = (costs or kept).as_dict()
    return replace(
        old,
        settings=asked.model_dump(mode="json"),
        costs=numbers,
        growth=stored.rule.growth_by(asked) if remakes else old.growth,
    )


def _plan_in(work: WorkFolder) -> PredictionPlan:
    """Return the plan of a linking that was begun."""
    plan = PredictionPlan.read(work.plan)
    if plan is None:
        raise UserError(f"{work.path} was written by another version of U-Tile: remove it.")
    return plan


def _linked(task: "_LinkTask") -> Generator[Event, None, None]:
    """Find and number the objects, resuming what was begun by the same plan."""
    begun = PredictionPlan.read(task.work.plan)
    if begun is None or begun.differences(task.plan) or not task.work.done("begin", 1).all():
        check_free(task.result, task.output.nbytes)
        task.create()
    else:
        task.resume()
    journal = task.work.journal()
    try:
        builder = InstanceBuilder(task, journal)
        yield from finish_result(task, builder)
    finally:
        journal.close()


class _LinkFolder(WorkFolder):
    """The hidden folder beside a result whose objects are linked again."""

    def __init__(self, result: Path):
        super().__init__(result)
        self.path = result.with_name(f".{result.name}.link.utile")


class _LinkTask(PredictionTask):
    """A prediction of which all blocks are computed, and the ids go into the work folder."""

    def __init__(self, result: Path, plan: PredictionPlan, work: WorkFolder):
        self.result, self.plan, self.work = result, plan, work
        self.settings = PredictSettings(**plan.settings)
        self.stack = ome_zarr.open_zarr(result, "probabilities")
        shape = self.stack.shape
        self.blocks = Blocks(_starts_of(self.settings.region, len(shape)), shape, plan.tile)
        nothing: Any = np.broadcast_to(np.zeros((), self.stack.dtype), shape)
        like = replace(self.stack, data=nothing)
        spec = OutputSpec(self.blocks, like, self.settings, 1, (0, 1))
        self.output = _LinkOutput(result, spec, work)

    @property
    def links(self) -> Path:
        return self.work / "links.csv"

    @property
    def computed(self) -> NDArray[np.bool_]:
        return np.ones(len(self.blocks), bool)

    def complete(self, facts: dict[str, Any]) -> None:
        ome_zarr.mark_complete(self.work / "new.zarr", **facts)
        journal = self.work.journal()
        journal.write(EXCHANGE, [0])
        journal.close()
        _exchange(self.result, self.work, self.plan)


class _LinkOutput(ZarrOutput):
    """Reads the foreground of the result, and writes ids into the work folder."""

    @property
    def new(self) -> Path:
        """Image without pixels whose labels are the new ids."""
        return self.work / "new.zarr"

    @property
    def exists(self) -> bool:
        return self.new.exists()

    def create(self) -> None:
        spec = self.spec
        kind = {"kind": INSTANCES}
        ome_zarr.create_image(
            self.new, spec.shape, np.uint8, spec.chunks, spec.like, overwrite=True,
            attributes=kind,
        )  # fmt: skip
        ome_zarr.create_labels(
            self.new, INSTANCES, spec.shape, spec.label_type, spec.chunks, spec.like
        )
        self.open()

    def open(self) -> None:
        self.probabilities = ome_zarr.reopen(self.path)
        self.labels = ome_zarr.reopen(self.new, INSTANCES)
        if (self.path / AFFINITIES).exists():
            self.affinities = open_plain(self.path / AFFINITIES)

    def pyramids(self) -> Any:
        return pyramids.write_smaller_levels(self.new, INSTANCES)


def _exchange(result: Path, work: WorkFolder, plan: PredictionPlan) -> None:
    """Put the new ids in place of the old ones; each step may have been taken before."""
    place, new, old = result / LABELS / INSTANCES, work / "new.zarr", work / "old"
    if (new / LABELS / INSTANCES).exists():
        if place.exists():
            shutil.rmtree(old, ignore_errors=True)
            place.rename(old)
        (new / LABELS / INSTANCES).rename(place)
        to_disk(place.parent)
    links, written = result.with_name(f"{result.name}.links.csv"), work / "links.csv"
    if written.exists():
        os.replace(written, links)
    elif plan.settings["linking"] not in ("overlap", "graph"):
        links.unlink(missing_ok=True)
    objects = ome_zarr.provenance(new).get("objects")
    ome_zarr.mark_complete(result, plan=plan.as_dict(), settings=plan.settings, objects=objects)
    work.clear()


def _starts_of(region: str | None, axes: int) -> tuple[int, ...]:
    """Return where the result begins in the image that it is of."""
    if not region:
        return (0,) * axes
    return tuple(int(part.partition(":")[0]) for part in region.split(","))
