"""The plugin is found in every kind of install, and set-up says what it lacks."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

TOP = ["pyproject.toml", "hatch_build.py", "napari.yaml", "README.md", "LICENSE", ".gitignore"]

FIND_THE_PLUGIN = """
from importlib import import_module
from pathlib import Path
from npe2 import PluginManifest
import napari_utile

manifest = PluginManifest.from_distribution("napari-utile")
assert manifest.display_name == "U-Tile"
assert manifest.package_version == napari_utile.__version__
assert manifest.contributions.widgets
print(Path(napari_utile.__file__).parent)
"""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def source(project: Path, tmp_path: Path) -> Path:
    """A copy of what a build needs, without git and without what earlier installs left."""
    copy = tmp_path / "source"
    no_traces = shutil.ignore_patterns("__pycache__", "napari.yaml")
    shutil.copytree(project / "src", copy / "src", ignore=no_traces)
    for name in TOP:
        shutil.copy(project / name, copy)
    return copy


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., Path]:
    """Install into an empty environment that borrows the libraries of this one."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    if not python.exists():
        python = folder / "Scripts" / "python.exe"
    packages = run(
        python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path
    )
    (Path(packages.strip()) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))

    def install(*what: str | Path) -> Path:
        """Install `what`, find the plugin, and return where the package lies."""
        offline = ["--no-deps", "--no-index", "--no-build-isolation", "--force-reinstall", "-q"]
        run(python, "-m", "pip", "install", *offline, *what, cwd=tmp_path)
        return Path(run(python, "-E", "-c", FIND_THE_PLUGIN, cwd=tmp_path).strip())

    return install


def test_a_wheel_made_from_the_sdist_has_the_manifest(source, install, tmp_path):
    run(sys.executable, "-m", "build", "--no-isolation", "-o", tmp_path / "dist", cwd=source)
    (sdist,) = (tmp_path / "dist").glob("*.tar.gz")
    (wheel,) = (tmp_path / "dist").glob("*.whl")

    with tarfile.open(sdist) as archive:
        names = [name for name in archive.getnames() if name.endswith("napari.yaml")]
    assert [name.count("/") for name in names] == [1]  # the real file, at the top

    manifest = zipfile.ZipFile(wheel).read("napari_utile/napari.yaml")
    assert manifest == (source / "napari.yaml").read_bytes()
    assert install(wheel).is_relative_to(tmp_path / "environment")


def test_a_wheel_built_after_an_editable_install_has_the_manifest_once(source, tmp_path):
    (source / "src" / "napari_utile" / "napari.yaml").write_text("stale: true\n")
    run(sys.executable, "-m", "build", "--no-isolation", "-w", "-o", tmp_path, cwd=source)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert names.count("napari_utile/napari.yaml") == 1
    assert b"stale" not in zipfile.ZipFile(wheel).read("napari_utile/napari.yaml")


def test_wheel_and_sdist_are_built_with_the_same_bytes_by_anybody(source, tmp_path):
    again = tmp_path / "elsewhere" / "again"
    shutil.copytree(source, again)
    for path in again.rglob("*"):  # at another time, with other habits of who may write
        path.chmod(path.stat().st_mode | 0o022)
        os.utime(path, (1, 2_000_000_000))
    built = []
    for folder in (source, again):
        dist = tmp_path / "dist" / folder.name
        run(sys.executable, "-m", "hatchling", "build", "-d", dist, cwd=folder)
        files = sorted(dist.iterdir())
        built.append({path.name: path.read_bytes() for path in files})
    assert built[0] == built[1] and len(built[0]) == 2


def test_a_folder_installs_with_the_manifest(source, install, tmp_path):
    assert install(source).is_relative_to(tmp_path / "environment")


def test_an_editable_install_finds_the_manifest(source, install):
    assert install("-e", source) == source / "src" / "napari_utile"


def build_hook(project):
    spec = importlib.util.spec_from_file_location("hatch_build", project / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    return hatch_build


def test_a_wheel_gets_the_pages_of_the_panels_and_their_pictures(project):
    names = {path.name for path in build_hook(project).pages(project)}
    assert {"panels.md", "stacks.md", "segment.png", "segment_light.png"} <= names
    assert not names & {"make_report.py", "window.png", "window_light.png"}  # of README.md


def test_the_manifest_is_copied_where_links_are_impossible(project, source, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("a required privilege is not held by the client")

    hatch_build = build_hook(project)
    monkeypatch.setattr(Path, "symlink_to", refuse)

    place = source / "src" / "napari_utile" / "napari.yaml"
    hatch_build.link(source / "napari.yaml", place)
    assert not place.is_symlink()
    assert place.read_bytes() == (source / "napari.yaml").read_bytes()


@pytest.fixture
def machine(project: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `.ci/system-packages` where libgl1 is installed and xvfb is not."""
    commands = {
        "dpkg-query": '[ "$4" = libgl1 ] && echo install ok installed',
        "apt-get": f'echo "$@" > {tmp_path}/asked',
        "grep": f'exec {shutil.which("grep")} "$@"',
        "env": f'exec {shutil.which("env")} "$@"',
    }

    def system_packages(*packages: str, user: int) -> subprocess.CompletedProcess[str]:
        for name, script in {**commands, "id": f"echo {user}"}.items():
            command = tmp_path / name
            command.write_text(f"#!/bin/sh\n{script}\n")
            command.chmod(0o755)
        return subprocess.run(
            [project / ".ci" / "system-packages", *packages],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return system_packages


def test_who_may_not_install_is_told_what_to_install(machine, tmp_path):
    done = machine("xvfb", "libgl1", user=1000)
    assert done.returncode == 1
    command = "sudo apt-get install -y --no-install-recommends xvfb"
    assert done.stderr.splitlines()[-1].strip() == command
    assert not (tmp_path / "asked").exists()


def test_root_installs_what_is_missing(machine, tmp_path):
    done = machine("xvfb", "libgl1", user=0)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().split()[-1] == "xvfb"
    assert "libgl1" not in (tmp_path / "asked").read_text()


def test_nothing_is_said_when_all_is_there(machine):
    done = machine("libgl1", user=1000)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_old_python_is_named(project, tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\n')
    old.chmod(0o755)
    done = subprocess.run(
        [project / ".ci" / "make-venv", old], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "Python 3.9.2" in done.stderr
