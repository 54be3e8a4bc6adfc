"""Progress of one stage: blocks done, blocks per second, and the seconds that are left."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from napari_utile.arrays.blocks import Block
from napari_utile.events import TileDone


@dataclass
class StageProgress:
    """Counter of one stage.

    Attributes
    ----------
    total, done : int
        Blocks of the stage, and those that are finished, in this run or an earlier one.
    started : float
        Time at which this run started the stage, from `clock`.
    steps : int
        Blocks that this run finished: they alone say how fast it is.
    """

    total: int
    done: int = 0
    clock: Callable[[], float] = monotonic
    started: float = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock()

    def step(self) -> dict[str, Any]:
        """Count one more block; return the fields that all events of progress share."""
        return self.reach(self.done + 1, self.total)

    def reach(self, done: int, total: int) -> dict[str, Any]:
        """Count a step that ends with `done` of `total` blocks finished; see `step`."""
        self.done, self.total, self.steps = done, total, self.steps + 1
        rate = self.steps / max(self.clock() - self.started, 1e-9)
        return {
            "done": done,
            "total": total,
            "rate": rate,
            "seconds_left": (total - done) / rate,
        }


def tile_done(image: str, block: Block, progress: StageProgress) -> TileDone:
    """Count a block that the network has computed, and return its event.

    Parameters
    ----------
    image : str
        Name of the image in events.
    block : Block
    progress : StageProgress
        Counts one more.

    Returns
    -------
    TileDone
    """
    return TileDone(
        image=image,
        index=block.index,
        write=tuple((side.start, side.stop) for side in block.window),
        **progress.step(),
    )
