"""Learn the costs of linking from objects that somebody corrected, by logistic regression."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_utile.arrays.instances.link_costs import (
    DEFAULT_COSTS,
    NEXT,
    PAIR,
    SKIP,
    Edges,
    LinkCosts,
)

FEWEST = 20
"""Edges that join, and as many that do not, that it takes to learn from those of a distance."""
KINDS = {NEXT: "next", SKIP: "skip", PAIR: "pair"}
"""How the numbers of the edges of a distance begin."""


def learnt_costs(
    edges: Edges,
    is_one: NDArray[np.bool_],
    prior: LinkCosts = DEFAULT_COSTS,
    strength: float = 0.1,
) -> tuple[LinkCosts, dict[str, int]]:
    """Return the costs by which edges are most likely what they are.

    Parameters
    ----------
    edges : ndarray of EDGE, shape (E,)
        Those of ruined slices do not count.
    is_one : ndarray of bool, shape (E,)
        Whether the two objects of each edge are one.
    prior : LinkCosts, optional
        Numbers to which few edges change little; `caution` and `ruined` are kept.
    strength : float, default 0.1
        Of the prior: the penalty is half of it times the squared difference of each number.

    Returns
    -------
    costs : LinkCosts
    counts : dict of str to int
        Number of edges by what was learnt from them: "next", "skip" and "pair". Of those that
        are missing there were too few, and the numbers of the prior are kept.

    Notes
    -----
    Logistic regression: the costs are the logarithms of the odds that maximize the likelihood
    of `is_one`. It is convex, so that it has one solution, found by L-BFGS.
    """
    numbers, counts = prior.as_dict(), {}
    for distance, kind in KINDS.items():
        here = (edges["distance"] == distance) & (edges["ruined"] == 0)
        joined = is_one[here]
        if min(joined.sum(), (~joined).sum()) < FEWEST:
            continue
        features = np.column_stack([np.ones(len(joined)), edges["features"][here]])
        weights = _regression(features, joined, np.array(prior.weights(distance)), strength)
        names = [name for name in numbers if name.startswith(f"{kind}_")]
        numbers |= dict(zip(names, weights.tolist(), strict=True))
        counts[kind] = len(joined)
    return LinkCosts(**numbers), counts


def _regression(
    features: NDArray[np.float64],
    is_one: NDArray[np.bool_],
    prior: NDArray[np.float64],
    strength: float,
) -> NDArray[np.float64]:
    """Return the weights of the features with the smallest penalized logistic loss."""

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        odds, change = features @ weights, weights - prior
        wrong = 1 / (1 + np.exp(-odds.clip(-700, 700))) - is_one
        total = np.logaddexp(0, odds).sum() - odds[is_one].sum()
        penalty = strength / 2 * (change @ change)
        return float(total + penalty), features.T @ wrong + strength * change

    found = minimize(loss, prior, jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
    weights: NDArray[np.float64] = found.x
    return weights
