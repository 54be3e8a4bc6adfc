"""A network run on windows of a plane: exact at every seam, and smaller if memory is short."""

from collections.abc import Callable, Generator
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax

from napari_utile.arrays.tiling import Reader, Window, read_mirrored, tile_around, tiles
from napari_utile.engine.devices import is_out_of_memory
from napari_utile.engine.prediction.tile_size import Size
from napari_utile.errors import UserError
from napari_utile.events import Warned
from napari_utile.networks import NETWORKS
from napari_utile.networks.layers import Convolutions
from napari_utile.networks.tileable import Network

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Plane:
    """What windows are cut from.

    Attributes
    ----------
    shape : (int, int)
        Height and width.
    read : callable
        Gives normalized pixels, float32 of shape (C, Y, X), for slices in Y and X.
    """

    shape: Size
    read: Reader


class TiledNetwork:
    """A network on its device.

    Parameters
    ----------
    network : nn.Module
        One of U-Tile's is copied as it predicts fastest, and stays as it is. Another is
        used itself, and moved to the device.
    device : torch.device
        What computes.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    """

    def __init__(
        self, network: Network, device: torch.device, dtype: torch.dtype | None = None
    ):
        self.network: Network = ready(network, device, dtype)
        self.device, self.dtype = device, dtype
        self.most: int | None = None
        """Largest side of a window, once memory has run out."""

    def windows(self, shape: Size, tile: Size) -> list[Window]:
        """List what tiles of that size write to cover a plane of that shape."""
        network = self.network
        return [t.write for t in tiles(shape, tile, network.margin, network.input_size)]

    def logits(self, plane: Plane, write: Window) -> Array:
        """Compute the logits (K, Y, X) of any window of a plane."""
        network = self.network
        tile = tile_around(write, network.stride_alignment, network.margin, network.input_size)
        pixels = read_mirrored(plane.read, plane.shape, tile.read)
        return self._run(pixels, tile.cut(network.margin))

    def probabilities(self, plane: Plane, write: Window, averaging: bool = False) -> Array:
        """Compute the probabilities (K, Y, X) of any window of a plane.

        Averaging turns and mirrors the *plane* in eight ways and looks at where the window
        then is, so the average, too, is that of whole images. (The U-Net paper, sec. 4,
        averages over seven rotations that it does not name.)
        """
        if not averaging:
            return probabilities(self.logits(plane, write))
        views = [
            view.undo(
                probabilities(self.logits(view.of(plane), view.window(write, plane.shape)))
            )
            for view in VIEWS
        ]
        return np.mean(views, axis=0, dtype=np.float32)

    def within_memory(
        self, compute: Callable[[Window], Array], write: Window
    ) -> Generator[Warned, None, Array]:
        """Compute a window, in parts if the memory demands it. The values stay the same."""
        while True:
            side = self.most or max(part.stop - part.start for part in write)
            try:
                return _assemble(compute, write, side)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self.most = self._half(side)
            yield Warned(
                message=f"Out of memory on {self.device}: tiles of {self.most} px instead of "
                f"{side} from here on; the result is the same."
            )

    def _half(self, side: int) -> int:
        alignment = max(self.network.stride_alignment)
        if side <= alignment:
            raise UserError(
                f"Not even a tile of {side} x {side} px fits into the memory of {self.device}; "
                "close other programs, or train a network of less depth or width."
            )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return ceil(side / 2 / alignment) * alignment

    @torch.inference_mode()
    def _run(self, pixels: Array, cut: Window) -> Array:
        """Run one tile (C, Y, X) in evaluation mode, and cut what is wanted of its logits."""
        was_training = self.network.training
        self.network.eval()
        try:
            x = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(self.device)
            x = x.contiguous(memory_format=torch.channels_last)
            with (
                torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None),
                # the 10-bit mantissa of TF32 would make tiles differ by 1e-3
                torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False),
            ):
                scores = self.network.forward_tile(x)
            return scores[0][(slice(None), *cut)].float().contiguous().cpu().numpy()
        finally:
            self.network.train(was_training)


def ready(network: Network, device: torch.device, dtype: torch.dtype | None) -> Network:
    """Give a network as it predicts fastest: one of U-Tile's as a copy, another as it is.

    The copy has its normalizations in its convolutions (the logits move by 1e-6), and its
    weights in the number format that they would else be brought to for each tile.
    """
    if type(network) in NETWORKS.values():
        network = deepcopy(network).eval()
        for module in network.modules():
            if isinstance(module, Convolutions):
                module.fold_norms()
            elif device.type == "cpu" and getattr(module, "kernel_size", 0) == (1, 1):
                # One pixel has no pixels apart. But torch computes 1 x 1 convolutions without
                # dilation by another library if it has one thread, which rounds differently.
                module.dilation = (2, 2)  # type: ignore[assignment]
        if dtype:
            network.to(dtype)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def probabilities(logits: Array) -> Array:
    """Turn logits (K, ...) into probabilities: soft-max over K, or a sigmoid if K is 1.

    Not by torch, which rounds differently where the shares of its threads end.
    """
    result: Array = expit(logits) if len(logits) == 1 else softmax(logits, axis=0)
    return result


@dataclass(frozen=True)
class View:
    """One of the eight ways to look at a plane: mirrored in Y and X, then transposed."""

    flip_y: bool
    flip_x: bool
    transpose: bool

    def of(self, plane: Plane) -> Plane:
        """Look at a plane, which is still read lazily."""

        def read(*window: slice) -> Array:
            seen = self._flip(window[::-1] if self.transpose else window, plane.shape)
            return self.do(plane.read(*seen))

        return Plane(plane.shape[::-1] if self.transpose else plane.shape, read)

    def window(self, window: Window, shape: Size) -> Window:
        """Find a window of a plane of that shape in its view."""
        seen = self._flip(window, shape)
        return seen[::-1] if self.transpose else seen

    def do(self, pixels: Array) -> Array:
        """Turn pixels (..., Y, X) as the plane is turned."""
        flipped = np.flip(pixels, self._axes)
        return flipped.swapaxes(-2, -1) if self.transpose else flipped

    def undo(self, pixels: Array) -> Array:
        """Turn pixels (..., Y, X) back."""
        return np.flip(pixels.swapaxes(-2, -1) if self.transpose else pixels, self._axes)

    @property
    def _axes(self) -> tuple[int, ...]:
        return (-2,) * self.flip_y + (-1,) * self.flip_x

    def _flip(self, window: Window, shape: Size) -> Window:
        return tuple(
            slice(size - side.stop, size - side.start) if flip else side
            for flip, side, size in zip((self.flip_y, self.flip_x), window, shape, strict=True)
        )


VIEWS = tuple(View(*flags) for flags in product((False, True), repeat=3))


def _assemble(compute: Callable[[Window], Array], write: Window, side: int) -> Array:
    """Compute a window in parts no larger than `side`."""
    (top, bottom), (left, right) = ((part.start, part.stop) for part in write)
    rows = [
        np.concatenate(
            [
                compute((slice(y, min(y + side, bottom)), slice(x, min(x + side, right))))
                for x in range(left, right, side)
            ],
            axis=-1,
        )
        for y in range(top, bottom, side)
    ]
    return np.concatenate(rows, axis=-2)
