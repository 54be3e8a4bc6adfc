"""What `utile preview` wrote, as layers: tiles as training sees them, and their origin."""

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap
from napari.viewer import Viewer

from napari_utile.folders.preview import TILE_KINDS, PreviewFolder
from napari_utile.io.images import Stack, open_image
from napari_utile.widgets.layers.active import put_below_labels
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.in_turn import in_turn, remove_in_turn, renew
from napari_utile.widgets.layers.label_colors import compile_colors_meanwhile
from napari_utile.widgets.layers.stacks import placement, stack_of

SAMPLE_GAP = 0.03
"""Between image and samples, and between samples, as a share of their width."""
PART_COLORS = {None: "transparent", 1: "#56b4e9", 2: "#e69f00"}
"""Colors of training and validation, told apart by every kind of color vision."""
PART_FEATURES = {"index": [1, 2], "part": ["training", "validation"]}
"""Parts as the status bar names them."""
CLASS_COLORS = {None: "transparent", 1: "#009e73", 255: "#808080"}
"""Colors of foreground and unannotated pixels; napari's own first color is dark."""

CHANNEL_COLORS = ("magenta", "green", "cyan", "yellow", "red", "blue")
"""Of the channels of an image that is no photograph."""


class SampleLayers:
    """Shows samples left of the image that they were drawn from, and two maps on it.

    Parameters
    ----------
    viewer : Viewer
        Where they are shown.
    image : Image
        The layer.
    shape : tuple of int
        Of the labels.
    """

    def __init__(self, viewer: Viewer, image: Layer, shape: tuple[int, ...]):
        self._viewer, self._shape = viewer, shape
        self._place = placement(image, stack_of(image, like=shape).axes)
        self._aid = {"metadata": {HELPER: True}}
        self._look = {"colormap": image.colormap, "contrast_limits": image.contrast_limits}
        self._is_color = image.rgb
        self._extent = image.extent.world[:, -2:]
        self.layers: list[Layer] = []
        compile_colors_meanwhile(PART_COLORS, np.uint8)  # the samples are made meanwhile

    def show(self, out: Path, old: "SampleLayers | None" = None) -> None:
        """Show the samples; layers of `old` ones show them from now on, visible as they were.

        In a window they come one after the other, and are there a moment later.
        """
        shown = [x for x in old.layers if x in self._viewer.layers] if old else []
        wanted = chain(self._maps(out), self._samples(out))
        others: dict[str, Layer] = {layer.name: layer for layer in shown}
        self.layers = []

        def give(layer: Layer) -> None:
            before = others.get(layer.name)
            is_alike = type(before) is type(layer)
            if before is not None and is_alike and before in self._viewer.layers:
                renew(before, layer)
                self.layers.append(others.pop(layer.name))
            else:
                self._viewer.add_layer(layer)
                put_below_labels(self._viewer, [layer])
                self.layers.append(layer)

        def end() -> None:
            remove_in_turn(self._viewer, others.values())
            if not shown:
                self._viewer.reset_view()

        in_turn(self._viewer, chain((partial(give, layer) for layer in wanted), [end]))

    def remove(self) -> None:
        """Remove the layers."""
        remove_in_turn(self._viewer, self.layers)
        self.layers = []

    def _maps(self, out: Path) -> Iterator[Layer]:
        """Show where tiles are drawn, and what is kept for validation, on the image itself."""
        density = np.asarray(open_image(PreviewFolder(out).density).data)
        is_flat = all(len(np.unique(plane[plane > 0])) < 2 for plane in _yx_planes(density))
        yield Image(
            density,
            name="sampling density",
            colormap=_turbo_over_nothing(),
            opacity=0.5,
            contrast_limits=(0, max(1.0, float(density.max()))),
            visible=not is_flat,
            **self._aid,
            **self._place,
        )
        yield Labels(
            np.asarray(open_image(PreviewFolder(out).split).data),
            name="split",
            opacity=0.25,
            colormap=DirectLabelColormap(color_dict=PART_COLORS),
            features=PART_FEATURES,
            **self._aid,
            **self._place,
        )

    def _samples(self, out: Path) -> Iterator[Layer]:
        """Show two rows of samples on the left of the image, in its scale.

        What is right of it is the place of `ComparisonLayers`.
        """
        found = {kind: open_image(PreviewFolder(out).tiles(kind)) for kind in TILE_KINDS}
        pixels = {name: np.asarray(stack.data) for name, stack in found.items()}
        places = dict(zip(found, np.ndindex(2, 2), strict=True))
        shape = found["labels"].shape

        def given(name: str) -> dict[str, Any]:
            return {
                "name": f"samples: {name}",
                **self._aid,
                **self._beside(places[name], shape),
            }

        image = found["image"]
        if self._is_color or image.channels == 1:
            look = {"rgb": True} if self._is_color else self._look
            yield Image(pixels["image"], **look, **given("image"))
        else:
            for number, channel in enumerate(_channels_first(image)):
                options = given("image") | {"name": f"samples: image, channel {number}"}
                color = CHANNEL_COLORS[number % len(CHANNEL_COLORS)]
                yield Image(channel, colormap=color, blending="additive", **options)
        labels = pixels["labels"]
        is_one_class = labels[labels < 255].max(initial=0) < 2
        colors = (
            {"colormap": DirectLabelColormap(color_dict=CLASS_COLORS)} if is_one_class else {}
        )
        yield Labels(labels, **colors, **given("labels"))
        weights = pixels["weights"]
        limits = (0, max(1.0, float(weights.max())))
        yield Image(weights, colormap="turbo", contrast_limits=limits, **given("weights"))
        yield Image(pixels["grid"], contrast_limits=(0, 255), **given("grid"))

    def _beside(self, place: tuple[int, ...], shape: tuple[int, ...]) -> dict[str, Any]:
        """Place samples of this shape (K, Y, X), in row and column `place`."""
        scale = np.abs(self._place["scale"][-3:])
        scale = np.pad(scale, (3 - len(scale), 0), constant_values=1)
        top, left = self._extent[0]
        step = scale[-2:] * shape[-2:] * (1 + SAMPLE_GAP)
        corner = (top, left - 2 * step[1]) + step * place
        units = ["pixel", *self._place["units"][-3:]][-3:]
        first = self._first(shape[0], scale[0])
        return {"scale": scale, "translate": (first, *corner), "units": units}

    def _first(self, count: int, thickness: float) -> float:
        """Return the position of the first sample, so that the slice in view has one."""
        if len(self._place["scale"]) < 3:
            return 0.0
        start = self._place["translate"][-3]
        in_view = round((self._viewer.dims.point[-3] - start) / thickness)
        first = max(0, min(in_view - count // 2, self._shape[-3] - count))
        return float(start + first * thickness)


def _turbo_over_nothing() -> Colormap:
    """Return a colormap that is transparent at 0, where the split is seen."""
    colors = ensure_colormap("turbo").map(np.linspace(0, 1, 256))
    colors[0, -1] = 0
    return Colormap(colors, name="turbo over nothing")


def _yx_planes(array: Any) -> Iterator[Any]:
    """Yield the planes (Y, X) of an array."""
    return (array[index] for index in np.ndindex(array.shape[:-2]))


def _channels_first(image: Stack) -> Any:
    return np.moveaxis(np.asarray(image.data), image.axes.index("c"), 0)
