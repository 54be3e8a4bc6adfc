"""Results of every network on the validation part, side by side or on the image."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Layer
from napari.viewer import Viewer
from numpy.typing import NDArray

from napari_utile.folders.comparison import ValidationFolder
from napari_utile.io.images import open_image
from napari_utile.json_files import read_json
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.in_turn import in_turn, remove_in_turn
from napari_utile.widgets.layers.stacks import placement, shifted, stack_of

RESULT_GAP = 0.03
"""Gap between two pictures, as a share of their width."""
NAMES = "#7a7a7a"
"""Color of names, which is seen on a black canvas and on a white one."""


class ComparisonLayers:
    """Shows truth and results, each on the validation image, in a row beside the whole image.

    Parameters
    ----------
    viewer : Viewer
        Where they are shown.
    image : Image
        The layer that was trained on.
    shape : tuple of int
        Of its labels.
    """

    def __init__(self, viewer: Viewer, image: Image, shape: tuple[int, ...]):
        self._viewer, self._width = viewer, shape[-1]
        self._place = placement(image, stack_of(image, like=shape).axes)
        self._look = {"colormap": image.colormap, "contrast_limits": image.contrast_limits}
        if image.rgb:
            self._look = {"rgb": True}
        self._results: list[tuple[Layer, ValidationPart, int]] = []
        self._others: list[Layer] = []  # there for the row alone

    @property
    def layers(self) -> list[Layer]:
        """All of them that are still there."""
        found = [*self._others, *(layer for layer, _, _ in self._results)]
        return [layer for layer in found if layer in self._viewer.layers]

    def show(self, out: Path, runs: Mapping[str, Path], is_row: bool) -> None:
        """Add the layers of a comparison in `out`, with the run folder of each network.

        In a window they come one after the other, and are there a moment later.
        """
        folders = {"truth": out} | dict(runs)
        found = read_json(ValidationFolder(out).places)
        parts = [ValidationPart.read(out, **lies) for lies in found]
        left = min(part.corner[1] for part in parts)
        width = max(part.corner[1] + part.image.shape[-2] for part in parts) - left
        self._step = round(width * (1 + RESULT_GAP))
        self._first = round(self._width * (1 + RESULT_GAP)) - left

        def end() -> None:
            self.show_in_a_row(is_row)
            self._bring_into_view([index for part in parts for index in part.slices])
            self._viewer.reset_view()

        steps = [step for part in parts for step in self._to_add(part, folders)]
        names = partial(self._add_names, list(folders), parts[0])
        in_turn(self._viewer, [*steps, names, end])

    def _to_add(
        self, part: "ValidationPart", folders: Mapping[str, Path]
    ) -> Iterator[Callable[[], None]]:
        """Yield what adds the image of a part, and what each network makes of it."""
        yield partial(self._add_images, part, len(folders))
        for number, (name, folder) in enumerate(folders.items()):
            yield partial(self._add_result, part, number, name, folder)

    def _add_result(self, part: "ValidationPart", number: int, name: str, folder: Path) -> None:
        pixels, name = part.result(folder), f"{name}{part.suffix}"
        shift = {"translate": shifted(self._place, part.origin(self._shift(number)))}
        layer = self._viewer.add_labels(pixels, name=name, **self._place | shift)
        self._results.append((layer, part, number))

    def _shift(self, number: int) -> int:
        """Return how far right of its place in the image a picture of the row lies."""
        return self._first + number * self._step

    def show_in_a_row(self, is_row: bool) -> None:
        """Place the results side by side, or each on its place in the image."""
        for layer in self._others:
            layer.visible = is_row
        for layer, part, number in self._results:
            shift = self._shift(number) if is_row else 0
            layer.translate = shifted(self._place, part.origin(shift))

    def remove(self) -> None:
        """Remove the layers: another comparison starts."""
        remove_in_turn(self._viewer, self.layers)
        self._results, self._others = [], []

    def _add_images(self, part: "ValidationPart", count: int) -> None:
        """Add one layer that repeats the validation image under each picture of the row."""
        *before, width, channels = part.image.shape
        row = np.zeros((*before, width + (count - 1) * self._step, channels), part.image.dtype)
        for number in range(count):
            row[..., number * self._step :, :][..., :width, :] = part.image
        place = self._place | {"translate": shifted(self._place, part.origin(self._first))}
        pixels = row if self._look.get("rgb") else row[..., 0]
        name, aid = f"validation image{part.suffix}", {"metadata": {HELPER: True}}
        layer = self._viewer.add_image(pixels, name=name, **aid, **self._look, **place)
        self._others.append(layer)

    def _bring_into_view(self, slices: list[list[int]]) -> None:
        """Go to the first of these slices, unless one of them is in view."""
        count = len(slices[0])
        first, step = self._place["translate"][:count], self._place["scale"][:count]
        dims = self._viewer.dims
        axes = range(dims.ndim - 2 - count, dims.ndim - 2)
        in_view = np.round((np.array([dims.point[axis] for axis in axes]) - first) / step)
        if in_view.tolist() not in slices:
            dims.set_point(axes, first + step * slices[0])

    def _add_names(self, names: list[str], part: "ValidationPart") -> None:
        """Write the name of the network above each picture."""
        origins = [
            shifted(self._place, part.origin(self._shift(number)))[-2:]
            for number in range(len(names))
        ]
        self._others.append(
            self._viewer.add_points(
                origins,
                name="networks",
                size=1,
                face_color="transparent",
                border_color="transparent",
                text={"string": names, "anchor": "upper_left", "color": NAMES, "size": 9},
                units=self._place["units"][-2:],
            )
        )


@dataclass(frozen=True)
class ValidationPart:
    """A rectangle of some slices of the image, all that lies between them included.

    Attributes
    ----------
    suffix : str
        Behind the names of its files and layers.
    slices : list of list of int
        Index of each of its slices in the image.
    corner : list of int
        Its (y, x) there.
    image : ndarray, shape (..., Y, X, C)
    """

    suffix: str
    slices: list[list[int]]
    corner: list[int]
    image: NDArray[Any]

    @classmethod
    def read(
        cls, out: Path, suffix: str, slices: list[list[int]], corner: list[int]
    ) -> "ValidationPart":
        """Read the image of a part of a comparison in `out`."""
        path = ValidationFolder(out).file("image", suffix)
        return cls(suffix, slices, corner, _read_slices(path, slices))

    def result(self, folder: Path) -> NDArray[Any]:
        """Read the truth, or the result of a network, (..., Y, X)."""
        kinds = ("truth", "instances", "classes")
        paths = [ValidationFolder(folder).file(kind, self.suffix) for kind in kinds]
        return _read_slices(next(path for path in paths if path.exists()), self.slices)[..., 0]

    def origin(self, shift: float) -> NDArray[Any]:
        """Return its first pixel in the image, shifted to the right by `shift` pixels."""
        first = np.min(self.slices, axis=0)
        return np.array([*first, self.corner[0], self.corner[1] + shift])


def _read_slices(path: Path, slices: list[list[int]]) -> NDArray[Any]:
    """Read a file with one plane per slice; place them where they are in the image.

    Returns
    -------
    ndarray, shape (..., Y, X, C)
        From the first to the last slice; 0 where there is none.
    """
    stack = open_image(path)
    planes = [np.moveaxis(stack.plane(index), 0, -1) for index in stack.indices]
    first, last = np.min(slices, axis=0), np.max(slices, axis=0)
    lengths = (last - first + 1).astype(int)
    found = np.zeros((*lengths, *planes[0].shape), planes[0].dtype)
    for index, plane in zip(slices, planes, strict=True):
        found[tuple(np.subtract(index, first).astype(int))] = plane
    return found
