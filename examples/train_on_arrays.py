"""Train a U-Net on arrays, save the model, and segment a new stack."""

import argparse
from pathlib import Path

import napari_utile as utile
from napari_utile.samples.samples import synthetic_stack

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400, help="how long to train")
parser.add_argument("--out", type=Path, default=Path("cells"), help="folder for the model")
options = parser.parse_args()

# (Z, Y, X) of gray values, and an id for every pixel: 0 is membrane, each cell has its own.
image, labels = synthetic_stack((8, 256, 256), seed=0)
settings = utile.TrainSettings(steps=options.steps, validations_per_run=5)
model = utile.train(image, labels, settings)
print("On its validation slices:", {name: f"{x:.3f}" for name, x in model.scores.items()})

model.save(options.out / "model")
model = utile.load_model(options.out / "model")

# Tiles leave no seams: any tile size gives the same probabilities.
unseen, truth = synthetic_stack((2, 300, 400), seed=1)
probabilities = utile.predict(model, unseen, tile=(128, 128))
segmentation = utile.instances(probabilities, min_size=20)
print("On a new stack:")
print(utile.evaluate(segmentation, truth))
