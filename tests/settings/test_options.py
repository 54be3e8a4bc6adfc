"""Names to choose from."""

from napari_utile.engine.training.losses import LOSSES
from napari_utile.networks import NETWORKS
from napari_utile.settings.options import LOSS_NAMES, NETWORK_NAMES


def test_the_networks_and_losses_to_choose_from_are_those_there_are():
    assert tuple(NETWORKS) == NETWORK_NAMES
    assert tuple(LOSSES) == LOSS_NAMES
