"""The scores of electron microscopy at each probability threshold, and the best of each.

The challenge of ISBI 2012 [1]_ scored probabilities at the thresholds 0.0, 0.1 ... 0.9 and
took the best. A threshold that was chosen on the scored data flatters: choose it on some slices
and score the others.

References
----------
.. [1] Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
   connectomics", Frontiers in Neuroanatomy 9:142, 2015.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import foreground, instances
from napari_utile.arrays.labels import components
from napari_utile.evaluation.progress import SliceCounter
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.scores import SCORES, scores_in
from napari_utile.events import SliceDone
from napari_utile.metrics.matching import match
from napari_utile.metrics.overlap import LabelsOrMask, contingency, ratio
from napari_utile.metrics.partitions import rand_error, thin_borders, v_info, v_rand
from napari_utile.metrics.warping import separated_mask, warping_error

SCORED_THRESHOLDS = tuple(tenth / 10 for tenth in range(10))
"""Those of the challenge: 0.0, 0.1 ... 0.9."""


def threshold_names() -> list[str]:
    """Names of the scores at each threshold: errors first, those of the challenge first."""
    names = scores_in("thresholds")
    return sorted(names, key=lambda n: (SCORES[n].better != "lower", not SCORES[n].is_mean))


def threshold_scores(
    probabilities: NDArray[Any],
    truth: LabelsOrMask,
    ignored: NDArray[np.bool_] | None = None,
    thresholds: Sequence[float] = SCORED_THRESHOLDS,
    method: Literal["components", "watershed"] = "components",
    counter: SliceCounter | None = None,
) -> Generator[SliceDone, None, list[Row]]:
    """Score every slice at every threshold.

    Parameters
    ----------
    probabilities : ndarray, shape (..., Y, X)
        Of the foreground. Integers are fractions of their largest value, and all else is
        rounded to uint8, see `arrays.instances.decoding.foreground`.
    truth : ndarray of int, shape (..., Y, X)
        Instances, 0 is background.
    ignored : ndarray of bool, same shape, optional
        Pixels that count nowhere.
    thresholds : sequence of float, default 0.0, 0.1 ... 0.9
        A pixel is foreground if its probability is higher.
    method : {"components", "watershed"}
        How foreground becomes instances, see `napari_utile.instances`. In the challenge an
        object is a connected component.
    counter : SliceCounter, optional
        Counts each threshold of each slice, as part of a larger evaluation.

    Yields
    ------
    SliceDone
        After each threshold of each slice.

    Returns
    -------
    list of dict
        Of each slice and threshold: `slice`, its index (a tuple if there are several leading
        axes, () if there are none); `threshold`; `rand_error`, `warping_error`, `pixel_error`;
        `v_rand` and `v_info` after thinning borders by the probabilities; `iou`; and `f1_50`,
        the F1 of objects at an IoU of 0.5. None is NaN: see the functions of these names.
        `counts` has part and whole of the scores that are pooled, not averaged, over slices.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if probabilities.shape != truth.shape:
        raise ValueError(
            f"shapes of probabilities {probabilities.shape} and truth {truth.shape}"
        )
    rows: list[Row] = []
    indices = list(np.ndindex(truth.shape[:-2]))
    counter = counter or SliceCounter(len(indices) * len(thresholds))
    for index in indices:
        likely, true = foreground(probabilities[index][np.newaxis]), truth[index]
        borders = -probabilities[index].astype(np.float32)
        hidden = None if ignored is None else ignored[index]
        if hidden is not None:
            true = np.where(hidden, 0, true)
        true_mask = separated_mask(true)
        name = index[0] if len(index) == 1 else index
        for threshold in thresholds:
            found = instances(likely[np.newaxis], threshold, method=method, linking="none")
            scored = _scores(found, borders, true, true_mask, hidden)
            rows.append({"slice": name, "threshold": threshold, **scored})
            yield counter.step()
    return rows


def _scores(
    found: LabelsOrMask,
    borders: NDArray[np.float32],
    truth: LabelsOrMask,
    true_mask: NDArray[np.bool_],
    ignored: NDArray[np.bool_] | None,
) -> dict[str, Any]:
    """Score the objects of one slice."""
    if ignored is not None:  # ignored pixels can divide an object
        found = components(np.where(ignored, 0, found))
    table = contingency(found, truth, ignored)
    thinned = contingency(thin_borders(found, borders), truth, ignored)
    matching = match(table)
    common, both = table.overlaps.sum(), table.truth_areas.sum() + table.prediction_areas.sum()
    counts = {
        "pixel_error": (both - 2 * common, table.pixels),
        "iou": (common, both - common),
        "f1_50": (
            2 * matching.true_positives,
            matching.truth_objects + matching.predicted_objects,
        ),
    }
    return {
        "rand_error": rand_error(table),
        "warping_error": warping_error(found, true_mask, ignored),
        "v_rand": v_rand(thinned),
        "v_info": v_info(thinned),
        **{name: _score_of_counts(name, [counts]) for name in counts},
        "counts": counts,
    }


def _score_of_counts(name: str, counts: Sequence[Mapping[str, tuple[float, float]]]) -> float:
    """Compute a score from its counts in one slice, or in several."""
    part, whole = (sum(each[name][side] for each in counts) for side in (0, 1))
    return ratio(part, whole, of_nothing=float(SCORES[name].better != "lower"))


def pooled_rows(rows: Sequence[Row], slices: Collection[Any] | None = None) -> tuple[Row, ...]:
    """Pool the slices at each threshold, as reports do.

    Parameters
    ----------
    rows : sequence of dict
        Of `threshold_scores`.
    slices : collection, optional
        Slices to pool; by default all of them.

    Returns
    -------
    tuple of dict
        For each threshold `threshold` and its scores; empty without slices.
    """
    counting = [row for row in rows if slices is None or row["slice"] in slices]
    pooled = []
    for threshold in dict.fromkeys(row["threshold"] for row in counting):
        here = [row for row in counting if row["threshold"] == threshold]
        counts = [row["counts"] for row in here]
        known = [row for row in here if is_annotated(row)] or here
        scored = {
            name: float(np.mean([row[name] for row in known]))
            if SCORES[name].is_mean
            else _score_of_counts(name, counts)
            for name in threshold_names()
        }
        pooled.append({"threshold": threshold, **scored})
    return tuple(pooled)


def is_annotated(row: Row) -> bool:
    """Whether any pixel of the slice of a row counts."""
    return bool(row["counts"]["pixel_error"][1])


def best_thresholds(
    rows: Sequence[Row], validation: Collection[Any] | None = None
) -> tuple[Row, ...]:
    """Choose the best threshold for each score.

    Parameters
    ----------
    rows : sequence of dict
        Of `threshold_scores`.
    validation : collection, optional
        Slices to choose on; the score is that of all others. Without it both are all slices.

    Returns
    -------
    tuple of dict
        Of each score its `name`; the best `threshold`, the lowest of equals; the `value`
        there; and `chosen_on`, in words.

    Raises
    ------
    ValueError
        If no slice, or every slice, is one of `validation`.

    Examples
    --------
    >>> from napari_utile.events import drain
    >>> steps = threshold_scores(np.array([[[0.9, 0.2, 0.9]]]), np.array([[[1, 0, 2]]]))
    >>> rows = drain(steps)
    >>> best_thresholds(rows)[0]
    {'name': 'rand_error', 'threshold': 0.2, 'value': 0.0,
     'chosen_on': 'the very data it is scored on'}
    """
    slices = list(dict.fromkeys(row["slice"] for row in rows))
    chosen_on = "the very data it is scored on"
    scored_on = slices
    if validation is not None:
        scored_on = [name for name in slices if name not in validation]
        slices = [name for name in slices if name in validation]
        if not slices or not scored_on:
            raise ValueError(
                f"validation takes {len(slices)} of {len(slices) + len(scored_on)} slices"
            )
        chosen_on = f"{len(slices)} validation slice{'s'[: len(slices) > 1]}"
    to_choose, to_report = pooled_rows(rows, slices), pooled_rows(rows, scored_on)
    best = []
    for name in threshold_names():
        values = [row[name] for row in to_choose]
        at = int(np.argmin(values) if SCORES[name].better == "lower" else np.argmax(values))
        row = to_report[at]
        best.append({
            "name": name,
            "threshold": row["threshold"],
            "value": row[name],
            "chosen_on": chosen_on,
        })  # fmt: skip
    return tuple(best)
