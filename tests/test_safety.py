"""Files that try to run code when they are opened: whatever else happens, they do not.

Each would leave a file behind, the canary; `test_the_canary_is_real` shows that it would.
"""

import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import tifffile
import torch
import zarr

from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.training.checkpoints import read_checkpoint
from napari_utile.errors import UserError
from napari_utile.folders.job import JobFolder
from napari_utile.folders.run import Run
from napari_utile.io.images import open_image
from napari_utile.networks import UNet
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.process.command_line import engine_environment, worker_command


class Malicious:
    """Creates the canary when it is unpickled."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


@pytest.fixture
def canary(tmp_path):
    return tmp_path / "canary"


def test_the_canary_is_real(canary):
    pickle.loads(pickle.dumps(Malicious(canary))).close()
    assert canary.exists()


# each of these writes a file into a folder, and returns what opens it


def npy(folder, canary):
    np.save(folder / "a.npy", np.array([Malicious(canary)], object), allow_pickle=True)
    return lambda: open_image(folder / "a.npy").read()


def npy_named_tiff(folder, canary):
    np.save(folder / "a.npy", np.array([Malicious(canary)], object), allow_pickle=True)
    (folder / "a.npy").rename(folder / "a.tif")
    return lambda: open_image(folder / "a.tif").read()


def zarr_2_codec(**codecs):
    """A chunk of Zarr 2 that a codec of numcodecs is to decode."""

    def write(folder, canary):
        array = zarr.create_array(
            folder / "a.zarr", shape=(4, 4), chunks=(4, 4), dtype="u1", zarr_format=2,
            compressors=None, fill_value=0,
        )  # fmt: skip
        array[:] = 1
        metadata = json.loads((folder / "a.zarr" / ".zarray").read_text())
        metadata |= codecs
        (folder / "a.zarr" / ".zarray").write_text(json.dumps(metadata))
        (folder / "a.zarr" / "0.0").write_bytes(pickle.dumps(Malicious(canary)))
        return lambda: open_image(folder / "a.zarr").read()

    return write


PICKLE, DELTA = {"id": "pickle"}, {"id": "delta", "dtype": "u1"}


def zarr_3_codec(folder, canary):
    zarr.create_array(folder / "a.zarr", shape=(4, 4), dtype="u1", fill_value=0)[:] = 1
    metadata = json.loads((folder / "a.zarr" / "zarr.json").read_text())
    metadata["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    (folder / "a.zarr" / "zarr.json").write_text(json.dumps(metadata))
    (folder / "a.zarr" / "c" / "0" / "0").write_bytes(pickle.dumps(Malicious(canary)))
    return lambda: open_image(folder / "a.zarr").read()


def zarr_objects(folder, canary):
    (folder / "a.zarr").mkdir()
    metadata = {
        "zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C",
        "compressor": None, "filters": [{"id": "pickle"}], "fill_value": 0,
    }  # fmt: skip
    (folder / "a.zarr" / ".zarray").write_text(json.dumps(metadata))
    (folder / "a.zarr" / "0").write_bytes(pickle.dumps([Malicious(canary)]))
    return lambda: open_image(folder / "a.zarr").read()


def ome_xml_entity(folder, canary):
    """An entity that names a file: who reads it tells of the file."""
    secret = canary.with_name("secret")
    secret.write_text("secret")
    xml = f"""<?xml version="1.0"?><!DOCTYPE o [<!ENTITY x SYSTEM "{secret}">]>
        <OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="I" Name="&x;">
        <Pixels ID="P" DimensionOrder="XYCZT" Type="uint8" SizeX="4" SizeY="4" SizeC="1"
        SizeZ="1" SizeT="1" PhysicalSizeXUnit="&x;"><TiffData/></Pixels></Image></OME>"""
    pixels = np.ones((4, 4), np.uint8)
    tifffile.imwrite(folder / "a.ome.tif", pixels, description=xml, metadata=None)

    def opened():
        stack = open_image(folder / "a.ome.tif")
        assert "secret" not in f"{stack.doubts} {stack.name}"

    return opened


def model_yaml(folder, canary):
    Model(UNet(1, 2, depth=1, width=2)).save(folder / "model")
    tag = f"!!python/object/apply:builtins.open [{canary}, w]"
    with (folder / "model" / "bioimageio.yaml").open("a") as file:
        file.write(f"\nextra: {tag}\n")
    return lambda: load_model(folder / "model")


def model_weights(folder, canary):
    Model(UNet(1, 2, depth=1, width=2)).save(folder / "model")
    torch.save({"x": Malicious(canary)}, folder / "model" / "weights.pt")
    text = (folder / "model" / "bioimageio.yaml").read_text()
    lines = [line for line in text.splitlines() if "sha256" not in line]
    (folder / "model" / "bioimageio.yaml").write_text("\n".join(lines))
    return lambda: load_model(folder / "model")


def model_python(folder, canary):
    Model(UNet(1, 2, depth=1, width=2)).save(folder / "model")
    (folder / "model" / "network.py").write_text(f"open({str(canary)!r}, 'w')")
    return lambda: load_model(folder / "model")


def packed_model(folder, canary):
    with zipfile.ZipFile(folder / "model.zip", "w") as archive:
        archive.writestr(f"../{canary.name}", "")
    return lambda: load_model(folder / "model.zip")


def checkpoint(folder, canary):
    torch.save({"format": 1, "x": Malicious(canary)}, folder / "step_00000001.pt")
    return lambda: read_checkpoint(folder / "step_00000001.pt")


def settings(folder, canary):
    (folder / "settings.json").write_bytes(pickle.dumps(Malicious(canary)))
    return lambda: TrainSettings.read(folder / "settings.json")


def job(folder, canary):
    (folder / "job.json").write_bytes(pickle.dumps(Malicious(canary)))
    return lambda: JobFolder(folder).record


def events(folder, canary):
    (folder / "events.jsonl").write_bytes(pickle.dumps(Malicious(canary)) + b"\n")
    return lambda: Run(folder).is_finished


@pytest.mark.parametrize(
    "write",
    [
        npy, npy_named_tiff, zarr_2_codec(filters=[PICKLE]), zarr_2_codec(compressor=PICKLE),
        zarr_2_codec(filters=[DELTA, PICKLE]), zarr_2_codec(filters=[PICKLE, DELTA]),
        zarr_3_codec, zarr_objects, ome_xml_entity, model_yaml,
        model_weights, model_python, packed_model, checkpoint, settings, job, events,
    ],
)  # fmt: skip
def test_code_in_a_file_is_not_run(tmp_path, canary, write):
    (tmp_path / "given").mkdir()
    opened = write(tmp_path / "given", canary)
    said = ""
    try:
        opened()
    except (UserError, ValueError) as error:
        said = str(error)
    assert "secret" not in said
    assert not canary.exists()


TRAPS = (
    "torch", "json", "queue", "signal", "pickle", "numba", "napari_utile", "sitecustomize",
    "usercustomize", "site",
)  # fmt: skip


def test_the_engine_imports_nothing_from_the_folder_that_napari_was_started_in(
    tmp_path, canary, monkeypatch
):
    """Not even where an empty entry of PYTHONPATH names that folder."""
    for name in TRAPS:
        (tmp_path / f"{name}.py").write_text(f"open({str(canary)!r}, 'w')")
    (tmp_path / "napari_utile").mkdir()
    (tmp_path / "napari_utile" / "__init__.py").write_text(f"open({str(canary)!r}, 'w')")
    (tmp_path / "a.pth").write_text(f"import os; open({str(canary)!r}, 'w')")
    (tmp_path / ".numba_config.yaml").write_text(f"cache_dir: {tmp_path / 'cache'}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", *sys.path[1:], "."]))
    arguments = ["predict", "none", "none.tif", "--out", "a.zarr", "--events"]
    command = json.dumps({"arguments": arguments, "folder": str(tmp_path)})
    done = subprocess.run(
        worker_command(60),
        input=f"{command}\n".encode(),
        cwd=tmp_path, env=engine_environment(), capture_output=True, check=False,
    )  # fmt: skip
    assert (b"READY 2" in done.stdout, b"none does not exist" in done.stderr) == (True, True)
    assert not canary.exists() and not (tmp_path / "cache").exists()


def test_numba_takes_no_options_from_the_working_folder(tmp_path):
    """Its cache holds pickles and machine code."""
    (tmp_path / ".numba_config.yaml").write_text(
        "cache_dir: cache\ncache_locator_classes: trap.X"
    )
    code = "import napari_utile.arrays.compiled as c; print(repr(c.config.CACHE_DIR))"
    environment = {name: v for name, v in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "''\n", done.stderr
