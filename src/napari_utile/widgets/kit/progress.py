"""How far a run is, as its events tell it. In words and as a share; no Qt."""

from collections import Counter

from napari_utile.events import (
    BlockDone,
    CandidateStarted,
    Event,
    ImageDone,
    RunDone,
    RunFailed,
    RunStarted,
    StepDone,
    TileDone,
)
from napari_utile.io.units import duration_text

STAGES = {
    "objects": "finding objects",
    "numbers": "numbering objects",
    "pyramid": "making smaller copies",
}


ENDED_WELL = ("done", "kept", "part")
"""How an image ends that did not fail."""


class Progress:
    """Follows the events of one run.

    Attributes
    ----------
    share : float or None
        How much is done, 0 to 1; None where that is not known.
    what : str
        What is being done, how far and how fast.
    seconds_left : float or None
    images : list of ImageDone
        Those that have ended.
    end : RunDone, RunFailed or None
    """

    def __init__(self) -> None:
        self.share: float | None = None
        self.what = ""
        self.seconds_left: float | None = None
        self.images: list[ImageDone] = []
        self.image = ""
        self.total = 1
        self.end: RunDone | RunFailed | None = None
        self._candidate = ""
        self._is_computing = False

    def add(self, event: Event) -> bool:
        """Take note of an event; say whether it tells of progress."""
        match event:
            case RunStarted():
                self.total = event.images
            case CandidateStarted():
                which = f"{event.number} of {event.total}"
                self._candidate = f"{event.network}, seed {event.seed} ({which}) · "
            case StepDone():
                rate = f"{event.rate:.3g} steps/s"
                self._note(event.progress, f"step {event.step} · {rate}", event.seconds_left)
                return True
            case TileDone():
                self._is_computing = event.done < event.total
                rate = f"{event.rate:.3g} tiles/s"
                self._note_part(event, f"tile {event.done} of {event.total} · {rate}")
                return True
            case BlockDone() if not self._is_computing:  # objects are found meanwhile
                self._note_part(event, f"{STAGES[event.stage]} {event.done} of {event.total}")
                return True
            case ImageDone():
                self.images.append(event)
                self._is_computing = False
            case RunDone() | RunFailed():
                self.end = event
        return False

    def line(self) -> str:
        """Say what is being done, and how long it takes."""
        left = self.seconds_left
        return self.what + ("" if left is None else f" · {duration_text(left)} left")

    def summary(self) -> str:
        """Count the objects of one image; of several, what became of them: 3 done, 1 failed."""
        if self.total == 1:
            counted = [event.objects for event in self.images if event.objects is not None]
            return f"{counted[0]:,} objects" if counted else ""
        counts = Counter(event.status for event in self.images)
        return ", ".join(f"{n} {status}" for status, n in counts.items())

    def _note(self, share: float | None, what: str, seconds: float | None) -> None:
        self.share, self.what = share, self._candidate + what
        self.seconds_left = seconds

    def _note_part(self, event: TileDone | BlockDone, what: str) -> None:
        """Take note of a tile or block of one image of several."""
        self.image = event.image
        share: float | None = event.done / event.total
        if self._candidate:
            share = None
        elif self.total > 1:
            number = len(self.images) + 1
            share = (len(self.images) + event.done / event.total) / self.total
            what = f"image {number} of {self.total}, {event.image} · {what}"
        self._note(share, what, event.seconds_left)


def facts_of(event: RunStarted) -> str:
    """Say what a run will take: '96 blocks, block 1024 x 1024, memory about 1.1 GB'."""
    words = [
        f"{value} {name}" if isinstance(value, int) else f"{name} {value}"
        for name, value in event.facts.items()
        if name not in ("model", "output") and (name, value) != ("images", 1)
    ]
    return ", ".join(words)


def outcome(event: ImageDone) -> str:
    """Say how an image ended, in a few words."""
    if event.status == "kept":
        return "was done before"
    if event.status not in ENDED_WELL:
        return f"{event.status}: {event.message}"
    objects = "" if event.objects is None else f", {event.objects:,} objects"
    return f"{event.status} in {duration_text(event.seconds)}{objects}"
