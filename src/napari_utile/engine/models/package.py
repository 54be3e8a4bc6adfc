"""A model as a BioImage.IO package: what other programs need to run it without U-Tile.

The network becomes one file of Python that mirrors its own context, so that a block-wise
runner that knows nothing of margins still gets the same numbers.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_utile import __version__
from napari_utile.arrays.instances.offsets import Offset, affinity_names
from napari_utile.arrays.intensity import GAIN, OFFSET, Normalization
from napari_utile.arrays.own_gray_values import HIGH, LOW, own_normalization
from napari_utile.folders.model import PARAMETERS_FILE
from napari_utile.folders.standard_part import channel_axis, class_axis, feeding
from napari_utile.io.slice_context import slices_seen
from napari_utile.networks.tileable import Network
from napari_utile.settings.options import NormalizedBy

SPECIFICATION = "0.5.4"
"""Version of the BioImage.IO model description that is written."""

ARCHITECTURE, README = "network.py", "README.md"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
CLOSE, LARGEST_TEST = 0.01, 2**24
"""By how much probabilities differ between devices at most, and numbers in a test."""
CALLABLE = "SeamlessNetwork"
NEEDED_BY_MIRRORING = """\
from collections.abc import Callable

import torch
from torch import Tensor


"""


class Mirroring:
    """Maps images to probabilities of the same size, for a network that needs a margin."""

    margin: tuple[int, ...]
    activation: str
    input_size: Callable[[tuple[int, ...]], tuple[int, ...]]
    forward_tile: Callable[[Tensor], Tensor]

    def forward(self, x: Tensor) -> Tensor:
        """Map normalized images (N, C, Y, X) to probabilities (N, K, Y, X)."""
        sizes = tuple(x.shape[2:])
        reads = self.input_size(sizes)
        axes = zip(sizes, reads, self.margin, strict=True)
        for axis, (side, read, margin) in enumerate(axes, start=2):
            period = max(2 * (side - 1), 1)
            places = torch.arange(-margin, read - margin, device=x.device) % period
            x = x.index_select(axis, torch.where(places < side, places, period - places))
        logits = self.forward_tile(x)
        for axis, side in enumerate(sizes, start=2):
            logits = logits.narrow(axis, 0, side)
        is_one_by_one = logits.shape[1] == 1 or self.activation == "sigmoid"
        return logits.sigmoid() if is_one_by_one else logits.softmax(1)


def write_package(
    folder: Path,
    network: Network,
    arguments: dict[str, Any],
    normalization: Normalization,
    context: int = 0,
    offsets: Sequence[Offset] = (),
    normalize: NormalizedBy = "model",
) -> dict[str, Any]:
    """Write what stands beside the parameters, and describe all of it.

    Parameters
    ----------
    folder : Path
        Holds the parameters already.
    network : nn.Module
        One of U-Tile's.
    arguments : dict
        What it was constructed with.
    normalization : Normalization
        How images are fed.
    context : int, default 0
        Slices on each side of each slice that are fed with it.
    offsets : sequence of tuple of int, optional
        Of affinities, which are its maps behind the foreground.
    normalize : {"model", "image", "percentiles"}
        By `normalization`, or by the gray values of each image.

    Returns
    -------
    dict
        The description, still without `config`; the names in it are of files in `folder`.
    """
    (folder / ARCHITECTURE).write_text(source_of(type(network)), encoding="utf-8")
    text = read_me(network, normalization, context, offsets, normalize)
    (folder / README).write_text(text, encoding="utf-8")
    fed = normalization.repeated(slices_seen(context))
    _write_test(folder, network, fed, normalize)
    name = type(network).__name__
    return {
        "type": "model",
        "format_version": SPECIFICATION,
        "name": f"U-Tile {name}",
        "description": f"A {name} trained with U-Tile to segment images pixel by pixel",
        "authors": [{"name": "The user of U-Tile"}],
        "cite": [dict(zip(("text", "url"), network.paper, strict=True))],
        "tags": ["segmentation", f"{network.ndim}d", name.lower()],
        "documentation": README,
        "inputs": [_input(folder, network, feeding(fed, normalize, network.ndim), context)],
        "outputs": [_output(folder, network, offsets)],
        "weights": {
            "pytorch_state_dict": {
                **_file(folder, PARAMETERS_FILE),
                "architecture": {
                    **_file(folder, ARCHITECTURE),
                    "callable": CALLABLE,
                    "kwargs": arguments,
                },
                "pytorch_version": torch.__version__.split("+")[0],
            }
        },
    }


def _input(
    folder: Path, network: Network, steps: list[dict[str, Any]], context: int
) -> dict[str, Any]:
    """Describe the image: its smallest size, and how it grows."""
    channels = network.in_channels // slices_seen(context)
    axes = zip("zyx"[-network.ndim :], _halo(network), network.stride_alignment, strict=True)
    return {
        "id": "image",
        "axes": [
            {"type": "batch"},
            channel_axis("channel", channels, context),
            *(
                {"type": "space", "id": a, "size": {"min": 2 * halo + step, "step": step}}
                for a, halo, step in axes
            ),
        ],
        "data": {"type": "float32"},
        "preprocessing": steps,
        "test_tensor": _file(folder, TEST_INPUT),
    }


def _output(folder: Path, network: Network, offsets: Sequence[Offset]) -> dict[str, Any]:
    """Describe the probabilities: of the size of the image, less what blocks overlap."""
    return {
        "id": "probabilities",
        "axes": [
            {"type": "batch"},
            class_axis(network.classes, offsets),
            *(
                {
                    "type": "space",
                    "id": axis,
                    "size": {"tensor_id": "image", "axis_id": axis},
                    "halo": halo,
                }
                for axis, halo in zip("zyx"[-network.ndim :], _halo(network), strict=True)
            ),
        ],
        "data": {"type": "float32", "range": [0, 1]},
        "test_tensor": _file(folder, TEST_OUTPUT),
    }


def _file(folder: Path, name: str) -> dict[str, str]:
    """Name a file with its SHA-256."""
    return {"source": name, "sha256": sha256((folder / name).read_bytes()).hexdigest()}


def source_of(network: type[Any]) -> str:
    """Return one file of Python in which `network`, mirroring its context, stands alone."""
    modules = _modules_of(sys.modules[network.__module__])
    parts = [_without_our_imports(inspect.getsource(module)) for module in modules]
    parts.append(NEEDED_BY_MIRRORING + inspect.getsource(Mirroring))
    parts.append(f'class {CALLABLE}(Mirroring, {network.__name__}):\n    """As trained."""\n')
    return "\n\n".join(parts)


def _modules_of(module: ModuleType) -> list[ModuleType]:
    """List a module of ours behind those that it imports from, each once."""
    found: dict[ModuleType, None] = {}
    seen: set[ModuleType] = set()

    def visit(module: ModuleType) -> None:
        if module in seen:  # it is listed, or will be behind those that it imports from
            return
        seen.add(module)
        for thing in list(vars(module).values()):
            home = getattr(thing, "__module__", None) or ""
            if str(home).startswith("napari_utile."):
                visit(sys.modules[home])
        found[module] = None

    visit(module)
    return [*found]


def _without_our_imports(source: str) -> str:
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("napari_utile"):
            del lines[node.lineno - 1 : node.end_lineno]
    return "".join(lines)


def read_me(
    network: Network,
    normalization: Normalization,
    context: int = 0,
    offsets: Sequence[Offset] = (),
    normalize: NormalizedBy = "model",
) -> str:
    """Return a README: what the model is, and how it is fed."""
    slices = (
        f"Each slice of a stack is fed with the {context} before and after it: the channels "
        f"are those of the slice {context} before, ..., of the slice itself, ..., of the slice "
        f"{context} after; beyond the ends of the stack, slices are mirrored. "
    )
    maps = "The output is one map of probability per class; class 0 is the background.\n\n"
    if offsets:
        maps = (
            "The first map of the output is the probability of foreground. Each of the others "
            "is the probability that a voxel and the one at its offset are in the same object: "
            f"{', '.join(affinity_names(offsets)[1:])}.\n\n"
        )
    return (
        f"# {type(network).__name__}\n\n"
        f"Trained with U-Tile {__version__}. {_feeding_text(normalization, normalize)} "
        f"{slices if context else ''}"
        f"{maps}"
        "## Validation\n\nThe scores are in `bioimageio.yaml` under `config: utile: scores`.\n"
    )


def _feeding_text(normalization: Normalization, normalize: NormalizedBy) -> str:
    """Say how images are fed."""
    if normalize == "model":
        return (
            f"Images are fed as (x - mean) / std with mean {normalization.mean} and standard "
            f"deviation {normalization.std}, per channel."
        )
    numbers = f"percentiles {LOW:g} and {HIGH:g}, which become {OFFSET:g} and {OFFSET + GAIN:g}"
    own = "mean and standard deviation" if normalize == "image" else numbers
    return (
        f"Each image is fed normalized by its own {own}, per channel, over all slices of a "
        "stack: measure the whole image, not a part of it."
    )


def _write_test(
    folder: Path, network: Network, normalization: Normalization, normalize: NormalizedBy
) -> None:
    """Write the smallest image, and what the network makes of it."""
    sides = (
        2 * halo + step
        for halo, step in zip(_halo(network), network.stride_alignment, strict=True)
    )
    shape = (1, network.in_channels, *sides)
    noise = np.random.default_rng(0).normal(size=shape)
    mean, std = (
        np.reshape(n, (1, -1, *[1] * network.ndim))
        for n in (normalization.mean, normalization.std)
    )
    image = (noise * std + mean).astype(np.float32)
    probabilities = _probabilities(network, normalization, normalize, image)
    np.save(folder / TEST_INPUT, image)
    np.save(folder / TEST_OUTPUT, probabilities)


def _probabilities(
    network: Network,
    normalization: Normalization,
    normalize: NormalizedBy,
    image: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return what other programs get from an image (1, C, Y, X), not yet normalized."""
    if normalize != "model":
        normalization = own_normalization(image[0], normalize)
    fed = torch.from_numpy(normalization.apply(image[0])[None])
    was_training, device = network.training, next(network.parameters()).device
    network.eval()
    with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        probabilities = Mirroring.forward(network, fed.to(device))  # type: ignore[arg-type]
    network.train(was_training)
    return probabilities.cpu().numpy()


def package_problem(
    folder: Path,
    network: Network,
    normalization: Normalization,
    normalize: NormalizedBy = "model",
) -> str:
    """Return why a network is not that of its package, by the test in it; '' if it may be.

    Parameters
    ----------
    folder : Path
        Of the package. Without a test in it there is nothing to compare.
    network : nn.Module
    normalization : Normalization
    normalize : {"model", "image", "percentiles"}
        By that, or by the gray values of the image.

    Returns
    -------
    str
        Without full stop.
    """
    paths = folder / TEST_INPUT, folder / TEST_OUTPUT
    if not all(path.is_file() for path in paths):
        return ""
    image, expected = map(_test_array, paths)
    sides = image.shape[2:]
    if len(sides) != network.ndim or image.shape[:2] != (1, network.in_channels):
        return f"{paths[0]} is damaged"
    if expected.shape != (1, network.classes, *sides):
        return f"{paths[1]} is damaged"
    found = _probabilities(network, normalization, normalize, image)
    difference = np.abs(found - expected).max()
    if difference <= CLOSE:
        return ""
    return (
        f"{folder} is not the model that was saved: its network makes of {TEST_INPUT} "
        f"probabilities that differ from {TEST_OUTPUT} by up to {difference:.2g}"
    )


def _test_array(path: Path) -> NDArray[np.float32]:
    """Read an array of a test; one without pixels if it cannot be one."""
    try:
        found = np.load(path, mmap_mode="r")  # mapped: it is no larger than the file
        if found.dtype.kind == "f" and 0 < found.size <= LARGEST_TEST:
            return np.asarray(found, np.float32)
    except Exception:  # a damaged file can fail in any way
        pass
    return np.empty(0, np.float32)


def _halo(network: Network) -> tuple[int, ...]:
    """Return by how much blocks overlap that are cut at multiples of the alignment."""
    axes = zip(network.margin, network.stride_alignment, strict=True)
    return tuple(ceil(margin / step) * step for margin, step in axes)
