"""Segment a stack by dask workers and by parts beside one process, in one run.

    python benchmarks/workers.py --workers 2

Every way is the command as a user types it, in new processes, start-up included; the network is
small, so the ratios show the cost of sharing. One process computes with as many
threads as all workers together. *steady* leaves out the start-up: it is the time from the first
written block to the last. The results must be the same to the bit.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import tifffile
import torch

from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model
from napari_utile.networks import UNet


def main() -> None:
    parser = argparse.ArgumentParser(description="Time workers.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--size", type=int, default=1024, help="side of a slice, px")
    parser.add_argument("--width", type=int, default=8, help="features at full resolution")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        shape = (options.slices, options.size, options.size)
        pixels = rng.integers(0, 255, shape, np.uint8)
        tifffile.imwrite(folder / "stack.tif", pixels, photometric="minisblack")
        torch.manual_seed(0)
        network = UNet(width=options.width)
        Model(network, Normalization(mean=(127.0,), std=(74.0,))).save(folder / "model")
        ways: dict[str, list[list[str]]] = {
            "one process": [[]],
            f"{options.workers} workers": [["--workers", str(options.workers)]],
            f"{options.workers} parts": [
                ["--part", f"{k + 1}/{options.workers}"] for k in range(options.workers)
            ],
        }
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, commands in ways.items():
                out = folder / f"{way.replace(' ', '-')}.zarr"
                times[way].append(run(folder, out, commands))
        print(f"{shape} px, width {options.width}, best of {options.rounds}")
        print(f"{'':14}{'s':>8}{'ratio':>7}{'steady':>8}{'ratio':>7}  same bits")
        first = [min(part) for part in zip(*times["one process"], strict=True)]
        expected = bits(folder / "one-process.zarr")
        for way, measured in times.items():
            whole, steady = (min(part) for part in zip(*measured, strict=True))
            same = bits(folder / f"{way.replace(' ', '-')}.zarr") == expected
            print(
                f"{way:14}{whole:8.1f}{whole / first[0]:7.2f}{steady:8.1f}"
                f"{steady / first[1]:7.2f}  {same}"
            )


def run(folder: Path, out: Path, commands: list[list[str]]) -> tuple[float, float]:
    """Run commands at the same time; return the seconds of all, and those between blocks."""
    start = perf_counter()
    program = [sys.executable, "-m", "napari_utile", "predict"]
    files = [str(folder / "model"), str(folder / "stack.tif"), "--out", str(out)]
    shared: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    overwrite = ["--overwrite"] if out.exists() and len(commands) == 1 else []
    if out.exists() and len(commands) > 1:
        out = out.rename(out.with_suffix(".old"))
    processes = [
        subprocess.Popen([*program, *files, *flags, *overwrite, "--events"], **shared)
        for flags in commands
    ]
    with ThreadPoolExecutor(len(processes)) as readers:
        marks = [mark for marks in readers.map(marks_of, processes) for mark in marks]
    for process in processes:
        if process.wait():
            raise SystemExit(f"a process ended with status {process.returncode}")
    return perf_counter() - start, max(marks) - min(marks)


def marks_of(process: subprocess.Popen[bytes]) -> list[float]:
    """Return when each block was written."""
    assert process.stdout is not None
    return [
        perf_counter() for line in process.stdout if json.loads(line)["event"] == "TileDone"
    ]


def bits(out: Path) -> dict[str, bytes]:
    """Read the chunks of level 0."""
    level = out / "0"
    return {
        path.relative_to(level).as_posix(): path.read_bytes()
        for path in level.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    main()
