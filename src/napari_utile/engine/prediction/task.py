"""State of one prediction task: its plan, its blocks, its journal and its output.

Any process that opens the same plan computes the same blocks, in any order. Who computes which
blocks, and when, is decided in `run`.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.blocks import Blocks
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.normalizing import (
    is_measured,
    measure,
    normalized_by,
    take_over,
)
from napari_utile.engine.prediction.output_spec import output_spec
from napari_utile.engine.prediction.outputs import output_for, output_type
from napari_utile.engine.prediction.plan import PredictionPlan, rule_of
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.events import drain
from napari_utile.folders.journal import Journal, WorkFolder
from napari_utile.io.disk import atomic_write, check_there, room_for
from napari_utile.io.region import part_of
from napari_utile.io.stack import Stack
from napari_utile.settings.options import NormalizedBy
from napari_utile.settings.prediction import PredictSettings

FINISHING = "finishing"
"""File that tells the processes of other parts that this one finishes the result."""
NETWORK = "network"
"""Stage of the journal: blocks whose probabilities are on disk."""
GRAY_VALUES = "gray_values.json"
"""File of the numbers by which the image is normalized, if they are its own."""


class PredictionTask:
    """One image, one model, one result.

    Attributes
    ----------
    model, stack, result, plan, settings
        What is predicted, and how.
    blocks : Blocks
        Of the result.
    work : WorkFolder
        Plan and journals beside the result.
    output : Output
        Where the blocks are written.
    """

    def __init__(self, model: Model, stack: Stack, result: Path, plan: PredictionPlan):
        self.model, self.stack, self.result, self.plan = model, stack, result, plan
        self.settings = PredictSettings(**plan.settings)
        self.blocks = Blocks(*part_of(stack, self.settings.region), plan.tile)
        self.work = WorkFolder(result)
        maps = model.classes, model.ids, rule_of(model)
        spec = output_spec(stack, self.blocks, self.settings, *maps)
        self.output = output_for(result, spec, self.work)

    def with_plan(self, plan: PredictionPlan) -> "PredictionTask":
        """Return the task of another plan for the same image and result."""
        return PredictionTask(self.model, self.stack, self.result, plan)

    @property
    def name(self) -> str:
        """Name of the image in events and messages."""
        return self.stack.name

    @property
    def links(self) -> Path:
        """Table of the objects that were linked through the slices."""
        return self.result.with_name(f"{self.result.name}.links.csv")

    @property
    def computed(self) -> NDArray[np.bool_]:
        """Mask of the blocks whose probabilities are on disk, shape (blocks,)."""
        return self.work.done(NETWORK, len(self.blocks))

    def computer(
        self, network: TiledNetwork, normalization: Normalization | None = None
    ) -> BlockComputer:
        """Return what computes the blocks with a network on its device.

        By default the image is normalized as it is to be, for which it may have to be measured.
        """
        return BlockComputer(
            self.stack,
            self.blocks,
            normalization or drain(self.measured()),
            network,
            self.settings.averaging,
            self.model.context,
        )

    def measured(self) -> Generator[None, None, Normalization]:
        """Return by what the image is normalized; measured once for all runs and processes.

        Yields after each part of the image that was read.
        """
        by = normalized_by(self.model, self.settings)
        if by == "model":
            return self.model.normalization
        if not is_measured(self.stack, by) and (known := self._recorded_gray_values(by)):
            take_over(self.stack, by, known)
        return (yield from measure(self.stack, by))

    def record_gray_values(self) -> None:
        """Write down by what the image is normalized, if by itself, for later processes."""
        by = normalized_by(self.model, self.settings)
        if by != "model" and self._recorded_gray_values(by) is None:
            atomic_write(self.work / GRAY_VALUES, json.dumps(self._gray_values(by)).encode())

    def _gray_values(self, by: NormalizedBy) -> dict[str, Any]:
        measured = drain(self.measured()).model_dump(mode="json")
        return {"image": self._fingerprint, "by": by, "normalization": measured}

    @property
    def _fingerprint(self) -> Any:
        return json.loads(json.dumps(self.plan.image))  # as it is in a file

    def _recorded_gray_values(self, by: NormalizedBy) -> Normalization | None:
        """Return what was written down of this image, in the work folder or the result."""
        finished = output_type(self.result).finished(self.result).get("gray_values")
        for found in (self.work.facts(GRAY_VALUES), finished):
            try:
                if found and (found["image"], found["by"]) == (self._fingerprint, by):
                    return Normalization.model_validate(found["normalization"])
            except (KeyError, TypeError, ValueError):  # damaged: it is measured again
                continue
        return None

    def create(self) -> None:
        """Create the output, in place of anything that exists there."""
        self.work.begin(self.plan.as_dict())
        self.links.unlink(missing_ok=True)
        self.output.create()
        journal = self.work.journal()
        journal.write("begin", [0])
        journal.close()

    def resume(self) -> None:
        """Reopen the partial output; create it if creation was interrupted or undone."""
        if self.output.exists and self.work.done("begin", 1).all():
            self.output.open()
        else:
            self.create()

    @contextmanager
    def recorded(self, part: tuple[int, int] | None) -> Iterator[Journal]:
        """Open the journal of this process.

        If the run ends by an exception before any block is on disk, the output is removed,
        unless other parts may be at work on it.
        """
        journal = self.work.journal(f"{part[0]}-of-{part[1]}" if part else "")
        try:
            yield journal
        except BaseException:
            if not part and not self.computed.any() and not self.output.finished(self.result):
                self.output.remove()
                self.work.clear()
            raise
        finally:
            journal.close()

    def complete(self, facts: dict[str, Any]) -> None:
        """Mark the result as complete, and remove what was needed until then."""
        by = normalized_by(self.model, self.settings)
        own = {} if by == "model" else {"gray_values": self._gray_values(by)}
        self.output.complete(facts | own | {"plan": self.plan.as_dict()})
        with suppress(OSError):  # a file that is open cannot be removed from some network disks
            self.work.clear()

    @property
    def is_current(self) -> bool:
        """Whether the plan beside the result is still this one."""
        return PredictionPlan.read(self.work.plan) == self.plan

    def announce_finishing(self) -> None:
        """Tell the processes of other parts that this one finishes the result."""
        (self.work / FINISHING).touch()

    @property
    def is_being_finished(self) -> bool:
        """Whether a process is finishing the result, or has done so."""
        return (self.work / FINISHING).exists() or not self.is_current

    def write(self, number: int, probabilities: NDArray[np.float32]) -> None:
        """Write the probabilities (K, Y, X) of a block; they are on disk when this returns."""
        check_there(self.result, self.output.exists)
        try:
            with self.room():
                self.output.put(self.blocks[number], probabilities)
        except OSError:
            check_there(self.result, self.output.exists)
            raise

    def room(self) -> AbstractContextManager[None]:
        """Report a full disk with the bytes that the rest of the result takes at most."""
        return room_for(
            self.result, lambda: int(self.output.nbytes * (1 - self.computed.mean()))
        )
