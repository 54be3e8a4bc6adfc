"""The same blocks on other processes."""

import builtins
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from napari_utile.engine.prediction.cluster import Answer, _handed_out, scheduler_warning
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.resume import Execution
from napari_utile.engine.prediction.worker import BlockAnswer
from napari_utile.errors import UserError
from napari_utile.events import BlockDone, TileDone, Waiting, Warned
from napari_utile.io.images import open_image, write_tiff
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.blob_model import blob_model, blobs

distributed = pytest.importorskip("distributed")
torch.set_num_threads(1)

SHAPE, TILE = (3, 60, 70), 24
BLOCKS = 3 * 3 * 3


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    blob_model().save(folder / "model")
    write_tiff(folder / "em.tif", blobs(SHAPE))
    list(segment(folder, folder / "alone.zarr"))
    return folder


def segment(files, out, **how):
    settings = PredictSettings(output="instances", tile=TILE, device="cpu")
    return predict_files(
        files / "model", [files / "em.tif"], out, settings, execution=Execution(**how)
    )


@pytest.fixture(scope="module")
def scheduler():
    """Two workers on this machine, as on others."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


def assert_same(files, out):
    assert open_image(files / "alone.zarr").read().max() > 10, "nothing proves nothing"
    for part in ("0", "labels/instances/0"):
        one, other = files / "alone.zarr" / part, out / part
        chunks = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
        assert chunks == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
        assert all((one / path).read_bytes() == (other / path).read_bytes() for path in chunks)


def test_workers_give_the_bits_of_one_process(files, scheduler, tmp_path):
    events = list(segment(files, tmp_path / "out.zarr", scheduler=scheduler.scheduler_address))
    warned = [event.message for event in events if isinstance(event, Warned)]
    assert warned == [scheduler_warning(scheduler.scheduler_address)]
    assert [e.done for e in events if isinstance(e, TileDone)] == list(range(1, BLOCKS + 1))
    found = [e for e in events if isinstance(e, BlockDone) and e.stage == "objects"]
    assert len(found) == BLOCKS
    assert events[-2].status == "done"
    assert_same(files, tmp_path / "out.zarr")


def test_a_worker_that_is_killed_costs_its_block_only(files, scheduler, tmp_path):
    killed = None
    tiles = 0
    for event in segment(files, tmp_path / "out.zarr", scheduler=scheduler.scheduler_address):
        if isinstance(event, TileDone):
            tiles += 1
            if tiles == 10:
                killed = scheduler.workers[0].pid
                os.kill(killed, signal.SIGKILL)
    assert killed and tiles == BLOCKS
    assert_same(files, tmp_path / "out.zarr")


def test_a_stop_is_gone_on_from_with_or_without_workers(files, scheduler, tmp_path):
    run = segment(files, tmp_path / "out.zarr", scheduler=scheduler.scheduler_address)
    for event in run:
        if isinstance(event, TileDone) and event.done == 9:
            break
    run.close()
    events = list(segment(files, tmp_path / "out.zarr"))
    assert len([e for e in events if isinstance(e, TileDone)]) <= BLOCKS - 9
    assert_same(files, tmp_path / "out.zarr")


def test_another_result_at_the_same_place_is_not_mixed_up(files, scheduler, tmp_path):
    address, out = scheduler.scheduler_address, tmp_path / "out.zarr"
    other = PredictSettings(output="probabilities", tile=32, device="cpu", averaging=True)
    how = Execution(scheduler=address)
    list(predict_files(files / "model", [files / "em.tif"], out, other, execution=how))
    list(segment(files, out, scheduler=address, overwrite=True))
    assert_same(files, out)


def test_a_run_without_workers_waits_and_can_be_stopped(files, scheduler, tmp_path):
    """The last with these workers: it sends them away."""
    run = segment(files, tmp_path / "out.zarr", scheduler=scheduler.scheduler_address)
    tiles = 0
    for event in run:
        tiles += isinstance(event, TileDone)
        if tiles == 3:
            scheduler.scale(0)
        if isinstance(event, Waiting) and event.message:
            break
    assert event.message == "No worker is left; waiting for one."
    run.close()


def test_an_answer_that_is_lost_with_its_worker_holds_nothing_up():
    class Block:
        """Done, then lost with the worker that knew the answer, then done again."""

        said = iter([TimeoutError, TimeoutError, BlockAnswer(("warned",))])

        def done(self):
            return True

        def exception(self, timeout):
            return None

        def result(self, timeout):
            said = next(self.said)
            if said is TimeoutError:
                raise TimeoutError
            return said

    class NoWorkers:
        size = 0

        def submit(self, work):
            return Block()

        def cancel(self, futures):
            pass

    task = SimpleNamespace(result=Path("r"), plan={})
    answers = list(_handed_out(NoWorkers(), "compute", task, "cpu", [7]))
    assert answers == [Answer(7, ("warned",))]


def test_a_scheduler_that_does_not_answer_is_named(files, tmp_path, monkeypatch):
    monkeypatch.setattr("napari_utile.engine.prediction.cluster.CONNECT_TIMEOUT", 1)
    with pytest.raises(UserError, match=r"No scheduler answers at tcp://127\.0\.0\.1:1"):
        list(segment(files, tmp_path / "out.zarr", scheduler="tcp://127.0.0.1:1"))


def test_a_scheduler_without_certificates_is_warned_of():
    assert "can run code as you" in scheduler_warning("tcp://10.0.0.1:8786")
    assert scheduler_warning("tls://10.0.0.1:8786") == scheduler_warning(None) == ""


def test_several_processes_share_no_tiff(files, tmp_path):
    for how in ({"workers": 2}, {"part": (1, 2)}):
        with pytest.raises(UserError, match=r"out\.tif: several processes cannot share a TIFF"):
            list(segment(files, tmp_path / "out.tif", **how))


def test_without_dask_the_line_that_installs_it_is_given(files, tmp_path, monkeypatch):
    import_ = builtins.__import__

    def without(name, *rest):
        if name == "distributed":
            raise ImportError(name)
        return import_(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r'pip install "napari-utile\[cluster\]"'):
        list(segment(files, tmp_path / "out.zarr", scheduler="tcp://127.0.0.1:1"))
