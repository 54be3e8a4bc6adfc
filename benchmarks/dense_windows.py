"""Time the sliding-window network on all windows at once beside window by window, in one run.

    python benchmarks/dense_windows.py --size 96 --width 16

*windows* cuts the 95 x 95 pixels around every pixel and runs the network as published, in
batches. *dense* runs it once on the mirrored image, with poolings that keep every pixel. Both
give the same logits. They run alternately; medians are shown.

The dense form is that of Giusti et al., "Fast Image Scanning with Deep Max-Pooling
Convolutional Neural Networks", ICIP 2013.
"""

import argparse
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from napari_utile.networks import SlidingWindow
from napari_utile.networks.sliding_window import WINDOW


def main() -> None:
    parser = argparse.ArgumentParser(description="Time all windows at once.")
    parser.add_argument("--size", type=int, default=96, help="side of the image, px")
    parser.add_argument("--width", type=int, default=16, help="features (published: 48)")
    parser.add_argument("--batch", type=int, default=64, help="windows that run together")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()

    torch.manual_seed(0)
    network = SlidingWindow(width=options.width).eval()
    network.to(memory_format=torch.channels_last)
    image = torch.randn(1, 1, options.size, options.size)
    mirrored = torch.nn.functional.pad(image, 4 * [network.margin[0]], mode="reflect")
    ways = {
        "windows": lambda: window_by_window(network, mirrored, options.batch),
        "dense": lambda: network.forward_tile(mirrored),
    }
    dtype = torch.bfloat16 if options.precision == "bf16" else None
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    logits = {}
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype is not None):
        network(mirrored[..., : 2 * WINDOW, : 2 * WINDOW])
        for _ in range(options.rounds):
            for name, run in ways.items():
                start = perf_counter()
                logits[name] = run().float()
                seconds[name].append(perf_counter() - start)

    windows, dense = (median(seconds[name]) for name in ("windows", "dense"))
    error = (logits["windows"] - logits["dense"]).abs().max().item()
    print(f"{options.size} x {options.size} px, width {options.width}, {options.precision},")
    print(f"{torch.get_num_threads()} threads, median of {options.rounds} rounds\n")
    print(f"{'windows':8}{windows:9.3f} s")
    print(f"{'dense':8}{dense:9.3f} s{windows / dense:8.1f} times as fast")
    print(f"largest difference {error:.0e}, logits up to {logits['dense'].abs().max():.1f}")


def window_by_window(network: SlidingWindow, mirrored: Tensor, batch: int) -> Tensor:
    """Cut the window of every pixel, and run them a batch at a time."""
    windows = mirrored[0].unfold(1, WINDOW, 1).unfold(2, WINDOW, 1)  # (C, Y, X, 95, 95)
    rows, columns = windows.shape[1:3]
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    found = [
        network.of_windows(
            windows[:, y, x].transpose(0, 1).contiguous(memory_format=torch.channels_last)
        )
        for y, x in (part.T for part in places.split(batch))
    ]
    return torch.cat(found).reshape(1, rows, columns, -1).permute(0, 3, 1, 2)


if __name__ == "__main__":
    main()
