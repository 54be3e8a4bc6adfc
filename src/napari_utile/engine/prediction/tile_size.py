"""How large the tiles are: as large as pays, and as the memory allows."""

import weakref
from itertools import product
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_utile.engine.devices import free_memory
from napari_utile.networks.tileable import Network

SHARE = {"cpu": 0.25, "cuda": 0.6}
"""Of the free memory: so much tiles may take."""
MOST_BYTES = {"cpu": 2**30, "cuda": 2**34}
MOST_PIXELS = {"cpu": 3 * 2**18, "cuda": 2**22}
"""Larger tiles save a few per cent of margin, and a user waits longer for each."""
WORKSPACE = 1.5
"""What convolutions take for themselves, as a factor on what they return."""
UNKNOWN = 8192
"""Bytes per pixel of a network that cannot be measured."""

Size = tuple[int, ...]


def choose_tile(
    network: Network,
    shape: Size,
    device: torch.device,
    dtype: torch.dtype | None = None,
    asked: Size | None = None,
) -> Size:
    """Return the size that a tile writes, per axis, multiples of the stride alignment.

    What is asked for is rounded up. Else, of all ways to cut the image into equal tiles that
    fit into the memory, it is the one that computes the fewest pixels.
    """
    alignment = network.stride_alignment

    def aligned(side: int, step: int) -> int:
        return ceil(side / step) * step

    if asked:
        return tuple(map(aligned, map(min, asked, shape), alignment))

    def sides(size: int, step: int) -> set[int]:
        counts = range(1, ceil(size / step) + 1)
        return {aligned(ceil(size / count), step) for count in counts}

    def read(tile: Size) -> int:
        return prod(network.input_size(tile))

    def computed(tile: Size) -> int:
        return prod(ceil(size / side) for size, side in zip(shape, tile, strict=True)) * read(
            tile
        )

    memory = min(SHARE[device.type] * free_memory(device), MOST_BYTES[device.type])
    most_read = memory / (WORKSPACE * bytes_per_pixel(network, dtype))
    fitting = [
        tile
        for tile in product(*map(sides, shape, alignment))
        if prod(tile) <= MOST_PIXELS[device.type] and read(tile) <= most_read
    ]
    return min(fitting, key=computed, default=alignment)


def bytes_per_pixel(network: Network, dtype: torch.dtype | None = None) -> float:
    """Count what a network holds at its peak for each pixel of a tile that it reads.

    It is run on a tile without values (the device "meta"), so this costs milliseconds.
    """
    sides = network.input_size(network.ndim * (round(2 ** (20 / network.ndim)),))
    dtype = dtype or torch.float32
    state = {
        f"network.{name}": value.to("meta", dtype if value.is_floating_point() else value.dtype)
        for name, value in network.state_dict().items()
    }
    tile = torch.empty(1, network.in_channels, *sides, device="meta", dtype=dtype)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), _Peak() as memory:
            functional_call(_ForwardTile(network), state, tile)
    except (RuntimeError, NotImplementedError):  # an operation that needs values
        return UNKNOWN
    finally:
        network.train(was_training)
    return memory.peak / prod(sides)


class _ForwardTile(nn.Module):
    """`functional_call` knows only `forward`."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.forward_tile(x)


class _Peak(TorchDispatchMode):
    """Add up the storages that are alive, and remember the most."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.peak = 0, 0
        self.known = weakref.WeakSet[Any]()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage() not in self.known:
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        self.known.add(storage)
        size = storage.nbytes()
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._release, size)

    def _release(self, size: int) -> None:
        self.alive -= size
