"""One step of learning, also where memory is short: the same gradient in parts."""

from copy import deepcopy

import pytest
import torch
from torch.nn import BatchNorm2d

from napari_utile.arrays.augmentation.draws import Deformation
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.tiles import TileSampler
from napari_utile.engine.training.losses import LOSSES
from napari_utile.engine.training.step import TrainingStep, split_batch
from napari_utile.errors import UserError
from napari_utile.networks import UNet
from napari_utile.settings.training import TrainSettings

torch.set_num_threads(1)


class Hungry(UNet):
    """Needs an impossible amount of memory, for real, for more than `most` pixels at once."""

    most = 10**9
    fails_at = 0
    runs: list[tuple[int, ...]]

    def forward(self, x):
        self.runs.append((len(x), x.shape[-1]))
        if len(x) * x.shape[-1] ** 2 > self.most or len(self.runs) == self.fails_at:
            torch.empty(2**50)
        return super().forward(x)


def plane(side=64, seed=0):
    random = torch.Generator().manual_seed(seed)
    image = torch.randn(1, side, side, generator=random)
    weights = torch.rand(side, side, generator=random) * 5
    classes = (image[0] > 0.5).byte()
    classes[:9] = 255  # nobody annotated these
    return AnnotatedPlane(image, classes, weights)


def learner(most=10**9, batch=4, tile=16, norm=None, resizes=True, **options):
    torch.manual_seed(0)
    network = Hungry(1, 2, depth=1, width=2, padding="same", norm=norm, dropout=0)
    network.most, network.runs = most, []

    def tiles(side):
        generator = torch.Generator().manual_seed(0)
        return TileSampler(
            [plane(), plane(seed=1)], (side, side), (0, 0), Deformation(), generator
        )

    settings = TrainSettings(
        **{"batch": batch, "depth": 1, "width": 2, "optimizer": "sgd", "momentum": 0} | options
    )
    return TrainingStep(network, tiles(tile), settings, resized=tiles if resizes else None)


def learnt(learner, rate=0.1):
    """Take a step; return the warnings and the loss."""
    loss, said = learner.take(rate)
    return said, loss


def gradients(learner):
    return [p.grad for p in learner.network.parameters()]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("batch", "most"), [(4, 2), (4, 1), (5, 2), (3, 1), (6, 3)])
def test_the_gradient_of_the_parts_is_that_of_the_whole_batch(batch, most, loss):
    whole = learner(batch=batch, loss=loss)
    divided = learner(batch=batch, most=most * 16**2, loss=loss)
    _, expected = learnt(whole)
    said, loss_of_parts = learnt(divided)
    assert said and divided.parts > 1
    assert max(count for count, _ in divided.network.runs[-divided.parts :]) <= most
    assert loss_of_parts == pytest.approx(expected, rel=1e-5)
    for one, other in zip(gradients(whole), gradients(divided), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    for one, other in zip(
        whole.network.parameters(), divided.network.parameters(), strict=True
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_fault_17_the_batch_is_divided_and_numbers_are_said():
    short = learner(most=16**2, batch=4)
    said, _ = learnt(short)
    assert said == [
        f"Out of memory on cpu: from step 1 on, the batch of 4 tiles is run in {n} parts of at "
        f"most {4 // n}; the gradient is that of the whole batch."
        for n in (2, 4)
    ]
    assert short.network.runs == [(4, 16), (2, 16), *[(1, 16)] * 4]
    # once known, it is not tried again
    assert learnt(short)[0] == []
    assert short.network.runs[6:] == [(1, 16)] * 4


def test_what_batch_normalization_sees_is_said():
    short = learner(most=2 * 16**2, batch=4, norm="batch")
    (warned,), _ = learnt(short)
    assert warned.endswith("most 2; batch normalization now sees the tiles of one part only.")
    # two parts move the running statistics as far as one batch did
    norms = [module for module in short.network.modules() if isinstance(module, BatchNorm2d)]
    assert [(1 - norm.momentum) ** 2 for norm in norms] == pytest.approx(6 * [0.9])


def test_fault_17_tiles_stay_large_enough_for_batch_normalization():
    with pytest.raises(UserError, match="one tile of 4 px"):
        learnt(learner(most=0, batch=2, norm="batch"))


def test_fault_17_then_tiles_become_smaller():
    short = learner(most=8**2, batch=2)
    said, _ = learnt(short)
    assert said[-1] == (
        "Out of memory on cpu even for a single tile: from step 1 on, tiles are 8 px instead "
        "of 16, 2 of them per step as before."
    )
    assert short.network.runs[-2:] == [(1, 8), (1, 8)]
    assert (short.progress.step, short.sampler.side) == (1, 8)


def test_smaller_tiles_are_drawn_anew():
    short, fresh = learner(most=8**2, batch=2), learner(batch=2, tile=8)
    fresh.sampler.draw(2)  # the large ones, which were given up
    assert learnt(short)[1] == pytest.approx(learnt(fresh)[1], rel=1e-5)
    for one, other in zip(gradients(short), gradients(fresh), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("resizes", [True, False])
def test_fault_17_at_last_everything_that_counts_is_named(resizes):
    short = learner(most=0, batch=2, resizes=resizes)
    before = {name: value.clone() for name, value in short.network.state_dict().items()}
    with pytest.raises(UserError) as told:
        learnt(short)
    tile = 2 if resizes else 16
    assert str(told.value) == (
        f"Not even one tile of {tile} px (of a batch of 2) fits into the memory of cpu with "
        "depth 1 and width 2: close other programs, or lower the width, the depth or the tile."
    )
    assert short.progress.step == 0
    for name, value in short.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_no_half_gradient_is_left_behind():
    whole, short = learner(batch=4), learner(batch=4)
    short.parts, short.network.fails_at = 2, 2  # one part has gone through
    learnt(whole)
    said, _ = learnt(short)
    assert len(said) == 1
    assert short.network.runs == [(2, 16), (2, 16), *[(1, 16)] * 4]
    for one, other in zip(gradients(whole), gradients(short), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("no"), IndexError("no")]
)
def test_other_errors_are_not_taken_for_it(monkeypatch, error):
    broken = learner()

    def fail(x):
        raise error

    monkeypatch.setattr(broken.network, "forward", fail)
    with pytest.raises(type(error)):
        learnt(broken)
    assert broken.parts == 1


def test_parts_hold_every_tile_once():
    batch = learner(batch=5).sampler.batch(5)
    found = list(split_batch(batch, 3))
    assert [len(part.images) for part in found] == [2, 2, 1]
    for i in range(3):
        assert torch.equal(torch.cat([part[i] for part in found]), batch[i])


def test_a_restored_learner_takes_the_same_step():
    one, other = learner(optimizer="adamw"), learner(optimizer="adamw")
    for _ in range(3):
        learnt(one)
    other.restore(deepcopy(one.state()))
    assert learnt(one)[1] == learnt(other)[1]
    for p, q in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(p, q)
    assert other.progress == one.progress


def test_what_memory_has_taught_is_restored_too():
    short, fresh = learner(most=8**2, batch=2), learner(batch=2)
    learnt(short)
    fresh.restore(short.state())
    learnt(fresh)
    assert fresh.network.runs == [(1, 8), (1, 8)]


def test_random_numbers_of_torch_are_restored():
    one = learner()
    state = one.state()
    expected = torch.rand(3)
    one.restore(state)
    assert torch.equal(torch.rand(3), expected)


def test_tiles_that_are_no_numbers_are_named():
    broken = learner(batch=4)
    broken.places = ["'a.tif' slice 1", "'b.tif'"]
    broken.sampler.renderer.planes[1].image[:] = float("nan")
    with pytest.raises(FloatingPointError, match=r"at step 1 .*in tiles of 'b\.tif'$"):
        learnt(broken)


def test_a_loss_that_explodes_names_all_tiles(monkeypatch):
    broken = learner(batch=16)
    broken.places = ["'a.tif'", "'b.tif'"]
    broken.network.classify.bias.data[:] = float("inf")
    before = [p.clone() for p in broken.network.parameters()]
    with pytest.raises(FloatingPointError, match=r"in tiles of '.\.tif', '.\.tif'$"):
        learnt(broken)
    for p, q in zip(broken.network.parameters(), before, strict=True):
        assert torch.equal(p, q)
