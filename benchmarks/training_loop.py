"""Time a step of the training loop beside the bare network on the same tensors, in one run.

    python benchmarks/training_loop.py --steps 30

*loop* is a complete step of `train`: draw the tiles, crop and deform them, change their gray
values, weight the loss, update the parameters, check the loss, and write the event as JSON.
Validations are left out. *bare* is forward, mean cross-entropy, backward and step of an equal
network, in the same number format and memory layout, on a batch of the same sampler that is in
memory. The other rows are *bare* in each format; the one with the format of *bare* shows the
noise. They take one step each, alternately; medians are shown.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from statistics import median
from time import perf_counter

import numpy as np
import torch
from torch.nn import functional

from napari_utile.engine.devices import autocast_dtype, describe
from napari_utile.engine.training.data.tiles import Batch
from napari_utile.engine.training.optimizers import make_optimizer
from napari_utile.engine.training.run import TrainingRun
from napari_utile.engine.training.setup import TrainingSetup, set_up_training
from napari_utile.events import StepDone
from napari_utile.io.stack import Stack
from napari_utile.samples.synthesis import synthetic_stack
from napari_utile.settings.training import TrainSettings

WARM_UP = 3


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the training loop.")
    parser.add_argument("--steps", type=int, default=30, help="timed steps")
    parser.add_argument("--width", type=int, default=TrainSettings().width)
    parser.add_argument("--tile", type=int, default=TrainSettings().tile, help="px")
    parser.add_argument("--batch", type=int, default=TrainSettings().batch)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    options = vars(parser.parse_args())
    steps = options.pop("steps")

    settings = TrainSettings(**options, steps=10**9, validations_per_run=1)
    image, instances = synthetic_stack((4, 512, 512))
    setup = set_up_training([Stack(image, "zyx")], [Stack(instances, "zyx")], settings)
    device = setup.device
    dtype = autocast_dtype(device, settings.precision, training=True)
    sampler = setup.tiles.sampler(setup.data.training, setup.settings, device)
    batch = sampler.batch(settings.batch)
    ways: dict[str, Callable[[], None]] = {
        "loop": loop(setup),
        "bare": bare(setup, dtype, torch.channels_last, batch),
    }
    for name, other in (("fp32", None), ("bf16", torch.bfloat16)):
        ways[f"{name} channels-last"] = bare(setup, other, torch.channels_last, batch)
        ways[f"{name} contiguous"] = bare(setup, other, torch.contiguous_format, batch)
    seconds = in_turn(ways, steps, device)

    tiles = " x ".join(map(str, batch.images.shape))
    print(f"width {settings.width}, tiles {tiles}, {describe(device, dtype)}, {steps} steps")
    print(f"{'':22}{'median ms':>11}{'least ms':>10}{'/ bare':>9}{'of bare, in turn':>19}")
    for name, took in seconds.items():
        ratios = np.divide(took, seconds["bare"])
        print(f"{name:22}{1e3 * median(took):11.1f}{1e3 * min(took):10.1f}", end="")
        print(f"{median(took) / median(seconds['bare']):9.3f}{np.median(ratios):19.3f}")


def in_turn(
    ways: dict[str, Callable[[], None]], steps: int, device: torch.device
) -> dict[str, list[float]]:
    """Return seconds of each step, the ways alternately, after warm-up steps."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(WARM_UP + steps):
        for name, step in ways.items():
            synchronize(device)
            start = perf_counter()
            step()
            synchronize(device)
            if number >= WARM_UP:
                seconds[name].append(perf_counter() - start)
    return seconds


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loop(setup: TrainingSetup) -> Callable[[], None]:
    """Take a step of the training loop."""
    network = deepcopy(setup.network)
    events = TrainingRun(replace(setup, network=network)).events()
    while not isinstance(next(events), StepDone):
        pass

    def step() -> None:
        event = next(events)
        assert isinstance(event, StepDone)
        event.line()

    return step


def bare(
    setup: TrainingSetup, dtype: torch.dtype | None, layout: torch.memory_format, batch: Batch
) -> Callable[[], None]:
    """Take a bare step."""
    network = deepcopy(setup.network).to(setup.device).to(memory_format=layout).train()
    optimizer = make_optimizer(network, setup.settings)
    images, classes = batch.images.contiguous(memory_format=layout), batch.classes.long()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(setup.device.type, dtype, enabled=dtype is not None):
            scores = network(images)
        functional.cross_entropy(scores.float(), classes).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
