"""What becomes of probabilities: written as they are, as classes, or as instances.

A writer stands where `prediction.predict` expects an array of probabilities, and passes on
what it makes of each tile.
"""

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import classes, instances
from napari_utile.engine.model import Model
from napari_utile.errors import UserError
from napari_utile.files import ome_zarr
from napari_utile.files.images import Stack
from napari_utile.files.runs import check_free, check_output
from napari_utile.files.stacks import check_memory
from napari_utile.files.tiffs import create_tiff
from napari_utile.settings import PredictSettings

TIFF = (".tif", ".tiff")
BYTES_OF_A_PLANE = 24
"""That are held per pixel while objects are numbered."""


class Output:
    """One result on disk, filled tile by tile.

    Parameters
    ----------
    path : Path
        A .tif or .tiff is written as TIFF, all else as OME-Zarr.
    stack : Stack
        The image; scale, position, units and axes are taken over.
    model : Model
        Says how many classes there are.
    settings : PredictSettings
        What is written, and how objects are made.
    tile : (int, int)
        Height and width that a tile writes; the chunks of the result.
    overwrite : bool
        Replace what is there.
    """

    def __init__(
        self,
        path: Path,
        stack: Stack,
        model: Model,
        settings: PredictSettings,
        tile: tuple[int, int],
        overwrite: bool,
    ):
        self.path = path
        dtype: dict[str, Any] = {
            "probabilities": np.float32,
            "classes": np.min_scalar_type(max(model.ids)),
            "instances": np.uint32,
        }
        channels = (model.classes,) if settings.output == "probabilities" else ()
        shape, kind = (*channels, *stack.shape), np.dtype(dtype[settings.output])
        check_free(path, prod(shape) * kind.itemsize)
        check_result(path, stack, overwrite)
        if settings.output == "instances":
            check_memory(BYTES_OF_A_PLANE * prod(stack.shape[-2:]), f"A plane of {stack.name}")
        if path.suffix.lower() in TIFF:
            self.array: Any = create_tiff(path, shape, kind, stack)
        else:
            self.array = ome_zarr.create(
                path,
                shape,
                kind,
                chunks=(*channels, *[1] * len(stack.shape[:-2]), *tile),
                like=stack,
                channel_names=[f"class {i}" for i in model.ids] if channels else None,
                kind=settings.output,
                overwrite=overwrite,
                attributes={"settings": settings.model_dump(mode="json")},
            )

        self.writer: Any = self.array
        """What takes the tiles."""
        if settings.output == "classes":
            self.writer = ClassWriter(self.array, model.ids, settings.threshold)
        elif settings.output == "instances":
            self.writer = InstanceWriter(self.array, settings)

    def close(self) -> None:
        """Write what has come of a plane that is not complete."""
        if isinstance(self.writer, InstanceWriter):
            self.writer.finish_plane()

    def complete(self) -> None:
        """Say on disk that nothing is missing."""
        if isinstance(self.array, np.memmap):
            self.array.flush()
        else:
            ome_zarr.mark_complete(self.path)


def check_result(path: Path, stack: Stack, overwrite: bool) -> None:
    """Refuse a place where a result would replace what it must not.

    Raises
    ------
    UserError
        If something is there without `overwrite`, or the image itself.
    """
    if path.suffix.lower() not in TIFF:
        ome_zarr.check_output(path, stack, overwrite)
        return
    if stack.path and path.exists() and path.samefile(stack.path):
        raise UserError(f"{path} is the image itself; choose another output.")
    check_output(path, overwrite)


class ClassWriter:
    """Writes the label id of the most probable class."""

    def __init__(self, array: Any, ids: Sequence[int], threshold: float):
        self.array, self.threshold = array, threshold
        self.ids = np.asarray(ids)

    def __setitem__(self, where: tuple[Any, ...], probabilities: NDArray[np.float32]) -> None:
        self.array[where[1:]] = self.ids[classes(probabilities, self.threshold)]


class InstanceWriter:
    """Numbers the objects of each plane when its last tile has come, and goes on counting.

    It holds the foreground of one plane, whatever the size of the stack.
    """

    def __init__(self, array: Any, settings: PredictSettings):
        self.array, self.settings = array, settings
        self.missing, self.count = 0, 0
        self.index: tuple[int, ...] = ()
        self.foreground: NDArray[np.float32] = np.empty((1, 0, 0), np.float32)

    def __setitem__(self, where: tuple[Any, ...], probabilities: NDArray[np.float32]) -> None:
        _, *index, y, x = where
        if not self.missing:
            self.index = tuple(index)
            self.foreground = np.zeros((1, *self.array.shape[-2:]), np.float32)
            self.missing = self.foreground.size
        is_single = len(probabilities) == 1
        self.foreground[0, y, x] = probabilities[0] if is_single else 1 - probabilities[0]
        self.missing -= prod(probabilities.shape[1:])
        if not self.missing:
            self._write()

    def finish_plane(self) -> None:
        """Number the objects of a plane of which some tiles never came."""
        if self.missing:
            self._write()
            self.missing = 0

    def _write(self) -> None:
        found = instances(
            self.foreground,
            self.settings.threshold,
            self.settings.min_size,
            method=self.settings.objects,
        )
        self.array[self.index] = np.where(found, found + np.uint32(self.count), 0)
        self.count += int(found.max(initial=0))
