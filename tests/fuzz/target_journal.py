"""Records beside results and in run folders: plans, journals, jobs, comparisons, locks."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from napari_utile.arrays.splits import Region, Split
from napari_utile.engine.prediction.plan import PredictionPlan
from napari_utile.errors import UserError
from napari_utile.folders.comparison import ComparisonFolder, split_facts
from napari_utile.folders.job import JobFolder, JobRecord, ShownResult
from napari_utile.folders.journal import WorkFolder
from napari_utile.folders.run import Run
from napari_utile.io.disk import locked
from napari_utile.io.fingerprints import digest_of_planes, fingerprint
from napari_utile.io.stack import Stack
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.prediction import PredictSettings

KIND = "text"
STACK = Stack(np.arange(600, dtype=np.uint8).reshape(2, 15, 20), "zyx")
PLAN = PredictionPlan(
    model="0" * 32,
    image=fingerprint(STACK),
    settings=PredictSettings().model_dump(mode="json"),
    precision="float32",
    tile=(16, 16),
    model_path="/m",
    image_path="/i",
)


def seeds() -> list[bytes]:
    """Make records, below the name of the file that each is in."""
    half = (slice(0, 15), slice(0, 10)), (slice(0, 15), slice(10, 20))
    regions = [(Region(0, (z,), window),) for z, window in enumerate(half)]
    planes = digest_of_planes([STACK], [(0, (0,)), (0, (1,))])
    split = split_facts(Split(*regions, "block", 2)) | {"images": planes, "labels": planes}
    result = ShownResult(image="x", name="x", out=Path("x.zarr"), place={"scale": [1, 2]})
    job = JobRecord(
        title="x", arguments=("predict", "m"), output="instances", out=Path("o"),
        created=datetime(2026, 1, 1), results=(result,),
    )  # fmt: skip
    records = {
        "plan.json": json.dumps(PLAN.as_dict()),
        "finished.json": json.dumps({"plan": PLAN.as_dict(), "objects": 3, "seconds": 1.5}),
        "journal.txt": "tiles 0\ntiles 1\nobjects 0\n",
        "job.json": job.model_dump_json(),
        "data.json": json.dumps(split),
        "settings.json": CompareSettings().text(),
        "holder": json.dumps({"pid": 1, "host": "x"}),
    }
    return [f"{name}\n{text}".encode() for name, text in records.items()]


def check(data: bytes, folder: Path) -> None:
    """Read a record as a command or window does that finds it."""
    name, _, text = data.partition(b"\n")
    match name:
        case b"plan.json" | b"finished.json" | b"journal.txt":
            _read_work(folder, name.decode(), text)
        case b"job.json":
            (folder / "job.json").write_bytes(text)
            _ = JobFolder(folder).record
        case b"data.json" | b"settings.json":
            _read_comparison(folder, name.decode(), text)
        case _:
            (folder / ".a.holder").write_bytes(text)
            with locked(folder / "a"):
                (folder / ".a.holder").write_bytes(text)
                with pytest.raises(UserError, match="in use by"), locked(folder / "a"):
                    pass


def _read_work(folder: Path, name: str, text: bytes) -> None:
    work = WorkFolder(folder / "r.zarr")
    work.path.mkdir()
    (work / name).write_bytes(text)
    for facts in (work.plan, work.finished.get("plan")):
        if isinstance(facts, dict) and (plan := PredictionPlan.read(facts)):
            plan.differences(PLAN)
    done = work.done("tiles", 4)
    assert done.shape == (4,)
    with_more = work.journal()
    with_more.write("tiles", [3])
    with_more.close()
    assert work.done("tiles", 4)[3]


def _read_comparison(folder: Path, name: str, text: bytes) -> None:
    comparison = ComparisonFolder(folder)
    comparison.settings.write_text(CompareSettings().text())
    (folder / name).write_bytes(text)
    comparison.check()
    _ = Run(folder).is_finished, comparison.runs
    comparison.split(CompareSettings(), [STACK], [STACK])
