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
from napari_utile.files.tiffs import create_tiff
from napari_utile.settings import PredictSettings

TIFF = (".tif", ".tiff")


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
        self.path, self.settings = path, settings
        self.shape, self.ids = stack.shape, model.ids
        dtype: dict[str, Any] = {
            "probabilities": np.float32,
            "classes": np.min_scalar_type(max(model.ids)),
            "instances": np.uint32,
        }
        channels = (model.classes,) if settings.output == "probabilities" else ()
        shape, kind = (*channels, *stack.shape), np.dtype(dtype[settings.output])
        check_free(path, prod(shape) * kind.itemsize)
        if path.suffix.lower() in TIFF:
            check_output(path, overwrite)
            if stack.path and path.exists() and path.samefile(stack.path):
                raise UserError(f"{path} is the image itself; choose another output.")
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

    def writer(self) -> Any:
        """Give what takes the tiles."""
        match self.settings.output:
            case "classes":
                return ClassWriter(self.array, self.ids, self.settings.threshold)
            case "instances":
                return InstanceWriter(self.array, self.settings)
        return self.array

    def complete(self) -> None:
        """Say on disk that nothing is missing."""
        if isinstance(self.array, np.memmap):
            self.array.flush()
        else:
            ome_zarr.mark_complete(self.path)


class ClassWriter:
    """Writes the label id of the most probable class."""

    def __init__(self, array: Any, ids: Sequence[int], threshold: float):
        self.array, self.threshold = array, threshold
        self.ids = np.asarray(ids)

    def __setitem__(self, where: tuple[Any, ...], probabilities: NDArray[np.float32]) -> None:
        self.array[where[1:]] = self.ids[classes(probabilities, self.threshold)]


class InstanceWriter:
    """Numbers the objects of each plane when its last tile has come, and goes on counting.

    It holds one plane of probabilities, whatever the size of the stack.
    """

    def __init__(self, array: Any, settings: PredictSettings):
        self.array, self.settings = array, settings
        self.missing, self.count = 0, 0
        self.plane: NDArray[np.float32] = np.empty(0, np.float32)

    def __setitem__(self, where: tuple[Any, ...], probabilities: NDArray[np.float32]) -> None:
        _, *index, y, x = where
        if not self.missing:
            shape = self.array.shape[-2:]
            self.plane = np.empty((len(probabilities), *shape), np.float32)
            self.missing = prod(shape)
        self.plane[:, y, x] = probabilities
        self.missing -= prod(probabilities.shape[1:])
        if not self.missing:
            found = instances(self.plane, self.settings.threshold, self.settings.min_size)
            self.array[*index] = np.where(found, found + np.uint32(self.count), 0)
            self.count += int(found.max(initial=0))
