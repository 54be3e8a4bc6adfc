"""The loss, against numbers computed by hand and against its own equivalences."""

import numpy as np
import pytest
import torch

from napari_utile.arrays import labels
from napari_utile.engine.training.losses import IGNORE, weighted_cross_entropy

torch.set_num_threads(1)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


def some(random, channels=3, side=6):
    logits = torch.randn(2, channels, side, side, generator=random)
    count = max(channels, 2)
    classes = torch.randint(count, (2, side, side), generator=random).to(torch.uint8)
    weights = torch.rand(2, side, side, generator=random) * 5
    return logits, classes, weights


def test_the_weighted_mean_by_hand():
    # -log of soft-max probabilities 1/2, 1/4, 9/10 of the true class
    probabilities = torch.tensor([[[0.5, 0.75, 0.1]], [[0.5, 0.25, 0.9]]])
    logits = probabilities.log()[None]
    classes = torch.tensor([[[0, 1, 1]]], dtype=torch.uint8)
    weights = torch.tensor([[[1.0, 2.0, 4.0]]])
    expected = (np.log(2) + 2 * np.log(4) + 4 * np.log(10 / 9)) / (1 + 2 + 4)
    loss = weighted_cross_entropy(logits, classes, weights)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_the_size_of_the_weights_does_not_matter(random):
    logits, classes, weights = some(random)
    loss = weighted_cross_entropy(logits, classes, weights)
    assert weighted_cross_entropy(logits, classes, 7 * weights).item() == pytest.approx(
        loss.item(), rel=1e-5
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_ignored_pixels_count_for_nothing(random, channels):
    logits, classes, weights = some(random, channels)
    part = (..., slice(0, 4))
    expected = weighted_cross_entropy(logits[part], classes[part], weights[part])
    classes[..., 4:] = IGNORE
    assert weighted_cross_entropy(logits, classes, weights).item() == pytest.approx(
        expected.item(), rel=1e-6
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_gradient_is_zero_at_ignored_pixels_and_only_there(random, channels):
    logits, classes, weights = some(random, channels)
    weights += 0.1
    classes[:, 2] = IGNORE
    logits.requires_grad_()
    weighted_cross_entropy(logits, classes, weights).backward()
    gradient = logits.grad.abs().sum(1)
    assert (gradient[:, 2] == 0).all()
    assert (gradient[:, [0, 1, 3, 4, 5]] > 0).all()


def test_one_map_is_the_soft_max_of_zero_and_the_logit(random):
    logit, classes, weights = some(random, channels=1)
    classes[0, 0] = IGNORE
    two = torch.cat([torch.zeros_like(logit), logit], dim=1)
    losses = [weighted_cross_entropy(scores, classes, weights) for scores in (logit, two)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_nothing_annotated_is_no_loss(random, channels):
    logits, classes, weights = some(random, channels)
    logits.requires_grad_()
    loss = weighted_cross_entropy(logits, torch.full_like(classes, IGNORE), weights)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_sixteen_bit_logits_are_summed_in_float32(random):
    logits, classes, weights = some(random, side=64)
    loss = weighted_cross_entropy(logits.bfloat16(), classes, weights)
    assert loss.dtype == torch.float32
    assert loss == weighted_cross_entropy(logits.bfloat16().float(), classes, weights)


def test_huge_logits_stay_finite():
    logits = torch.tensor([[[[1e30]], [[-1e30]]]], requires_grad=True)
    loss = weighted_cross_entropy(
        logits, torch.ones(1, 1, 1, dtype=torch.uint8), torch.ones(1, 1, 1)
    )
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_ignore_is_the_id_of_training_targets():
    assert IGNORE == labels.IGNORE
