"""Labels and predictions as COCO JSON: annotations and results that pycocotools reads.

Formats: cocodataset.org, "Data format" and "Results format" (Lin et al., "Microsoft COCO:
common objects in context", ECCV 2014).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from napari_utile.arrays.labels import Labels, check_labels
from napari_utile.coco.masks import Counts, area_of, box_of, masks_in, rle_of, union
from napari_utile.io.disk import atomic_write, check_file_output
from napari_utile.metrics.overlap import contingency


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """An image as labels, with the categories of its objects.

    Attributes
    ----------
    id, file_name : int, str
        As in the file.
    labels : ndarray of int, shape (Y, X)
        Instances. 0 is background.
    category_of : mapping of label id to category id
    behind : sequence of ndarray like `labels`
        More pixels of the same objects, where others cover them; see `Drawing`.
    crowd : int or None
        Label id of crowds.
    crowds : collection of int
        Categories of the crowds. Each gets an annotation of all pixels of crowds.
    """

    id: int
    file_name: str
    labels: Labels
    category_of: Mapping[int, int]
    behind: Sequence[Labels] = ()
    crowd: int | None = None
    crowds: Collection[int] = ()


def write_coco(
    path: Path | str,
    labels: Labels | Sequence[Labels],
    *,
    classes: Labels | Sequence[Labels] | None = None,
    categories: Mapping[int, str] | None = None,
    file_names: Sequence[str] | None = None,
    crowd: int | None = None,
    overwrite: bool = False,
) -> None:
    """Write labels as a COCO instances file, with an image per slice.

    Parameters
    ----------
    path : path
        The JSON file.
    labels : ndarray of int, shape (..., Y, X), or sequence of (Y, X)
        Instances. 0 is background. An object in several slices becomes an annotation in each.
    classes : like `labels`, optional
        Category of each pixel. An object gets that of most of its pixels, 0 aside.
    categories : mapping of id to name, optional
        By default {1: "object"}, or "class 1", ... for the ids in `classes`. Without `classes`
        every object is of the first.
    file_names : sequence of str, optional
        A name per slice. By default that of `path`, with the number of the slice.
    crowd : int, optional
        Label id of crowds, such as `CROWD`. As COCO's crowds have a category, they are written
        once for every category.
    overwrite : bool, default False
        Overwrite an existing file.

    Raises
    ------
    ValueError
        If shapes differ, an object has no category, or there is not a file name per slice.
    UserError
        If the path exists and `overwrite` is off, or cannot be written.

    See Also
    --------
    write_images : for objects that overlap.
    """
    slices = [check_labels(layer) for layer in _label_slices(labels)]
    kinds = None if classes is None else _label_slices(classes)
    if kinds is not None and [k.shape for k in kinds] != [layer.shape for layer in slices]:
        raise ValueError("labels and classes differ in shape")
    if categories is None:
        categories = {1: "object"} if kinds is None else _category_names(kinds, crowd)
    names = slice_names(Path(path), len(slices)) if file_names is None else file_names
    if len(names) != len(slices):
        raise ValueError(f"{len(names)} file names for {len(slices)} slices")

    first = next(iter(categories), 1)
    images = []
    for number, (name, of_slice) in enumerate(zip(names, slices, strict=True), 1):
        if kinds is None:
            of = dict.fromkeys(np.unique(of_slice).tolist(), first)
        else:
            of = categories_in(of_slice, kinds[number - 1])
        images.append(LabelledImage(number, name, of_slice, of, (), crowd, tuple(categories)))
    write_images(path, images, categories, overwrite)


def write_images(
    path: Path | str,
    images: Iterable[LabelledImage],
    categories: Mapping[int, str],
    overwrite: bool = False,
) -> None:
    """Write images with their labels as a COCO instances file.

    Parameters
    ----------
    path : path
        The JSON file.
    images : iterable of LabelledImage
        Read one by one.
    categories : mapping of id to name
    overwrite : bool, default False
        Overwrite an existing file.

    Raises
    ------
    ValueError
        If shapes differ, or an object has no category.
    UserError
        If the path exists and `overwrite` is off, or cannot be written.

    Notes
    -----
    Annotations are numbered from 1: pycocotools takes an object of id 0 for unmatched.
    """
    check_file_output(path, overwrite)
    written: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image in images:
        height, width = image.labels.shape
        size = {"height": height, "width": width}
        written.append({"id": image.id, "file_name": image.file_name, **size})
        for entry in _annotations(image):
            if entry["category_id"] not in categories:
                raise ValueError(f"category {entry['category_id']} has no name")
            annotations.append({"id": len(annotations) + 1, **entry})
    named = [{"id": id, "name": name} for id, name in categories.items()]
    content = {"images": written, "annotations": annotations, "categories": named}
    atomic_write(path, json.dumps(content).encode())


def categories_in(labels: Labels, classes: Labels) -> dict[int, int]:
    """Return the class of most pixels of each object, 0 aside, by label id.

    Parameters
    ----------
    labels, classes : ndarray of int, shape (Y, X)

    Returns
    -------
    dict
        Label id -> class. Objects without a class are left out.
    """
    pixels: dict[int, Counter[int]] = defaultdict(Counter)
    table = contingency(classes, labels)
    objects, kinds = table.truth_ids[table.truth], table.prediction_ids[table.prediction]
    for id, kind, n in zip(objects, kinds, table.overlaps, strict=True):
        pixels[int(id)][int(kind)] += int(n)
    return {id: of.most_common(1)[0][0] for id, of in pixels.items()}


def detections(
    labels: Labels,
    image_id: int,
    category_ids: int | ArrayLike = 1,
    scores: float | ArrayLike = 1.0,
) -> list[dict[str, Any]]:
    """List the objects of a label image as COCO results.

    Parameters
    ----------
    labels : ndarray of int, shape (Y, X)
        Instances. 0 is background.
    image_id : int
        Id of the image in the annotations.
    category_ids : int, or array_like of int, shape (N,)
        Category of all objects, or of each, in ascending order of their label ids.
    scores : float, or array_like of float, shape (N,)
        Score of all objects, or of each.

    Returns
    -------
    list of dict
        "image_id", "category_id", "segmentation" (compressed run lengths) and "score". There
        is no "bbox": `loadRes` would take the area of the box for that of the object.

    Raises
    ------
    ValueError
        If a score is not finite.
    UserError
        If `labels` has negative ids or is not of whole numbers.
    """
    labels = check_labels(labels)
    height, width = labels.shape
    ids, masks = masks_in(labels)
    kinds = np.broadcast_to(category_ids, ids.shape).tolist()
    sure = np.broadcast_to(scores, ids.shape).astype(float).tolist()
    if not np.isfinite(sure).all():
        raise ValueError(f"the scores of image {image_id} must be finite numbers")
    return [
        {
            "image_id": int(image_id),
            "category_id": kind,
            "segmentation": rle_of(mask, height, width),
            "score": score,
        }
        for mask, kind, score in zip(masks, kinds, sure, strict=True)
    ]


def write_coco_results(
    path: Path | str, found: Iterable[Mapping[str, Any]], overwrite: bool = False
) -> None:
    """Write detections as a COCO results file.

    Parameters
    ----------
    path : path
        The JSON file.
    found : iterable of mapping
        `detections` of all images, one after the other.
    overwrite : bool, default False
        Overwrite an existing file.

    Raises
    ------
    UserError
        If the path exists and `overwrite` is off, or cannot be written.
    """
    check_file_output(path, overwrite)
    atomic_write(path, json.dumps(list(found)).encode())


def _annotations(image: LabelledImage) -> Iterator[dict[str, Any]]:
    """Return an annotation per object of an image, in ascending order of label ids."""
    height, width = image.labels.shape
    parts: dict[int, list[Counts]] = defaultdict(list)
    for layer in (image.labels, *image.behind):
        if layer.shape != image.labels.shape:
            raise ValueError(f"the layers of {image.file_name} differ in shape")
        for id, mask in zip(*masks_in(layer), strict=True):
            parts[int(id)].append(mask)
    # An object is the union of its pixels in all layers.
    for id, masks in sorted(parts.items()):
        is_crowd = id == image.crowd
        if not is_crowd and id not in image.category_of:
            raise ValueError(f"object {id} of {image.file_name} has no category")
        if is_crowd and not image.crowds:
            raise ValueError(f"the crowd of {image.file_name} has no category")
        mask = union(masks, image.labels.size)
        for category in image.crowds if is_crowd else [image.category_of[id]]:
            yield {
                "image_id": image.id,
                "category_id": category,
                "segmentation": rle_of(mask, height, width),
                "area": area_of(mask),
                "bbox": box_of(mask, height),
                "iscrowd": int(is_crowd),
            }


def _label_slices(labels: Labels | Sequence[Labels]) -> list[Labels]:
    if isinstance(labels, np.ndarray):
        return list(labels.reshape(-1, *labels.shape[-2:]))
    return [np.asarray(layer) for layer in labels]


def _category_names(classes: Iterable[Labels], crowd: int | None) -> dict[int, str]:
    found = {int(id) for layer in classes for id in np.unique(layer)} - {0, crowd}
    return {id: f"class {id}" for id in sorted(found)}


def slice_names(path: Path, slices: int) -> list[str]:
    """Return names of slices after the file in which they are annotated.

    Parameters
    ----------
    path : Path
        The JSON file.
    slices : int
        Number of slices.
    """
    if slices == 1:
        return [f"{path.stem}.tif"]
    return [f"{path.stem}_{z:04}.tif" for z in range(slices)]
