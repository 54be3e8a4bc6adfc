"""Train recipes on the same slices with the same budget: what does each part contribute?

    python benchmarks/quality.py --data isbi2012=DIR --steps 410 --seeds 1 2 3
    python benchmarks/quality.py --data isbi2012=DIR --recipes default:2 plain:5 default:5

The first is the ablation: the default recipe, and the same without one of its parts, each for
as many steps; --w0 is that of every recipe that does not name one. The second gives each
recipe its minutes, and is to be run on an idle machine. *plain* is a padded U-Net of the same
width with batch normalization, flips only, no weight map, Adam at a constant 1e-3.

ISBI 2012 (`image.tif`, `labels.tif`, as `utile sample isbi2012` writes them; any number of
slices): the last 4 of the slices are for validation. dsb2018
(`train/` and `val/`, each with `images/` and `labels/`): the scores are the means over the
images of `val/`, which training never sees. Scores are those of the best network by
validation loss, as a run keeps it; mean and standard deviation over the seeds. *components*
is v_rand of connected components (`--instance-method components`), and *averaged* that of the
mean of eight predictions (`--averaging`).

Every run is recorded as a line in --log, and is not repeated.
"""

import argparse
import json
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import Literal

import numpy as np

import napari_utile as utile
from napari_utile.io.images import open_image
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings

PLAIN = {
    "elastic": 0.0,
    "rotation": 0.0,
    "deformed": 0.0,
    "gray": 0.0,
    "w0": 0.0,
    "weight_decay": 0.0,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "schedule": "constant",
}
RECIPES = {
    "default": {},
    "adamw": {"optimizer": "adamw"},
    "no weight map": {"w0": 0.0},
    "w0 5": {"w0": 5.0},
    "w0 10": {"w0": 10.0},
    "no elastic": {"elastic": 0.0},
    "flips only": {"elastic": 0.0, "rotation": 0.0, "deformed": 0.0, "gray": 0.0},
    "constant rate 1e-3": {"schedule": "constant", "learning_rate": 1e-3},
    "class balance": {"class_balance": True},
    "no batch norm": {"norm": "none"},
    "float32": {"precision": "fp32"},
    "plain": PLAIN,
}
"""Recipe -> its options that differ from the default recipe."""
COMPONENTS, AVERAGED = "v_rand components", "v_rand averaged"
SCORES = ("iou", "f1_50", "panoptic_quality", "v_rand", COMPONENTS, AVERAGED)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare recipes.")
    parser.add_argument("--data", required=True, help="isbi2012=DIR or dsb2018=DIR")
    parser.add_argument("--steps", type=int, help="for recipes without minutes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--w0", type=float, default=TrainSettings().w0)
    parser.add_argument(
        "--recipes", nargs="+", default=list(RECIPES), help="NAME, or NAME:MINUTES"
    )
    parser.add_argument("--log", type=Path, default=Path("quality.jsonl"))
    given = parser.parse_args()

    name, folder = given.data.split("=", 1)
    done = [json.loads(line) for line in lines(given.log)]
    for seed in given.seeds:
        for recipe in given.recipes:
            run = {"data": name, "recipe": recipe, "seed": seed, "w0": given.w0}
            if ":" not in recipe:
                run["steps"] = given.steps
            if not any(run.items() <= row.items() for row in done):
                done.append(run | measured(Path(folder), run))
                with given.log.open("a") as log:
                    log.write(json.dumps(done[-1]) + "\n")
    table = {
        recipe: [
            row
            for row in done
            if (row["data"], row["recipe"], row["w0"]) == (name, recipe, given.w0)
            and (":" in recipe or row["steps"] == given.steps)
        ]
        for recipe in given.recipes
    }
    shown = [s for s in SCORES if all(s in row for rows in table.values() for row in rows)]
    print(f"| {name} | steps | " + " | ".join(shown) + " |")
    print("|---" * (len(shown) + 2) + "|")
    for recipe, rows in table.items():
        cells = [spread([row[score] for row in rows]) for score in shown]
        steps = round(mean(row["steps"] for row in rows))
        print(f"| {recipe} | {steps} | " + " | ".join(cells) + " |")


def measured(folder: Path, run: dict) -> dict:
    """Train once and score the best network."""
    kind, _, minutes = run["recipe"].partition(":")
    budget = {"minutes": float(minutes)} if minutes else {"steps": run["steps"]}
    recipe = {"w0": run["w0"]} | RECIPES[kind] | budget
    if run["data"] == "dsb2018":
        images, labels = pairs_of(folder / "train")
        unseen = pairs_of(folder / "val")
        share = 1 / 6
    else:
        images, labels = stack_of(folder)
        unseen = [[images[0][-4:]], [labels[0][-4:]]]
        share = 4 / len(labels[0])
    began = perf_counter()
    settings = TrainSettings(**recipe, seed=run["seed"], validation_share=share)
    model, taken = train(images, labels, settings)
    seconds = round(perf_counter() - began)
    scores = on_unseen(model, *unseen)
    scores[COMPONENTS] = on_unseen(model, *unseen, objects="components")["v_rand"]
    scores[AVERAGED] = on_unseen(model, *unseen, averaging=True)["v_rand"]
    print(f"{run['recipe']}, seed {run['seed']}: {taken} steps, {seconds} s", flush=True)
    return {"steps": taken, "seconds": seconds} | scores


def train(images: list, labels: list, settings: TrainSettings) -> tuple[utile.Model, int]:
    """Drain a run; return its model, and the number of steps."""
    from napari_utile.engine.training.run import run_training
    from napari_utile.io.images import as_stack

    truths = [as_stack(ids, name="labels") for ids in labels]
    stacks = [as_stack(image, shape=t.shape) for image, t in zip(images, truths, strict=True)]
    events = run_training(stacks, truths, settings)
    steps = 0
    while True:
        try:
            steps = getattr(next(events), "step", steps)
        except StopIteration as end:
            return end.value, steps


def stack_of(folder: Path) -> tuple[list, list]:
    """Read the slices of ISBI 2012."""
    image = next(path for path in folder.iterdir() if path.name in ("image.tif", "volume.tif"))
    return [open_image(image).read()], [open_image(folder / "labels.tif").read()]


def pairs_of(folder: Path) -> tuple[list, list]:
    """Read the images of a folder, and their labels."""
    found = [
        [open_image(path).read() for path in sorted((folder / part).iterdir())]
        for part in ("images", "labels")
    ]
    return found[0], found[1]


def on_unseen(
    model: utile.Model,
    images: list,
    labels: list,
    averaging: bool = False,
    objects: Literal["watershed", "components"] = "watershed",
) -> dict[str, float]:
    """Score a model on images that were not in its training."""
    settings = PredictSettings(averaging=averaging)
    reports = [
        utile.evaluate(
            utile.predict(model, image, settings=settings), truth, instance_method=objects
        )
        for image, truth in zip(images, labels, strict=True)
    ]
    return {
        score: float(np.mean([report[score] for report in reports])) for score in SCORES[:-2]
    }


def lines(path: Path) -> list[str]:
    """Return the lines of a file; none if it does not exist."""
    return path.read_text().splitlines() if path.exists() else []


def spread(values: list[float]) -> str:
    """Format mean and standard deviation."""
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return f"{mean(values):.3f} ± {stdev(values):.3f}"


if __name__ == "__main__":
    main()
