"""Images with what belongs to them, and one of them shown alone: napari heaps them all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from napari.layers import Image, Labels, Layer
from napari.viewer import Viewer

from napari_utile.io.pair_names import pair_names
from napari_utile.io.stack import HOLDS
from napari_utile.widgets.kit.camera import look_at
from napari_utile.widgets.layers.brush import has_brush
from napari_utile.widgets.layers.choice import LayerChoice, is_choice, shows_probabilities
from napari_utile.widgets.layers.pair import pair_problem
from napari_utile.widgets.layers.partners import plain_layer_name
from napari_utile.widgets.layers.stacks import level_0

_HIDDEN: WeakSet[Layer] = WeakSet()
"""Layers that were hidden so that an image is shown alone."""
_RESTING: WeakSet[Layer] = WeakSet()
"""Labels that were hidden with the brush in the user's hand."""
WHOLE = 0.95
"""Share of the view that an image fills."""
ILLUSTRATES = "utile illustrates"
"""Key of the metadata of a helper that belongs to one image: the name of its layer."""


@dataclass(frozen=True)
class OpenImage:
    """An image in the viewer, and the layers that belong to it.

    Attributes
    ----------
    images : tuple of Image
        One, or the channels of a file that each are a layer.
    others : tuple of Layer
        Labels of it, results, and a preview of it.
    """

    images: tuple[Image, ...]
    others: tuple[Layer, ...] = ()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All of them."""
        return *self.images, *self.others

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.images[0].name)

    @property
    def labels(self) -> Labels | None:
        """The first labels, or None."""
        return next((layer for layer in self.others if isinstance(layer, Labels)), None)


def open_images(layers: Sequence[Layer]) -> list[OpenImage]:
    """Return the images with what belongs to each, as far as names and shapes tell.

    Parameters
    ----------
    layers : sequence of Layer
        Of a viewer.

    Returns
    -------
    list of OpenImage
        In the order of the layers.
    """
    shown = [layer for layer in layers if is_choice(layer, Image, Labels)]
    groups = dict[object, list[Image]]()
    for layer in shown:
        if isinstance(layer, Image) and not shows_probabilities(layer):
            path = layer.source.path
            channels = (path, tuple(level_0(layer).shape)) if path else id(layer)
            groups.setdefault(channels, []).append(layer)
    images = [*groups.values()]
    others: list[list[Layer]] = [[] for _ in images]
    for layer in shown:
        if not any(layer in group for group in images):
            owner = _owner(layer, [group[0] for group in images])
            if owner is not None:
                others[owner].append(layer)
    for layer in layers:
        if name := layer.metadata.get(ILLUSTRATES):
            owners = (i for i, group in enumerate(images) if name in [x.name for x in group])
            if (owner := next(owners, None)) is not None:
                others[owner].append(layer)
    return [OpenImage((*a,), (*b,)) for a, b in zip(images, others, strict=True)]


def show_alone(viewer: Viewer, image: OpenImage) -> None:
    """Show an image with what belongs to it, and hide the other images and labels.

    Layers of other types, and those that illustrate no image alone, stay as they are; and so
    does the active layer while the user paints: napari lets the brush rest while it is hidden.

    Parameters
    ----------
    viewer : Viewer
    image : OpenImage
    """
    painted = painted_on(viewer)
    beside = [layer for layer in image.others if is_choice(layer, Image, Labels)]
    has_shown = any(layer.visible or layer in _HIDDEN for layer in beside)
    for layer in image.layers:
        if layer in image.images or layer in _HIDDEN or not has_shown:
            layer.visible = True
        _HIDDEN.discard(layer)
    for layer in viewer.layers:
        is_of_image = is_choice(layer, Image, Labels) or ILLUSTRATES in layer.metadata
        if is_of_image and layer not in image.layers and layer.visible:
            layer.visible = False
            _HIDDEN.add(layer)
            if layer is painted:
                _RESTING.add(layer)
    if painted is None:
        viewer.layers.selection.active = image.images[0]
    _bring_into_view(viewer, image)


def show_all(viewer: Viewer) -> None:
    """Show again what was hidden by `show_alone`.

    Parameters
    ----------
    viewer : Viewer
    """
    for layer in hidden_by_alone(viewer):
        layer.visible = True
        _HIDDEN.discard(layer)


def hidden_by_alone(viewer: Viewer) -> list[Layer]:
    """Return the layers that `show_alone` has hidden, and that still are.

    Parameters
    ----------
    viewer : Viewer
    """
    return [layer for layer in viewer.layers if layer in _HIDDEN and not layer.visible]


def hide_beside_alone(viewer: Viewer, result: Sequence[Layer]) -> bool:
    """Hide a result that was just added if it belongs to an image that is hidden.

    It is shown with its image, and without what would cover it: painted labels, and its
    probabilities beside objects.

    Parameters
    ----------
    viewer : Viewer
    result : sequence of Layer
        One at least.

    Returns
    -------
    bool
        Whether it was hidden.
    """
    hidden = hidden_by_alone(viewer)
    owners = (x for x in open_images(viewer.layers) if hidden and result[0] in x.others)
    image = next(owners, None)
    if image is None or not all(layer in hidden for layer in image.images):
        return False
    for layer in result:
        layer.visible = False
        _HIDDEN.add(layer)
    has_objects = any(isinstance(layer, Labels) for layer in result)
    for layer in image.others:
        is_painted = isinstance(layer, Labels) and HOLDS not in layer.metadata
        is_below = isinstance(layer, Image) and has_objects
        if (is_painted and layer is not painted_on(viewer)) or is_below:
            _HIDDEN.discard(layer)
    return True


def choose_shown(viewer: Viewer, choice: LayerChoice) -> None:
    """Choose what is shown, where the chosen layer is hidden as another image is shown alone.

    Parameters
    ----------
    viewer : Viewer
    choice : LayerChoice
    """
    if choice.layer not in hidden_by_alone(viewer):
        return
    there = [layer for image in open_images(viewer.layers) for layer in image.layers]
    shown = (layer for layer in there if layer.visible and layer in choice.choices)
    if (layer := next(shown, None)) is not None:
        choice.choose(layer)


def painted_on(viewer: Viewer) -> Labels | None:
    """Return the active labels layer if a brush is in the user's hand, or None.

    Parameters
    ----------
    viewer : Viewer
    """
    active = viewer.layers.selection.active
    if not isinstance(active, Labels):
        return None
    if active.visible:
        _RESTING.discard(active)
        return active if has_brush(viewer, active) else None
    return active if active in _RESTING else None


def _owner(layer: Layer, images: Sequence[Image]) -> int | None:
    """Return the place of the image that labels or a result belong to, or None."""
    fitting = [
        place
        for place, image in enumerate(images)
        if not isinstance(layer, Labels) or not pair_problem(image, layer)
    ]
    name = plain_layer_name(layer)
    named = pair_names([plain_layer_name(images[place]) for place in fitting], [name]).pairs
    if named:
        return fitting[next(iter(named))]
    begun = [place for place in fitting if name.startswith(f"{images[place].name} ")]
    if begun:
        return max(begun, key=lambda place: len(images[place].name))
    return fitting[0] if isinstance(layer, Labels) and len(fitting) == 1 else None


def _bring_into_view(viewer: Viewer, image: OpenImage) -> None:
    """Fit the camera to an image, and move to a slice of it if none is in view."""
    first = image.images[0]
    lengths = level_0(first).shape[: first.ndim]
    point = first.world_to_data(viewer.dims.point)[-first.ndim :]
    shown = 2 if viewer.dims.ndisplay == 2 else min(3, first.ndim)
    here = [*_index_inside(point[:-shown], lengths[:-shown])]
    low, high = [*here, *[0] * shown], [*here, *(length - 1 for length in lengths[-shown:])]
    look_at(viewer, first, low, high, share=WHOLE)


def _index_inside(point: Sequence[Any], lengths: Sequence[int]) -> Iterator[int]:
    """Yield the index of a point in an image; the middle along axes where it is outside."""
    for x, length in zip(point, lengths, strict=True):
        index = round(float(x))
        yield index if 0 <= index < length else length // 2
