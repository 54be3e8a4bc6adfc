"""Check on a GPU what is promised of it, and measure how much of the GPU is used, in one run.

    python benchmarks/on_gpu.py --out on_gpu.json

*tiled* is the largest difference of tiled logits from those of one pass over the mirrored
image, relative to their largest value, in float32; *cpu* is that from the CPU. Training takes
the same steps on CPU and GPU in float32. Speeds are in TFLOP/s, counted by PyTorch, beside the
measured peak of a matrix product in bfloat16. Parts that would begin after 8 minutes are left
out, and said. Without a GPU the same runs in small on the CPU.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

import napari_utile as utile
from napari_utile.engine.models.factory import network_from_settings
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.in_memory import logits
from napari_utile.engine.training.front import train
from napari_utile.events import StepDone
from napari_utile.io.images import open_image
from napari_utile.io.tiff import write_tiff
from napari_utile.networks import NETWORKS, UNet, UNet3D
from napari_utile.samples.synthesis import synthetic_stack
from napari_utile.settings.options import axes_seen
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings

LAST_START = 480
"""Seconds after which no part is begun."""


def main() -> None:
    """Run every part; write what is measured after each."""
    parser = argparse.ArgumentParser(description="Check and measure on a GPU.")
    parser.add_argument("--out", type=Path, default=Path("on_gpu.json"))
    out = parser.parse_args().out
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        print("There is no GPU here: the same runs in small on the CPU.")
    facts: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu (no GPU)",
        "torch": torch.__version__,
        "utile": utile.__version__,
        "failed": [],
        "left_out": [],
    }
    started = time.monotonic()
    for part in (tiled, training, files, peak, forward, step, step_of_volumes, pipeline, loop):
        name = part.__name__
        if time.monotonic() - started > LAST_START:
            facts["left_out"].append(name)
            continue
        begun = time.monotonic()
        try:
            facts[name] = part(device)
        except Exception as error:  # the other parts are worth their time all the same
            facts["failed"].append(f"{name}: {type(error).__name__}: {error}")
        facts.setdefault("seconds", {})[name] = round(time.monotonic() - begun, 1)
        print(name, json.dumps(facts.get(name)), facts["failed"][-1:], flush=True)
        out.write_text(json.dumps(facts, indent=1), "utf-8")
    print(f"{out}: {len(facts['failed'])} failed, {len(facts['left_out'])} left out")


# what is promised


def tiled(device: torch.device) -> dict[str, dict[str, float]]:
    """Compare tiles with the whole, and with the CPU, for every network."""
    is_gpu, found = device.type == "cuda", {}
    for name in NETWORKS:
        torch.manual_seed(0)
        settings = TrainSettings(network=name, width=8)
        network = network_from_settings(settings, 1, 2).eval()
        shape, tile = ((700, 709) if is_gpu else (96, 105)), (64, 96)
        if axes_seen(name) == 3:
            shape, tile = ((96, 160, 169) if is_gpu else (24, 40, 49)), (16, 32, 24)
        pixels = np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float32)
        whole = logits(network, pixels, shape, device)
        parts = logits(network, pixels, tile, device)
        there = logits(network, pixels, shape, "cpu")
        largest = float(np.abs(whole).max())
        found[name] = {
            "tiled": float(np.abs(parts - whole).max()) / largest,
            "cpu": float(np.abs(there - whole).max()) / largest,
        }
    worst = max(each["tiled"] for each in found.values())
    assert worst < 1e-5, f"tiles differ from the whole by {worst:.1e}"
    assert max(each["cpu"] for each in found.values()) < 1e-3, f"GPU and CPU differ: {found}"
    return found


def training(device: torch.device) -> dict[str, Any]:
    """Take the same steps on the device and on the CPU; then more, and the loss falls."""
    return {name: same_steps(device, name) for name in ("unet", "unet-3d")}


def same_steps(device: torch.device, network: str) -> dict[str, Any]:
    """Compare the losses of a network's first steps, and watch it learn."""
    image, labels = synthetic_stack((6, 192, 192) if network == "unet" else (24, 96, 96))
    given = {"width": 8, "tile": 64, "batch": 2, "precision": "fp32", "validations_per_run": 1}
    given["network"] = network
    losses = {}
    for name in dict.fromkeys(["cpu", device.type]):
        losses[name] = losses_of(image, labels, TrainSettings(**given, steps=8, device=name))
    first, last = np.array(losses["cpu"]), np.array(losses[device.type])
    assert np.allclose(first, last, rtol=0.02), f"losses differ: {losses}"
    steps = 20 if device.type == "cpu" else 200
    auto = TrainSettings(**given | {"precision": "auto"}, steps=steps, device=device.type)
    long = losses_of(image, labels, auto)
    assert np.mean(long[-5:]) < np.mean(long[:5]), f"the loss does not fall: {long}"
    return {"losses": losses, "falls_to": float(np.mean(long[-5:])), "steps": steps}


def losses_of(image: Any, labels: Any, settings: TrainSettings) -> list[float]:
    """Train, and return the loss of each step."""
    found: list[float] = []

    def on_event(event: object) -> None:
        if isinstance(event, StepDone):
            found.append(event.loss)

    train(image, labels, settings, on_event=on_event)
    return found


def files(device: torch.device) -> dict[str, float]:
    """Segment a file as the shell does, in float32 and bfloat16, and compare with the CPU."""
    image, labels = synthetic_stack((3, 256, 256))
    settings = TrainSettings(width=8, tile=64, batch=2, steps=20, validations_per_run=1)
    model = train(image, labels, settings)
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "model")
        write_tiff(folder / "image.tif", image)
        for where, precision in (("cpu", "fp32"), (device.type, "fp32"), (device.type, "bf16")):
            out = folder / f"{where}-{precision}.zarr"
            options = PredictSettings(device=where, precision=precision, output="probabilities")
            for _ in predict_files(folder / "model", [folder / "image.tif"], out, options):
                pass
            found[f"{where} {precision}"] = np.asarray(open_image(out).read(), np.float32) / 255
    first = found.pop("cpu fp32")
    differ = {way: float(np.abs(there - first).max()) for way, there in found.items()}
    assert all(value < 0.2 for value in differ.values()), f"probabilities differ: {differ}"
    return differ


# how fast


def seconds(work: Callable[[], object], device: torch.device, rounds: int = 10) -> float:
    """Return the median time of a call, after three."""
    took = []
    for number in range(3 + (rounds if device.type == "cuda" else 1)):
        if device.type == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if number >= 3:
            took.append(time.perf_counter() - begun)
    return float(np.median(took))


def peak(device: torch.device) -> dict[str, float]:
    """Measure a matrix product in bfloat16."""
    side = 8192 if device.type == "cuda" else 256
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return {"tflops": 2 * side**3 / seconds(lambda: a @ b, device) / 1e12}


def forward(device: torch.device) -> dict[str, dict[str, float | str]]:
    """Measure the published U-Net on a large tile, in several formats."""
    side, width = (1532, 64) if device.type == "cuda" else (188, 4)
    network = UNet(width=width).to(device).eval()
    return rows(network, torch.randn(1, 1, side, side, device=device), device, backward=False)


def step_of_volumes(device: torch.device) -> dict[str, dict[str, float | str]]:
    """Measure a step of training of the published network of volumes."""
    size, width = ((116, 132, 132), 32) if device.type == "cuda" else ((92, 92, 92), 2)
    network = UNet3D(width=width).to(device).train()
    return rows(network, torch.randn(1, 1, *size, device=device), device, backward=True)


def step(device: torch.device) -> dict[str, dict[str, float | str]]:
    """Measure a step of training of the published U-Net."""
    side, width, batch = (572, 64, 4) if device.type == "cuda" else (188, 4, 1)
    network = UNet(width=width).to(device).train()
    return rows(
        network, torch.randn(batch, 1, side, side, device=device), device, backward=True
    )


def rows(
    network: Any, x: torch.Tensor, device: torch.device, backward: bool
) -> dict[str, dict[str, float | str]]:
    """Measure each format and layout, then compiled; a way that fails says why."""

    def work(run: Any, dtype: torch.dtype | None) -> None:
        with torch.set_grad_enabled(backward):
            with torch.autocast(device.type, dtype, enabled=dtype is not None):
                scores = run(x)
            if backward:
                run.zero_grad()
                scores.float().square().mean().backward()

    with FlopCounterMode(display=False) as counter:
        work(network, None)
    work_of_one = counter.get_total_flops()
    found: dict[str, dict[str, float | str]] = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        is_last = layout == torch.channels_last
        form = torch.channels_last_3d if is_last and x.ndim == 5 else layout
        network.to(memory_format=form)
        x = x.contiguous(memory_format=form)
        for dtype in (None, torch.bfloat16):
            for compiled in (False, True) if device.type == "cuda" else (False,):
                name = f"{'bf16' if dtype else 'fp32'} {str(layout).split('.')[1]}"
                name += " compiled" * compiled
                try:
                    run = torch.compile(network) if compiled else network
                    took = seconds(lambda r=run, d=dtype: work(r, d), device)
                    found[name] = {"ms": 1e3 * took, "tflops": work_of_one / took / 1e12}
                except Exception as error:
                    found[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
    return found


def pipeline(device: torch.device) -> dict[str, float]:
    """Measure a prediction from array to array, with the default network and tile."""
    side = 4096 if device.type == "cuda" else 256
    network = network_from_settings(TrainSettings(), 1, 2).eval()
    pixels = np.random.default_rng(0).normal(size=(1, side, side)).astype(np.float32)
    took = seconds(lambda: logits(network, pixels, None, device, torch.bfloat16), device, 3)
    return {"megapixels_per_s": side**2 / took / 1e6}


def loop(device: torch.device) -> dict[str, float]:
    """Measure the whole loop of a training by default settings."""
    image, labels = synthetic_stack((4, 256, 256))
    steps = 100 if device.type == "cuda" else 4
    settings = TrainSettings(steps=steps, validations_per_run=1, device=device.type)
    begun = time.perf_counter()
    losses_of(image, labels, settings)
    return {"steps_per_s": steps / (time.perf_counter() - begun)}


if __name__ == "__main__":
    main()
