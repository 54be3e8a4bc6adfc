"""Which image is segmented first: the one that was opened or clicked on last. No Qt."""

from collections.abc import Collection

from napari.layers import Image, Layer
from napari.viewer import Viewer

from napari_utile.widgets.layers.alone import hidden_by_alone, open_images
from napari_utile.widgets.layers.masks import labels_as_images


def image_to_segment(viewer: Viewer, known: Collection[Layer]) -> Image | None:
    """Return the image that is selected; else the newest that was not trained on.

    Parameters
    ----------
    viewer : Viewer
    known : collection of Layer
        Images that were trained on.

    Returns
    -------
    Image or None
        No labels that were opened as an image. Where channels are a layer each, the channel
        that was trained on. None if no image is selected and all were trained on.
    """
    active, hidden = viewer.layers.selection.active, hidden_by_alone(viewer)
    masks = labels_as_images(viewer.layers)
    groups = [x.images for x in open_images(viewer.layers) if x.images[0] not in masks]
    learned = [group for group in groups if any(layer in known for layer in group)]
    selected = next((group for group in groups if active in group), ())
    if selected in learned:
        return active if active in known else next(x for x in selected if x in known)
    new = [group for group in groups if group not in learned and group[0] not in hidden]
    if not (group := selected or (new[-1] if new else ())):
        return None
    places = (i for each in learned for i, layer in enumerate(each) if layer in known)
    return group[min(next(places, 0), len(group) - 1)]
