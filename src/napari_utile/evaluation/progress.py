"""Progress of an evaluation: steps done, steps per second, and the seconds that are left."""

from dataclasses import dataclass, field
from time import monotonic

from napari_utile.events import SliceDone


@dataclass
class SliceCounter:
    """Counter of the steps of an evaluation.

    Attributes
    ----------
    total, done : int
        A slice is a step for each thing that is done to it: finding objects, comparing, and
        each threshold.
    image : str
        Name of the image that is evaluated.
    started : float
        Time of `monotonic` at which it began.
    """

    total: int
    done: int = 0
    image: str = ""
    started: float = field(default_factory=monotonic)

    def step(self) -> SliceDone:
        """Count one step, and return it as an event."""
        self.done += 1
        rate = self.done / max(monotonic() - self.started, 1e-9)
        return SliceDone(
            done=self.done,
            total=self.total,
            image=self.image,
            rate=rate,
            seconds_left=(self.total - self.done) / rate,
        )
