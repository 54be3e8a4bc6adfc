"""Progress of a run, from its events: as text and as a share. No Qt."""

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from statistics import fmean
from time import monotonic
from typing import TypeVar

from napari_utile.events import (
    BlockDone,
    CandidateStarted,
    Event,
    ImageDone,
    RunDone,
    RunFailed,
    RunStarted,
    SliceDone,
    StepDone,
    TileDone,
    transform,
)
from napari_utile.io.units import counted, duration_text

WorkResult = TypeVar("WorkResult")

STAGE_VERBS = {
    "objects": "finding objects",
    "numbers": "numbering objects",
    "pyramid": "making smaller copies",
    "table": "measuring objects, block",
    "mesh": "writing meshes, object",
}


@dataclass(frozen=True)
class Step:
    """Progress of work of a known length.

    Attributes
    ----------
    what : str
        What is counted: "slice".
    done, total : int
    seconds : float
        Since the start.
    """

    what: str
    done: int
    total: int
    seconds: float


def steps(
    what: str, work: Generator[tuple[int, int], None, WorkResult]
) -> Generator[Step, None, WorkResult]:
    """Yield a `Step` for each (done, total) of `work`; return what it returns.

    Parameters
    ----------
    what : str
        What is counted: "slice".
    work : generator
        Yields (done, total).

    Yields
    ------
    Step

    Returns
    -------
    object
        What the work returned.
    """
    began = monotonic()
    return (
        yield from transform(work, lambda at: Step(what, at[0], at[1], monotonic() - began))
    )


ENDED_WELL = ("done", "kept", "part")
"""Status of images that did not fail."""


class RunProgress:
    """Follows the events of one run.

    Attributes
    ----------
    share : float or None
        Share that is done, 0 to 1; None where it is unknown.
    what : str
        What is being done, with count and rate.
    seconds_left : float or None
        Of the whole run; of several images estimated from those that have ended.
    images : list of ImageDone
        Images that have ended.
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
        self._spent = 0.0  # seconds on the tiles of this image

    def add(self, event: Event | Step) -> bool:
        """Follow an event; return whether it reports progress."""
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
                self._spent = event.done / event.rate if event.rate > 0 else 0.0
                rate = f"{event.rate:.3g} tiles/s"
                self._note_part(event, f"tile {event.done} of {event.total} · {rate}")
                return True
            case BlockDone() if not self._is_computing:  # objects are found at the same time
                self._note_part(
                    event, f"{STAGE_VERBS[event.stage]} {event.done} of {event.total}"
                )
                return True
            case SliceDone():
                what = f"step {event.done:,} of {event.total:,} · {event.rate:.3g}/s"
                self._note(event.done / max(event.total, 1), what, event.seconds_left)
                return True
            case Step():
                per_second = event.done / max(event.seconds, 1e-9)
                what = f"{event.what} {event.done:,} of {event.total:,} · {per_second:.3g}/s"
                left = (event.total - event.done) / per_second
                self._note(event.done / max(event.total, 1), what, left or None)
                return True
            case ImageDone():
                self.images.append(event)
                self._is_computing, self._spent = False, 0.0
            case RunDone() | RunFailed():
                self.end = event
        return False

    def line(self) -> str:
        """Return what is being done, and the time left."""
        left = self.seconds_left
        return self.what + ("" if left is None else f" · {duration_text(left)} left")

    def summary(self) -> str:
        """Return the objects of one image, or the status of several: '3 done, 1 failed'."""
        if self.total == 1:
            return ", ".join(filter(None, map(_end_of_one, self.images)))
        counts = Counter(event.status for event in self.images)
        return ", ".join(f"{n} {status}" for status, n in counts.items())

    def outcome(self) -> str:
        """Return how a run ended and with what, as the panel that ran it and Runs both say."""
        if not isinstance(self.end, RunDone):
            return ""
        what = self.summary()
        return f"{ended_text(self.end)}{': ' if what else ''}{what}"

    def _note(self, share: float | None, what: str, seconds: float | None) -> None:
        self.share, self.what = share, self._candidate + what
        self.seconds_left = seconds

    def _note_part(self, event: TileDone | BlockDone, what: str) -> None:
        """Follow a tile or block of one image of several."""
        self.image = event.image
        share: float | None = event.done / max(event.total, 1)
        left = event.seconds_left
        if self._candidate:
            share = None
        elif self.total > 1:
            number = len(self.images) + 1
            share = (len(self.images) + event.done / max(event.total, 1)) / self.total
            what = f"image {number} of {self.total}, {event.image} · {what}"
            left = None if left is None else left + self._seconds_of_others(left)
        self._note(share, what, left)

    def _seconds_of_others(self, left: float) -> float:
        """Estimate the time for the images after this one, of which `left` seconds are left."""
        took = [image.seconds for image in self.images if image.status == "done"]
        others = self.total - len(self.images) - 1
        return max(others, 0) * (fmean(took) if took else self._spent + left)


def ended_text(end: RunDone) -> str:
    """Return how a run ended and after what time, or why nothing was to be done.

    Examples
    --------
    >>> ended_text(RunDone(seconds=80)), ended_text(RunDone(seconds=80, stopped=True))
    ('Done after 1 min 20 s', 'Stopped after 1 min 20 s')
    >>> ended_text(RunDone(seconds=0, kept=True, reason="It was finished before."))
    'It was finished before'
    """
    if end.kept and end.reason:
        return end.reason.removesuffix(".")
    return f"{'Stopped' if end.stopped else 'Done'} after {duration_text(end.seconds)}"


def needs_text(event: RunStarted) -> str:
    """Return what a run needs: '96 blocks, block 1024 x 1024, memory about 1.1 GB'.

    Parameters
    ----------
    event : RunStarted

    Returns
    -------
    str
    """
    words = [
        counted(value, name) if isinstance(value, int) else f"{name} {value}"
        for name, value in event.facts.items()
        if name not in ("model", "output") and (name, value) != ("images", 1)
    ]
    return ", ".join(words)


def _end_of_one(event: ImageDone) -> str:
    words = ["kept, as it was finished"] if event.status == "kept" else []
    words += [] if event.objects is None else [counted(event.objects, "objects")]
    return ", ".join(words)


def outcome_text(event: ImageDone) -> str:
    """Return in a few words how an image ended.

    Parameters
    ----------
    event : ImageDone

    Returns
    -------
    str
        'done in 1 min 20 s, 1,234 objects', 'kept, as it was finished', 'failed: ...'.
    """
    if event.status == "kept":
        return "kept, as it was finished"
    if event.status not in ENDED_WELL:
        return f"{event.status}: {event.message}"
    objects = "" if event.objects is None else f", {counted(event.objects, 'objects')}"
    return f"{event.status} in {duration_text(event.seconds)}{objects}"
