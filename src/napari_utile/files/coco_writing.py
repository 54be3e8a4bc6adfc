"""Labels and predictions as COCO JSON: annotations that `COCO(...)` reads, and results that
its `loadRes` does."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_utile.files.coco_drawing import CROWD
from napari_utile.files.coco_masks import Counts, area_of, box_of, masks_in, rle_of, union
from napari_utile.files.runs import atomic_write, check_output
from napari_utile.metrics.overlap import contingency

Labels = NDArray[Any]
Entry = dict[str, Any]


def write_coco(
    path: Path | str,
    labels: Labels | Sequence[Labels],
    *,
    classes: Labels | Sequence[Labels] | None = None,
    categories: Mapping[int, str] | None = None,
    behind: Sequence[Labels | Sequence[Labels]] = (),
    file_names: Sequence[str] | None = None,
    crowd: int | None = CROWD,
    overwrite: bool = False,
) -> None:
    """Write labels as a COCO instances file. Every slice becomes an image.

    Parameters
    ----------
    path : path
        The JSON file.
    labels : ndarray of int, shape (..., Y, X), or sequence of (Y, X)
        Instances. 0 is background. An object that goes through several slices becomes one
        annotation in each.
    classes : like `labels`, optional
        The category of each pixel. An object gets the one of most of its pixels, 0 aside.
    categories : mapping of id to name, optional
        By default {1: "object"}, or "class 1", ... for the ids in `classes`. Without
        `classes` every object is of the first.
    behind : sequence of layers like `labels`
        More pixels of the same objects, where others lie over them: see `Drawing`.
    file_names : sequence of str, optional
        A name per slice. By default that of `path`, with the number of the slice.
    crowd : int or None, default 65535
        Label id of crowds. COCO's crowds have a category: these become one of every category.
    overwrite : bool, default False
        Replace an existing file.

    Raises
    ------
    ValueError
        If shapes differ, an object has no category, or there is not a file name per slice.
    UserError
        If the path exists and `overwrite` is off, or cannot be written.

    Notes
    -----
    Annotations count from 1, for pycocotools takes an object of id 0 for one without a match.
    """
    path = Path(path)
    check_output(path, overwrite)
    slices = _slices(labels)
    class_slices = None if classes is None else _slices(classes)
    layers = [slices, *map(_slices, behind)]
    for other in [*layers[1:], *([class_slices] if class_slices else [])]:
        if [s.shape for s in other] != [s.shape for s in slices]:
            raise ValueError("labels, classes and layers behind them differ in shape")
    if categories is None:
        categories = _category_names(class_slices, crowd)
    first = next(iter(categories), None)
    names = _file_names(path, len(slices)) if file_names is None else list(file_names)
    if len(names) != len(slices):
        raise ValueError(f"{len(names)} file names for {len(slices)} slices")

    images: list[Entry] = []
    annotations: list[Entry] = []
    for number, (name, *of_slice) in enumerate(zip(names, *layers, strict=True), 1):
        height, width = of_slice[0].shape
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        kinds = _categories(of_slice, class_slices[number - 1]) if class_slices else {}
        for id, mask in _objects(of_slice):
            one = kinds.get(id) if class_slices else first
            for category in categories if id == crowd else [one]:
                if category is None:
                    raise ValueError(f"object {id} of {name} has no class")
                entry = _annotation(len(annotations) + 1, number, category, mask, height, width)
                annotations.append(entry | {"iscrowd": int(id == crowd)})
    unknown = {entry["category_id"] for entry in annotations} - set(categories)
    if unknown:
        raise ValueError(f"no names for the categories {sorted(unknown)}")
    kinds_named = [{"id": id, "name": name} for id, name in categories.items()]
    content = {"images": images, "annotations": annotations, "categories": kinds_named}
    atomic_write(path, json.dumps(content).encode())


def detections(
    labels: Labels,
    image_id: int,
    category_ids: int | ArrayLike = 1,
    scores: float | ArrayLike = 1.0,
) -> list[Entry]:
    """List the objects of a label image as COCO results.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Instances. 0 is background.
    image_id : int
        Id of the image in the annotations.
    category_ids : int, or array_like of int, shape (N,)
        Category of all objects, or of each, in rising order of their label ids.
    scores : float, or array_like of float, shape (N,)
        How sure it is of all objects, or of each.

    Returns
    -------
    list of dict
        "image_id", "category_id", "segmentation" (compressed run lengths) and "score". There
        is no "bbox": `loadRes` would take the area of the box for that of the object.
    """
    height, width = labels.shape
    ids, masks = masks_in(labels)
    kinds = np.broadcast_to(category_ids, ids.shape).tolist()
    sure = np.broadcast_to(scores, ids.shape).astype(float).tolist()
    return [
        {
            "image_id": image_id,
            "category_id": kind,
            "segmentation": rle_of(mask, height, width),
            "score": score,
        }
        for mask, kind, score in zip(masks, kinds, sure, strict=True)
    ]


def write_results(
    path: Path | str, found: Iterable[Mapping[str, Any]], overwrite: bool = False
) -> None:
    """Write `detections` of any number of images as a COCO results file.

    Raises
    ------
    UserError
        If the path exists and `overwrite` is off, or cannot be written.
    """
    check_output(path, overwrite)
    atomic_write(path, json.dumps(list(found)).encode())


def _objects(layers: Sequence[Labels]) -> Iterable[tuple[int, Counts]]:
    """Give id and mask of every object of an image, whole."""
    parts: dict[int, list[Counts]] = {}
    for layer in layers:
        for id, mask in zip(*masks_in(layer), strict=True):
            parts.setdefault(int(id), []).append(mask)
    for id in sorted(parts):
        yield id, union(parts[id], layers[0].size)


def _annotation(
    id: int, image_id: int, category_id: int, mask: Counts, height: int, width: int
) -> Entry:
    return {
        "id": id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": rle_of(mask, height, width),
        "area": area_of(mask),
        "bbox": box_of(mask, height),
    }


def _categories(layers: Sequence[Labels], classes: Labels) -> dict[int, int]:
    """Find the class that most pixels of each object have."""
    pixels: dict[int, Counter[int]] = defaultdict(Counter)
    for layer in layers:
        table = contingency(classes, layer)
        objects, kinds = table.truth_ids[table.truth], table.prediction_ids[table.prediction]
        for id, kind, n in zip(objects, kinds, table.overlaps, strict=True):
            pixels[int(id)][int(kind)] += int(n)
    return {id: of.most_common(1)[0][0] for id, of in pixels.items()}


def _slices(labels: Labels | Sequence[Labels]) -> list[Labels]:
    if isinstance(labels, np.ndarray):
        return list(labels.reshape(-1, *labels.shape[-2:]))
    return [np.asarray(layer) for layer in labels]


def _category_names(classes: list[Labels] | None, crowd: int | None) -> dict[int, str]:
    if classes is None:
        return {1: "object"}
    found = {int(id) for layer in classes for id in np.unique(layer)} - {0, crowd}
    return {id: f"class {id}" for id in sorted(found)}


def _file_names(path: Path, slices: int) -> list[str]:
    if slices == 1:
        return [f"{path.stem}.tif"]
    return [f"{path.stem}_{z:04}.tif" for z in range(slices)]
