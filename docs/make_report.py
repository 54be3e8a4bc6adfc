"""Make report.png of measuring.md by the commands that are written there.

python docs/make_report.py
"""

import argparse
import os
import tempfile
from pathlib import Path

from napari_utile.cli.main import main as utile

SMALL = ["--steps", "400", "--width", "8", "--depth", "3", "--tile", "128"]
"""A network that learns this easy sample."""


def main() -> None:
    """Train, predict and evaluate the synthetic sample; draw the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("report.png"))
    out = parser.parse_args().out.absolute()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        image, truth = "sample/image.tif", "sample/labels.tif"
        utile(["sample", "synthetic", "--out", "sample"])
        utile(["train", image, truth, "--out", "run", *SMALL])
        utile(["predict", "run", image, "--out", "probabilities.zarr"])
        sheet = ["--image", image, "--score-thresholds", "--overwrite", "--out", str(out)]
        utile(["evaluate", "probabilities.zarr", truth, *sheet])
        os.chdir(out.parent)


if __name__ == "__main__":
    main()
