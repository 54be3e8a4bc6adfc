"""Muon: the update rule that gives every direction of a kernel the same step.

Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon. What is no kernel follows Adam (Kingma & Ba, 2015),
and so do kernels of few channels, as those that begin and end a network mostly are, and those
of very many.
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
"""Channels that such a kernel sees and makes."""
MOST = 512
"""Rows or columns, whichever are fewer: beyond, a step costs more than the gradient itself, as
in the layers of FCN that were fully connected."""
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
        """Follow the gradients once."""
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
        """Give the step of a kernel: the orthogonal matrix nearest to its Nesterov momentum."""
        state = self.state[kernel]
        if not state:
            state["momentum"] = torch.zeros_like(kernel)
        state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(state["momentum"], MOMENTUM).flatten(1).float()
        rows, columns = ahead.shape
        return orthogonalized(ahead).view_as(kernel) * max(1.0, rows / columns) ** 0.5

    def _adam(self, parameter: Tensor, gradient: Tensor, beta1: float, beta2: float) -> Tensor:
        """Give the step of Adam, without its rate."""
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
    """Tell whether a parameter is a kernel, (O, I, Y, X) or (I, O, Y, X), of middling size."""
    return (
        parameter.ndim == 4
        and min(parameter.shape[:2]) >= MIN_CHANNELS
        and min(parameter.flatten(1).shape) <= MOST
    )


def orthogonalized(matrix: Tensor) -> Tensor:
    """Move all singular values of a matrix near to 1 and leave its directions.

    The iteration of Newton and Schulz takes matrix products only. It is run on the small
    square matrix of the products of all rows (or columns), to the same result: of X it is
    ``P(X X^T) X`` with one polynomial P.

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
    wide = wide / wide.norm().clamp_min(1e-7)
    products = wide @ wide.T
    one = torch.eye(len(products), device=matrix.device)
    a, b, c = COEFFICIENTS
    polynomial = a * one + b * products + c * products @ products
    for _ in range(NEWTON_SCHULZ_STEPS - 1):
        now = polynomial @ products @ polynomial
        polynomial = (a * one + b * now + c * now @ now) @ polynomial
    result = polynomial @ wide
    return result.T if is_tall else result
