"""What `utile doctor` finds."""

import json
import sys

import pytest
import torch

from napari_utile import __version__
from napari_utile.engine import devices
from napari_utile.engine.devices import diagnose


@pytest.fixture
def without_gpu(monkeypatch):
    why = ["The GPU is asleep.", "Wake it by: knock"]
    monkeypatch.setattr(devices, "reasons_without_gpu", lambda: why)


def test_versions_and_device_are_said(without_gpu):
    found = diagnose()
    assert found["U-Tile"] == __version__
    assert sys.executable in found["Python"]
    assert torch.__version__ in found["torch"]
    assert found["device"]
    assert found["free memory"].endswith(("kB", "MB", "GB", "TB"))
    assert "cores" in found["system"]


def test_why_there_is_no_gpu_is_said_with_the_remedy(without_gpu):
    assert diagnose()["why no GPU"] == "The GPU is asleep. Wake it by: knock"


def test_nothing_is_wrong_with_a_machine_whose_gpu_works(monkeypatch):
    monkeypatch.setattr(devices, "reasons_without_gpu", list)
    assert "why no GPU" not in diagnose()


def test_a_package_that_is_missing_is_said_with_the_remedy(monkeypatch):
    monkeypatch.setattr(devices, "OPTIONAL", ("numba", "no-such-package"))
    found = diagnose()
    assert found["numba"][0].isdigit()
    assert found["no-such-package"] == "not installed (pip install no-such-package)"


def test_findings_are_words():
    assert all(isinstance(part, str) for finding in diagnose().items() for part in finding)
    json.dumps(diagnose())
