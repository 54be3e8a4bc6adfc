"""Segment every image of a folder with a model, and count the cells in each."""

import argparse
from pathlib import Path

import numpy as np
import tifffile

import napari_utile as utile
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.resume import Execution
from napari_utile.events import TileDone, Warned
from napari_utile.io.images import open_image
from napari_utile.samples.samples import synthetic_stack

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400, help="how long to train the model")
parser.add_argument("--out", type=Path, default=Path("folder"), help="folder for all output")
options = parser.parse_args()

# Make a model and a folder of images. If you have your own, start below.
image, labels = synthetic_stack()
model = utile.train(
    image, labels, utile.TrainSettings(steps=options.steps, validations_per_run=5)
)
model.save(options.out / "model")
images = options.out / "images"
images.mkdir(parents=True, exist_ok=True)
for seed, side in enumerate((200, 256, 320), start=1):
    tifffile.imwrite(images / f"cells_{side}.tif", synthetic_stack((1, side, side), seed)[0][0])

# The run advances with each event that is asked for. An unreadable file is skipped and named.
settings = utile.PredictSettings(output="instances", min_size=20)
results = options.out / "instances"
overwrite = Execution(overwrite=True)
for event in predict_files(options.out / "model", [images], results, settings, overwrite):
    match event:
        case TileDone():
            print(f"{event.image}: tile {event.done} of {event.total}")
        case Warned():
            print(event.message)

for result in sorted(results.glob("*.zarr")):
    cells = np.unique(open_image(result).read())
    print(f"{result.name}: {np.count_nonzero(cells)} cells")
