"""The losses, against numbers computed by hand and against their own equivalences."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from napari_utile.arrays import labels
from napari_utile.engine.training.losses import (
    IGNORE,
    LOSSES,
    CrossEntropy,
    Dice,
    Loss,
)

torch.set_num_threads(1)


@pytest.fixture
def random():
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=LOSSES)
def loss(request):
    return LOSSES[request.param]


def some(random, channels=3, side=6, tiles=2):
    logits = torch.randn(tiles, channels, side, side, generator=random)
    count = max(channels, 2)
    classes = torch.randint(count, (tiles, side, side), generator=random).to(torch.uint8)
    weights = torch.rand(tiles, side, side, generator=random) * 5
    return logits, classes, weights


# Soft-max probabilities of three pixels, true class 0, 1, 1, and weights 1, 2, 4.
THREE_PIXELS = (
    torch.tensor([[[[0.5, 0.75, 0.1]], [[0.5, 0.25, 0.9]]]]).log(),
    torch.tensor([[[0, 1, 1]]], dtype=torch.uint8),
    torch.tensor([[[1.0, 2.0, 4.0]]]),
)
CROSS_ENTROPY = (np.log(2) + 2 * np.log(4) + 4 * np.log(10 / 9)) / (1 + 2 + 4)
# 2 sum(w p g) / (sum(w p^2) + sum(w g^2)) of background, and of objects
DICE_OF_BACKGROUND = 2 * 0.5 / (0.5**2 + 2 * 0.75**2 + 4 * 0.1**2 + 1)
DICE_OF_OBJECTS = 2 * (2 * 0.25 + 4 * 0.9) / (0.5**2 + 2 * 0.25**2 + 4 * 0.9**2 + 2 + 4)
DICE = 1 - (DICE_OF_BACKGROUND + DICE_OF_OBJECTS) / 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cross-entropy", CROSS_ENTROPY), ("dice", DICE), ("both", CROSS_ENTROPY + DICE)],
)
def test_the_loss_of_three_pixels_by_hand(name, expected):
    assert LOSSES[name].mean(*THREE_PIXELS).item() == pytest.approx(expected, rel=1e-6)


def test_tiles_of_dice_count_as_much_as_their_pixels_weigh():
    logits, classes, weights = THREE_PIXELS
    # of one class, with p = 1/2: 2 w/2 / (w/4 + w) = 4/5
    plain = torch.zeros_like(logits), torch.ones_like(classes), torch.ones_like(weights)
    both = [torch.cat(pair) for pair in zip(THREE_PIXELS, plain, strict=True)]
    assert Dice().mean(*plain).item() == pytest.approx(1 - 4 / 5)
    expected = (7 * DICE + 3 * (1 - 4 / 5)) / (7 + 3)
    assert Dice().mean(*both).item() == pytest.approx(expected, rel=1e-6)


def test_a_perfect_prediction_has_no_loss(loss, random):
    _, classes, weights = some(random)
    certain = 200 * functional.one_hot(classes.long(), 3).movedim(-1, 1).float()
    assert loss.mean(certain, classes, weights).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("parts", [2, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_sums_and_gradients_of_the_parts_add_up(loss, random, channels, parts):
    logits, classes, weights = some(random, channels, tiles=5)
    classes[0] = IGNORE  # a part without annotated pixels
    classes[1, :3] = IGNORE
    total = loss.total_weight(classes, weights)
    gradients, sums = [], []
    for count in (1, parts):
        divided = [tensor.tensor_split(count) for tensor in (logits, classes, weights)]
        given = logits.clone().requires_grad_()
        pieces = given.tensor_split(count)
        losses = [
            loss.weighted_sum(piece, *others) / total
            for piece, *others in zip(pieces, *divided[1:], strict=True)
        ]
        for part in losses:
            part.backward(retain_graph=True)
        sums.append(torch.stack(losses).sum().item())
        gradients.append(given.grad)
    assert sums[1] == pytest.approx(sums[0], rel=1e-5)
    torch.testing.assert_close(gradients[1], gradients[0])


def test_one_value_for_a_whole_batch_is_refused(random):
    class OfTheBatch(Loss):
        def values(self, logits, classes, weights):
            return logits.mean()

    with pytest.raises(
        ValueError, match=r"OfTheBatch must give one value per pixel or one per"
    ):
        OfTheBatch().mean(*some(random))


def test_the_size_of_the_weights_does_not_matter(loss, random):
    logits, classes, weights = some(random)
    expected = loss.mean(logits, classes, weights).item()
    assert loss.mean(logits, classes, 7 * weights).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_ignored_pixels_count_for_nothing(loss, random, channels):
    logits, classes, weights = some(random, channels)
    part = (..., slice(0, 4))
    expected = loss.mean(logits[part], classes[part], weights[part])
    classes[..., 4:] = IGNORE
    assert loss.mean(logits, classes, weights).item() == pytest.approx(
        expected.item(), rel=1e-6
    )


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_gradient_is_zero_at_ignored_pixels_and_only_there(loss, random, channels):
    logits, classes, weights = some(random, channels)
    weights += 0.1
    classes[:, 2] = IGNORE
    logits.requires_grad_()
    loss.mean(logits, classes, weights).backward()
    gradient = logits.grad.abs().sum(1)
    assert (gradient[:, 2] == 0).all()
    assert (gradient[:, [0, 1, 3, 4, 5]] > 0).all()


def test_one_map_is_the_soft_max_of_zero_and_the_logit(loss, random):
    logit, classes, weights = some(random, channels=1)
    classes[0, 0] = IGNORE
    two = torch.cat([torch.zeros_like(logit), logit], dim=1)
    losses = [loss.mean(scores, classes, weights) for scores in (logit, two)]
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_nothing_annotated_is_no_loss(loss, random, channels):
    logits, classes, weights = some(random, channels)
    logits.requires_grad_()
    found = loss.mean(logits, torch.full_like(classes, IGNORE), weights)
    found.backward()
    assert found.item() == 0
    assert (logits.grad == 0).all()


def test_sixteen_bit_logits_are_summed_in_float32(loss, random):
    logits, classes, weights = some(random, side=64)
    found = loss.mean(logits.bfloat16(), classes, weights)
    assert found.dtype == torch.float32
    assert found == loss.mean(logits.bfloat16().float(), classes, weights)


def test_huge_logits_stay_finite(loss):
    logits = torch.tensor([[[[1e30]], [[-1e30]]]], requires_grad=True)
    found = loss.mean(logits, torch.ones(1, 1, 1, dtype=torch.uint8), torch.ones(1, 1, 1))
    found.backward()
    assert torch.isfinite(found)
    assert torch.isfinite(logits.grad).all()


def test_the_best_guess_of_cross_entropy_is_the_entropy_of_the_shares():
    assert CrossEntropy().guess(np.array([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]])) == pytest.approx(
        np.log(2)
    )
    assert CrossEntropy().guess(np.array([[0.0, 9.0]])) == 0


def test_the_best_guess_is_found_for_any_loss():
    totals = np.array([[7.0, 1.0, 0.0], [3.0, 1.0, 4.0]])
    assert Loss.guess(CrossEntropy(), totals) == pytest.approx(CrossEntropy().guess(totals))
    # of Dice by formula, at every probability of objects: weights s of p = 1 - q and q
    s, q = np.array([[9.0, 1.0], [5.0, 5.0]]), np.linspace(0, 1, 2001)
    dice = [
        (2 * p * s[:, k, None] / (p**2 * s.sum(1)[:, None] + s[:, k, None])).mean(0)
        for k, p in enumerate([1 - q, q])
    ]
    assert Dice().guess(s) == pytest.approx((1 - np.mean(dice, axis=0)).min(), abs=1e-5)


def test_ignore_is_the_id_of_training_targets():
    assert IGNORE == labels.IGNORE
