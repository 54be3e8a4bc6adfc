"""Which network, and which seed."""

import pytest

from napari_utile.errors import UserError
from napari_utile.settings.network_choice import NetworkChoice


@pytest.mark.parametrize("wrong", [{"network": "vgg"}, {"seed": -1}, {"seed": 2**31}])
def test_networks_and_seeds_that_there_are_not_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        NetworkChoice(**wrong)
