"""Predict one large image as U-Tile does and as other libraries do, in one run.

    pip install monai torch-em "bioimageio.core>=0.11" nnunetv2 cellpose
    python benchmarks/tiling_peers.py --rounds 3

All get the same float32 image and the same U-Net (4 poolings), which was trained for a few
seconds on a similar image, so that errors at seams are visible. *whole* is one forward pass
over the mirrored image, the reference for all others. *tiled* is U-Tile with its automatic
tile. The others have windows of 512 px and otherwise their defaults:

- MONAI `sliding_window_inference`, overlap 0.25;
- torch-em `predict_with_halo`, blocks of 512 px and 96 px of context around each;
- bioimageio.core, blocks of 512 px and 96 px of context, from the package that U-Tile writes;
- nnU-Net's predictor, steps of half a window and Gaussian weights, but no mirroring;
- cellpose's `run_net`, overlap 0.1.

Libraries that are not installed are left out. They need an output as large as the input, so an
unpadded network is wrapped for them: it uses the context that a library adds (torch-em), or
else mirrors each window, and the time includes this. Most others pad the image with zeros, so
a second difference is shown, of pixels at least 192 px inside.

Every run has its own process; they run alternately, and medians are shown. Imports are not
timed. *CPU s* is the time of all threads, which other programs hardly change. Peaks are those
of the whole process, in which image and result take 0.2 GB. U-Tile asks for memory in pages of
2 MB (THP_MEM_ALLOC_ENABLE), which is off in the others as it is in PyTorch.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from napari_utile.arrays.blocks import Blocks
from napari_utile.engine.models.model import Model
from napari_utile.engine.prediction.tile_size import choose_tile
from napari_utile.engine.prediction.tiled import Plane, TiledNetwork
from napari_utile.networks import UNet

Image = NDArray[np.float32]
Predict = Callable[[], Image]
"""Returns the probability of the foreground, in the shape of the image."""
WINDOW, HALO = 512, 96


class Run(NamedTuple):
    """A prediction that runs in its own process."""

    way: str
    padding: str
    folder: Path


class Took(NamedTuple):
    """Time and memory of a run; `cpu` is seconds of all threads together."""

    seconds: float
    cpu: float
    gigabytes: float


def main() -> None:
    parser = argparse.ArgumentParser(description="Time tiled prediction beside its peers.")
    parser.add_argument("--size", type=int, default=4096, help="side of the image, px")
    parser.add_argument("--width", type=int, default=16, help="features at full resolution")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--padding", nargs="*", default=["same", "valid"])
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    options = parser.parse_args()

    os.environ["TQDM_DISABLE"] = "1"
    print(f"{options.size} x {options.size} px, width {options.width}, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, ", end="")
    print(f"median of {options.rounds} rounds in turn")
    with TemporaryDirectory() as folder:
        for padding in options.padding:
            compare(padding, Path(folder), options)


def compare(padding: str, folder: Path, options: argparse.Namespace) -> None:
    """Print a table of one network."""
    in_its_own_process(prepare, padding, folder, options)
    installed = {name: shown(name) for name in options.ways}
    for name in [name for name in installed if not installed[name]]:
        print(f"not installed: {name}")
        del installed[name]
    loads, rounds = [], []
    for _ in range(options.rounds):
        runs = {}
        for way in installed:
            loads.append(os.getloadavg()[0])
            os.environ["THP_MEM_ALLOC_ENABLE"] = str(int(way.startswith("tiled")))
            runs[way] = in_its_own_process(measure, Run(way, padding, folder))
            print(f"{padding}, {way}: {runs[way].seconds:.1f} s", file=sys.stderr, flush=True)
        rounds.append(runs)
    took = {
        way: Took(*map(median, zip(*(runs[way] for runs in rounds), strict=True)))
        for way in installed
    }
    print(f"\n{PADDINGS[padding]:34}{'s':>7}{'/ whole':>9}{'/ MONAI':>9}", end="")
    print(f"{'CPU s':>8}{'/ whole':>9}{'/ MONAI':>9}{'peak GB':>9}", end="")
    print(f"{'difference':>12}{'inside':>9}   rounds, s")
    for way, name in installed.items():
        print(f"{name:34}", end="")
        for clock, unit in ((0, 7), (1, 8)):
            print(f"{took[way][clock]:{unit}.2f}", end="")
            for other in ("whole", "MONAI"):
                ratio = took[way][clock] / took[other][clock] if other in took else np.nan
                print(f"{ratio:9.2f}", end="")
        differences = "{:12.1g}{:9.1g}".format(*difference(way, folder))
        print(f"{took[way].gigabytes:9.2f}{differences}   ", end="")
        print(*(f"{runs[way].seconds:.2f}" for runs in rounds), flush=True)
    print(f"load before each run: {median(loads):.1f} (median), {max(loads):.1f} (most)")


PADDINGS = {"same": "padded convolutions", "valid": "unpadded convolutions"}


def shown(way: str) -> str:
    """Return the name and version of a library; empty if it is not installed."""
    package, words = WAYS[way][:2]
    try:
        return f"{way} {version(package)}, {words}" if package else f"{way}, {words}"
    except PackageNotFoundError:
        return ""


def difference(way: str, folder: Path) -> tuple[float, float]:
    """Return the largest difference in probability from one pass, and the one far inside."""
    if not (folder / "whole.npy").exists():
        return np.nan, np.nan
    apart = np.abs(np.load(folder / f"{way}.npy") - np.load(folder / "whole.npy"))
    return apart.max(), apart[2 * HALO : -2 * HALO, 2 * HALO : -2 * HALO].max()


def in_its_own_process(do: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a fresh interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(do, *arguments).result()


def prepare(padding: str, folder: Path, options: argparse.Namespace) -> None:
    """Write the image and a trained network."""
    torch.manual_seed(0)
    network = UNet(width=options.width, padding=padding, dropout=0.0)
    train(network, options.steps)
    network.eval()
    torch.save(network.state_dict(), folder / "weights.pt")
    torch.save(network.arguments, folder / "arguments.pt")
    Model(network).save(folder / "model")
    np.save(folder / "image.npy", cells(options.size, seed=0)[0])


def cells(size: int, seed: int) -> tuple[Image, NDArray[np.bool_]]:
    """Return cells of slightly different gray, with thin dark lines between them, and noise."""
    random = np.random.default_rng(seed)
    waves = gaussian_filter(random.standard_normal((size, size), np.float32), 16)
    waves /= waves.std()
    image = 0.3 * np.sign(waves) - 2 * (np.abs(waves) < 0.1)
    image += random.standard_normal(image.shape, np.float32)
    return image.astype(np.float32), waves > 0


def train(network: UNet, steps: int) -> None:
    """Train for a number of steps on crops of one image."""
    image, inside = (torch.from_numpy(layer) for layer in cells(1024, seed=1))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    (side, _), (margin, _) = network.input_size((160, 160)), network.margin
    for y, x in np.random.default_rng(2).integers(0, 1024 - side, (steps, 2)):
        window = slice(y, y + side), slice(x, x + side)
        logits = network.forward_tile(image[window][None, None])
        truth = inside[window][None, margin:-margin, margin:-margin].long()
        loss = functional.cross_entropy(logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def measure(run: Run) -> Took:
    """Run one way once, after a warm-up on one small tile."""
    network = UNet(**torch.load(run.folder / "arguments.pt"))
    network.load_state_dict(torch.load(run.folder / "weights.pt"))
    network.eval()
    image = np.load(run.folder / "image.npy")
    with redirect_stdout(None):
        predict = WAYS[run.way][2](network, image, run.folder)
    with torch.inference_mode():
        network.forward_tile(torch.zeros(1, 1, *network.input_size((16, 16))))
    start, start_cpu = perf_counter(), process_time()
    result = predict()
    took = Took(perf_counter() - start, process_time() - start_cpu, most_resident())
    np.save(run.folder / f"{run.way}.npy", result)
    return took


def most_resident() -> float:
    """Read the largest resident memory of this process, in GB. Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


# the ways


class SameSize(nn.Module):
    """A network whose probabilities are as large as its input, as other libraries need it.

    A padded network is used as it is. One without padding gets its margin from the `context`
    that its caller crops; the rest is mirrored.
    """

    out_channels = 2
    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, network: UNet, context: int = 0, probabilities: bool = True):
        super().__init__()
        self.network, self.context, self.probabilities = network, context, probabilities

    def forward(self, x: Tensor) -> Tensor:
        logits = self.network(x) if self.network.padding == "same" else self._unpadded(x)
        return logits.softmax(1) if self.probabilities else logits

    def _unpadded(self, x: Tensor) -> Tensor:
        side, margin = x.shape[-1], self.network.margin[0]
        output = side - 2 * self.context
        before = margin - self.context
        after = self.network.input_size((output, output))[0] - before - side
        if self.context:  # crop the surplus, then restore the size
            around = (self.context, side - self.context - output) * 2
            x = x[..., -before:after, -before:after] if after else x[..., -before:, -before:]
            return functional.pad(self.network(x)[..., :output, :output], around)
        x = functional.pad(x, (before, after) * 2, mode="reflect")
        return self.network(x)[..., :output, :output]


def tiled(network: UNet, image: Image, folder: Path, dtype: torch.dtype | None = None) -> Any:
    def predict() -> Image:
        device, plane = torch.device("cpu"), Plane(image.shape, lambda y, x: image[None, y, x])
        tiles = TiledNetwork(network, device, dtype)
        result = np.empty((2, *image.shape), np.float32)
        tile = choose_tile(network, image.shape, device, dtype)
        for block in Blocks((0, 0), image.shape, tile):
            result[:, *block.window] = tiles.probabilities(plane, block.window)
        return result[1]

    return predict


def tiled_bf16(network: UNet, image: Image, folder: Path) -> Predict:
    return tiled(network, image, folder, torch.bfloat16)


def whole(network: UNet, image: Image, folder: Path) -> Predict:
    @torch.inference_mode()
    def predict() -> Image:
        (height, width), (step, _) = image.shape, network.stride_alignment
        if network.padding == "valid":
            before, cut = network.margin[0], 0
            sides = network.input_size(image.shape)
        else:
            before = cut = -(-network.margin[0] // step) * step
            sides = [2 * before + side + -side % step for side in image.shape]
        around = [
            (before, whole - before - side)
            for whole, side in zip(sides, image.shape, strict=True)
        ]
        x = torch.from_numpy(np.pad(image, around, mode="reflect"))[None, None]
        logits = network(x)[0, :, cut : cut + height, cut : cut + width]
        return logits.softmax(0)[1].numpy()

    return predict


def monai(network: UNet, image: Image, folder: Path) -> Predict:
    from monai.inferers import sliding_window_inference

    @torch.inference_mode()
    def predict() -> Image:
        x = torch.from_numpy(image)[None, None]
        windows = (WINDOW, WINDOW)
        return sliding_window_inference(x, windows, 1, SameSize(network), 0.25)[0, 1].numpy()

    return predict


def torch_em(network: UNet, image: Image, folder: Path) -> Predict:
    from torch_em.util.prediction import predict_with_halo

    return lambda: predict_with_halo(
        image,
        SameSize(network, context=HALO),
        gpu_ids=["cpu"],
        block_shape=(WINDOW, WINDOW),
        halo=(HALO, HALO),
        preprocess=None,
        disable_tqdm=True,
    )[1]


def bioimageio(network: UNet, image: Image, folder: Path) -> Predict:
    from bioimageio.core import create_prediction_pipeline, predict
    from bioimageio.spec import load_model_description

    path = folder / "model" / "bioimageio.yaml"
    description: Any = load_model_description(path, perform_io_checks=False)
    model = create_prediction_pipeline(description)
    smallest = description.inputs[0].axes[-1].size
    steps = (WINDOW + 2 * HALO - smallest.min) // smallest.step

    def run() -> Image:
        found = predict(
            model=model, inputs={"image": image[None, None]}, blocksize_parameter=steps
        )
        (result,) = found.members.values()
        return np.asarray(result.data[0, 1])

    return run


def nnunet(network: UNet, image: Image, folder: Path) -> Predict:
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        os.environ.setdefault(name, str(folder))
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=False,
        perform_everything_on_device=False,
        device=torch.device("cpu"),
        allow_tqdm=False,
    )
    predictor.network = SameSize(network, probabilities=False)
    predictor.configuration_manager = SimpleNamespace(patch_size=(WINDOW, WINDOW))
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=2)

    def predict() -> Image:
        x = torch.from_numpy(image)[None, None]
        logits = predictor.predict_sliding_window_return_logits(x)
        return torch.as_tensor(logits).float().softmax(0)[1, 0].numpy()

    return predict


def cellpose(network: UNet, image: Image, folder: Path) -> Predict:
    from cellpose.core import run_net

    class Styled(SameSize):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x), torch.zeros(len(x), 256)

    return lambda: run_net(Styled(network), image[None, :, :, None], bsize=WINDOW)[0][0, ..., 1]


Way = tuple[str, str, Callable[[UNet, Image, Path], Predict]]
WAYS: dict[str, Way] = {
    "tiled": ("", "fp32", tiled),
    "tiled bf16": ("", "channels-last", tiled_bf16),
    "whole": ("", "fp32", whole),
    "MONAI": ("monai", "overlap 0.25", monai),
    "torch-em": ("torch-em", "halo 96", torch_em),
    "bioimageio": ("bioimageio.core", "halo 96", bioimageio),
    "nnU-Net": ("nnunetv2", "step 0.5", nnunet),
    "cellpose": ("cellpose", "overlap 0.1", cellpose),
}
"""Name -> library, description, and the function that prepares the work."""


if __name__ == "__main__":
    main()
