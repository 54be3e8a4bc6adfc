"""Preview of a training: tiles as it draws them, and where it draws them from."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from napari_utile.arrays.augmentation.draws import Draw
from napari_utile.arrays.splits import split_map
from napari_utile.engine.training.data.pair_check import pair_check
from napari_utile.engine.training.data.planes import AnnotatedPlane
from napari_utile.engine.training.data.preparation import TrainingData
from napari_utile.engine.training.data.tiles import Batch, TileSampler
from napari_utile.engine.training.setup import TrainingSetup, set_up_training
from napari_utile.errors import UserError
from napari_utile.events import Event, RunDone, RunStarted, Warned
from napari_utile.folders.preview import PreviewFolder
from napari_utile.io.disk import all_or_none, check_file_output, check_free
from napari_utile.io.images import Stack, stem_of, write_tiff
from napari_utile.io.pairs import open_pairs
from napari_utile.io.tiff import write_colors
from napari_utile.settings.training import TrainSettings

GRID_LINES = 8
"""Lines of the regular grid per side of a tile."""


class Samples(NamedTuple):
    """Training tiles as the network sees them, with the context of unpadded convolutions.

    Of several slices that it sees at once it is the one of the labels, of the tiles of volumes
    the middle slice.
    """

    image: NDArray[Any]
    """(K, C, Y, X), in the gray values of the images, and in their type up to 16 bits."""
    labels: NDArray[np.uint8]
    """(K, Y, X), number of the class; 255 where unannotated."""
    weights: NDArray[np.float32]
    """(K, Y, X), of the loss; 0 in the margin, for which the network has no output."""
    grid: NDArray[np.uint8]
    """(K, Y, X), lines of a regular grid of the plane, 255, bent as the image is."""


def preview_files(
    images: str | Path,
    labels: str | Path,
    out: Path,
    settings: TrainSettings,
    count: int = 8,
    overwrite: bool = False,
) -> Generator[Event, None, Samples]:
    """Write tiles as a training with these settings would draw them, without training.

    Parameters
    ----------
    images, labels : path
        As for training: one image and its labels, or two folders or globs that pair by name.
    out : Path
        Folder for image.tif, labels.tif, weights.tif and grid.tif with one slice per sample
        (channels first, or last where they are colors), and for split.tif (0 neither,
        1 training, 2 validation) and density.tif (see `density_map`) of the size of the image.
        Of several images each has its own ``split/NAME.tif`` and ``density/NAME.tif``.
    count : int
        Number of samples.

    Yields
    ------
    RunStarted, Warned, RunDone

    Returns
    -------
    Samples

    Raises
    ------
    UserError
        What training would refuse; or if a file is there already, or cannot be written.
    """
    began = monotonic()
    sources, truths, left_out = open_pairs(
        images, labels, settings.skip_broken, pair_check(settings)
    )
    folder, names = PreviewFolder(out), [stem_of(Path(image.name)) for image in sources]
    paths = [folder.tiles(kind) for kind in Samples._fields]
    splits, densities = folder.splits(names), folder.densities(names)
    for path in (*paths, *splits, *densities):
        if path.exists() and any(s.path and path.samefile(s.path) for s in sources + truths):
            raise UserError(f"{path} is one of the images themselves; choose another folder.")
        check_file_output(path, overwrite)
    setup = set_up_training(sources, truths, settings, left_out=left_out)
    data, sampler = setup.data, sampler_on_cpu(setup)
    shapes = [image.shape for image in sources]
    pixels = count * prod(sampler.size) * (4 * data.channels + 6)
    check_free(out, pixels + 5 * sum(int(np.prod(shape)) for shape in shapes))

    facts = {"samples": count, "tile": setup.tiles.words, "split": data.split.how}
    yield RunStarted(job="preview", out=str(out), device="cpu", facts=facts)
    for message in setup.warnings:
        yield Warned(message=message)
    found = samples(data, sampler, count, _common_type(sources))
    maps: list[NDArray[Any]] = [*split_map(data.split, shapes), *density_map(data, shapes)]
    with all_or_none():
        _write_samples(found, paths, colors=all(map(_is_colored, sources)))
        for path, array, like in zip(splits + densities, maps, sources * 2, strict=True):
            write_tiff(path, array, like)
    yield RunDone(out=str(out), seconds=monotonic() - began)
    return found


def sampler_on_cpu(setup: TrainingSetup) -> TileSampler:
    """Set up the drawing of tiles that training would use, on the CPU."""
    return setup.tiles.sampler(setup.data.training, setup.settings, torch.device("cpu"))


def samples(
    data: TrainingData,
    sampler: TileSampler,
    count: int,
    dtype: np.dtype[Any] | None = None,
) -> Samples:
    """Draw tiles, and render them with their margin.

    Parameters
    ----------
    data : TrainingData
        What the sampler draws from.
    sampler : TileSampler
        On the CPU. Called again, this draws its next tiles.
    count : int
        Number of tiles. Those of a new sampler are the first ones of training.
    dtype : dtype, default float32
        Of the image; values beyond its limits are clipped.
    """
    size, draws = sampler.size, sampler.draw(count)
    nothing = len(size) * (0,)

    def rendered(planes: Sequence[AnnotatedPlane], draws: list[Draw]) -> Batch:
        shown = TileSampler(planes, size, nothing, sampler.deformation, sampler.generator)
        batch = shown.render(draws)
        if len(size) == 2:
            return batch
        return Batch(*(layer[..., size[0] // 2, :, :] for layer in batch))

    own = [_own_slice(plane, data.channels) for plane in data.training]
    images, classes, weights = rendered(own, draws)
    spacing = max(2, size[-1] // GRID_LINES)
    lined = [replace(plane, image=_grid_lines(plane, spacing)) for plane in own]
    grid = rendered(lined, [draw._replace(gain=1.0, shift=0.0) for draw in draws]).images
    sides = zip(size[-2:], sampler.output[-2:], strict=True)
    margins = [((side - output) // 2,) * 2 for side, output in sides]
    judged = np.pad(np.ones(sampler.output[-2:], np.float32), margins)
    fed = [data.fed[data.split.training[draw.plane].image] for draw in draws]
    mean, std = (
        np.array(numbers, np.float32)[:, :, None, None]
        for numbers in ([one.mean for one in fed], [one.std for one in fed])
    )
    return Samples(
        _as_type(images.numpy() * std + mean, dtype),
        classes.numpy(),
        weights.numpy() * judged,
        (255 * grid[:, 0].clamp(0, 1)).round().to(torch.uint8).numpy(),
    )


def _own_slice(plane: AnnotatedPlane, channels: int) -> AnnotatedPlane:
    """Return a plane without the channels of the slices around it."""
    first = (len(plane.image) - channels) // 2
    return replace(plane, image=plane.image[first : first + channels], ids=None)


def _grid_lines(plane: AnnotatedPlane, spacing: int) -> torch.Tensor:
    """Return a regular grid of ones over a plane, (1, Y, X), or the slices of a volume."""
    grid = torch.zeros(1, *plane.classes.shape)
    grid[..., ::spacing, :], grid[..., ::spacing] = 1, 1
    return grid


def density_map(
    data: TrainingData, shapes: Sequence[tuple[int, ...]]
) -> list[NDArray[np.float32]]:
    """Return how often each pixel is drawn as the centre of a tile, relative to their mean.

    That is what `sampling` decides. The tile is then kept inside, so that it hangs over the
    border by a quarter at most, and shows its surroundings too.

    Parameters
    ----------
    data : TrainingData
    shapes : sequence of (..., Y, X)
        Of the images.

    Returns
    -------
    list of ndarray of float32
        One for each image, of its shape; 0 where nothing is for training.
    """
    found = [
        torch.ones(plane.classes.shape) if plane.density is None else plane.density
        for plane in data.training
    ]
    total = sum(part.sum(dtype=torch.float64).item() for part in found)
    mean = total / sum(part.numel() for part in found)
    maps = [np.zeros(shape, np.float32) for shape in shapes]
    for region, part in zip(data.split.training, found, strict=True):
        region.of(maps[region.image])[...] = (part / mean).numpy()
    return maps


def _write_samples(found: Samples, paths: Sequence[Path], colors: bool) -> None:
    """Write one TIFF per kind of layer; images of one channel without that axis."""
    image = found.image
    if colors:
        write_colors(paths[0], np.moveaxis(image, 1, -1))
    elif image.shape[1] == 1:
        write_tiff(paths[0], image[:, 0])
    else:
        slices = Stack(found.labels, "zyx")
        write_tiff(paths[0], np.moveaxis(image, 1, 0), like=slices)
    layers: tuple[NDArray[Any], ...] = found[1:]
    for path, layer in zip(paths[1:], layers, strict=True):
        write_tiff(path, layer)


def _is_colored(image: Stack) -> bool:
    """Whether an image has red, green and blue as its last axis."""
    return image.channels == 3 and image.axes.endswith("c")


def _common_type(images: Sequence[Stack]) -> np.dtype[Any] | None:
    """Return the type of all images if it is the same integer type, up to 16 bits."""
    first = images[0].dtype
    fits = first.kind in "iu" and first.itemsize <= 2
    return first if fits and all(image.dtype == first for image in images) else None


def _as_type(array: NDArray[np.float32], dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """Return an array rounded and clipped to an integer type; as it is without a type."""
    if dtype is None:
        return array
    limits = np.iinfo(dtype)
    return np.rint(array).clip(limits.min, limits.max).astype(dtype)
