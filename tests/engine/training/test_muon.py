"""The update rule, against the singular values it is defined by and against PyTorch."""

import pytest
import torch

from napari_utile.engine.training.muon import (
    KERNEL_RATE,
    MOMENTUM,
    Muon,
    is_kernel,
    orthogonalized,
)


@pytest.mark.parametrize("shape", [(16, 72), (72, 16), (32, 32), (8, 400)])
def test_directions_stay_and_singular_values_become_alike(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) * torch.logspace(0, -1, shape[1])
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ orthogonalized(matrix) @ v.T
    values = turned.diagonal()
    torch.testing.assert_close(turned, values.diag(), atol=1e-3, rtol=0)
    assert values.min() > 0.68
    assert values.max() < 1.21


@pytest.mark.parametrize("matrix", [torch.zeros(8, 16), torch.full((8, 16), 1e-30)])
def test_no_gradient_is_no_step_and_never_no_number(matrix):
    assert orthogonalized(matrix).isfinite().all()


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (8, 64, 2, 2), (8, 8, 1, 3, 3)])
def test_kernels_move_as_by_the_muon_of_pytorch(shape):
    torch.manual_seed(0)
    kernel = torch.nn.Parameter(torch.randn(shape))
    matrix = torch.nn.Parameter(kernel.detach().flatten(1).clone())
    ours = Muon([{"params": [kernel], "weight_decay": 0.1}], lr=0.01)
    theirs = torch.optim.Muon(
        [matrix], lr=0.01 * KERNEL_RATE, weight_decay=0.1, momentum=MOMENTUM, nesterov=True
    )
    for _ in range(3):
        gradient = torch.randn(shape)
        kernel.grad, matrix.grad = gradient, gradient.flatten(1)
        ours.step()
        theirs.step()
    # theirs iterates in bfloat16
    moved = (kernel.flatten(1) - matrix).norm() / (0.01 * KERNEL_RATE * shape[0] ** 0.5)
    assert moved < 0.1


@pytest.mark.parametrize("shape", [(16,), (16, 1, 3, 3), (2, 16, 1, 1), (520, 60, 3, 3)])
def test_everything_else_moves_as_by_the_adamw_of_pytorch(shape):
    torch.manual_seed(0)
    one = torch.nn.Parameter(torch.randn(shape))
    other = torch.nn.Parameter(one.detach().clone())
    assert not is_kernel(one)
    ours = Muon([{"params": [one], "weight_decay": 0.1}], lr=0.01, betas=(0.8, 0.999))
    theirs = torch.optim.AdamW([other], lr=0.01, weight_decay=0.1, betas=(0.8, 0.999))
    for _ in range(4):
        one.grad = other.grad = torch.randn(shape)
        ours.step()
        theirs.step()
    torch.testing.assert_close(one, other)


def test_what_has_no_gradient_stays():
    still = torch.nn.Parameter(torch.ones(3))
    Muon([{"params": [still]}], lr=1.0).step()
    assert (still == 1).all()
