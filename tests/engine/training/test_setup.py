"""What a run is set up with: data, network, and tiles that it can learn from."""

import pytest
import torch

from napari_utile.engine.models.factory import network_from_settings
from napari_utile.engine.training.setup import can_learn_from_one, set_up_training
from napari_utile.engine.training.step import TrainingStep
from napari_utile.errors import UserError
from napari_utile.settings.training import TrainSettings
from tests.fixtures.tiny_training import cells, stacks, tiny

torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("network", "tile", "can"),
    [("unet", 16, False), ("unet", 32, True), ("segnet", 16, True), ("fcn", 32, True)],
)
def test_one_tile_alone_is_enough_where_its_norms_see_more_than_a_pixel(network, tile, can):
    # SegNet and FCN-8s do not normalize behind their last pooling
    with torch.device("meta"):
        built = network_from_settings(TrainSettings(network=network, width=2), 1, 2)
    assert can_learn_from_one(built, (tile, tile)) == can


def test_a_tile_that_leaves_one_pixel_to_a_norm_is_refused():
    with pytest.raises(UserError, match="tile of 16 px is one pixel behind the last pooling"):
        set_up_training(*stacks(*cells()), tiny(tile=16, depth=4))


def test_the_sliding_window_learns_from_as_many_windows_of_each_class_all_alike():
    settings = tiny(network="sliding-window", batch=16)
    setup = set_up_training(*stacks(*cells((4, 64, 64))), settings)
    batch = TrainingStep.of(setup).sampler.batch(400)
    assert abs(batch.classes.float().mean().item() - 0.5) < 0.1
    assert batch.weights.unique().tolist() == [1]


def test_the_sliding_window_learns_single_pixels_of_balanced_classes():
    settings = tiny(network="sliding-window", width=2, elastic=10, tile=256, batch=3)
    step = TrainingStep.of(set_up_training(*stacks(*cells()), settings))
    network, sampler = step.network, step.sampler
    batch = sampler.batch(3)
    assert batch.images.shape == (3, 1, 95, 95)
    assert network(batch.images).shape == (3, 2, 1, 1)
    assert batch.classes.shape == (3, 1, 1)
    assert sampler.deformation.elastic == 10 * 95 / 256
    assert step.batch == 16 * 3
