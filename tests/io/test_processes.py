"""The environment of processes that are started here, and who started this one."""

import os
import subprocess
import sys

import pytest

from napari_utile.io import processes
from napari_utile.io.processes import has_lost, safe_environment


def test_nothing_is_imported_from_the_working_folder(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib", os.path.abspath("kept"), "."]))
    environment = safe_environment()
    assert environment["PYTHONPATH"] == os.path.abspath("kept")
    assert environment["PYTHONSAFEPATH"] == "1"


def test_all_else_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert safe_environment()["CUDA_VISIBLE_DEVICES"] == "1"


@pytest.mark.parametrize("system", ["linux", "win32"])
def test_a_parent_that_has_ended_is_noticed(system, monkeypatch):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr(processes.sys, "platform", system)
    assert has_lost(ended.pid)
    assert not has_lost(os.getppid())
