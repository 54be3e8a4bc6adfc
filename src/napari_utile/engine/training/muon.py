"""Muon: momentum whose steps are orthogonal matrices, for kernels of hidden layers.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon. Adam (Kingma & Ba, 2015) updates all that is no
kernel, kernels of few channels (mostly the first and last of a network), and very large ones.
`torch.optim.Muon` takes matrices only, and not Adam's parameters beside them.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

NEWTON_SCHULZ_STEPS = 5
"""Of the iteration, after which singular values lie in 0.68...1.21."""
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of its polynomial, from the source: steep at 0, flat and near 1 beyond."""
MIN_CHANNELS = 8
"""Kernels with fewer input or output channels use Adam."""
MAX_SIDE = 512
"""Kernels with more rows and columns use Adam: a step would cost more than the gradient itself,
as in the layers of FCN that were fully connected."""
MOMENTUM = 0.95
"""Of kernels; the value of the source."""
KERNEL_RATE = 15.0
"""Learning rate of kernels over that of everything else: a step has singular values near 1."""


class Muon(torch.optim.Optimizer):
    """Orthogonalized momentum for kernels, Adam for all other parameters.

    Parameters
    ----------
    groups : iterable of dict
        Parameters, with the `weight_decay` of each group.
    lr : float
        Learning rate of what follows Adam; kernels have `KERNEL_RATE` times as much.
    betas : (float, float)
        Of Adam.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
    ):
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update all parameters by their gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                rate = group["lr"]
                if is_kernel(parameter):
                    rate *= KERNEL_RATE
                    direction = self._orthogonal(parameter, parameter.grad)
                else:
                    direction = self._adam(parameter, parameter.grad, *group["betas"])
                parameter.mul_(1 - rate * group["weight_decay"]).sub_(direction, alpha=rate)

    def _orthogonal(self, kernel: Tensor, gradient: Tensor) -> Tensor:
        """Return a kernel's step: the orthogonal matrix nearest to its Nesterov momentum."""
        state = self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(state["momentum"], MOMENTUM).flatten(1).float()
        rows, columns = ahead.shape
        return orthogonalized(ahead).view_as(kernel) * max(1.0, rows / columns) ** 0.5

    def _adam(self, parameter: Tensor, gradient: Tensor, beta1: float, beta2: float) -> Tensor:
        """Return the step of Adam, without its rate."""
        state = self.state[parameter]
        if not state:
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros(())
        state["step"] += 1
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].lerp_(gradient.square(), 1 - beta2)
        mean = state["mean"] / (1 - beta1 ** state["step"].item())
        square = state["square"] / (1 - beta2 ** state["step"].item())
        return mean / (square.sqrt() + 1e-8)


def is_kernel(parameter: Tensor) -> bool:
    """Whether a parameter is a kernel (O, I, [Z,] Y, X), or (I, O, ...), that Muon updates."""
    return (
        parameter.ndim >= 4
        and min(parameter.shape[:2]) >= MIN_CHANNELS
        and min(parameter.flatten(1).shape) <= MAX_SIDE
    )


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return the matrix of the same singular vectors, with singular values near 1.

    The iteration of Newton and Schulz takes matrix products only. It is run on the small
    square matrix of the products of all rows (or columns), to the same result: its limit for X
    is ``P(X X^T) X`` with one polynomial P.

    Parameters
    ----------
    matrix : Tensor of float32, shape (M, N)

    Returns
    -------
    Tensor, shape (M, N)
        Singular values in 0.68...1.21, but for those that are less than 2e-3 of their norm.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if is_tall else matrix
    wide = wide / wide.norm().clamp_min(1e-7)  # the iteration needs singular values up to 1
    products = wide @ wide.T
    one = torch.eye(len(products), device=matrix.device)
    a, b, c = COEFFICIENTS
    polynomial = a * one + b * products + c * products @ products
    for _ in range(NEWTON_SCHULZ_STEPS - 1):
        now = polynomial @ products @ polynomial
        polynomial = (a * one + b * now + c * now @ now) @ polynomial
    result = polynomial @ wide
    return result.T if is_tall else result
