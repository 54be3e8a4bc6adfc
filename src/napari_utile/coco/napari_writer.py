"""Labels layers of napari saved as a COCO file. No napari here."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_utile.arrays.labels import Labels, check_labels
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.napari_reader import BEHIND_LAYER, CLASS_LAYER, INSTANCE_LAYER
from napari_utile.coco.writing import (
    LabelledImage,
    categories_in,
    slice_names,
    write_images,
)
from napari_utile.errors import UserError
from napari_utile.io.napari_reader import LayerData
from napari_utile.io.units import counted


class SavingError(Exception):
    """Layers could not be saved. The message is one sentence that says why.

    Never a `ValueError`: napari takes those for the lack of a writer, and says only that.
    """


def write_layers(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write Labels layers as COCO instances.

    Layers that were read from a COCO file keep its images and categories. The category of an
    object is that of its id in the features, else the class of most of its pixels, else the
    only category. Each layer that was not read from such a file is a category, with the name of
    the layer.

    Parameters
    ----------
    path : str
        The JSON file. It is overwritten.
    layers : sequence of (data, arguments of the layer, kind)
        As npe2 gives them to a writer.

    Returns
    -------
    list of str
        The path.

    Raises
    ------
    SavingError
        If there are layers of both kinds, or of two files; if shapes differ; if ids are
        negative; if an object has no category; or if the path cannot be written.
    """
    try:
        _write_any(path, layers)
    except ValueError as error:
        raise SavingError(str(error)) from error
    return [path]


def _write_any(path: str, layers: Sequence[LayerData]) -> None:
    read = [layer for layer in layers if "coco" in layer[1].get("metadata", {})]
    if read and len(read) < len(layers):
        raise UserError(
            f"Of these layers only {', '.join(repr(given['name']) for _, given, _ in read)} "
            "are of a COCO file; save the others separately."
        )
    if read:
        _write_again(path, read)
    else:
        _write_new(path, layers)


def _write_again(path: str, layers: Sequence[LayerData]) -> None:
    """Write layers that were read from a COCO file."""
    about = layers[0][1]["metadata"]["coco"]
    if any(given["metadata"]["coco"]["images"] != about["images"] for _, given, _ in layers):
        raise UserError(
            "The layers are of different COCO files; save those of one file at a time."
        )
    of_kind: dict[str, list[LayerData]] = {
        INSTANCE_LAYER: [],
        BEHIND_LAYER: [],
        CLASS_LAYER: [],
    }
    for layer in layers:
        of_kind[layer[1]["metadata"]["coco"]["kind"]].append(layer)
    objects = of_kind[INSTANCE_LAYER] + of_kind[BEHIND_LAYER]
    if not objects:
        raise UserError("Only classes are selected; select the instances, too.")

    known = _known(objects[0][1].get("features", {}), about["categories"])
    pages = [_cut_to_images(layer, about["images"]) for layer in objects]
    classes = [_cut_to_images(layer, about["images"]) for layer in of_kind[CLASS_LAYER]]
    images = (
        _labelled(image, of_objects, of_classes, known, list(about["categories"]))
        for image, of_objects, of_classes in zip(
            about["images"],
            zip(*pages, strict=True),
            zip(*classes, strict=True) if classes else repeat(()),
            strict=False,
        )
    )
    write_images(path, images, about["categories"], overwrite=True)


def _labelled(
    image: Mapping[str, Any],
    objects: Sequence[Labels],
    classes: Sequence[Labels],
    known: Mapping[int, int],
    categories: Sequence[int],
) -> LabelledImage:
    """Return an image with the category of every object; see `write_layers`."""
    ids = {int(id) for layer in objects for id in np.unique(layer)} - {0, CROWD}
    category_of = {id: known[id] for id in ids if id in known}
    for id in ids - {*category_of}:
        painted = categories_in(objects[0], classes[0]).get(id) if classes else None
        if painted is not None and painted <= len(categories):
            category_of[id] = categories[painted - 1]
        elif len(categories) == 1:
            category_of[id] = categories[0]
        else:
            raise UserError(
                f"Object {id} of {image['file_name']} has no category; paint it in the layer "
                "of classes, too, and select both layers."
            )
    crowds = image["crowds"] or categories
    name = image["file_name"]
    return LabelledImage(image["id"], name, objects[0], category_of, objects[1:], CROWD, crowds)


def _known(features: Any, categories: Mapping[int, str]) -> dict[int, int]:
    """Return the category id of each label id, from the features of a layer."""
    if not {"index", "category"} <= {*features}:
        return {}
    id_of = {name: id for id, name in categories.items()}
    rows = zip(features["index"], features["category"], strict=True)
    return {int(index): id_of[name] for index, name in rows if name in id_of}


def _cut_to_images(layer: LayerData, images: Sequence[Mapping[str, Any]]) -> Iterator[Labels]:
    """Return each slice, cut to the size of its image."""
    count = prod(_data(layer).shape[:-2])
    if count != len(images):
        raise UserError(
            f"The layer {layer[1]['name']!r} has {counted(count, 'slices')}, and its file has "
            f"{counted(len(images), 'images')}."
        )
    for labels, image in zip(_planes_of(layer), images, strict=True):
        page = labels[: image["height"], : image["width"]]
        if np.count_nonzero(labels) > np.count_nonzero(page):
            warnings.warn(
                f"Labels outside of {image['file_name']} are not saved.", stacklevel=2
            )
        yield page


def _write_new(path: str, layers: Sequence[LayerData]) -> None:
    """Write layers, each of them a category. Objects of different layers may overlap."""
    shapes = {np.shape(_data(layer)): None for layer in layers}
    if len(shapes) > 1:
        raise UserError(f"The layers differ in shape: {' and '.join(map(str, shapes))}.")
    names = slice_names(Path(path), prod(next(iter(shapes))[:-2]))

    # Renumber the objects of a slice 1, 2, ... over all layers, so that ids are unique.
    images = []
    planes = zip(*map(_planes_of, layers), strict=True)
    for number, (name, of_layers) in enumerate(zip(names, planes, strict=True), 1):
        ids: list[Labels] = []
        category_of: dict[int, int] = {}
        for category, plane in enumerate(of_layers, 1):
            found, places = np.unique(plane, return_inverse=True)
            new = np.where(found == 0, 0, np.arange(found.size) + 1 + len(category_of))
            ids.append(new[places].reshape(plane.shape))
            category_of |= dict.fromkeys(new[found != 0].tolist(), category)
        images.append(LabelledImage(number, name, ids[0], category_of, ids[1:]))
    categories = {number: given["name"] for number, (_, given, _) in enumerate(layers, 1)}
    write_images(path, images, categories, overwrite=True)


def _planes_of(layer: LayerData) -> Iterator[Labels]:
    """Yield the slices of a layer, in order, each read and checked when it is asked for."""
    data = _data(layer)
    for index in np.ndindex(data.shape[:-2]):
        yield check_labels(data[index], f"labels of '{layer[1]['name']}'")


def _data(layer: LayerData) -> Any:
    data, given, _ = layer
    return data[0] if given.get("multiscale") else data
