"""The main job from end to end: train, segment, evaluate, and a picture of it all.

    python examples/demo.py --out demo
    python examples/demo.py --out demo --image volume.tif --labels labels.tif --minutes 5

A U-Net and, beside it, the same network without skips (EncoderDecoder) get the same slices
and the same time. Both are scored on the last slices of the stack, which neither was trained
on. Without --image it makes a synthetic stack that looks like ssTEM of neuropil.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import napari_utile as utile
from napari_utile.arrays.labels import as_instances
from napari_utile.arrays.splits import split
from napari_utile.cli.display import Display
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.resume import Execution
from napari_utile.engine.training.front import train_files
from napari_utile.events import Event
from napari_utile.io.images import open_image
from napari_utile.samples.samples import write_sample

NETWORKS = ("unet", "encoder-decoder")
OVERWRITE = Execution(overwrite=True)
SCORES = ("iou", "f1_50", "panoptic_quality", "matching_ap50")


def main() -> None:
    """Run the demo."""
    wanted = arguments()
    out: Path = wanted.out
    if wanted.image:
        image, labels = wanted.image, wanted.labels
    else:
        image, labels = write_sample("synthetic", out / "sample", overwrite=True)

    rows = []
    for network in NETWORKS:
        settings = utile.TrainSettings(
            network=network,
            minutes=wanted.minutes,
            steps=wanted.steps,
            seed=wanted.seed,
            validations_per_run=10,
        )
        run, segmentation = out / network, out / f"{network}.zarr"
        cost = show(train_files(image, labels, run, settings, overwrite=True))
        how = utile.PredictSettings(output="instances")
        show(predict_files(run / "model", [image], segmentation, how, OVERWRITE))
        rows.append(row(network, run, segmentation, labels, cost))

    slices = validation_slices(open_image(labels).shape)
    report = {"image": str(image), "validation_slices": slices, "rows": rows}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(f"\nOn the validation slices {slices}, which no network was trained on:")
    print(table(rows))

    picture(out, image, labels, slices[0], rows[0])
    print(f"\nThe picture is {(out / 'picture.png').absolute()}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--image", type=Path, help="a stack of your own")
    parser.add_argument("--labels", type=Path, help="its labels, of the same shape")
    parser.add_argument("--minutes", type=float, default=1.2, help="to train each network")
    parser.add_argument("--steps", type=int, help="to train each network at most")
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    if (wanted.image is None) != (wanted.labels is None):
        parser.error("--image and --labels come together")
    return wanted


def show(run: Iterator[Event]) -> dict[str, float]:
    """Show the progress of a run; return the number of steps and the seconds it took."""
    steps = 0
    with Display() as display:
        for event in run:
            display(event)
            steps = getattr(event, "step", steps)
    return {"steps": steps, "seconds": round(event.seconds, 1)}


def validation_slices(shape: tuple[int, ...]) -> list[int]:
    """Return the slices of a stack that are for validation."""
    planes = [(0, (z,), shape[1:]) for z in range(shape[0])]
    share = utile.TrainSettings().validation_share
    return [region.index[0] for region in split(planes, share).validation]


def row(network: str, run: Path, segmentation: Path, labels: Path, cost: dict) -> dict:
    """Evaluate a segmentation on the validation slices."""
    truth, found = open_image(labels).read(), open_image(segmentation).read()
    slices = validation_slices(truth.shape)
    scores = utile.evaluate(found[slices], truth[slices])
    return {
        "network": network,
        **{name: scores[name] for name in SCORES},
        "parameters": utile.load_model(run).trained_on["parameters"],
        **cost,
    }


def table(rows: list[dict]) -> str:
    """Format the rows as a table."""
    cells = [list(rows[0])]
    for given in rows:
        values = given.values()
        cells.append([f"{v:.3f}" if v in map(given.get, SCORES) else f"{v}" for v in values])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.rjust, line, widths)) for line in cells)


def picture(out: Path, image: Path, labels: Path, z: int, scores: dict) -> None:
    """Draw image, truth, result and weight map of one slice side by side."""
    pixels = open_image(image).plane((z,))[0]
    truth = as_instances(open_image(labels).read()[z])
    result = colored_as(truth, open_image(out / "unet.zarr").read()[z])
    weights = utile.weight_map(truth)

    figure, axes = plt.subplots(1, 4, figsize=(16, 4.6), layout="constrained")
    axes[0].imshow(pixels, cmap="gray")
    axes[1].imshow(in_colors(truth, pixels))
    axes[2].imshow(in_colors(result, pixels))
    shown = axes[3].imshow(weights, cmap="turbo")
    figure.colorbar(shown, ax=axes[3], shrink=0.9, label="weight of a pixel in the loss")
    found = f"U-Net: IoU {scores['iou']:.2f}, F1 {scores['f1_50']:.2f}"
    titles = [f"Image, slice {z}", "Truth", found, "Weight map"]
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title)
        axis.axis("off")
    figure.savefig(out / "picture.png", dpi=110)
    plt.close(figure)


def in_colors(instances: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Blend instances with the image, each id in its color; white is id -1."""
    gray = (pixels - pixels.min()) / np.ptp(pixels)
    colors = plt.get_cmap("hsv")(np.arange(instances.max() + 1) * 0.618 % 1)[:, :3]
    share = np.where(instances == 0, 0, 0.35)[..., np.newaxis]
    return (1 - share) * gray[..., np.newaxis] + share * np.vstack([colors, 3 * [1]])[instances]


def colored_as(truth: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Give each object the id of the true one that it covers most, -1 if it covers none."""
    ids = np.zeros(result.max() + 1, int)
    for instance in np.unique(result[result > 0]):
        counts = np.bincount(truth[result == instance])
        counts[0] = 0
        ids[instance] = counts.argmax() if counts.any() else -1
    return ids[result]


if __name__ == "__main__":
    plt.switch_backend("Agg")
    main()
