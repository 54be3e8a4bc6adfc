"""Objects of probabilities, as prediction would have found them."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import instances_by_rule
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.events import SliceDone, Warned
from napari_utile.settings.evaluation import EvaluateSettings


@dataclass(frozen=True)
class Finding:
    """How objects are found in probabilities.

    Attributes
    ----------
    rule : ObjectRule
    axes : {2, 3}
        Of what is searched at once: slices or volumes.
    assumed : str
        What was taken for granted about it, as a sentence, or "".
    is_known : bool
        Whether it is what the model of the probabilities remembers.
    """

    rule: ObjectRule
    axes: int
    assumed: str = ""
    is_known: bool = True


def finding_of(
    known: ModelRule | None,
    settings: EvaluateSettings,
    ndim: int,
    has_affinities: bool = False,
    has_slices: bool = False,
) -> Finding:
    """Choose how objects are found: as prediction does with the model, if that is known.

    Parameters
    ----------
    known : ModelRule or None
        What the probabilities say of their model.
    settings : EvaluateSettings
        Threshold and method; without a model also whether objects are volumetric.
    ndim : int
        Axes of the image.
    has_affinities : bool, default False
        Whether all maps of the model are there.
    has_slices : bool, default False
        Whether there is an axis z: objects of slices are linked then.
    """
    threshold, method = settings.threshold, settings.instance_method
    if known is None or known.axes > ndim:
        axes = min(3, ndim) if settings.volumetric else 2
        where = "in volumes" if axes > 2 else "slice by slice"
        assumed = (
            "The prediction does not say which model made its probabilities: objects were "
            f"found {where} by {method}, and did not grow."
        )
        return Finding(
            ObjectRule(threshold, method=method, linking="none"), axes, assumed, False
        )
    grows = method == "watershed"
    joins = grows and has_affinities
    rule = ObjectRule(
        threshold,
        method=method,
        linking="graph" if known.axes == 2 and has_slices else "none",
        costs=known.costs,
        growth=known.growth if grows else (),
        offsets=known.offsets if joins else (),
    )
    assumed = ""
    if known.offsets and grows and not has_affinities:
        assumed = (
            "The prediction holds the foreground alone: its objects were found without the "
            "affinities by which the model joins them. Evaluate the whole result for those."
        )
    return Finding(rule, known.axes, assumed)


def found_objects(
    maps: NDArray[Any], finding: Finding, counter: SliceCounter
) -> Generator[SliceDone | Warned, None, NDArray[np.int32]]:
    """Number the objects of probabilities (C, ..., Y, X), affinities behind the foreground.

    Parameters
    ----------
    maps : ndarray
        See `instances`.
    finding : Finding
    counter : SliceCounter
        Counts the slices.

    Yields
    ------
    SliceDone
        After each slice, or each of a volume.
    Warned
        About slices that look ruined.

    Returns
    -------
    ndarray of int32, shape (..., Y, X)
        Without linking, every object has an id of its own.
    """
    per_plane = maps.shape[-3] if finding.axes > 2 else 1
    run = instances_by_rule(maps, finding.rule, finding.axes)
    while True:
        try:
            doubt = next(run)
        except StopIteration as end:
            found: NDArray[np.int32] = end.value
            return found
        if doubt:
            yield Warned(message=doubt)
        else:
            for _ in range(per_plane):
                yield counter.step()
