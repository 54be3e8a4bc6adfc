"""U-Net against plain CNNs on images with COCO annotations: train all, score all by COCOeval.

    python examples/coco_experiment.py                  # a small set, made here

    python examples/coco_experiment.py --out person --category person --steps 700 \
        --train annotations/instances_train2017.json train2017 \
        --val annotations/instances_val2017.json val2017

Run again, it resumes, and computes what is missing if networks or seeds are added.
"""

import argparse
import json
from pathlib import Path

from PIL import Image

from napari_utile.cli.main import main
from napari_utile.coco.writing import write_coco
from napari_utile.samples.samples import synthetic_stack

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
pair = {"nargs": 2, "metavar": ("ANNOTATIONS", "IMAGES")}
parser.add_argument("--train", **pair, help="COCO instances to train on, and their images")
parser.add_argument("--val", **pair, help="those to score on")
parser.add_argument("--category", nargs="+", default=[], help="categories or groups of them")
parser.add_argument("--networks", default="unet,encoder-decoder")
parser.add_argument("--seeds", default="0,1,2")
parser.add_argument("--steps", type=int, default=150, help="for each network and seed")
parser.add_argument(
    "--out", type=Path, default=Path("coco_experiment"), help="folder for all output"
)
options = parser.parse_args()
if bool(options.train) != bool(options.val):
    parser.error("--train and --val come together")


def made_here(part, slices):
    """Write slices of the synthetic sample as a COCO data set, unless it exists."""
    folder = options.out / "sample" / part
    annotations, images = folder / "annotations.json", folder / "images"
    if not annotations.exists():
        pixels, labels = (stack[slices] for stack in synthetic_stack((8, 128, 128)))
        names = [f"{part}_{z}.png" for z in range(len(pixels))]
        images.mkdir(parents=True, exist_ok=True)
        for name, plane in zip(names, pixels, strict=True):
            Image.fromarray(plane).save(images / name)
        write_coco(annotations, labels, categories={1: "cell"}, file_names=names)
    return annotations, images


train = options.train or made_here("train", slice(0, 6))
val = options.val or made_here("val", slice(6, 8))
runs = options.out / "runs"
flags = ["--networks", options.networks, "--seeds", options.seeds, "--steps", options.steps]
for name in options.category:
    flags += ["--category", name]
for command in (
    ["coco", "train", *train, *flags, "--validations-per-run", 8, "--out", runs],
    ["coco", "evaluate", runs, *val],
):
    if status := main(list(map(str, command))):
        raise SystemExit(status)

rows = json.loads((runs / "evaluation" / "table.json").read_text())["rows"]
best = max(rows, key=lambda row: row["coco_ap"])
print(f"{best['network']} finds most: COCO AP {best['coco_ap']:.4f}, IoU {best['iou']:.3f}")
print(f"Table, detections and figure are in {(runs / 'evaluation').absolute()}")
