"""Compare networks on one split, with one budget each: a table, curves, results side by side.

    python examples/compare_networks.py --out comparison
    python examples/compare_networks.py --minutes 2 --networks unet segnet --seeds 0 1 2

Run again with the same options it resumes, and with more networks or seeds it computes what is
missing. All networks have the same slices for training and for validation.
"""

import argparse
from pathlib import Path

import napari_utile as utile
from napari_utile.samples.samples import synthetic_stack

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument(
    "--out", type=Path, default=Path("comparison"), help="folder for all output"
)
parser.add_argument("--networks", nargs="+", default=["unet", "encoder-decoder"])
parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
parser.add_argument("--steps", type=int, default=200, help="for each network and seed")
parser.add_argument("--minutes", type=float, help="for each network and seed, at most")
options = parser.parse_args()

image, labels = synthetic_stack((8, 256, 256), seed=0)
settings = utile.TrainSettings(
    steps=options.steps, minutes=options.minutes, validations_per_run=10
)
comparison = utile.compare(
    image, labels, settings, options.networks, options.seeds, out=options.out
)

print(comparison)
best = max(comparison.rows, key=lambda row: row["v_rand"])
print(f"{best['network']} separates cells best: v_rand {best['v_rand']:.3f}")
print(f"Curves and results are in {options.out.absolute()}")
