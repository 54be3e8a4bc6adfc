"""Packages of models: looked at by the panel, loaded, and used once."""

import hashlib
import json
import random
import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import yaml

from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.model import Model, load_model
from napari_utile.engine.prediction.front import predict
from napari_utile.folders.model import model_problem, read_card
from napari_utile.networks import SegNet, UNet
from napari_utile.settings.prediction import PredictSettings
from tests.fuzz.mutations import mutate as mutate_bytes

KIND = "bytes"
DESCRIPTION, PARAMETERS = "bioimageio.yaml", "weights.pt"


def seeds() -> list[bytes]:
    """Save small models; an input is an archive of description and parameters."""
    torch.manual_seed(0)
    feeding = Normalization(mean=(100.0,), std=(20.0,))
    found = []
    for network in (UNet(depth=1, width=2), SegNet(1, 2, width=2, depth=1)):
        with TemporaryDirectory() as folder:
            Model(network.eval(), feeding).save(Path(folder) / "m")
            files = {name: (Path(folder) / "m" / name).read_bytes() for name in MEMBERS}
        found.append(packed(files))
    return found


MEMBERS = (DESCRIPTION, PARAMETERS)


def packed(files: dict[str, bytes]) -> bytes:
    """Return an archive of files."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        for name, content in files.items():
            package.writestr(zipfile.ZipInfo(name), content)
    return archive.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive; of anything else, a description alone."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as package:
            return {name: package.read(name) for name in MEMBERS if name in package.namelist()}
    except Exception:  # the archive is no subject here
        return {DESCRIPTION: data}


def mutate(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change the description, as text or as values, or the parameters; often fit the digest."""
    files = unpacked(data)
    name = chance.choice([DESCRIPTION, DESCRIPTION, PARAMETERS])
    texts = [unpacked(other).get(name, b"") for other in others]
    content = files.get(name, b"")
    before = hashlib.sha256(files.get(PARAMETERS, b"")).hexdigest().encode()
    if name == PARAMETERS:
        files[name] = changed_archive(content, chance, texts)
    elif chance.random() < 0.5:
        files[name] = mutate_bytes(content, "text", chance, texts)
    else:
        try:
            value = json.dumps(yaml.safe_load(content)).encode()
            as_json = [json.dumps(yaml.safe_load(text)).encode() for text in texts]
            files[name] = mutate_bytes(value, "json", chance, as_json)  # JSON is YAML
        except (ValueError, TypeError, yaml.YAMLError):
            files[name] = mutate_bytes(content, "text", chance, texts)
    if chance.random() < 0.8 and files.get(PARAMETERS):
        after = hashlib.sha256(files[PARAMETERS]).hexdigest().encode()
        files[DESCRIPTION] = files.get(DESCRIPTION, b"").replace(before, after)
    return packed(files)


def changed_archive(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change a file in an archive of tensors, whose sums then are right, or the archive."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except Exception:
        return mutate_bytes(content, "bytes", chance, others)
    if chance.random() < 0.3 or not files:
        return mutate_bytes(content, "bytes", chance, others)
    name = chance.choice([*files, *[n for n in files if n.endswith(".pkl")] * 5])
    files[name] = mutate_bytes(files[name], "bytes", chance, list(files.values()))
    return packed(files)


def check(data: bytes, folder: Path) -> None:
    """Do what a panel, `predict` and a script do with a folder that is a model."""
    model = folder / "model"
    model.mkdir()
    for name, content in unpacked(data).items():
        (model / name).write_bytes(content)
    assert isinstance(model_problem(model), str)
    read_card(model)
    loaded = load_model(model)
    image = np.zeros((loaded.in_channels, 8, 8), np.float32)[0]
    if loaded.in_channels == 1:
        predict(loaded, image, settings=PredictSettings(device="cpu"))
