"""What a network declares so that the engine can tile it exactly."""

from inspect import signature
from typing import Any, Literal, Protocol, runtime_checkable

from torch import Tensor, nn

PixelsPerAxis = tuple[int, ...]
"""One number of pixels per spatial axis, as in (Y, X) or (Z, Y, X)."""


@runtime_checkable
class Tileable(Protocol):
    """What any network must have to be tiled; `Network` brings half of it.

    ``isinstance(network, Tileable)`` checks that the members are there.
    """

    in_channels: int
    """Channels of the image."""
    classes: int
    """Maps of logits; 1 is one foreground map, to be read through a sigmoid."""

    @property
    def ndim(self) -> int:
        """Number of spatial axes."""

    @property
    def margin(self) -> PixelsPerAxis:
        """Pixels of context that a tile needs on each side, per axis."""

    @property
    def stride_alignment(self) -> PixelsPerAxis:
        """Pixels to whose multiples tiles are laid, per axis."""

    def input_size(self, output: PixelsPerAxis) -> PixelsPerAxis:
        """Return the size of the smallest tile, margins included, that covers `output`."""

    def forward_tile(self, x: Tensor) -> Tensor:
        """Map a tile that brings its margin to the logits of its middle, never padding."""


def missing_members(network: object) -> list[str]:
    """Return the names of the members of `Tileable` that an object lacks."""
    members = [*Tileable.__annotations__, *vars(Tileable)]
    asked = [name for name in dict.fromkeys(members) if not name.startswith("_")]
    return [name for name in asked if not hasattr(network, name)]


def activation_of(network: object) -> str:
    """Return how the logits of a network become probabilities, "softmax" if it does not say.

    A single map has a sigmoid anyway.
    """
    return getattr(network, "activation", "softmax")


def sides_of_pixel(network: Tileable) -> tuple[float, ...]:
    """Return the sides of a pixel along each axis; all 1 if a network does not say them."""
    sides: tuple[float, ...] = getattr(network, "spacing", (1.0,) * network.ndim)
    return sides


class Network(nn.Module):
    """Base of the networks of U-Tile; see `Tileable` for what the engine asks of them.

    A network keeps each argument of its constructor as an attribute of that name.
    """

    paper: tuple[str, str]
    """Reference and address of the publication."""
    in_channels: int
    classes: int
    padding: Literal["valid", "same"] = "same"
    """Whether the network is trained on tiles that bring their margin, or pads them."""
    activation: Literal["softmax", "sigmoid"] = "softmax"
    """How logits become probabilities: by soft-max over all maps, or a sigmoid of each."""
    trains_on_windows = False
    """Whether a training tile is the window around a single pixel."""
    ndim = 2

    @property
    def arguments(self) -> dict[str, Any]:
        """What the network was constructed with."""
        return {name: getattr(self, name) for name in signature(type(self)).parameters}

    @property
    def margin(self) -> PixelsPerAxis:
        """Pixels of context that a tile needs on each side, per axis."""
        raise NotImplementedError

    @property
    def stride_alignment(self) -> PixelsPerAxis:
        """Pixels to whose multiples tiles are laid, per axis: every pooling keeps its phase."""
        raise NotImplementedError

    @property
    def input_phase(self) -> PixelsPerAxis:
        """Input size of `forward_tile` modulo the stride alignment, per axis.

        With it the map in front of each pooling is even.
        """
        raise NotImplementedError

    def input_size(self, output: PixelsPerAxis) -> PixelsPerAxis:
        """Return the size of the smallest tile, margins included, that covers `output`.

        Parameters
        ----------
        output : tuple of int
            Pixels to cover, per axis.

        Returns
        -------
        tuple of int
            Per axis at least ``output + 2 * margin``.
        """
        axes = zip(output, self.margin, self.input_phase, self.stride_alignment, strict=True)
        return tuple(
            side + 2 * margin + (phase - side - 2 * margin) % step
            for side, margin, phase, step in axes
        )

    def forward_tile(self, x: Tensor) -> Tensor:
        """Map a tile that brings its margin to the logits of its middle, never padding.

        Parameters
        ----------
        x : Tensor, shape (N, C, Y, X)
            Its size from `input_size`; the first `margin` pixels of each axis are context.

        Returns
        -------
        Tensor, shape (N, K, Y - 2 margin, X - 2 margin)
        """
        raise NotImplementedError
