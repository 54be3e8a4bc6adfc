"""Normalizations that are folded into their convolutions give the same."""

import torch

from napari_utile.networks.layers import Convolutions


def test_folded_normalizations_give_the_same():
    torch.manual_seed(0)
    chain = Convolutions([3, 8, 8], "batch").eval()
    for norm in chain.norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3)
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    x = torch.randn(1, 3, 12, 12)
    expected = [chain(x, padding) for padding in (0, 1)]
    chain.fold_norms()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in chain.modules())
    for padding in (0, 1):
        torch.testing.assert_close(chain(x, padding), expected[padding], atol=1e-5, rtol=0)
