"""The environment of processes that are started here."""

import os

from napari_utile.io.processes import safe_environment


def test_nothing_is_imported_from_the_working_folder(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "lib", os.path.abspath("kept"), "."]))
    environment = safe_environment()
    assert environment["PYTHONPATH"] == os.path.abspath("kept")
    assert environment["PYTHONSAFEPATH"] == "1"


def test_all_else_stays_as_it_is(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert safe_environment()["CUDA_VISIBLE_DEVICES"] == "1"
