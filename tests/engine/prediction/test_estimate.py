"""What a prediction will take is told before it begins."""

import numpy as np
import torch

from napari_utile.engine.prediction.resume import Execution
from napari_utile.events import RunStarted, Warned
from napari_utile.io.images import write_tiff
from tests.fixtures.blob_model import blobs
from tests.fixtures.segmented import SHAPE, segment

torch.set_num_threads(1)


def test_a_dry_run_counts_what_is_missing_and_names_what_is_bad(blob_files, tmp_path):
    (tmp_path / "model").symlink_to(blob_files / "model")
    for name in ("a.tif", "b.tif"):
        write_tiff(tmp_path / name, blobs(SHAPE[1:], seed=ord(name[0])))
    (tmp_path / "c.tif").write_bytes(b"")
    segment(tmp_path, tmp_path / "out", ["a.tif", "c.tif"])
    names = ["a.tif", "b.tif", "c.tif"]
    events = segment(tmp_path, tmp_path / "out", names, execution=Execution(dry_run=True))
    assert events[0].facts["blocks"] == 3 * 3
    assert [e.message for e in events if isinstance(e, Warned)] == [
        f"{tmp_path}/c.tif will be left out: {tmp_path}/c.tif is empty."
    ]


def test_what_it_takes_is_said_before(blob_files, tmp_path):
    how = Execution(dry_run=True)
    events = segment(blob_files, tmp_path / "out.zarr", execution=how, output="instances")
    (started,) = [event for event in events if isinstance(event, RunStarted)]
    facts = started.facts
    assert facts["blocks"] == 3 * 3 * 3
    assert facts["block"] == "24 x 24"
    assert facts["disk"].startswith(
        f"up to {(5 * 4 / 3 + 4) * np.prod(SHAPE) / 1000:.1f} kB of "
    )
    assert facts["memory"].startswith("about ") and facts["time"].startswith(
        ("about ", "less than 1 s")
    )
    assert not list(tmp_path.iterdir())
