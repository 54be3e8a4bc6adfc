"""The events of a run: small frozen types, one JSON line each.

The engine yields them; the command line prints them, the window draws them, a notebook
iterates over them. No event holds pixels: large things are written to disk and named.
"""

import re
import sys
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from napari_utile.errors import UserError


class _Event(BaseModel):
    # A loss may be infinite, and JSON knows no such number.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def line(self) -> str:
        """Return the event as one line of JSON."""
        return self.model_dump_json()


class RunStarted(_Event):
    """A job has checked its input and starts to compute."""

    event: Literal["RunStarted"] = "RunStarted"
    job: Literal[
        "train",
        "predict",
        "preview",
        "augment",
        "compare",
        "evaluate",
        "objects",
        "mesh",
        "link",
        "instances",
    ] = Field(description="augment: what previews were called before")
    out: str = Field("", description="Run folder or output; empty when nothing is written")
    device: str = Field("", description="Device in words: 'cpu (2 threads, bf16)'")
    total: int | None = Field(None, description="Number of steps or tiles, where it is known")
    minutes: float | None = Field(None, description="Time budget, where there is one")
    resumed_from: int | None = Field(None, description="Step from which a training resumes")
    warm_start: str = Field("", description="Model whose parameters a training starts from")
    processes: int = Field(1, description="That share the work")
    images: int = Field(1, ge=0, description="Images to predict")
    facts: dict[str, str | int | float] = Field(
        default_factory=dict, description="Other facts to show once, name -> value"
    )

    @model_validator(mode="before")
    @classmethod
    def _read_older_lines(cls, data: Any) -> Any:
        """Take the number of images from the facts, where version 1 wrote it."""
        if isinstance(data, dict) and "images" not in data:
            facts = data.get("facts")
            images = facts.get("images") if isinstance(facts, dict) else None
            return data | {"images": images} if isinstance(images, int) else data
        return data


class StepDone(_Event):
    """One optimizer step was taken."""

    event: Literal["StepDone"] = "StepDone"
    step: int
    loss: float
    learning_rate: float
    progress: float = Field(ge=0, le=1, description="Fraction of the budget that is used")
    rate: float = Field(description="Steps per second")
    seconds_left: float | None = None


class EpochDone(_Event):
    """An epoch, the steps between two validations, ended with a validation."""

    event: Literal["EpochDone"] = "EpochDone"
    epoch: int
    step: int
    train_loss: float = Field(description="Mean over the steps of this epoch")
    val_loss: float
    scores: dict[str, float] = Field(description="Validation scores, metric name -> value")
    is_best: bool
    seconds: float = Field(description="Since the run began")


class PreviewReady(_Event):
    """A preview of the current predictions was written."""

    event: Literal["PreviewReady"] = "PreviewReady"
    path: str
    step: int
    index: tuple[int, ...] = Field((), description="Slice of the stack")
    origin: tuple[int, int] = Field(
        (0, 0), description="(y, x) of the upper left corner in the slice"
    )
    kind: Literal["validation", "view"] = Field(
        "validation", description="Of a validation slice, or of the one that is looked at"
    )
    image: str = Field("", description="Which image")


class TileDone(_Event):
    """One tile was predicted and written."""

    event: Literal["TileDone"] = "TileDone"
    done: int
    total: int
    image: str = Field(description="Which image of the batch")
    index: tuple[int, ...] = Field(description="Slice of the stack, () for a single image")
    write: tuple[tuple[int, int], ...] = Field(
        description="(start, stop) of what was written, per axis of the slice"
    )
    rate: float = Field(description="Tiles per second")
    seconds_left: float | None = None


class SliceDone(_Event):
    """One step of an evaluation: objects of a slice were found, or a slice was compared."""

    event: Literal["SliceDone"] = "SliceDone"
    done: int
    total: int
    image: str = Field("", description="Which image; empty if there is only one")
    rate: float = Field(description="Steps per second")
    seconds_left: float | None = None


class BlockDone(_Event):
    """One block completed a stage after the network."""

    event: Literal["BlockDone"] = "BlockDone"
    stage: Literal["objects", "numbers", "pyramid", "table", "mesh"] = Field(
        description="Finding objects, numbering them over the stack, writing resolution "
        "levels, measuring objects, writing their surfaces"
    )
    done: int
    total: int
    image: str = Field(description="Which image of the batch")
    rate: float = Field(description="Blocks per second")
    seconds_left: float | None = None


class ImageDone(_Event):
    """One image of a prediction ended, successfully or not."""

    event: Literal["ImageDone"] = "ImageDone"
    image: str = Field(description="Path, or name of the layer")
    out: str
    status: Literal["done", "kept", "part", "incomplete", "failed"] = Field(
        description="kept: was complete before; part: this share of the blocks is done; "
        "incomplete: some blocks failed"
    )
    seconds: float = 0.0
    shape: tuple[int, ...] = ()
    objects: int | None = Field(None, description="Number of instances")
    message: str = Field("", description="Reason of a failure")
    user: bool = Field(False, description="Failed, and the user can correct why")


class CandidateStarted(_Event):
    """One network of a comparison starts; events up to its `CandidateDone` belong to it."""

    event: Literal["CandidateStarted"] = "CandidateStarted"
    network: str
    seed: int
    number: int = Field(ge=1, description="Number of the run in the comparison, from 1")
    total: int = Field(description="Number of runs in the comparison")
    out: str = Field(description="Its run folder")


class CandidateDone(_Event):
    """One network of a comparison is trained and scored."""

    event: Literal["CandidateDone"] = "CandidateDone"
    network: str
    seed: int
    row: dict[str, int | float] = Field(description="Scores, parameters, steps and seconds")


class Waiting(_Event):
    """No result yet; yielded so that the run can be stopped while it waits."""

    event: Literal["Waiting"] = "Waiting"
    message: str = Field("", description="What it waits for, if that takes unusually long")


class Warned(_Event):
    """Something was not done as asked; the run continues."""

    event: Literal["Warned"] = "Warned"
    message: str
    options: dict[str, str] = Field(
        default_factory=dict, description="What the message says to set: option to value"
    )


_TO_SET = re.compile(r"\bset (\w+) to (\w+)\b")


def to_set(option: str, value: str) -> str:
    """Return the words by which a message names an option that helps; see `Warned.options`.

    Parameters
    ----------
    option, value : str

    Examples
    --------
    >>> to_set("normalize", "image")
    'set normalize to image'
    """
    return f"set {option} to {value}"


def doubted(doubts: Iterable[str], strict: bool) -> Iterator[Warned]:
    """Report what is doubtful about the input of a run, or refuse it.

    Parameters
    ----------
    doubts : iterable of str
        A sentence each. The same sentence is reported once.
    strict : bool
        Whether a doubt is a reason to refuse, as the option `strict` says.

    Yields
    ------
    Warned

    Raises
    ------
    UserError
        With `strict`, if there is a doubt: the first, and the number of the others.
    """
    found = [*dict.fromkeys(doubts)]
    if strict and found:
        others = len(found) - 1
        more = f" And {others} more doubt{'s' * (others > 1)}." if others else ""
        raise UserError(
            f"{found[0]}{more} Correct this, or leave out strict to be only warned."
        )
    for message in found:
        yield Warned(message=message, options=dict(_TO_SET.findall(message)))


class RunFailed(_Event):
    """The run failed. `user`: whether the user can correct it, or it is a defect of U-Tile."""

    event: Literal["RunFailed"] = "RunFailed"
    message: str
    user: bool
    differs: tuple[str, ...] = Field(
        (),
        description="In what the unfinished run in the folder differs from what was asked for",
    )


class RunDone(_Event):
    """The run has ended and everything is on disk."""

    event: Literal["RunDone"] = "RunDone"
    out: str = ""
    seconds: float
    stopped: bool = Field(False, description="True: ended by the user, the result is partial")
    kept: bool = Field(
        False, description="Nothing was computed: it was finished before, with the same plan"
    )
    reason: str = Field("", description="Why it ended before its budget was used")
    scores: dict[str, float] = Field(default_factory=dict)
    notes: tuple[str, ...] = Field((), description="What a reader of the scores must know")
    past: tuple[str, ...] = Field((), description="Warnings that no longer hold at the end")
    failed: tuple[str, ...] = Field((), description="Inputs that failed, and why")
    user: bool = Field(False, description="The user can correct all that failed")


Event = (
    RunStarted
    | StepDone
    | EpochDone
    | PreviewReady
    | TileDone
    | SliceDone
    | BlockDone
    | ImageDone
    | CandidateStarted
    | CandidateDone
    | Waiting
    | Warned
    | RunFailed
    | RunDone
)
_ANY_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: str | bytes) -> Event:
    """Read one line of JSON that `line()` returned.

    Raises
    ------
    ValueError
        If the line is no event (pydantic's `ValidationError` is a `ValueError`).
    """
    return _ANY_EVENT.validate_json(line)


Result = TypeVar("Result")


def drain(
    run: Generator[Any, None, Result], on_event: Callable[[Any], object] | None = None
) -> Result:
    """Run a generator of events to its end and return its result.

    Parameters
    ----------
    run : generator
        Yields events and returns the result.
    on_event : callable, optional
        Called with every event. What it raises closes the run, and is raised here.

    Returns
    -------
    object
        What the generator returned.
    """
    with closing(run):
        while True:
            try:
                event = next(run)
            except StopIteration as end:
                return end.value
            if on_event is not None:
                on_event(event)


def tap(
    run: Generator[Any, None, Result], on_event: Callable[[Any], object]
) -> Generator[Any, None, Result]:
    """Pass on the events of a run, each after a call with it; return the result of the run.

    Closing the tap closes the run.

    Parameters
    ----------
    run : generator
        Yields events and returns the result.
    on_event : callable
        Called with every event, before it is passed on.

    Yields
    ------
    Event

    Returns
    -------
    object
        What the generator returned.
    """

    def pass_on(event: Any) -> Any:
        on_event(event)
        return event

    return (yield from transform(run, pass_on))


def transform(
    run: Generator[Any, None, Result], change: Callable[[Any], Any]
) -> Generator[Any, None, Result]:
    """Pass on other events in place of those of a run; return the result of the run.

    Closing the generator closes the run.

    Parameters
    ----------
    run : generator
        Yields events and returns the result.
    change : callable
        Called with every event. Returns what is passed on instead, or None to leave it out.

    Yields
    ------
    Event

    Returns
    -------
    object
        What the generator returned.
    """
    with closing(run):
        while True:
            try:
                event = next(run)
            except StopIteration as end:
                return end.value
            event = change(event)
            if event is not None:
                yield event


def warn(event: Any) -> None:
    """Issue a `Warned` event as a Python warning; ignore other events.

    The default `on_event` of the functions that are called from Python. The warning points at
    the line outside of this package that called them.

    Parameters
    ----------
    event : Event
    """
    if isinstance(event, Warned):
        frame, level = sys._getframe(), 1
        while frame.f_back and str(frame.f_globals["__name__"]).startswith("napari_utile"):
            frame, level = frame.f_back, level + 1
        warnings.warn(event.message, UserWarning, stacklevel=level)
