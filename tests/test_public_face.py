"""What scripts depend on."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import napari_utile as utile
from napari_utile import errors, evaluation, networks, results, settings
from napari_utile.arrays.instances import decoding
from napari_utile.arrays.weight_maps import weight_map
from napari_utile.engine import comparison, models, prediction, training


def test_every_public_name_is_there():
    for name in utile.__all__:
        assert getattr(utile, name) is not None


def test_names_are_those_of_their_homes():
    assert utile.weight_map is weight_map.weight_map
    assert utile.instances is decoding.instances
    assert utile.evaluate is evaluation.evaluate
    assert utile.objects_table is results.objects.objects_table
    assert utile.train is training.front.train
    assert utile.predict is prediction.front.predict
    assert utile.compare is comparison.front.compare
    assert utile.Model is models.model.Model
    assert utile.load_model is models.model.load_model
    assert utile.networks is networks
    assert utile.TrainSettings is settings.training.TrainSettings
    assert utile.UserError is errors.UserError


@pytest.mark.parametrize(("given", "there"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_idle_threads_sleep_unless_told_otherwise(given, there):
    name = "OMP_WAIT_POLICY"
    others = {key: value for key, value in os.environ.items() if key != name}
    code = f"import napari_utile, os, sys; print(os.environ['{name}'], 'torch' in sys.modules)"
    printed = subprocess.check_output(
        [sys.executable, "-c", code], env=others | ({name: given} if given else {}), text=True
    )
    assert printed.split() == [there, "False"]  # torch reads it when it is loaded


def test_tab_completion_shows_them():
    assert dir(utile) == sorted(utile.__all__)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'tain'"):
        _ = utile.tain


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_arguments_keep_their_names_and_order():
    assert parameters(utile.weight_map)[:4] == ["labels", "w0", "sigma", "class_balance"]
    assert parameters(utile.train)[:3] == ["images", "labels", "settings"]
    assert parameters(utile.compare) == [
        "images", "labels", "settings", "networks", "seeds", "out", "overwrite",
        "on_event",
    ]  # fmt: skip
    assert parameters(utile.predict)[:3] == ["model", "image", "tile"]
    assert parameters(utile.load_model) == ["path"]
    assert parameters(utile.evaluate)[:2] == ["prediction", "truth"]
    assert parameters(utile.objects_table) == [
        "labels", "image", "probabilities", "spacing", "on_event",
    ]  # fmt: skip
    assert parameters(utile.instances)[0] == "probabilities"
    assert parameters(utile.networks.UNet) == [
        "in_channels", "classes", "depth", "width", "padding", "norm", "dropout",
    ]  # fmt: skip
    assert parameters(utile.Model)[0] == "network"


def test_editors_see_every_public_name_where_it_is_at_home():
    """The stub imports each from the module that `__getattr__` loads it from."""
    stub = Path(utile.__file__).with_suffix(".pyi")
    homes = {
        (name.asname, node.module, name.name)
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert homes == {
        (name, f"napari_utile.{home}" if name != home else "napari_utile", name)
        for name, home in utile._HOME.items()
    }
    assert (stub.parent / "py.typed").exists()


def test_names_that_need_no_torch_load_none():
    code = """
import sys
import napari_utile as utile
utile.weight_map, utile.instances, utile.evaluate, utile.objects_table, utile.TrainSettings
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
