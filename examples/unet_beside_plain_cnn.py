"""Train a U-Net and the same network without skips, and see what the skips contribute.

Both get the same slices, the same steps and the same seed, and are scored twice: on the last
slices of the stack, which neither was trained on, and on a stack of other cells.
"""

import argparse

import napari_utile as utile
from napari_utile.samples.samples import synthetic_stack

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400, help="how long to train each network")
options = parser.parse_args()

image, labels = synthetic_stack((8, 256, 256), seed=0)
others, truth = synthetic_stack((2, 256, 256), seed=1)

print(f"{'':>17}{'last slices':^18}{'other cells':^18}")
print(f"{'network':>17}{'iou':>9}{'f1_50':>9}{'iou':>9}{'f1_50':>9}")
for network in ("unet", "encoder-decoder"):
    # With seed 0 the network without skips may find nothing at all.
    settings = utile.TrainSettings(network=network, steps=options.steps, seed=1)
    model = utile.train(image, labels, settings)
    report = utile.evaluate(utile.predict(model, others), truth)
    scores = [found[name] for found in (model.scores, report) for name in ("iou", "f1_50")]
    print(f"{network:>17}" + "".join(f"{score:9.3f}" for score in scores))
