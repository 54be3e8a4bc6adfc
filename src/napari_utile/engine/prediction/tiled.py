"""A network on windows of a plane: exact at every seam, in smaller parts if memory is short."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax

from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.tiling import Reader, Window, read_mirrored, tile_around
from napari_utile.engine.devices import is_out_of_memory
from napari_utile.engine.models.parameters import in_float32
from napari_utile.errors import UserError
from napari_utile.events import Warned
from napari_utile.networks import NETWORKS
from napari_utile.networks.layers import Convolutions, memory_format
from napari_utile.networks.tileable import Network, PixelsPerAxis, activation_of

Values = NDArray[np.float32]

AT_ONCE = 2
"""Windows that a CPU computes side by side. The threads of one wait for each other after every
layer, so one that something else delays, as the search for objects, delays them all; meanwhile
another window has the cores."""


@dataclass(frozen=True)
class Plane:
    """Pixels from which windows are cut, read when they are asked for.

    Attributes
    ----------
    shape : tuple of int
        Of the spatial axes: (Y, X).
    read : callable
        Returns normalized pixels, float32 of shape (C, Y, X), for one slice per axis.
    """

    shape: PixelsPerAxis
    read: Reader


class TiledNetwork:
    """A network on its device.

    Its methods take a `plane` and a window `write` of it, one slice per axis, and compute
    float32 of shape (K, Y, X) for K maps.

    Parameters
    ----------
    network : nn.Module
        One of U-Tile's is copied as it predicts fastest, and stays as it is. Another is
        used itself, and moved to the device.
    device : torch.device
        Computes.
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.
    offsets : sequence of tuple of int, optional
        Of affinities, which are the maps behind the foreground.

    Attributes
    ----------
    max_side : int or None
        Largest side of a part in pixels, once memory has run out.
    at_once : int
        Windows that are computed fastest side by side, each in a thread: `AT_ONCE` by the cores
        of a CPU. Other networks than U-Tile's may not bear that.
    """

    def __init__(
        self,
        network: Network,
        device: torch.device,
        dtype: torch.dtype | None = None,
        offsets: Sequence[Offset] = (),
    ):
        self.network: Network = for_inference(network, device, dtype)
        self.device, self.dtype, self.offsets = device, dtype, tuple(offsets)
        self.max_side: int | None = None
        bears_it = device.type == "cpu" and type(network) in NETWORKS.values()
        self.at_once = AT_ONCE if bears_it and torch.get_num_threads() > 1 else 1

    def within_memory(
        self, compute: Callable[[Plane, Window], Values], plane: Plane, write: Window
    ) -> Generator[Warned, None, Values]:
        """Compute a window by `logits` or `probabilities`, in parts if memory demands it.

        The values stay the same; smaller parts are warned of.

        Raises
        ------
        UserError
            If not even a part of one stride fits into memory.
        """
        while True:
            side = self.max_side or max(part.stop - part.start for part in write)
            try:
                return _joined([(p, compute(plane, p)) for p in _parts(write, side)], write)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self.max_side = self._halved(side)
            yield Warned(
                message=f"Out of memory on {self.device}: tiles of {self.max_side} px instead "
                f"of {side} from here on; the result is the same."
            )

    def probabilities(self, plane: Plane, write: Window, averaging: bool = False) -> Values:
        """Compute the probabilities of a window, or their average over all `views`.

        It is the *plane* that is mirrored and transposed, and the window is looked up in it,
        so the average, too, is that of whole images. (The U-Net paper, sec. 4, averages over
        seven rotations that it does not name.)
        """
        if not averaging:
            return self._probabilities(plane, write)
        seen = [self._seen(view, plane, write) for view in views(len(write), self.offsets)]
        return np.mean(seen, axis=0, dtype=np.float32)

    def _seen(self, view: "View", plane: Plane, write: Window) -> Values:
        """Compute the probabilities of a window in a view, turned back.

        In a mirrored view a voxel sees its pairs from the other end: the affinity of the pair
        (v, v + offset) is found at its partner, v + offset.
        """
        still = (0,) * len(write)
        moves = [
            tuple(step * flip for step, flip in zip(offset, view.flips, strict=True))
            for offset in (still, *self.offsets)
        ]
        axes = [*zip(write, plane.shape, zip(*moves, strict=True), strict=True)]
        wide = tuple(
            slice(max(0, side.start + min(steps)), min(size, side.stop + max(steps)))
            for side, size, steps in axes
        )
        turned = self._probabilities(view.of(plane), view.window(wide, plane.shape))
        found = view.undo(turned)
        if not self.offsets:
            return found
        maps = [0, *(1 + self.offsets.index(view.swapped(each)) for each in self.offsets)]
        places = [  # beyond the border there is no partner
            [
                np.arange(side.start + step, side.stop + step).clip(0, size - 1) - part.start
                for (side, size, _), part, step in zip(axes, wide, move, strict=True)
            ]
            for move in moves
        ]
        return np.stack([found[k][np.ix_(*at)] for k, at in zip(maps, places, strict=True)])

    def _probabilities(self, plane: Plane, write: Window) -> Values:
        """Compute probabilities that are numbers, or refuse."""
        found = self.logits(plane, write)
        if np.isnan(found).any() or np.isposinf(found).any():
            raise UserError(
                f"{type(self.network).__name__} gives logits that are NaN or infinite: its "
                "parameters are too large for the numbers that it computes with, or broken."
            )
        return probabilities(found, activation_of(self.network))

    @torch.inference_mode()
    def logits(self, plane: Plane, write: Window) -> Values:
        """Compute the logits of a window, from its pixels and their margin."""
        network = self.network
        tile = tile_around(write, network.stride_alignment, network.margin, network.input_size)
        pixels = read_mirrored(plane.read, plane.shape, tile.read)
        was_training = network.training
        network.eval()
        try:
            x = torch.from_numpy(np.ascontiguousarray(pixels))[None].to(self.device)
            x = x.contiguous(memory_format=memory_format(x.ndim))
            autocast = torch.autocast(self.device.type, self.dtype, self.dtype is not None)
            with autocast, exact_on(self.device):
                scores = network.forward_tile(x)
            check_shape(network, tuple(x.shape[2:]), tuple(scores.shape))
            cut = tile.cut(network.margin)
            return scores[0][(slice(None), *cut)].float().contiguous().cpu().numpy()
        finally:
            network.train(was_training)

    def context(self, write: Window, shape: PixelsPerAxis, averaging: bool = False) -> Window:
        """Return the window of a plane that is read to compute `write`, inside the plane.

        Parameters
        ----------
        write : tuple of slice
        shape : tuple of int
            Of the plane.
        averaging : bool, default False
            Whether all views of the plane are computed. Mirrored, tiles begin elsewhere, so
            the whole surplus of a tile may lie on either side.

        Returns
        -------
        tuple of slice
        """
        network = self.network
        if averaging:
            # The last two axes are swapped in half of the views, so the larger surplus counts.
            far = max((abs(step) for offset in self.offsets for step in offset), default=0)
            written = tuple(side.stop - side.start + far for side in write)
            read_sizes = network.input_size(written)
            reach = far + max(
                read - side for read, side in zip(read_sizes, written, strict=True)
            )
            read = tuple(slice(side.start - reach, side.stop + reach) for side in write)
        else:
            tile = tile_around(
                write, network.stride_alignment, network.margin, network.input_size
            )
            read = tile.read
        return tuple(
            slice(max(side.start, 0), min(side.stop, size))
            for side, size in zip(read, shape, strict=True)
        )

    def _halved(self, side: int) -> int:
        stride = max(self.network.stride_alignment)
        if side <= stride:
            shape = " x ".join([str(side)] * self.network.ndim)
            raise UserError(
                f"Not even a tile of {shape} px fits into the memory of {self.device}; "
                "close other programs, or train a network of less depth or width."
            )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return ceil(side / 2 / stride) * stride


def exact_on(device: torch.device) -> AbstractContextManager[None]:
    """Forbid TF32 on a GPU: with its mantissa of 10 bits tiles would differ by 1e-3."""
    if device.type != "cuda":  # threads may not change such a switch of the whole process
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)


def check_shape(network: Network, read: PixelsPerAxis, shape: tuple[int, ...]) -> None:
    """Refuse logits of another shape than a network declares.

    Parameters
    ----------
    network : nn.Module
    read : tuple of int
        Size of the tile that it got.
    shape : tuple of int
        Of the logits.

    Raises
    ------
    UserError
    """
    sides = (side - 2 * m for side, m in zip(read, network.margin, strict=True))
    declared = (1, network.classes, *sides)
    if shape != declared:
        raise UserError(
            f"{type(network).__name__}: forward_tile makes logits {shape} of a tile of "
            f"{' x '.join(map(str, read))} px, but by its classes ({network.classes}) and "
            f"margin {tuple(network.margin)} they are {declared}: correct one of them."
        )


def for_inference(network: Network, device: torch.device, dtype: torch.dtype | None) -> Network:
    """Return a network as it predicts fastest: one of U-Tile's as a copy, another as it is.

    The copy has its normalizations in its convolutions (the logits move by 1e-6), and its
    parameters in the number format that they would else be converted to for each tile.

    Parameters
    ----------
    network : nn.Module
    device : torch.device
    dtype : torch.dtype, optional
        Number format of the convolutions; None is float32.

    Returns
    -------
    nn.Module
        On the device.
    """
    if type(network) in NETWORKS.values():
        network = deepcopy(in_float32(network)).eval()
        for module in network.modules():
            if isinstance(module, Convolutions):
                module.fold_norms()
            elif device.type == "cpu" and {*getattr(module, "kernel_size", ())} == {1}:
                # A kernel of one pixel is the same with any dilation. But without dilation
                # torch computes 1 x 1 convolutions by another library if it has one thread,
                # which rounds differently.
                module.dilation = network.ndim * (2,)  # type: ignore[assignment]
        if dtype:
            network.to(dtype)
    else:
        network = in_float32(network)
    largest = max((parameter.ndim for parameter in network.parameters()), default=0)
    network.to(device, memory_format=memory_format(largest))  # type: ignore[call-overload]
    return network


def probabilities(logits: Values, activation: str = "softmax") -> Values:
    """Turn logits into probabilities: soft-max over K, or a sigmoid if K is 1.

    Not by torch, which rounds differently where the work of its threads is divided.

    Parameters
    ----------
    logits : ndarray of float32, shape (K, ...)
    activation : {"softmax", "sigmoid"}, default "softmax"
        Of the network; "sigmoid" is one of each map, also if there are several.

    Returns
    -------
    ndarray of float32, shape (K, ...)
        From 0 to 1.
    """
    is_one_by_one = len(logits) == 1 or activation == "sigmoid"
    result: Values = expit(logits) if is_one_by_one else softmax(logits, axis=0)
    return result


@dataclass(frozen=True)
class View:
    """One way to look at a plane: mirrored along some axes, then with the last two swapped.

    Attributes
    ----------
    flips : tuple of bool
        Per spatial axis, whether it is mirrored.
    transpose : bool
        Whether the last two axes are swapped afterwards.
    """

    flips: tuple[bool, ...]
    transpose: bool

    def of(self, plane: Plane) -> Plane:
        """Return the plane in this view; it is still read lazily."""

        def read(*window: slice) -> Values:
            return self.do(plane.read(*self._flipped(self.swapped(window), plane.shape)))

        return Plane(self.swapped(plane.shape), read)

    def window(self, window: Window, shape: PixelsPerAxis) -> Window:
        """Return where a window of a plane of that shape lies in this view."""
        found: Window = self.swapped(self._flipped(window, shape))
        return found

    def do(self, pixels: NDArray) -> NDArray:
        """Turn pixels (..., Y, X) as the plane is turned."""
        flipped = np.flip(pixels, self._axes)
        return flipped.swapaxes(-2, -1) if self.transpose else flipped

    def undo(self, pixels: NDArray) -> NDArray:
        """Turn pixels (..., Y, X) back."""
        return np.flip(pixels.swapaxes(-2, -1) if self.transpose else pixels, self._axes)

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(i - len(self.flips) for i, flip in enumerate(self.flips) if flip)

    def swapped(self, axes: Sequence) -> tuple:
        """Return something of each axis in the order of the axes in this view."""
        return (*axes[:-2], axes[-1], axes[-2]) if self.transpose else tuple(axes)

    def _flipped(self, window: Sequence[slice], shape: PixelsPerAxis) -> tuple[slice, ...]:
        return tuple(
            slice(size - side.stop, size - side.start) if flip else side
            for flip, side, size in zip(self.flips, window, shape, strict=True)
        )


def views(ndim: int, offsets: Sequence[Offset] = ()) -> list[View]:
    """Return all views of a plane of `ndim` spatial axes: 8 of an image, 16 of a volume.

    Those with swapped axes are left out if not every affinity has a counterpart there.
    """
    found = [
        View(tuple(flips), transpose)
        for *flips, transpose in product((False, True), repeat=ndim + 1)
    ]
    return [view for view in found if {*map(view.swapped, offsets)} == {*offsets}]


def _parts(write: Window, side: int) -> Iterator[Window]:
    """Yield the parts of a window, none longer than `side` along any axis."""
    return product(
        *(
            [
                slice(start, min(start + side, axis.stop))
                for start in range(axis.start, axis.stop, side)
            ]
            for axis in write
        )
    )


def _joined(parts: list[tuple[Window, Values]], write: Window) -> Values:
    """Put the values of the parts of a window together."""
    if len(parts) == 1:
        return parts[0][1]
    shape = tuple(side.stop - side.start for side in write)
    whole = np.empty((len(parts[0][1]), *shape), np.float32)
    for part, values in parts:
        inside = (
            slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, write, strict=True)
        )
        whole[:, *inside] = values
    return whole
