"""What every test stands on. Nothing here loads torch or napari."""

import atexit
import gc
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

PROJECT = Path(__file__).resolve().parents[1]

# Some environments keep no bytecode: each process that tests start would compile
# every module anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Before any test imports napari, torch or a library that keeps a cache: no test reads or
# changes the settings of the person who runs it, and two workers share two cores.
if "PYTEST_XDIST_WORKER" not in os.environ:
    home = tempfile.mkdtemp(prefix="utile-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {
        "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/config",
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_DATA_HOME": f"{home}/data",
        "NAPARI_CONFIG": f"{home}/napari.yaml",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "UTILE_WARM": "no",  # no test waits for an engine that it does not need
    }

else:  # the workers share a home, and each has its own settings in it
    os.environ["XDG_CONFIG_HOME"] += f"/{os.environ['PYTEST_XDIST_WORKER']}"

HAS_SCREEN = sys.platform != "linux" or bool(
    os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
)
HAS_SCREEN &= os.environ.get("UTILE_SCREEN") != "no"  # a machine without OpenGL
if not HAS_SCREEN:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# What modules hold stays: to look through it again and again for garbage takes minutes.
gc.disable()  # until all are imported

# The same examples in every run; a machine that does other things too is no failure.
hypothesis.settings.register_profile("utile", deadline=None, derandomize=True)
hypothesis.settings.load_profile("utile")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave what no test is: looking for doctests, pytest would import it."""
    is_test = collection_path.is_dir() or collection_path.name.startswith("test_")
    return None if is_test else True


LONG = dict.fromkeys(
    ("test_stack_job.py", "test_walk.py", "test_tour.py", "test_examples.py",
     "test_cluster.py", "test_distributed.py", "test_local_workers.py", "test_stopping.py"),
    100,
)  # fmt: skip
"""Files of few tests that take long, and as how many tests they count."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the order below: xdist would leave the longest tests for the end."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that no worker waits for another in the end.

    And skip what needs a real window where there is no screen (`make test` brings one).
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        tests = Counter(item.path for item in items)
        items.sort(key=lambda item: -max(tests[item.path], LONG.get(item.path.name, 0)))
    if HAS_SCREEN:
        return
    no_screen = pytest.mark.skip(reason="no screen: use `make test` or xvfb-run")
    for item in items:
        if "make_napari_viewer" in getattr(item, "fixturenames", ()):
            item.add_marker(no_screen)


def pytest_collection_finish() -> None:
    """Look for garbage from now on, but not among what was imported."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _garbage_of_others() -> Iterator[None]:
    """Leave alone what a file of tests has imported, too."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    """Forget what the panels of a test remember for the next start of napari."""
    yield
    shutil.rmtree(Path(os.environ["XDG_CONFIG_HOME"], "napari-utile"), ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    """Begin each file with one thread: by more, PyTorch convolves in another order."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def project() -> Path:
    """Folder of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets, `../shared/data` or the environment's `UTILE_DATA`."""
    folder = Path(os.environ.get("UTILE_DATA", PROJECT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no data in {folder}")
    return folder
