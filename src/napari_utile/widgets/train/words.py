"""What the panel Train says about a run, in the words of the window. No Qt."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from napari_utile.evaluation.scores import name_in_window
from napari_utile.events import RunFailed
from napari_utile.folders.model import CHECKED_PIXELS, CHECKED_STROKES
from napari_utile.io.units import counted


def refusal_in_words(event: RunFailed) -> str:
    """Return why a run did not go on.

    Parameters
    ----------
    event : RunFailed

    Examples
    --------
    >>> changed = ["the labels have changed"]
    >>> refusal_in_words(RunFailed(message="...", user=True, differs=changed))
    'This run cannot be resumed: the labels have changed.'
    """
    if not event.differs:
        return event.message
    return f"This run cannot be resumed: {'; '.join(event.differs)}."


def ticked_text(labelled: Collection[object], ticked: Collection[object]) -> str:
    """Return which images are trained on, where several have labels of their own.

    Parameters
    ----------
    labelled, ticked : collection
        Images with labels of their own, and those that are ticked.

    Examples
    --------
    >>> ticked_text("abc", "abc")
    '3 images have labels of their own: all are trained on.'
    >>> ticked_text("abc", "ab")
    '3 images have labels of their own: the 2 that are ticked are trained on.'
    >>> ticked_text("abc", "b")
    '3 images have labels of their own: the one that is ticked is trained on.'
    """
    match len(ticked):
        case 0:
            which = "none is ticked"
        case 1:
            which = "the one that is ticked is trained on"
        case count:
            which = f"the {count} that are ticked are trained on"
    if {*ticked} == {*labelled}:
        which = "all are trained on"
    return f"{len(labelled)} images have labels of their own: {which}."


NEXT_TO_NOTHING, HALF, WELL = 0.1, 0.5, 0.8
"""Of an IoU, or the F1 of objects: below the first useless, from the last on good."""


ENOUGH_STROKES = 10
"""From which a score measured on strokes alone can be called good."""
COUNTED = "pixels", "strokes"


class Worth(NamedTuple):
    """What a model is worth, in words."""

    sentence: str
    is_useful: bool = True
    way_on: str = ""
    """What helps, if it is not useful, or nobody knows."""
    details: str = ""
    """All scores, for a tooltip."""


PREVIEW = "look at Preview"
"""How to see what is wrong with what is trained on; of a single layer."""


def checked_on(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the pixels and strokes that scores rest on; None if all pixels were annotated.

    Parameters
    ----------
    facts : mapping
        What a model was trained on, as its card says.
    """
    pixels, strokes = facts.get(CHECKED_PIXELS), facts.get(CHECKED_STROKES)
    if isinstance(pixels, int) and isinstance(strokes, int):
        return pixels, strokes
    return None


def outcome_of(
    scores: Mapping[str, float],
    look: str = PREVIEW,
    checked: tuple[int, int] | None = None,
) -> Worth:
    """Return what scores of the validation part mean.

    Parameters
    ----------
    scores : mapping of str to float
        Empty if nothing was validated yet.
    look : str
        What the user can do to see what is wrong with the images and labels.
    checked : tuple of int, optional
        Pixels and strokes that they rest on, if not all pixels were annotated.

    Examples
    --------
    >>> outcome_of({"iou": 0.82, "f1_50": 0.7, "v_rand": 0.93}).sentence
    'Validation: the foreground overlaps by 82 % (IoU 0.82), F1 of objects 0.70: usable.'
    >>> outcome_of({"iou": 0.82}).sentence
    'Validation: the foreground overlaps by 82 % (IoU 0.82): good.'
    >>> outcome_of({"iou": 0.82}, checked=(812, 2)).sentence[:55]
    'Validation, on the 812 pixels of 2 strokes kept aside: '
    >>> outcome_of({"iou": 0.011}).sentence
    'This model finds next to nothing of the part kept for validation (IoU 0.01).'
    >>> outcome_of({}).is_useful
    False
    """
    if "iou" not in scores:
        sentence = "This model was not validated yet."
        return Worth(sentence, False, "Train longer, to see what it is worth.")
    iou = scores["iou"]
    details = ", ".join(f"{name_in_window(name)} {value:.3f}" for name, value in scores.items())
    if iou < NEXT_TO_NOTHING:
        found = f"next to nothing of the part kept for validation (IoU {iou:.2f})"
        return Worth(
            f"This model finds {found}.",
            False,
            f"Train on for more minutes, or {look}: do image and labels lie on each other, "
            "and is all annotated that should be?",
            details,
        )
    found = f"the foreground overlaps by {iou:.0%} (IoU {iou:.2f})".replace("%", " %")
    judged = iou
    if "f1_50" in scores:  # one large object that is all foreground overlaps well
        judged = min(iou, scores["f1_50"])
        found += f", F1 of objects {scores['f1_50']:.2f}"
    worth = "good" if judged >= WELL else "usable" if judged >= HALF else "weak"
    way_on = "" if judged >= HALF else "Train on for more minutes."
    if checked is None:
        return Worth(f"Validation: {found}: {worth}.", judged >= HALF, way_on, details)
    pixels, strokes = (counted(n, name) for n, name in zip(checked, COUNTED, strict=True))
    told = f"Validation, on the {pixels} of {strokes} kept aside: {found}"
    if judged < HALF or checked[1] >= ENOUGH_STROKES:
        return Worth(f"{told}: {worth}.", judged >= HALF, way_on, details)
    way_on = "Look at it in Segment; paint strokes in more places."
    sentence = f"{told}. That is too few to call it good."
    return Worth(sentence, True, way_on, details)


def estimate_text(facts: Mapping[str, str | int | float]) -> str:
    """Return what a training costs in sentences, and what its counterpart would cost.

    Parameters
    ----------
    facts : mapping
        Of an estimate.

    Examples
    --------
    >>> estimate_text({"network": "unet", "time": "about 9 s", "a step": "0.1 s",
    ...     "training tile": 64, "with unet-3d": "about 1 min"})
    'unet: about 9 s (0.1 s a step, tiles of 64 px). With unet-3d: about 1 min.'
    """
    step, tile = facts["a step"], facts["training tile"]
    told = f"{facts['network']}: {facts['time']} ({step} a step, tiles of {tile} px)."
    if pools := facts.get("pools"):
        told += f" A voxel is {facts['voxel']}; it pools {pools}."
    others = ((name, cost) for name, cost in facts.items() if name.startswith("with "))
    return told + "".join(f" With {name[5:]}: {cost}." for name, cost in others)
