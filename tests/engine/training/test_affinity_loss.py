"""The loss of affinities, against plain Python and plain torch."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_utile.arrays.instances.affinities import signed_ids
from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.affinity_loss import AffinityLoss, learnt_maps

torch.set_num_threads(1)

OFFSETS = ((-1, 0, 0), (0, -2, 0), (0, 0, -3), (0, 0, -9))


@pytest.fixture
def tiles():
    """Logits of two tiles, their signed ids, and weights, 0 where nothing is annotated."""
    rng = np.random.default_rng(0)
    instances = rng.integers(0, 3, (2, 3, 4, 5)).astype(np.int32)
    classes = ((instances > 0) & (rng.random(instances.shape) < 0.8)).astype(np.uint8)
    classes[rng.random(instances.shape) < 0.2] = IGNORE
    logits = torch.from_numpy(rng.normal(size=(2, 5, 3, 4, 5)).astype(np.float32))
    weights = torch.from_numpy((classes != IGNORE).astype(np.float32))
    return logits, torch.from_numpy(signed_ids(instances, classes)), weights, classes, instances


def test_what_is_learnt_is_what_plain_python_finds(tiles):
    _, ids, _, classes, instances = tiles
    truth, known = learnt_maps(ids, OFFSETS)
    for n, k, *p in np.ndindex(truth.shape):
        here = (n, *p)
        if k == 0:
            is_known, expected = classes[here] != IGNORE, classes[here] == 1
        else:
            q = tuple(i + step for i, step in zip(p, OFFSETS[k - 1], strict=True))
            is_known = min(q) >= 0 and IGNORE not in (classes[here], classes[(n, *q)])
            expected = is_known and instances[here] == instances[(n, *q)] > 0
        assert known[(n, k, *p)] == is_known
        assert not is_known or truth[(n, k, *p)] == expected
    assert truth[:, 1].any() and not known[:, 4].any()  # no partner is 9 voxels away


def test_it_is_the_mean_over_all_pairs_that_are_known(tiles):
    logits, ids, weights, *_ = tiles
    truth, known = learnt_maps(ids, OFFSETS)
    expected = functional.binary_cross_entropy_with_logits(logits[known], truth[known])
    found = AffinityLoss(OFFSETS).mean(logits, ids, weights)
    torch.testing.assert_close(found, expected)


def test_sums_and_gradients_of_tiles_add_up(tiles):
    logits, ids, weights, *_ = tiles
    loss = AffinityLoss(OFFSETS)
    total, found = loss.total_weight(ids, weights), []
    for parts in (1, 2):
        given = logits.clone().requires_grad_()
        pieces = zip(*(each.tensor_split(parts) for each in (given, ids, weights)), strict=True)
        value = sum(loss.weighted_sum(*piece) / total for piece in pieces)
        value.backward()
        found.append((value, given.grad))
    torch.testing.assert_close(found[0], found[1])


def test_the_guess_is_the_best_constant_prediction(tiles):
    _, ids, weights, *_ = tiles
    loss = AffinityLoss(OFFSETS)
    totals = np.stack([loss.totals(ids[n : n + 1], weights[n : n + 1], 2) for n in (0, 1)])
    assert totals.sum() == loss.total_weight(ids, weights)
    shares = totals.sum(0)[:, 1] / totals.sum((0, 2)).clip(1)
    best = torch.logit(torch.from_numpy(shares).float()).clamp(-50, 50).view(1, -1, 1, 1, 1)
    constant = best.expand(2, -1, *ids.shape[1:])
    expected = loss.mean(constant, ids, weights).item()
    assert loss.guess(totals) == pytest.approx(expected, rel=1e-5)
