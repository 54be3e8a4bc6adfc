"""Folders of Zarr 2 and 3 with the metadata of images: opened, and read by windows.

An input is JSON: the path of each file -> its JSON, or a text of its bytes in base 64.
"""

import base64
import json
import shutil
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs import Blosc, Delta, GZip, Zlib

from napari_utile.io.fingerprints import fingerprint
from napari_utile.io.images import open_image
from napari_utile.io.napari_reader import read_layers
from napari_utile.io.ngff import image_metadata
from napari_utile.io.ome_zarr import create_image, create_labels, mark_complete
from napari_utile.io.pyramids import write_smaller_levels
from napari_utile.io.stack import Stack, read_labels, read_prediction

KIND = "json"
PLANES = np.random.default_rng(0).integers(0, 9, (2, 12, 10)).astype(np.uint8)
LIKE = Stack(PLANES, "zyx", scale=(4, 2, 2), units=("nanometer",) * 3)
LARGEST = 1_000_000
"""Bytes of all pixels that are read."""


def seeds() -> list[bytes]:
    """Images, labels, results and plain arrays, in Zarr 2 and 3, with many codecs."""
    with warnings.catch_warnings(action="ignore"):
        folder = Path(tempfile.mkdtemp(prefix="fuzz-zarr-"))
        try:
            return [_text(path) for path in _folders(folder)]
        finally:
            shutil.rmtree(folder)


def _folders(folder: Path) -> list[Path]:
    made = []
    for name, codec in (
        ("gzip", zarr.codecs.GzipCodec()), ("blosc", zarr.codecs.BloscCodec()),
        ("zstd", zarr.codecs.ZstdCodec()),
    ):  # fmt: skip
        ome = image_metadata("zyx", LIKE, "a")
        group = zarr.create_group(folder / name, attributes={"ome": ome})
        group.create_array("0", data=PLANES, chunks=(1, 8, 8), compressors=codec)
        made.append(folder / name)
    for number, options in enumerate(
        (
            {"compressor": Blosc()}, {"compressor": GZip()}, {"compressor": None},
            {"compressor": Zlib(), "filters": [Delta(dtype="u1")]},
        )
    ):  # fmt: skip
        path = folder / f"v2_{number}"
        group = zarr.create_group(path, zarr_format=2)
        group.create_array(
            "0", shape=PLANES.shape, dtype="u1", chunks=(1, 8, 8),
            compressors=options["compressor"], filters=options.get("filters", "auto"),
        )[:] = PLANES  # fmt: skip
        axes = ["z", "y", {"name": "x", "type": "space", "unit": "micrometer"}]
        image = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}], "name": "a"}
        channel = {"label": "a", "color": "FF0000", "window": {"start": 0, "end": 9}}
        group.attrs.update({"multiscales": [image], "omero": {"channels": [channel]}})
        made.append(path)
    zarr.create_array(
        folder / "shards", shape=PLANES.shape, dtype="u1", chunks=(1, 4, 4), shards=(1, 8, 8),
        dimension_names=["z", "y", "x"],
    )[:] = PLANES  # fmt: skip
    result = folder / "result"
    create_image(
        result, (1, *PLANES.shape), "u1", (1, 1, 8, 8), LIKE, channel_names=["class 1"],
        attributes={"kind": "instances"},
    )[0] = PLANES  # fmt: skip
    create_labels(result, "instances", PLANES.shape, "u2", (1, 8, 8), LIKE)[:] = PLANES
    list(write_smaller_levels(result))
    mark_complete(result)
    return [*made, folder / "shards", result]


def _text(folder: Path) -> bytes:
    files: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            is_json = path.name in ("zarr.json", ".zgroup", ".zarray", ".zattrs")
            data = path.read_bytes()
            name = str(path.relative_to(folder))
            files[name] = json.loads(data) if is_json else base64.b64encode(data).decode()
    return json.dumps(files).encode()


def check(data: bytes, folder: Path) -> None:
    """Open the folder as image, labels and prediction; read what is small; show it."""
    path = folder / "a.zarr"
    path.mkdir()
    try:
        _write(path, json.loads(data))
    except (ValueError, RecursionError):
        (path / "zarr.json").write_bytes(data)
    with warnings.catch_warnings(action="ignore"):
        stack = open_image(path)
        assert all(isinstance(doubt, str) for doubt in stack.doubts)
        stack.window((0,) * (len(stack.shape) - 2), (slice(0, 9), slice(0, 9)))
        if stack.nbytes < LARGEST:
            fingerprint(stack)
            read_prediction(stack)
            read_labels(stack)
        for layer, given, _ in read_layers(str(path)):
            assert isinstance(given["name"], str)
            with suppress(ValueError, RuntimeError, OSError):  # napari names those itself
                np.asarray((layer[0] if isinstance(layer, list) else layer)[..., :3, :3])


def _write(root: Path, files: Any) -> None:
    for name, content in (files if isinstance(files, dict) else {}).items():
        path = root / name[:100]
        if ".." in path.parts or root not in path.parents or "\0" in name:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(content))
        except OSError:  # two files of one name
            continue


def _bytes(content: Any) -> bytes:
    if not isinstance(content, str):
        return json.dumps(content).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(content)
    except ValueError:
        return content.encode("utf-8", "surrogatepass")
