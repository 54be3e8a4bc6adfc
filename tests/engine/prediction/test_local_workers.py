"""The same blocks on other processes of this machine, which nobody else reaches."""

import subprocess
import sys

import psutil
import pytest
import torch

from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.local_workers import MAX_DEATHS, LocalWorkers
from napari_utile.engine.prediction.resume import Execution
from napari_utile.engine.prediction.worker import BlockWork
from napari_utile.errors import EngineError
from napari_utile.events import BlockDone, ImageDone, TileDone
from napari_utile.io.images import open_image, write_tiff
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.blob_model import blob_model, blobs

torch.set_num_threads(1)

SHAPE, TILE = (2, 40, 48), 16
BLOCKS = 2 * 3 * 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    blob_model().save(folder / "model")
    write_tiff(folder / "em.tif", blobs(SHAPE))
    list(segment(folder, folder / "alone.zarr"))
    return folder


def segment(files, out, **how):
    settings = PredictSettings(output="instances", tile=TILE, device="cpu")
    return predict_files(
        files / "model", [files / "em.tif"], out, settings, execution=Execution(**how)
    )


def chunks(out):
    return {
        path.relative_to(out): path.read_bytes()
        for part in ("0", "labels/instances/0")
        for path in (out / part).rglob("*")
        if path.is_file()
    }


def test_workers_give_the_bits_of_one_process_and_one_may_be_killed(files, tmp_path):
    """They are seen while they work: no port is open, and all of them end with the run."""
    here, tiles, blocks = psutil.Process(), 0, 0
    others = {*here.children(recursive=True)}  # of tests before
    for event in segment(files, tmp_path / "out.zarr", workers=2):
        tiles += isinstance(event, TileDone)
        blocks += isinstance(event, BlockDone) and event.stage == "objects"
        if isinstance(event, TileDone) and tiles == 5:
            workers = [p for p in here.children(recursive=True) if p not in others]
            assert len(workers) == 2
            assert not [c for process in (here, *workers) for c in process.net_connections()]
            workers[0].kill()
        if isinstance(event, ImageDone):
            assert event.status == "done"
    assert (tiles, blocks) == (BLOCKS, BLOCKS)
    assert {*here.children(recursive=True)} <= others
    assert open_image(files / "alone.zarr").read().max() > 10, "nothing proves nothing"
    assert chunks(files / "alone.zarr") == chunks(tmp_path / "out.zarr")


HANDS_OUT = """
import sys
from napari_utile.engine.prediction.local_workers import LocalWorkers
from napari_utile.engine.prediction.worker import BlockWork
with LocalWorkers(1) as workers:
    workers.submit(BlockWork("compute", "nowhere.zarr", "", "cpu", 0)).result()
    print(*[worker.process.pid for worker in workers._workers], flush=True)
    sys.stdin.read()
"""


def test_nothing_is_imported_from_the_working_folder_and_a_kill_ends_all(tmp_path):
    for name in ("torch", "json", "queue", "signal", "napari_utile", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('canary', 'w')")
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", HANDS_OUT],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    worker = psutil.Process(int(parent.stdout.readline()))
    assert not (tmp_path / "canary").exists()
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([worker], timeout=10)[1] == []


def test_work_at_which_workers_die_fails_in_a_sentence():
    with LocalWorkers(1) as workers:
        workers._workers[0].command = [
            sys.executable,
            "-c",
            "import os; os.kill(os.getpid(), 9)",
        ]
        future = workers.submit(BlockWork("compute", "nowhere.zarr", "", "cpu", 0))
        with pytest.raises(EngineError, match=f"{MAX_DEATHS} workers were killed by signal 9"):
            future.result(60)
