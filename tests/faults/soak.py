"""Start, stop, resume and predict again and again: what does a process hold that it did not?

    python -m tests.faults.soak process --cycles 200
    xvfb-run -a python -m tests.faults.soak window --cycles 200

`process` trains and segments in one process; `window` does so in one napari window, with panels
that are opened and closed, and an engine that plays a script. After a warm-up, memory, open
files, threads, child processes and temporary files must stay what they are: a table is printed,
and the exit status is 1 if one grows. What napari itself keeps of empty panels, layers and
workers that come and go is measured before, and taken off.
"""

import argparse
import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

WARM_UP = 0.2
"""Fraction of the cycles before the first measurement counts."""
ALLOWED_KB = 60.0
"""Growth of memory per cycle, in kB, that counts as none: an allocator never returns all."""
SHOWN = 8
"""Measurements in the table, beside the first."""
HEADER = "cycle   memory    files  threads  children  temporary"


class Held(NamedTuple):
    """What this process holds."""

    memory_kb: float
    files: int
    threads: int
    children: int
    temporary: int

    @classmethod
    def now(cls) -> "Held":
        """Measure, after a collection of what is no longer used."""
        gc.collect()
        process = psutil.Process()
        return cls(
            process.memory_info().rss / 1000,
            process.num_fds(),
            process.num_threads(),
            len(process.children(recursive=True)),
            sum(1 for _ in Path(tempfile.gettempdir()).iterdir()),
        )


def soaked(cycle: Callable[[], object], cycles: int) -> list[Held]:
    """Repeat a cycle; print and return what was held before the first one and after each."""
    print(HEADER)
    measured: list[Held] = []
    step = max(1, cycles // SHOWN)
    for number in range(cycles + 1):
        if number:
            cycle()
        measured.append(Held.now())
        if number % step == 0 or number == cycles:
            print(line(number, measured[-1]), flush=True)
    return measured


def line(number: int, held: Held) -> str:
    """Return a measurement as a line of the table."""
    return (
        f"{number:5} {held.memory_kb / 1000:5.1f} MB {held.files:8} {held.threads:8} "
        f"{held.children:9} {held.temporary:10}"
    )


def growth(measured: list[Held]) -> float:
    """Return by how many kB memory grows per cycle after the warm-up."""
    rest = _after_warm_up(measured)
    return float(np.polyfit(range(len(rest)), [held.memory_kb for held in rest], 1)[0])


def grown(measured: list[Held], allowed: float) -> list[str]:
    """Return in words what grew after the warm-up; memory, by more than is allowed."""
    kb, rest = growth(measured), _after_warm_up(measured)
    words = [f"memory by {kb:.0f} kB per cycle"] if kb > allowed else []
    for name in Held._fields[1:]:
        then, now = getattr(rest[0], name), getattr(rest[-1], name)
        words += [f"{name} from {then} to {now}"] if now > then else []
    return words


def _after_warm_up(measured: list[Held]) -> list[Held]:
    return measured[max(1, round(WARM_UP * len(measured))) :]


# one process


def process_cycle(folder: Path) -> Callable[[], None]:
    """Return a cycle that trains and segments, each stopped and resumed."""
    from napari_utile.engine.prediction.front import predict_files
    from napari_utile.engine.prediction.resume import Execution
    from napari_utile.engine.training.front import train_files
    from napari_utile.events import StepDone, TileDone
    from napari_utile.io.images import write_tiff
    from napari_utile.settings.prediction import PredictSettings
    from tests.fixtures.tiny_training import cells, tiny

    for name, array in zip(("em", "ids"), cells(), strict=True):
        write_tiff(folder / f"{name}.tif", array)
    files, settings = (folder / "em.tif", folder / "ids.tif"), tiny()
    decided = PredictSettings(output="instances", tile=16, device="cpu")

    def stopped(run: Any, kind: type) -> None:
        for _ in islice((event for event in run if isinstance(event, kind)), 2):
            pass
        run.close()

    def cycle() -> None:
        out = folder / "run"
        stopped(train_files(*files, out, settings, overwrite=True), StepDone)
        list(train_files(*files, out, settings))
        for name in ("p.zarr", "p.tif"):
            anew = Execution(overwrite=True)
            stopped(predict_files(out, files[:1], folder / name, decided, anew), TileDone)
            list(predict_files(out, files[:1], folder / name, decided))

    return cycle


# one window


def panels_cycle(viewer: Any, folder: Path) -> Callable[[], None]:
    """Return a cycle that opens panels, trains, stops, segments and closes them."""
    import json

    from napari_utile.events import RunDone, RunStarted, TileDone
    from napari_utile.widgets.kit import paths
    from napari_utile.widgets.process import worker
    from napari_utile.widgets.segment.panel import SegmentPanel
    from napari_utile.widgets.train.panel import TrainPanel
    from tests.fixtures.window import FAKE, write_card

    paths.data_folder = lambda: folder / "data"
    script = folder / "script.json"
    worker.worker_command = lambda _: [sys.executable, str(FAKE), str(script)]
    (folder / "model").mkdir()
    write_card(folder / "model", channels=1)
    started = RunStarted(job="train", out="OUT", total=2)
    tile = TileDone(done=1, total=2, image="em", index=(0,), write=((0, 16), (0, 16)), rate=1.0)
    fill = {"do": "fill", "channels": [2], "dtype": "float32", "kind": "probabilities"}

    def play(*lines: Any) -> None:
        plain = [json.loads(x.line()) if hasattr(x, "line") else x for x in lines]
        script.write_text(json.dumps(plain))

    def cycle() -> None:
        train, segment = panels = TrainPanel(viewer), SegmentPanel(viewer)
        with docked(viewer, *panels):
            segment.model.set_path(folder / "model")
            play(started, {"do": "wait"}, RunDone(out="OUT", seconds=1, stopped=True))
            train.controls.button.click()
            until(lambda: train.controls.status.text() == "Started")
            train.controls.button.click()
            until(lambda: not train.controls.is_running)
            play(started, fill | {"value": 0.5}, tile, RunDone(out="OUT", seconds=1))
            segment.controls.button.click()
            until(lambda: not segment.controls.is_running)

    return cycle


def napari_cycle(viewer: Any) -> Callable[[], None]:
    """Return a cycle with as many panels, workers and layers, in which nothing is."""
    from napari.qt.threading import create_worker
    from qtpy.QtWidgets import QWidget

    def nothing() -> Iterator[None]:
        yield

    def cycle() -> None:
        panels = QWidget(), QWidget()
        with docked(viewer, *panels):
            for _ in panels:
                ended: list[None] = []
                worker = create_worker(nothing)
                worker.returned.connect(ended.append)
                worker.start()
                until(ended.__len__)
            viewer.add_image(np.zeros((3, 64, 64), np.float32), name="em probabilities")

    return cycle


@contextmanager
def docked(viewer: Any, *panels: Any) -> Iterator[None]:
    """Open panels; close them, and remove all layers above the first two."""
    from qtpy.QtTest import QTest

    for panel in panels:
        viewer.window.add_dock_widget(panel, name=type(panel).__name__)
    yield
    for layer in list(viewer.layers)[2:]:
        viewer.layers.remove(layer)
    for panel in panels:
        viewer.window.remove_dock_widget(panel)
    QTest.qWait(50)


def until(is_so: Callable[[], object]) -> None:
    """Let the window work until something is so."""
    from qtpy.QtTest import QTest

    for _ in range(3000):
        if is_so():
            return
        QTest.qWait(20)
    raise TimeoutError


def soaked_window(folder: Path, cycles: int) -> tuple[list[Held], float]:
    """Soak a window; return what was held, and the growth in kB of napari alone."""
    import napari

    from tests.fixtures.tiny_training import cells

    viewer = napari.Viewer()
    image, labels = cells()
    viewer.add_image(image, name="em")
    viewer.add_labels(labels.astype(np.int32), name="ids")
    own = max(0.0, growth(soaked(napari_cycle(viewer), cycles)))
    print(f"napari alone: memory by {own:.0f} kB per cycle")
    measured = soaked(panels_cycle(viewer, folder), cycles)
    viewer.close()
    return measured, own


def main() -> int:
    """Soak; 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["process", "window"])
    parser.add_argument("--cycles", type=int, default=200)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as other:
        tempfile.tempdir = other  # so that other programs do not count
        if given.what == "process":
            measured, own = soaked(process_cycle(Path(work)), given.cycles), 0.0
        else:
            measured, own = soaked_window(Path(work), given.cycles)
    kb, words = growth(measured), grown(measured, own + ALLOWED_KB)
    print(f"memory by {kb:.0f} kB per cycle, {kb - own:.0f} kB of it by U-Tile")
    print(f"grew: {'; '.join(words)}" if words else "nothing grew")
    return 1 if words else 0


if __name__ == "__main__":
    raise SystemExit(main())
