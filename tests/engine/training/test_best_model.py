"""The best network so far, beside the one that learns."""

import torch

from napari_utile.engine.models.model import load_model
from napari_utile.engine.training.best_model import BestModel, copy_with
from napari_utile.engine.training.setup import set_up_training
from napari_utile.networks import UNet
from tests.fixtures.new_run import new_run
from tests.fixtures.tiny_training import cells, stacks, tiny


def test_a_copy_shares_nothing_and_draws_no_random_number():
    network = UNet(1, 2, depth=1, width=2)
    before = torch.get_rng_state()
    copy = copy_with(network, network.state_dict())
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        network.classify.bias += 1
    assert torch.equal(copy.classify.bias + 1, network.classify.bias)


def test_the_best_is_kept_saved_and_restored(tmp_path):
    setup = set_up_training(*stacks(*cells()), tiny())
    network = copy_with(setup.network, setup.network.state_dict())
    with new_run(tmp_path / "run", tiny()) as run:
        best = BestModel(network, setup, run)
        first = best.state()
        with torch.no_grad():
            network.classify.bias += 1
        best.keep(None)
        assert torch.equal(load_model(run.folder).network.classify.bias, network.classify.bias)
        best.restore(first)
        assert torch.equal(
            load_model(run.folder).network.classify.bias, network.classify.bias - 1
        )
