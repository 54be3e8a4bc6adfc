"""Size of a tile: the one that computes the fewest pixels, among those that fit into memory."""

import weakref
from collections.abc import Iterable
from itertools import product
from math import ceil, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from napari_utile.engine.devices import free_memory
from napari_utile.networks.tileable import Network, PixelsPerAxis

MEMORY_SHARE = {"cpu": 0.25, "cuda": 0.6}
"""Fraction of the free memory that a tile may take."""
MAX_BYTES = {"cpu": 2**30, "cuda": 2**34}
MAX_PIXELS = {"cpu": 3 * 2**18, "cuda": 2**22}
"""Larger tiles save a few per cent of margin, and a user waits longer for each."""
OF_VOLUMES = 4
"""Times as much of both for volumes, whose tiles have margins on six sides: of 96 x 192 x 192
voxels and a 3D U-Net of depth 3, tiles of 1.8 instead of 0.4 million take 0.74 of the time."""
WORKSPACE = 1.5
"""Memory that convolutions take for themselves, as a factor on what they return."""
UNKNOWN = 8192
"""Bytes per pixel that are assumed of a network whose memory cannot be measured."""


def choose_tile(
    network: Network,
    shape: PixelsPerAxis,
    device: torch.device,
    dtype: torch.dtype | None = None,
    asked: PixelsPerAxis | None = None,
) -> PixelsPerAxis:
    """Return the shape that a tile writes: per axis, a multiple of the stride alignment.

    Parameters
    ----------
    network : nn.Module
    shape : tuple of int
        Of the plane that is predicted, per axis, in pixels.
    device : torch.device
        Its free memory limits the tile.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    asked : tuple of int, optional
        The shape that the user wants; rounded up, and no larger than the plane. By default,
        of all ways to cut the plane into equal tiles that fit into memory, the one in which
        the network computes the fewest pixels.

    Returns
    -------
    tuple of int
    """
    strides = network.stride_alignment
    if asked:
        sides = zip(asked, shape, strides, strict=True)
        return tuple(_aligned(min(side, size), stride) for side, size, stride in sides)

    # a plane of `size` pixels in 1, 2, 3, ... equal tiles per axis, down to one stride
    candidates = product(
        *(
            {
                _aligned(ceil(size / count), stride)
                for count in range(1, ceil(size / stride) + 1)
            }
            for size, stride in zip(shape, strides, strict=True)
        )
    )

    def cost(tile: PixelsPerAxis) -> tuple[int, int]:
        """Pixels that are computed, and tiles: a network without margin computes no more."""
        count = prod(ceil(size / side) for size, side in zip(shape, tile, strict=True))
        return count * prod(network.input_size(tile)), count

    factor = OF_VOLUMES if network.ndim == 3 else 1
    most = factor * MAX_BYTES[device.type]
    memory = min(MEMORY_SHARE[device.type] * free_memory(device), most)
    max_read = memory / (WORKSPACE * bytes_per_pixel(network, dtype))
    fitting: Iterable[PixelsPerAxis] = (
        tile
        for tile in candidates
        if prod(tile) <= factor * MAX_PIXELS[device.type]
        and prod(network.input_size(tile)) <= max_read
    )
    return min(fitting, key=cost, default=strides)


def _aligned(side: int, stride: int) -> int:
    return ceil(side / stride) * stride


def bytes_per_pixel(network: Network, dtype: torch.dtype | None = None) -> float:
    """Return the peak memory of a network, in bytes per pixel of a tile that it reads.

    It is run on a tile without values (the device "meta"), which costs milliseconds, and once
    only: its size is remembered.

    Parameters
    ----------
    network : nn.Module
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.

    Returns
    -------
    float
        `UNKNOWN` if the network needs values to be run.
    """
    dtype = dtype or torch.float32
    known = _known.setdefault(network, {})
    if dtype not in known:
        known[dtype] = _peak_per_pixel(network, dtype)
    return known[dtype]


_known = weakref.WeakKeyDictionary[Network, dict[torch.dtype, float]]()


def _peak_per_pixel(network: Network, dtype: torch.dtype) -> float:
    # about 2^20 pixels, whatever the number of axes
    sides = network.input_size(network.ndim * (round(2 ** (20 / network.ndim)),))
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
    """`forward_tile` as `forward`, the only method that `functional_call` runs."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network.forward_tile(x)


class _Peak(TorchDispatchMode):
    """Sum of the storages that are alive at once, and its maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.alive, self.peak = 0, 0
        self.known = weakref.WeakSet[Any]()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return false: torch would import its compiler, for seconds, to keep it away."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = WITHOUT_VALUES.get(func, func)(*args, **(kwargs or {}))
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


def _convolution(
    x: Tensor,
    kernels: Tensor,
    bias: Tensor | None,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
) -> Tensor:
    """Return an empty tensor of the shape of a convolution."""
    sides = []
    for axis, (side, kernel) in enumerate(zip(x.shape[2:], kernels.shape[2:], strict=True)):
        step, cut = stride[axis], dilation[axis] * (kernel - 1) - 2 * padding[axis]
        if transposed:
            sides.append((side - 1) * step + cut + output_padding[axis] + 1)
        else:
            sides.append((side - cut - 1) // step + 1)
    channels = groups * kernels.shape[1] if transposed else kernels.shape[0]
    return x.new_empty(x.shape[0], channels, *sides)


def _batch_norm(x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return empty tensors as a batch normalization does that learns nothing."""
    return torch.empty_like(x), x.new_empty(0), x.new_empty(0)


def _concatenation(tensors: list[Tensor], axis: int = 0) -> Tensor:
    """Return an empty tensor of the shape of several ones behind each other."""
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    return tensors[0].new_empty(shape)


WITHOUT_VALUES: dict[Any, Any] = {
    torch.ops.aten.convolution.default: _convolution,
    torch.ops.aten.native_batch_norm.default: _batch_norm,
    torch.ops.aten.cat.default: _concatenation,
}
"""Operations whose shapes torch computes in Python, for which it imports its compiler, too."""
