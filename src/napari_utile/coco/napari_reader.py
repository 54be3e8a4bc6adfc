"""COCO files as napari layers: a stack of the images, and labels. No napari here."""

import colorsys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_utile.coco.annotations import CocoAnnotations, read_coco
from napari_utile.coco.checks import shown
from napari_utile.coco.drawing import CROWD, Drawing, draw_annotations, label_ids, overlap_note
from napari_utile.coco.files import is_coco
from napari_utile.coco.image_files import check_header
from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.lazy_views import Pages
from napari_utile.io.memory import memory_budget
from napari_utile.io.napari_reader import LayerData
from napari_utile.io.units import size_text

EDITABLE = 2**28
"""Largest stack in pixels whose labels are drawn at once, so that they can be painted on."""
BYTES_PER_PIXEL = 12
"""Memory that a slice takes while its labels are drawn and shown."""
INSTANCE_LAYER, BEHIND_LAYER, CLASS_LAYER = "instances", "behind", "classes"
"""Kind of a layer, in its metadata under "coco", for writing it again."""


def coco_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Return the function that reads these paths, or None if one is no COCO file.

    Parameters
    ----------
    path : str or sequence of str

    Returns
    -------
    callable or None
        As npe2 asks of a reader.
    """
    paths = [path] if isinstance(path, str) else path
    return read_coco_layers if all(map(is_coco, paths)) else None


def read_coco_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Describe the images and annotations of COCO files as napari layers.

    Parameters
    ----------
    path : str or sequence of str

    Returns
    -------
    list of (data, arguments of the layer, "image" or "labels")
        One image layer, if the images are found: a stack that is read slice by slice, with
        smaller images at the upper left. Labels layers on it: instances, with ids that are
        unique in the stack; objects that others cover; and classes. Features hold category and
        annotation of each id. `CROWD` is the id of crowds.

    Raises
    ------
    UserError
        If a file cannot be read, or has no image.

    Notes
    -----
    Faults of a file, images that are not found, and objects that overlap become Python
    warnings. Images are looked for near the file: see `checks.image_folder`.
    """
    found: list[LayerData] = []
    for name in [path] if isinstance(path, str) else path:
        coco = read_coco(name, strict=False, look_around=True)
        if not coco.images:
            raise UserError(f"{name} lists no images.")
        check_slice(coco)
        for event in coco.reported(strict=False):
            warnings.warn(event.message, stacklevel=2)
        if coco.folder is None:
            warnings.warn(
                f"The images of {name}, such as {coco.images[0].file_name}, were not found "
                "near it; only the labels are shown.",
                stacklevel=2,
            )
        else:
            found.append(_image_layer(coco))
        found += _labels_layers(coco)
    return found


def check_slice(coco: CocoAnnotations) -> None:
    """Refuse large images whose labels do not fit into the memory, or that are not large.

    Parameters
    ----------
    coco : CocoAnnotations

    Raises
    ------
    UserError
        Names the image.
    """
    _, height, width = _stack_shape(coco)
    if height * width > EDITABLE:
        for image in coco.images:
            if image.path and image.height * image.width > EDITABLE:
                try:
                    said_by = coco.path.name
                    check_header(image.path, (image.height, image.width), said_by, image.id)
                except ValueError as fault:
                    raise UserError(f"{coco.path}: image {image.id} {fault}.") from None
    needed, budget = height * width * BYTES_PER_PIXEL, memory_budget()
    if needed > budget:
        largest = max(coco.images, key=lambda image: image.height * image.width)
        raise UserError(
            f"{coco.path} says that image {largest.id} ({shown(largest.file_name)}) is "
            f"{largest.width:,} x {largest.height:,} pixels: a slice takes {size_text(needed)} "
            f"of memory and {size_text(budget)} may be used. Correct height and width, or put "
            "large images into a file of their own."
        )


def _image_layer(coco: CocoAnnotations) -> LayerData:
    """Return the images as a stack that is read slice by slice."""
    kinds = [_kind(image.path) for image in coco.images if image.path]
    is_color = any(color for color, _ in kinds)
    dtype = np.result_type(*(dtype for _, dtype in kinds))

    def read(number: int) -> NDArray[Any]:
        try:
            planes = coco.open(coco.images[number].id).read()
        except UserError as error:  # the other images can still be shown
            warnings.warn(str(error), stacklevel=2)
            return np.zeros((0, 0, 3) if is_color else (0, 0), dtype)
        pixels = np.moveaxis(planes, 0, -1) if planes.ndim == 3 else planes[..., None]
        if not is_color:
            return pixels[..., 0]
        gray = pixels.shape[-1] < 3
        return np.repeat(pixels[..., :1], 3, axis=-1) if gray else pixels[..., :3]

    shape = (*_stack_shape(coco), 3) if is_color else _stack_shape(coco)
    given: dict[str, Any] = {"name": coco.path.stem, "rgb": is_color}
    if not is_color and dtype == np.uint8:
        given["contrast_limits"] = (0, 255)
    return _flat(Pages(read, shape, dtype)), given, "image"


def _kind(path: Path) -> tuple[bool, np.dtype[Any]]:
    """Return whether an image is in color, and its dtype, without reading its pixels."""
    try:
        with Image.open(path) as picture:
            if picture.format in ("JPEG", "PNG"):
                deep = picture.mode.startswith("I")
                return len(picture.getbands()) > 2, np.dtype(np.uint16 if deep else np.uint8)
        stack = open_image(path)
    except (OSError, UserError):  # reported when it is shown
        return False, np.dtype(np.uint8)
    return stack.channels > 2, stack.dtype


def _labels_layers(coco: CocoAnnotations) -> Iterator[LayerData]:
    """Return classes, covered objects and instances, the last on top."""
    shape = _stack_shape(coco)
    objects = [
        sum(not a.is_crowd for a in coco.annotations_of(image.id)) for image in coco.images
    ]
    before = np.cumsum([0, *objects])
    dtype = np.uint16 if before[-1] < CROWD - 1 else np.uint32

    @lru_cache(8)
    def drawing(number: int) -> Drawing:
        return draw_annotations(coco, coco.images[number].id, first=int(before[number]))

    def instances(number: int) -> NDArray[Any]:
        return drawing(number).labels

    def classes(number: int) -> NDArray[Any]:
        return drawing(number).classes([category.id for category in coco.categories])

    features = _features(coco)
    behind = _behind(drawing, shape, dtype)
    layers: list[tuple[str, str, Any]] = [
        (CLASS_LAYER, CLASS_LAYER, Pages(classes, shape, np.uint16)),
        *(
            (BEHIND_LAYER, f"{BEHIND_LAYER} {depth}", data)
            for depth, data in enumerate(behind, 1)
        ),
        (INSTANCE_LAYER, INSTANCE_LAYER, Pages(instances, shape, dtype)),
    ]
    for kind, name, data in layers:
        given: dict[str, Any] = {
            "name": f"{coco.path.stem} {name}",
            "metadata": {"coco": _metadata(coco, kind)},
            "features": features,
            "visible": kind == INSTANCE_LAYER,
        }
        if kind == CLASS_LAYER:
            given |= {"features": _class_features(coco), "colormap": _colors(coco)}
        yield _flat(data if data.size > EDITABLE else np.asarray(data)), given, "labels"


def _behind(
    drawing: Callable[[int], Drawing], shape: tuple[int, ...], dtype: Any
) -> list[NDArray[Any]]:
    """Draw the layers of objects that others cover, and warn of their number."""
    if np.prod(shape) > EDITABLE:
        warnings.warn(
            f"More than {EDITABLE:,} pixels: the labels are drawn only when a slice is shown. "
            "They cannot be painted on, and the layers of covered objects are left out.",
            stacklevel=4,
        )
        return []
    drawings = [drawing(number) for number in range(shape[0])]
    if note := overlap_note(drawings):
        warnings.warn(f"{note} They are whole in the layers called behind.", stacklevel=4)
    layers = []
    for depth in range(max(len(d.behind) for d in drawings)):
        layer = np.zeros(shape, dtype)
        for page, of_image in zip(layer, drawings, strict=True):
            if depth < len(of_image.behind):
                height, width = of_image.labels.shape
                page[:height, :width] = of_image.behind[depth]
        layers.append(layer)
    return layers


def _features(coco: CocoAnnotations) -> dict[str, Any]:
    """Return category, annotation and image of each label id, a column each."""
    names = {category.id: category.name for category in coco.categories}
    drawn = [
        (annotation, image.file_name)
        for image in coco.images
        for annotation in coco.annotations_of(image.id)
        if not annotation.is_crowd
    ]
    return {
        "index": label_ids(0, len(drawn)),
        "category": [names[annotation.category_id] for annotation, _ in drawn],
        "annotation": [annotation.id for annotation, _ in drawn],
        "image": [file_name for _, file_name in drawn],
    }


def _class_features(coco: CocoAnnotations) -> dict[str, Any]:
    names = [category.name for category in coco.categories]
    return {"index": [*range(1, len(names) + 1), CROWD], "category": [*names, "crowd"]}


def _colors(coco: CocoAnnotations) -> dict[int | None, Any]:
    """Return a color per class, those of neighboring classes far apart; crowds are gray."""
    golden = (5**0.5 - 1) / 2  # its multiples spread evenly over the hues
    colors: dict[int | None, Any] = {
        None: (0, 0, 0, 0),
        0: (0, 0, 0, 0),
        CROWD: (0.6,) * 3 + (1,),
    }
    for number in range(1, len(coco.categories) + 1):
        hue, light = number * golden % 1, (0.5, 0.7, 0.4)[number % 3]
        colors[number] = (*colorsys.hls_to_rgb(hue, light, 0.9), 1)
    return colors


def _metadata(coco: CocoAnnotations, kind: str) -> dict[str, Any]:
    """Return the images and categories that `napari_writer` needs to write a layer again."""
    return {
        "kind": kind,
        "categories": {category.id: category.name for category in coco.categories},
        "images": [
            {
                "id": image.id,
                "file_name": image.file_name,
                "height": image.height,
                "width": image.width,
                "crowds": sorted(
                    {a.category_id for a in coco.annotations_of(image.id) if a.is_crowd}
                ),
            }
            for image in coco.images
        ],
    }


def _stack_shape(coco: CocoAnnotations) -> tuple[int, int, int]:
    height = max(image.height for image in coco.images)
    return len(coco.images), height, max(image.width for image in coco.images)


def _flat(data: Any) -> Any:
    """Return a stack of one image as that image."""
    return data[0] if data.shape[0] == 1 else data
