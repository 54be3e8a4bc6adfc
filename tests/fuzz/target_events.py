"""Files of events: of a run, and of a job that windows follow; shown in a terminal."""

import contextlib
import io
from datetime import datetime
from pathlib import Path

from napari_utile.cli.display import Display, print_warning
from napari_utile.events import (
    BlockDone,
    CandidateDone,
    CandidateStarted,
    EpochDone,
    ImageDone,
    PreviewReady,
    RunDone,
    RunFailed,
    RunStarted,
    SliceDone,
    StepDone,
    TileDone,
    Warned,
)
from napari_utile.folders.job import EngineStart, JobFolder, JobRecord
from napari_utile.folders.run import Run
from napari_utile.widgets.runs.entry import JobEntry

KIND = "text"
EVENTS = (
    RunStarted(job="train", out="run", device="cpu", facts={"network": "unet"}),
    StepDone(step=7, loss=0.25, learning_rate=1e-3, progress=0.5, rate=3.0, seconds_left=61.0),
    EpochDone(
        epoch=1, step=7, train_loss=0.3, val_loss=0.2, scores={"iou": 0.875, "dice": 0.9},
        is_best=True, seconds=75.0,
    ),
    TileDone(done=1, total=4, image="x", index=(), write=((0, 4), (4, 9)), rate=1.0),
    CandidateStarted(network="fcn", seed=3, number=2, total=6, out="cmp/fcn-seed3"),
    CandidateDone(network="fcn", seed=3, row={"iou": 0.9, "seconds_to_train": 61.0}),
    BlockDone(stage="objects", image="x", done=1, total=2, rate=1.0),
    SliceDone(done=1, total=2, rate=1.0),
    ImageDone(image="x.tif", out="x.zarr", shape=(4, 9), seconds=1.0, status="done"),
    PreviewReady(path="a.tif", step=7),
    Warned(message="a doubt"),
    RunFailed(message="no", user=True),
    RunDone(out="run", seconds=80.0),
)  # fmt: skip


def seeds() -> list[bytes]:
    """Make files of a training, a comparison and a segmentation."""
    start = EngineStart(began=datetime(2026, 1, 1)).model_dump_json()
    lines = [event.line() for event in EVENTS]
    job = ["", start, lines[0], lines[3], lines[8], lines[12]]
    return ["\n".join([*part, ""]).encode() for part in (lines, lines[:3] + lines[-1:], job)]


def check(data: bytes, folder: Path) -> None:
    """Read a file as a run that is resumed, and as a job that a window lists."""
    (folder / "events.jsonl").write_bytes(data)
    run = Run(folder)
    _ = run.is_finished
    with contextlib.redirect_stderr(io.StringIO()), Display() as display:
        for event in run.recorded():
            display(event)
            print_warning(event)
    record = JobRecord(
        title="x",
        arguments=("predict",),
        output="instances",
        out=folder,
        created=datetime.now(),
    )
    job = JobFolder(folder)
    job.write(record)
    entry = JobEntry(job, record)
    entry.update()
    _ = entry.state, entry.words(), entry.is_alive, entry.can_resume, entry.images()
