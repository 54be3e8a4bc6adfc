"""Segmentations that are interrupted, disturbed or short of room: faults 20 to 24, 39, 40."""

import errno
import os
import random
import signal
import time
from contextlib import suppress

import dask
import numpy as np
import pytest
import torch

from napari_utile.cli.main import main
from napari_utile.engine.prediction.block_computer import BlockComputer
from napari_utile.engine.prediction.front import predict_files
from napari_utile.engine.prediction.resume import Execution
from napari_utile.engine.prediction.tiled import TiledNetwork
from napari_utile.errors import UserError
from napari_utile.events import ImageDone, TileDone, Warned
from napari_utile.io import ome_zarr
from napari_utile.io.images import open_image, write_tiff
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.blob_model import blob_model, blobs
from tests.fixtures.processes import copies

torch.set_num_threads(1)

SHAPE, TILE = (4, 60, 70), 24
BLOCKS = 4 * 3 * 3
PARTS = ((1, 2), (2, 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model that finds blobs, and a stack of them."""
    folder = tmp_path_factory.mktemp("prediction")
    blob_model().save(folder / "model")
    write_tiff(folder / "em.tif", blobs(SHAPE))
    return folder


def options(**more):
    return PredictSettings(**{"output": "instances", "tile": TILE, "device": "cpu"} | more)


def segment(files, out, execution=None, **more):
    return predict_files(
        files / "model", [files / "em.tif"], out, options(**more), execution=execution
    )


def drained(run):
    return list(run)


def tiles(events):
    return [event for event in events if isinstance(event, TileDone)]


def bits(out):
    """Every chunk of a result and its links; not when and where it was made."""
    found = {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "zarr.json"
    }
    links = out.with_name(f"{out.name}.links.csv")
    return found | {"links": links.read_bytes() if links.exists() else b""}


@pytest.fixture(scope="module")
def whole(files):
    """The result that was never interrupted."""
    drained(segment(files, files / "whole.zarr"))
    labels = open_image(files / "whole.zarr").read()
    assert len(np.unique(labels)) > 20, "a result of nothing proves nothing"
    return files / "whole.zarr"


def segment_and_tell(files, out, how, told):
    """What a process does that is killed, two tiles at once: it says the name of each event."""
    torch.set_num_threads(2)
    for event in segment(files, out, how):
        told.send(event.event)


@pytest.fixture(scope="module")
def processes():
    """One process imports everything, and those that are killed are copies of it."""
    return copies(__name__)


@pytest.mark.parametrize("parts", [(None,), PARTS], ids=["one process", "two parts"])
def test_fault_20_kill_minus_9_resumes_bit_identical(files, whole, tmp_path, processes, parts):
    out, chance = tmp_path / "out.zarr", random.Random(20)
    deaths = 0
    for _ in range(6):
        running = [told_by(processes, files, out, Execution(part=part)) for part in parts]
        _, heard = chance.choice(running)
        with suppress(EOFError):  # it had nothing left to do
            for _ in range(chance.randrange(1, 9)):
                heard.recv()
        time.sleep(chance.random() / 20)
        for process, _ in running:
            process.kill()
            process.join()
            deaths += process.exitcode == -signal.SIGKILL
    assert deaths >= 6
    for part in parts:
        events = drained(segment(files, out, Execution(part=part)))
    (end,) = [event for event in events if isinstance(event, ImageDone)]
    assert end.status in ("done", "kept")
    assert bits(out) == bits(whole)


def told_by(processes, files, out, how):
    """Start a process; give it and the end of a pipe through which it tells its events."""
    heard, told = processes.Pipe(duplex=False)
    process = processes.Process(
        target=segment_and_tell, args=(files, out, how, told), daemon=True
    )
    process.start()
    told.close()
    return process, heard


def test_fault_20_only_missing_blocks_are_computed(files, whole, tmp_path):
    run = segment(files, tmp_path / "out.zarr")
    before = 0
    for event in run:
        before += isinstance(event, TileDone)
        if before == 15:
            break
    run.close()
    events = drained(segment(files, tmp_path / "out.zarr"))
    assert 15 <= BLOCKS - len(tiles(events)) <= 21  # a few were on their way to the disk
    assert tiles(events)[-1].done == tiles(events)[-1].total == BLOCKS
    assert bits(tmp_path / "out.zarr") == bits(whole)


def test_fault_20_a_tiff_goes_on_too_and_says_that_it_is_partial(files, tmp_path):
    drained(segment(files, tmp_path / "whole.tif"))
    run = segment(files, tmp_path / "out.tif")
    for event in run:
        if isinstance(event, TileDone) and event.done == 15:
            break
    run.close()
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.partial.tif"]
    assert len(tiles(drained(segment(files, tmp_path / "out.tif")))) <= BLOCKS - 15
    left = sorted(path.name for path in tmp_path.glob("out*"))
    assert left == ["out.tif", "out.tif.links.csv"]
    there, back = (open_image(tmp_path / name).read() for name in ("whole.tif", "out.tif"))
    np.testing.assert_array_equal(there, back)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"threshold": 0.6}, "threshold: 0.5 there, 0.6 here"),
        ({"region": "0:2,0:60,0:70"}, "region: none there, 0:2,0:60,0:70 here"),
        ({"averaging": True, "min_size": 9}, "averaging: False there, True here; min-size: 0"),
        ({"precision": "bf16"}, "precision: float32 there, bfloat16 here"),
        ("model", "the model is another"),
        ("image", "the image: "),
    ],
    ids=str,
)
def test_fault_21_what_changed_under_an_unfinished_output_is_named(
    files, tmp_path, changed, words
):
    for name in ("model", "em.tif"):
        os.symlink(files / name, tmp_path / name)
    run = segment(tmp_path, tmp_path / "out.zarr")
    for event in run:
        if isinstance(event, TileDone) and event.done == 3:
            break
    run.close()
    before = bits(tmp_path / "out.zarr")
    settings = changed if isinstance(changed, dict) else {}
    if changed == "model":
        (tmp_path / "model").unlink()
        blob_model(seed=2).save(tmp_path / "model")
    if changed == "image":
        (tmp_path / "em.tif").unlink()
        write_tiff(tmp_path / "em.tif", blobs(SHAPE, seed=1))
    with pytest.raises(UserError) as refusal:
        drained(segment(tmp_path, tmp_path / "out.zarr", **settings))
    assert words in str(refusal.value)
    assert "out.zarr was started with other settings" in str(refusal.value)
    assert "or overwrite it" in str(refusal.value)
    assert bits(tmp_path / "out.zarr") == before


def test_fault_21_overwrite_begins_anew(files, whole, tmp_path):
    run = segment(files, tmp_path / "out.zarr", threshold=0.6)
    for event in run:
        if isinstance(event, TileDone) and event.done == 3:
            break
    run.close()
    events = drained(segment(files, tmp_path / "out.zarr", Execution(overwrite=True)))
    assert len(tiles(events)) == BLOCKS
    assert bits(tmp_path / "out.zarr") == bits(whole)


def test_fault_12_no_resume_leaves_an_unfinished_output_alone(files, tmp_path):
    run = segment(files, tmp_path / "out.zarr")
    for event in run:
        if isinstance(event, TileDone):
            break
    run.close()
    with pytest.raises(UserError, match=r"out.zarr exists; overwrite replaces it"):
        drained(segment(files, tmp_path / "out.zarr", Execution(resume=False)))


def test_fault_22_a_tile_that_does_not_fit_becomes_smaller_with_the_same_result(
    files, whole, tmp_path, monkeypatch
):
    logits = TiledNetwork.logits

    def short_of_memory(self, plane, write):
        if width(write) > 24:
            raise torch.OutOfMemoryError("no")
        return logits(self, plane, write)

    monkeypatch.setattr(TiledNetwork, "logits", short_of_memory)
    events = drained(segment(files, tmp_path / "out.zarr", tile=32))
    assert any("Out of memory" in e.message for e in events if isinstance(e, Warned))
    there = open_image(whole).read()
    np.testing.assert_array_equal(open_image(tmp_path / "out.zarr").read(), there)


def width(window):
    return window[-1].stop - window[-1].start


@pytest.fixture
def torn(monkeypatch):
    """Blocks that cannot be read, as often as they are tried."""
    numbers = set()
    read = BlockComputer.read

    def torn_read(self, number):
        if number in numbers:
            raise OSError(errno.EIO, "the disk is broken there")
        return read(self, number)

    monkeypatch.setattr(BlockComputer, "read", torn_read)
    return numbers


def test_fault_24_a_block_that_fails_does_not_cost_the_others(files, whole, tmp_path, torn):
    torn.update({7, 30})
    events = drained(segment(files, tmp_path / "out.zarr"))
    assert len(tiles(events)) == BLOCKS - 2
    (end,) = [event for event in events if isinstance(event, ImageDone)]
    assert end.status == "incomplete"
    assert (
        "2 of 36 blocks failed, the first at slice 0, rows 48-60, columns 24-48" in end.message
    )
    assert "the disk is broken there" in end.message
    assert events[-1].failed
    assert not ome_zarr.provenance(tmp_path / "out.zarr")["complete"]
    torn.clear()
    events = drained(segment(files, tmp_path / "out.zarr"))
    assert len(tiles(events)) == 2
    assert ome_zarr.provenance(tmp_path / "out.zarr")["complete"]
    assert bits(tmp_path / "out.zarr") == bits(whole)


def test_fault_24_an_incomplete_result_ends_with_status_1(files, tmp_path, torn, capsys):
    torn.add(7)
    flags = ["--output=instances", f"--tile={TILE}", "--device=cpu"]
    names = [str(files / "model"), str(files / "em.tif"), "--out", str(tmp_path / "out.zarr")]
    assert main(["predict", *names, *flags]) == 1
    assert "incomplete: 1 of 36 blocks failed" in capsys.readouterr().err


def test_fault_24_a_block_that_fails_once_is_tried_again(files, whole, tmp_path, monkeypatch):
    read, failed = BlockComputer.read, []

    def fails_once(self, number):
        if number == 7 and not failed:
            failed.append(number)
            raise OSError("a short trouble")
        return read(self, number)

    monkeypatch.setattr(BlockComputer, "read", fails_once)
    events = drained(segment(files, tmp_path / "out.zarr"))
    assert failed and len(tiles(events)) == BLOCKS
    assert bits(tmp_path / "out.zarr") == bits(whole)


def test_fault_24_when_every_block_fails_the_run_ends_with_the_reason(files, tmp_path, torn):
    torn.update(range(BLOCKS))
    with pytest.raises(OSError, match="the disk is broken there"):
        drained(segment(files, tmp_path / "out.zarr"))
    assert list(tmp_path.iterdir()) == [] or not (tmp_path / "out.zarr").exists()


def test_fault_39_a_gpu_that_is_lost_ends_the_run_which_goes_on_later(
    files, whole, tmp_path, monkeypatch
):
    logits, count = TiledNetwork.logits, []

    def lost(self, plane, write):
        count.append(1)
        if len(count) > 12:
            raise RuntimeError("CUDA error: unspecified launch failure\nmore")
        return logits(self, plane, write)

    monkeypatch.setattr(TiledNetwork, "logits", lost)
    with pytest.raises(
        UserError, match=r"The GPU no longer answers\. What was written is kept"
    ):
        drained(segment(files, tmp_path / "out.zarr"))
    monkeypatch.undo()
    assert len(tiles(drained(segment(files, tmp_path / "out.zarr")))) == BLOCKS - 12
    assert bits(tmp_path / "out.zarr") == bits(whole)


def test_fault_40_too_little_memory_makes_a_block_smaller_or_the_run_end(
    files, whole, tmp_path, monkeypatch
):
    logits = TiledNetwork.logits

    def short_of_memory(self, plane, write):
        if width(write) > limit:
            raise MemoryError
        return logits(self, plane, write)

    limit = 0
    monkeypatch.setattr(TiledNetwork, "logits", short_of_memory)
    with pytest.raises(UserError, match="Not even a tile of 2 x 2 px fits into the memory"):
        drained(segment(files, tmp_path / "out.zarr"))
    assert not (tmp_path / "out.zarr").exists()
    limit = 12
    events = drained(segment(files, tmp_path / "out.zarr"))
    assert any(
        "tiles of 12 px instead of 24" in e.message for e in events if isinstance(e, Warned)
    )
    there = open_image(whole).read()
    np.testing.assert_array_equal(open_image(tmp_path / "out.zarr").read(), there)


DEADLY = """
import os, signal
from napari_utile.engine.prediction.block_computer import BlockComputer

def deadly(self, number, read=BlockComputer.read):
    if number == 19 and not os.path.exists({cured!r}):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(self, number)

if BlockComputer.read.__name__ != "deadly":  # a worker may load this twice
    BlockComputer.read = deadly
"""


def test_fault_40_a_block_that_kills_its_worker_is_never_counted_as_done(
    files, whole, tmp_path, monkeypatch
):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(
        "napari_utile.engine.prediction.cluster.QUEUE", 1
    )  # so that it kills no others
    (tmp_path / "deadly.py").write_text(DEADLY.format(cured=str(tmp_path / "cured")))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            preload=[str(tmp_path / "deadly.py")],
        ) as cluster,
    ):
        how = Execution(scheduler=cluster.scheduler_address)
        events = drained(segment(files, tmp_path / "out.zarr", how))
        (end,) = [event for event in events if isinstance(event, ImageDone)]
        assert end.status == "incomplete"
        assert (
            "1 of 36 blocks failed, the first at slice 2, rows 0-24, columns 24-48"
            in end.message
        )
        assert len(tiles(events)) == BLOCKS - 1
        (tmp_path / "cured").touch()
        assert len(tiles(drained(segment(files, tmp_path / "out.zarr", how)))) == 1
    assert bits(tmp_path / "out.zarr") == bits(whole)


def test_fault_12_a_second_process_is_refused_with_pid_and_host(files, tmp_path, processes):
    heard, told = processes.Pipe(duplex=False)
    out = tmp_path / "out.zarr"
    process = processes.Process(target=segment_slowly, args=(files, out, told), daemon=True)
    process.start()
    heard.recv()
    try:
        with pytest.raises(UserError, match=f"is in use by process {process.pid} on "):
            drained(segment(files, out))
    finally:
        process.kill()
        process.join()


def segment_slowly(files, out, told):
    """What a process does that is still at it."""
    for event in segment(files, out):
        if isinstance(event, TileDone):
            told.send(event.event)
            time.sleep(60)
