"""Scores of partitions: the Rand and information scores of electron microscopy.

They ask whether two pixels of the tissue lie in the same cell, so one small gap in a membrane
that joins two large cells costs as much as it should. Every score is read from one sparse
table of overlaps, and only pixels of true objects count ("foreground-restricted").

Notation: n_ij are the pixels that true object j shares with predicted segment i, s_i and t_j
the sums of n_ij over j and over i, and n is the sum of all. True pixels on which nothing was
predicted are each a segment of their own, as in the code of the challenges [1]_, except in
`adapted_rand_error`. After `thin_borders` there are none.

Without objects on either side the partitions agree: every score is 1 and every error 0. With
objects on one side only, every score is 0 and every error 1. None is ever NaN.

References
----------
.. [1] Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms for
   connectomics", Frontiers in Neuroanatomy 9:142, 2015, "Segmentation metrics".
.. [2] Meilă, "Comparing clusterings by the variation of information", COLT 2003.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_utile.metrics.flooding import flood
from napari_utile.metrics.overlap import Contingency, LabelsOrMask, ratio


def thin_borders(
    prediction: LabelsOrMask, boundary: NDArray[Any] | None = None
) -> LabelsOrMask:
    """Grow predicted objects until they touch, so that the width of borders does not matter.

    Parameters
    ----------
    prediction : ndarray of int, any shape
        Instances, 0 is background. Connected through faces.
    boundary : ndarray of float or int, same shape, optional
        Boundary probability: the objects grow by watershed (see `flooding.flood`) and meet on
        its crests. Without it every pixel goes to the nearest object (Euclidean; either one of
        two at the same distance).

    Returns
    -------
    ndarray of int, same shape
        No pixel is 0, unless all are. The objects themselves do not change.

    Examples
    --------
    >>> thin_borders(np.array([[7, 0, 0, 0, 9]]), np.array([[0.0, 0.2, 0.3, 0.9, 0.0]]))
    array([[7, 7, 7, 9, 9]])
    >>> thin_borders(np.array([[7, 0, 0, 0, 0, 9]]))
    array([[7, 7, 7, 9, 9, 9]])
    """
    free = prediction == 0
    if free.all() or not free.any():
        return prediction
    if boundary is None:
        nearest = distance_transform_edt(free, return_distances=False, return_indices=True)
        return prediction[tuple(nearest)]
    return flood(prediction, boundary)


def v_rand(table: Contingency) -> float:
    """Rand F-score, 0 to 1: of two pixels drawn from a segment, are both in one object?

    ``2 sum n_ij^2 / (sum s_i^2 + sum t_j^2)``, which is V^Rand of [1]_ at alpha 0.5, the
    harmonic mean of its split and merge scores. As in the paper, a pixel may be drawn twice.

    Parameters
    ----------
    table : Contingency
        Of the prediction with thinned borders, see `thin_borders`.

    Returns
    -------
    float
        0 to 1.
    """
    if (given := _one_sided(table)) is not None:
        return given
    joint, predicted, alone = _segments(table)
    squares = _squares(predicted) + alone + _squares(table.truth_areas)
    return ratio(2 * (_squares(joint) + alone), squares)


def rand_error(table: Contingency) -> float:
    """Rand error of the ISBI 2012 challenge, 0 to 1: ``1 - v_rand`` of a prediction as it is.

    That is 1 minus the F-score of the foreground-restricted Rand index, before the challenge
    began to thin borders: wide borders cost. The challenge took the best of all thresholds;
    here it is the one threshold that made the prediction.

    Parameters
    ----------
    table : Contingency
        Of the prediction as it is.

    Returns
    -------
    float
        0 to 1.
    """
    return 1 - v_rand(table)


def adapted_rand_error(table: Contingency) -> float:
    """1 minus the F-score of pairs of two different pixels, 0 to 1.

    As `skimage.metrics.adapted_rand_error` has it: with ``N_ij = n_ij (n_ij - 1)``, and S, T
    alike, ``1 - 2 sum N_ij / (sum S_i + sum T_j)``. Predicted background is one segment.

    Parameters
    ----------
    table : Contingency
        Of the prediction as it is.

    Returns
    -------
    float
        0 to 1.
    """
    if (given := _one_sided(table)) is not None:
        return 1 - given
    missed = table.truth_areas - np.bincount(
        table.truth, table.overlaps, minlength=table.truth_ids.size
    )
    joint, predicted, alone = _segments(table)
    pairs = _pairs(joint) + _pairs(missed)
    return 1 - ratio(
        2 * pairs, _pairs(predicted) + _pairs(np.array([alone])) + _pairs(table.truth_areas)
    )


def v_info(table: Contingency) -> float:
    """Information F-score, 0 to 1: mutual information per mean entropy of the partitions.

    ``2 I(S; T) / (H(S) + H(T))``, which is V^Info of [1]_ at alpha 0.5. 1 if both are a single
    segment, whose entropy is 0.

    Parameters
    ----------
    table : Contingency
        Of the prediction with thinned borders, see `thin_borders`.

    Returns
    -------
    float
        0 to 1.
    """
    if (given := _one_sided(table)) is not None:
        return given
    both, predicted, true = _entropies(table)
    return ratio(2 * max(predicted + true - both, 0.0), predicted + true)


def vi_split(table: Contingency) -> float:
    """Variation of information by false splits: H(S | T) in bits, 0 or more.

    0 if nothing was predicted in an image without objects, and where there is no true pixel.

    Parameters
    ----------
    table : Contingency
        Of the prediction with thinned borders, see `thin_borders`.

    Returns
    -------
    float
        Bits.
    """
    both, _, true = _entropies(table)
    return max(both - true, 0.0)


def vi_merge(table: Contingency) -> float:
    """Variation of information by false mergers: H(T | S) in bits, 0 or more.

    The sum with `vi_split` is the variation of information of [2]_.

    Parameters
    ----------
    table : Contingency
        Of the prediction with thinned borders, see `thin_borders`.

    Returns
    -------
    float
        Bits.
    """
    both, predicted, _ = _entropies(table)
    return max(both - predicted, 0.0)


def _one_sided(table: Contingency) -> float | None:
    """Return the score where at least one side has no object, else None."""
    true, predicted = table.truth_ids.size, table.prediction_ids.size
    return None if true and predicted else float(true == predicted)


def _segments(table: Contingency) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return n_ij, s_i, and the number of true pixels on which nothing was predicted."""
    predicted = np.bincount(table.prediction, table.overlaps)
    return table.overlaps, predicted, float(table.truth_areas.sum() - table.overlaps.sum())


def _squares(sizes: NDArray[Any]) -> float:
    return float((sizes.astype(float) ** 2).sum())


def _pairs(sizes: NDArray[Any]) -> float:
    """Count the ordered pairs of two different pixels of the same segment."""
    return float((sizes * (sizes - 1.0)).sum())


def _entropies(table: Contingency) -> tuple[float, float, float]:
    """Return H(S, T), H(S) and H(T) in bits."""
    joint, predicted, alone = _segments(table)
    total = float(table.truth_areas.sum())

    def entropy(sizes: NDArray[Any], alone: float = 0) -> float:
        # Each of the `alone` pixels is a segment of one pixel.
        shares = sizes[sizes > 0] / total
        singles = alone / total * np.log2(total) if alone else 0.0
        return float(singles - (shares * np.log2(shares)).sum())

    return entropy(joint, alone), entropy(predicted, alone), entropy(table.truth_areas)
