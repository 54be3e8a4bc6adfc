"""Judging by whole planes: losses and scores by formula, by hand, and as a stack is scored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_utile.arrays.instances.affinities import pair_windows, signed_ids
from napari_utile.arrays.instances.decoding import instances
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.arrays.instances.offsets import affinity_offsets
from napari_utile.arrays.labels import IGNORE
from napari_utile.engine.training.affinity_loss import AffinityLoss
from napari_utile.engine.training.data.planes import HIDDEN, AnnotatedPlane, ValidationPlane
from napari_utile.engine.training.losses import LOSSES
from napari_utile.engine.training.validation import validate
from napari_utile.evaluation import evaluate
from napari_utile.evaluation.scores import scores_in
from napari_utile.networks import UNet

torch.set_num_threads(1)
CPU = torch.device("cpu")


def discs(side=32, seed=0):
    """A noisy image of two bright discs, and what its pixels are."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    objects = sum(
        (i + 1) * ((y - side * cy) ** 2 + (x - side * cx) ** 2 < (side / 6) ** 2)
        for i, (cy, cx) in enumerate([(0.3, 0.3), (0.65, 0.7)])
    )
    image = 2.0 * (objects > 0) - 0.4 + random.normal(0, 0.7, objects.shape)
    return ValidationPlane(
        AnnotatedPlane(
            torch.from_numpy(image[None].astype(np.float32)),
            torch.from_numpy((objects > 0).astype(np.uint8)),
            torch.ones(side, side),
        ),
        objects,
    )


def tiny(classes=2):
    torch.manual_seed(0)
    return UNet(1, classes, depth=1, width=2, padding="same", dropout=0).eval()


class Looks(nn.Module):
    """Takes the first channel for the odds of foreground, or the channels for logits."""

    ndim, margin, stride_alignment, padding = 2, (0, 0), (1, 1), "same"

    def __init__(self, classes=2):
        super().__init__()
        self.classes = classes
        self.in_channels = 1 if classes == 2 else classes

    def forward_tile(self, x):
        return torch.cat([-x, x], dim=1) if self.in_channels == 1 else 1.0 * x

    forward = forward_tile

    def input_size(self, output):
        return output


def shown(kinds, classes=3):
    """An image that `Looks` takes for these kinds of pixels."""
    return torch.from_numpy(5 * np.eye(classes, dtype=np.float32)[kinds].transpose(2, 0, 1))


def kinds_plane(truth, found, ids=(0, 4, 9)):
    classes = torch.from_numpy(np.where(truth == HIDDEN, IGNORE, truth).astype(np.uint8))
    plane = AnnotatedPlane(shown(found, len(ids)), classes, torch.ones(truth.shape))
    return ValidationPlane(plane, truth, has_objects=False, ids=ids)


def whole_pass(network, plane):
    """Logits in one pass over the mirrored image."""
    pad = network.margin[0] + network.margin[0] % 2
    image = np.pad(plane.truth.image.numpy(), [(0, 0), (pad, pad), (pad, pad)], "reflect")
    with torch.no_grad():
        return network(torch.from_numpy(image)[None])[..., pad:-pad, pad:-pad]


def test_the_loss_is_weighted_over_all_planes():
    planes = [discs(32), discs(48)]
    planes[1].truth.weights[:10] = 5
    network = tiny()
    found = validate(network, planes, CPU)
    total, count = 0.0, 0.0
    for plane in planes:
        logs = torch.log_softmax(whole_pass(network, plane).double(), 1)[0]
        entropies = -logs.gather(0, plane.truth.classes[None].long())[0]
        total += (plane.truth.weights * entropies).sum().item()
        count += plane.truth.weights.sum().item()
    assert found.loss == pytest.approx(total / count, rel=1e-4)
    first = torch.softmax(whole_pass(network, planes[0]), 1)[0, 1]
    np.testing.assert_allclose(found.foreground, first, atol=1e-5)


@pytest.mark.parametrize("hidden", [0, 12])
def test_planes_of_one_size_are_scored_like_a_stack(hidden):
    planes = [discs(32, seed) for seed in range(3)]
    for plane in planes:
        plane.truth.classes[:hidden], plane.objects[:hidden] = IGNORE, HIDDEN
    found = validate(Looks(), planes, CPU)
    foreground = np.stack([torch.sigmoid(2 * p.truth.image[0]).numpy() for p in planes])
    truth = np.stack([plane.objects for plane in planes])
    report = evaluate(np.stack([1 - foreground, foreground]), truth, ignore=HIDDEN)
    assert tuple(found.scores) == scores_in("validation")
    assert found.scores == pytest.approx(
        {name: report[name] for name in scores_in("validation")}
    )
    assert 0.2 < found.scores["iou"] < 0.9


class LooksAtVolumes(Looks):
    ndim, margin, stride_alignment = 3, (0, 0, 0), (1, 1, 1)


@pytest.mark.parametrize("hidden", [0, 3])
@pytest.mark.parametrize("offsets", [(), affinity_offsets((2, 1, 1))])
def test_volumes_are_scored_by_the_objects_that_prediction_finds(offsets, hidden):
    truth = np.zeros((10, 24, 24), int)
    for number, (y, x) in enumerate(np.ndindex(2, 3)):  # rods, 2 px apart and up to the border
        truth[:, 12 * y : 12 * y + 10, 8 * x : 8 * x + 6] = number + 1
    targets = [truth > 0]
    for offset in offsets:
        here, there = pair_windows(truth.shape, offset)
        targets.append(np.zeros(truth.shape, bool))
        targets[-1][here] = (truth[here] == truth[there]) & (truth[here] > 0)
    noise = np.random.default_rng(0).normal(0, 1.5, (len(targets), *truth.shape))
    odds = torch.from_numpy((4.0 * np.array(targets) - 2 + noise).astype(np.float32))
    maps = odds.sigmoid() if offsets else torch.cat([-odds, odds]).softmax(0)
    rule = ModelRule.learnt(4, (2, 1, 1), offsets)
    truth[:hidden] = HIDDEN
    classes = np.where(truth == HIDDEN, IGNORE, truth > 0).astype(np.uint8)
    ids = torch.from_numpy(signed_ids(truth, classes)) if offsets else None
    plane = AnnotatedPlane(odds, torch.from_numpy(classes), torch.ones(truth.shape), ids=ids)
    network = LooksAtVolumes(max(2, len(odds)))
    network.activation = "sigmoid" if offsets else "softmax"
    loss = AffinityLoss(offsets) if offsets else LOSSES["cross-entropy"]
    scores = validate(network, [ValidationPlane(plane, truth, rule=rule)], CPU, loss).scores
    found = instances(
        maps.numpy(),
        volumetric=True,
        method="watershed",
        growth=(1.75, 3.5, 3.5),
        offsets=offsets,
    )
    report = evaluate(found, truth, ignore=HIDDEN, volumetric=True)
    assert scores == pytest.approx({name: report[name] for name in scores_in("validation")})
    assert 0 < scores["f1_50"] < 1


def test_planes_of_any_sizes_are_pooled_not_averaged():
    small, large = discs(16), discs(64)
    found = validate(Looks(), [small, large], CPU)
    common = either = 0
    for plane in (small, large):
        predicted, true = plane.truth.image[0].numpy() > 0, plane.objects > 0
        common, either = common + (predicted & true).sum(), either + (predicted | true).sum()
    assert found.scores["iou"] == pytest.approx(common / either)


def test_what_nobody_annotated_does_not_count():
    plane = discs()
    plane.truth.classes[:16], plane.objects[:16] = IGNORE, HIDDEN
    found = validate(Looks(), [plane], CPU)
    seen, classes = found.foreground[16:], plane.truth.classes[16:].numpy()
    entropies = -np.log(np.where(classes, seen, 1 - seen))
    assert found.loss == pytest.approx(entropies.mean(), rel=1e-3)
    assert found.confusion.sum() == 16 * 32
    expected = evaluate(np.stack([1 - seen, seen]), plane.objects[16:])
    assert found.scores == {
        name: pytest.approx(expected[name]) for name in scores_in("validation")
    }


TRUTH = np.array([[0, 1, 1, 2, 2, HIDDEN]])
FOUND = np.array([[0, 1, 1, 1, 2, 0]])


def test_kinds_of_pixels_are_scored_kind_by_kind_by_their_ids():
    found = validate(Looks(3), [kinds_plane(TRUTH, FOUND)], CPU)
    assert found.scores == pytest.approx(
        {
            "iou": 1, "dice": 1, "pixel_error": 0,
            "mean_iou": (1 + 2 / 3 + 1 / 2) / 3, "iou_4": 2 / 3, "iou_9": 1 / 2,
        }
    )  # fmt: skip
    assert found.confusion.tolist() == [[1, 0, 0], [0, 2, 0], [0, 1, 1]]


def test_kinds_are_pooled_over_the_planes():
    other = kinds_plane(np.array([[2, 2], [0, 0]]), np.array([[2, 0], [2, 0]]))
    scores = validate(Looks(3), [kinds_plane(TRUTH, FOUND), other], CPU).scores
    assert scores["iou_9"] == pytest.approx(2 / 5)
    assert scores["iou_4"] == pytest.approx(2 / 3)
    assert scores["iou"] == pytest.approx(5 / 7)


def test_a_kind_that_the_truth_does_not_show_has_no_score():
    scores = validate(Looks(3), [kinds_plane(0 * TRUTH + (TRUTH == 1), FOUND)], CPU).scores
    assert set(scores) == {"iou", "dice", "pixel_error", "mean_iou", "iou_4"}
    assert scores["iou_4"] == pytest.approx(2 / 3)
    assert scores["mean_iou"] == pytest.approx((2 / 4 + 2 / 3 + 0) / 3)


def test_two_kinds_have_one_score():
    plane = kinds_plane(np.array([[0, 1, 1, 0]]), np.array([[0, 1, 0, 0]]), ids=(0, 7))
    plane = replace(plane, truth=replace(plane.truth, image=plane.truth.image[1:] - 2.5))
    scores = validate(Looks(), [plane], CPU).scores
    assert "iou_7" not in scores
    assert scores["iou"] == 0.5
    assert scores["mean_iou"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_one_foreground_map_is_scored_like_two():
    torch.manual_seed(0)
    found = validate(tiny(classes=1), [discs()], CPU)
    taken = found.foreground > 0.5
    true = discs().objects > 0
    assert found.confusion.tolist() == [
        [(~true & ~taken).sum(), (~true & taken).sum()],
        [(true & ~taken).sum(), (true & taken).sum()],
    ]


def test_a_loss_that_is_no_number_has_no_scores():
    planes = [discs(), discs(seed=1)]
    planes[1].truth.image[0, 3, 3] = torch.nan
    found = validate(Looks(), planes, CPU)
    assert not np.isfinite(found.loss)
    assert found.scores == {}


def test_a_loss_without_weights_is_none():
    plane = discs()
    weightless = replace(plane, truth=replace(plane.truth, weights=torch.zeros(32, 32)))
    assert validate(tiny(), [weightless], CPU).loss == 0


def test_the_best_guess_knows_the_shares_of_the_classes_by_weight():
    plane = discs()
    plane.truth.weights[plane.truth.classes == 1] = 3
    share = 3 * (plane.objects > 0).sum()
    share = share / (share + (plane.objects == 0).sum())
    expected = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert validate(tiny(), [plane], CPU).guess == pytest.approx(expected)


def test_the_loss_is_that_of_training_for_each_plane_as_one_tile():
    planes, network = [discs(32), discs(48)], tiny()
    planes[1].truth.weights[:10] = 5
    found = validate(network, planes, CPU, LOSSES["dice"])
    losses, counts = [], []
    for plane in planes:
        p = torch.softmax(whole_pass(network, plane).double(), 1)[0]
        w, g = plane.truth.weights, torch.stack([plane.truth.classes == k for k in (0, 1)])
        dice = 2 * (w * p * g).sum((1, 2)) / ((w * p**2).sum((1, 2)) + (w * g).sum((1, 2)))
        losses.append(1 - dice.mean().item())
        counts.append(w.sum().item())
    assert found.loss == pytest.approx(np.average(losses, weights=counts), rel=1e-4)
    assert found.guess == LOSSES["dice"].guess(
        np.array(
            [
                [p.truth.weights[p.truth.classes == k].sum().item() for k in (0, 1)]
                for p in planes
            ]
        )
    )


def test_dropout_rests_and_every_judgement_is_the_same():
    torch.manual_seed(0)
    network = UNet(1, 2, depth=1, width=2, padding="same", dropout=0.5).train()
    losses = {validate(network, [discs()], CPU).loss for _ in range(3)}
    assert len(losses) == 1
    assert not network.training
