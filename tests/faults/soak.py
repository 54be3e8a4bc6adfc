"""Start, stop, resume and predict again and again: what does a process hold that it did not?

    python -m tests.faults.soak process --cycles 200
    xvfb-run -a python -m tests.faults.soak window --cycles 200

`process` trains and segments in one process; `window` does so in one napari window, with panels
that are opened and closed, and an engine that plays a script. After a warm-up, memory, open
files, threads, child processes and temporary files must stay what they are: a table is printed,
and the exit status is 1 if one grows.
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
SHOWN = 10
"""Lines of the table."""


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
    """Repeat a cycle; return what was held before the first one and after each."""
    measured = [Held.now()]
    for _ in range(cycles):
        cycle()
        measured.append(Held.now())
    return measured


def grown(measured: list[Held]) -> list[str]:
    """Return in words what grew after the warm-up."""
    first = max(1, round(WARM_UP * len(measured)))
    rest = measured[first:]
    kb = np.polyfit(range(len(rest)), [held.memory_kb for held in rest], 1)[0]
    words = [f"memory by {kb:.0f} kB per cycle"] if kb > ALLOWED_KB else []
    for name in Held._fields[1:]:
        then, now = getattr(rest[0], name), getattr(rest[-1], name)
        words += [f"{name} from {then} to {now}"] if now > then else []
    return words


def table(measured: list[Held]) -> str:
    """Return the measurements as a table of a few lines."""
    step = max(1, len(measured) // SHOWN)
    lines = ["cycle   memory    files  threads  children  temporary"]
    for number in sorted({*range(0, len(measured), step), len(measured) - 1}):
        held = measured[number]
        lines.append(
            f"{number:5} {held.memory_kb / 1000:5.1f} MB {held.files:8} {held.threads:8} "
            f"{held.children:9} {held.temporary:10}"
        )
    return "\n".join(lines)


# one process


def process_cycle(folder: Path) -> Callable[[], None]:
    """Return a cycle that trains and segments, each stopped and resumed."""
    from napari_utile.engine.prediction.front import predict_files
    from napari_utile.engine.prediction.resume import Execution
    from napari_utile.engine.training.front import train_files
    from napari_utile.events import StepDone, TileDone
    from napari_utile.io.images import write_tiff
    from napari_utile.settings import PredictSettings
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


@contextmanager
def window_cycle(folder: Path) -> Iterator[Callable[[], None]]:
    """Yield a cycle that trains, stops and segments with panels in one window."""
    import json

    import napari
    from qtpy.QtTest import QTest

    from napari_utile.events import RunDone, RunStarted, TileDone
    from napari_utile.widgets.kit import paths
    from napari_utile.widgets.process import process
    from napari_utile.widgets.segment.panel import SegmentPanel
    from napari_utile.widgets.train.panel import TrainPanel
    from tests.fixtures.tiny_training import cells
    from tests.fixtures.window import FAKE, write_card

    paths.data_folder = lambda: folder / "data"
    script = folder / "script.json"
    process.engine_command = lambda given: [sys.executable, str(FAKE), str(script), *given]
    (folder / "model").mkdir()
    write_card(folder / "model", channels=1)
    started = RunStarted(job="train", out="OUT", total=2)
    tile = TileDone(done=1, total=2, image="em", index=(0,), write=((0, 16), (0, 16)), rate=1.0)
    fill = {"do": "fill", "channels": [2], "dtype": "float32", "kind": "probabilities"}

    def play(*lines: Any) -> None:
        plain = [json.loads(x.line()) if hasattr(x, "line") else x for x in lines]
        script.write_text(json.dumps(plain))

    def until(is_so: Callable[[], bool]) -> None:
        for _ in range(3000):
            if is_so():
                return
            QTest.qWait(20)
        raise TimeoutError

    viewer = napari.Viewer()
    image, labels = cells()
    viewer.add_image(image, name="em")
    viewer.add_labels(labels.astype(np.int32), name="ids")

    def cycle() -> None:
        train, segment = TrainPanel(viewer), SegmentPanel(viewer)
        for panel in (train, segment):
            viewer.window.add_dock_widget(panel, name=type(panel).__name__)
        segment.model.set_path(folder / "model")
        play(started, {"do": "wait"}, RunDone(out="OUT", seconds=1, stopped=True))
        train.controls.button.click()
        until(lambda: train.controls.status.text() == "Started")
        train.controls.button.click()
        until(lambda: not train.controls.is_running)
        play(started, fill | {"value": 0.5}, tile, RunDone(out="OUT", seconds=1))
        segment.controls.button.click()
        until(lambda: not segment.controls.is_running)
        for layer in list(viewer.layers)[2:]:
            viewer.layers.remove(layer)
        for panel in (train, segment):
            viewer.window.remove_dock_widget(panel)
            panel.deleteLater()
        QTest.qWait(50)

    yield cycle
    viewer.close()


def main() -> int:
    """Soak, print the table; 1 if something grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["process", "window"])
    parser.add_argument("--cycles", type=int, default=200)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own  # so that other programs do not count
        if given.what == "process":
            measured = soaked(process_cycle(Path(work)), given.cycles)
        else:
            with window_cycle(Path(work)) as cycle:
                measured = soaked(cycle, given.cycles)
    print(table(measured))
    words = grown(measured)
    print(f"grew: {'; '.join(words)}" if words else "nothing grew")
    return 1 if words else 0


if __name__ == "__main__":
    raise SystemExit(main())
