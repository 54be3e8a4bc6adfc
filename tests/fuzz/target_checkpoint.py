"""Checkpoints: a training resumes from one that a crash, a disk or a stranger has changed."""

import random
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch

from napari_utile.engine.training.front import train_files
from napari_utile.events import EpochDone
from napari_utile.folders.run import Run
from napari_utile.io.images import write_tiff
from napari_utile.settings.training import TrainSettings
from tests.fixtures.trained import TINY, cells
from tests.fuzz.target_model import changed_archive

KIND = "bytes"
SETTINGS = TrainSettings(**TINY | {"steps": 2, "validations_per_run": 2})


@cache
def stopped_run() -> Path:
    """Train for a step, and return the folder of images, labels and run."""
    torch.set_num_threads(1)
    folder = Path(mkdtemp(prefix="stopped-run-"))
    for name, pixels in zip(("image.tif", "labels.tif"), cells((4, 24, 32)), strict=True):
        write_tiff(folder / name, pixels)
    run = train_files(folder / "image.tif", folder / "labels.tif", folder / "run", SETTINGS)
    for event in run:
        if isinstance(event, EpochDone):
            run.close()
            break
    return folder


def seeds() -> list[bytes]:
    """Take the checkpoint of a training that was stopped."""
    return [path.read_bytes() for path in Run(stopped_run() / "run").checkpoints]


def mutate(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change tensors, the pickle of plain types, or the archive."""
    return changed_archive(data, chance, others)


def check(data: bytes, folder: Path) -> None:
    """Resume a run all of whose checkpoints are this."""
    shutil.copytree(stopped_run() / "run", folder / "run")
    for path in Run(folder / "run").checkpoints:
        path.write_bytes(data)
    images = (stopped_run() / name for name in ("image.tif", "labels.tif"))
    for _ in train_files(*images, folder / "run", SETTINGS):
        pass
