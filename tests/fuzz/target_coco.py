"""COCO files: read whole and in part, drawn, written again, and shown as layers."""

import json
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import draw_annotations
from napari_utile.coco.napari_reader import coco_reader
from napari_utile.coco.subset import write_subset
from napari_utile.errors import UserError

KIND = "json"


def seeds() -> list[bytes]:
    """Make files with all kinds of segmentations, and with those of other tools."""
    outline = [1.5, 1, 12, 1, 12.5, 9, 1, 9]
    runs = {"size": [16, 20], "counts": [17, 3, 13, 3, 284]}
    text = {"size": [16, 20], "counts": "a03=0_8"}
    content = {
        "info": {"year": 2026},
        "images": [
            {"id": 1, "file_name": "one.png", "height": 16, "width": 20},
            {"id": 2, "file_name": "sub/two.png", "height": 16, "width": 20},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [outline], "area": 80},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": runs, "iscrowd": 1},
            {"id": 3, "image_id": 2, "category_id": 1, "segmentation": text, "iscrowd": 0},
            {"id": 4, "image_id": 2, "category_id": 1, "segmentation": [outline, outline[:6]]},
            {"id": 5, "image_id": 2, "category_id": 1, "segmentation": [[2, 2, 9, 2, 9, 8]]},
            {"id": 6, "image_id": 2, "category_id": 2, "segmentation": [[4, 4, 8, 4, 8, 7]]},
        ],
        "categories": [
            {"id": 1, "name": "cell", "supercategory": "living"},
            {"id": 2, "name": "dust", "supercategory": ""},
        ],
    }
    for number, crowd in ((7, 0), (8, 1)):  # of one run
        one = {"size": [16, 20], "counts": [number, 3, 317 - number]}
        entry = {"id": number, "image_id": number - 6, "category_id": 1, "segmentation": one}
        content["annotations"].append(entry | {"iscrowd": crowd})
    texts = json.loads(json.dumps(content))
    for part, keys in (("images", ["id"]), ("annotations", ["id", "image_id", "category_id"])):
        for entry in texts[part]:
            entry |= {key: str(entry[key]) for key in keys}
    other = {**content, "images": [], "annotations": []}
    for number, name in ((7, "../sub/two.png"), (8, "http://host/one.png?a=1")):
        other["images"].append({"id": number, "file_name": name})
    for number, given in enumerate((outline, [[[1, 1], [9, 1], [9, 9]]], [outline, []]), 1):
        entry = {"id": 1, "image_id": 7, "category_id": 2, "segmentation": given}
        other["annotations"].append(entry | {"iscrowd": number % 2 == 0})
    return [json.dumps(each).encode() for each in (content, texts, other)]


def check(data: bytes, folder: Path) -> None:
    """Use a file as the commands and napari do."""
    path = folder / "instances.json"
    path.write_bytes(data)
    for name in ("one.png", "sub/two.png"):
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((16, 20), np.uint8)).save(folder / "images" / name)

    refused = None
    for strict in (True, False):
        try:
            coco = read_coco(path, folder / "images", strict=strict)
            for image in coco.images:
                coco.open(image.id)
                draw_annotations(coco, image.id).classes([c.id for c in coco.categories])
        except UserError as error:
            refused = error
    with warnings.catch_warnings(action="ignore"):
        try:
            write_subset(path, folder / "images", folder / "part", skip_broken=True)
            read_coco(folder / "part/annotations.json", folder / "part/images")
        except UserError as error:
            refused = error
        if reader := coco_reader(str(path)):
            for pixels, *_ in reader(str(path)):
                np.asarray(pixels[(0,) * max(pixels.ndim - 3, 0)])
    if refused:
        raise refused
