"""A few small images with COCO annotations: cats, dogs, cups, and a crowd of cats."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

CATEGORIES = [
    {"id": 3, "name": "cat", "supercategory": "animal"},
    {"id": 5, "name": "dog", "supercategory": "animal"},
    {"id": 9, "name": "cup", "supercategory": "kitchen"},
]
BOXES = {
    11: [(3, 4, 4, 14, 12), (5, 24, 6, 12, 16)],
    12: [(3, 20, 10, 16, 16)],
    13: [(5, 6, 6, 12, 14)],
    14: [(9, 8, 8, 10, 10)],
    15: [(3, 2, 20, 18, 10), (9, 30, 4, 8, 8)],
    16: [(5, 12, 12, 16, 14), (3, 34, 20, 6, 8)],
}
"""Image id -> category, left, top, width and height of each object."""
SIZES = {11: (40, 32), 12: (48, 36), 13: (32, 40), 14: (40, 40), 15: (44, 32), 16: (48, 32)}
"""Image id -> width, height."""
CROWD = (3, 40, 0, 8, 10)
"""In image 12."""


def polygon(left, top, width, height):
    """Go around a box, as COCO writes it."""
    right, bottom = left + width, top + height
    return [[left, top, right, top, right, bottom, left, bottom]]


def write_coco_sample(folder: Path) -> tuple[Path, Path]:
    """Write annotations.json and the folder images/ of PNG files; objects are bright."""
    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for id, (width, height) in SIZES.items():
        pixels = random.normal(70, 10, (height, width, 3))
        for category, left, top, w, h in BOXES[id]:
            pixels[top : top + h, left : left + w] += (60, 90, 9 * category)
            annotations.append(entry(len(annotations) + 1, id, category, left, top, w, h))
        name = f"{id:06}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / name)
        images.append({"id": id, "file_name": name, "width": width, "height": height})
    annotations.append(crowd(len(annotations) + 1))
    content = {"images": images, "annotations": annotations, "categories": CATEGORIES}
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return path, folder / "images"


def entry(id, image_id, category, left, top, width, height):
    """Describe one object."""
    return {
        "id": id,
        "image_id": image_id,
        "category_id": category,
        "segmentation": polygon(left, top, width, height),
        "area": width * height,
        "bbox": [left, top, width, height],
        "iscrowd": 0,
    }


def crowd(id):
    """Describe the crowd, by run lengths down the columns."""
    category, left, top, w, h = CROWD
    width, height = SIZES[12]
    mask = np.zeros((height, width), bool)
    mask[top : top + h, left : left + w] = True
    columns = mask.T.ravel()
    edges = np.flatnonzero(np.diff(columns, prepend=False)).tolist()
    counts = np.diff([0, *edges, columns.size]).tolist()
    return entry(id, 12, category, left, top, w, h) | {
        "segmentation": {"size": [height, width], "counts": counts},
        "iscrowd": 1,
    }
