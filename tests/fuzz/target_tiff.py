"""TIFF files of every kind: opened, and read by windows, as a whole and as labels."""

import random
import struct
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_utile.io.images import open_image
from napari_utile.io.stack import read_labels
from tests.fuzz.mutations import INTEGERS
from tests.fuzz.mutations import mutate as mutate_bytes

KIND = "bytes"
PLANES = np.random.default_rng(0).integers(0, 9, (3, 16, 20)).astype(np.uint8)
SIZES = 'SizeX="20" SizeY="16" SizeZ="3" SizeC="1" SizeT="1"'
OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME '
    'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"><Image '
    'ID="Image:0" Name="s"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" '
    f'{SIZES} PhysicalSizeX="0.5" PhysicalSizeXUnit="um"><Channel ID="Channel:0:0" '
    'SamplesPerPixel="1"/><TiffData FirstZ="0" IFD="0" PlaneCount="3"><UUID '
    'FileName="a.tif">urn:uuid:1</UUID></TiffData></Pixels></Image></OME>'
)
IMAGEJ = "ImageJ=1.54f\nimages=3\nslices=3\nunit=um\nspacing=0.5\nfinterval=2\nloop=false\n"
WAYS: list[tuple[Any, dict[str, Any]]] = [
    (PLANES, {}),
    (PLANES, {"metadata": None}),
    (PLANES, {"metadata": None, "bigtiff": True, "byteorder": ">"}),
    (PLANES, {"compression": "zlib", "predictor": True}),
    (PLANES, {"compression": "lzma", "tile": (16, 16)}),
    (PLANES, {"compression": "zlib", "rowsperstrip": 4, "byteorder": ">"}),
    (PLANES, {"description": OME, "metadata": None}),
    (PLANES, {"description": IMAGEJ, "metadata": None}),
    (PLANES, {"imagej": True, "metadata": {"axes": "ZYX", "unit": "um"}}),
    (PLANES, {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5}}),
    (PLANES > 4, {}),
    (PLANES > 4, {"photometric": "miniswhite", "software": False, "metadata": None}),
    (PLANES[0].astype(np.uint16), {"extratags": [(274, 3, 1, 6, True)]}),
    (PLANES.astype(np.float32), {"resolution": (2e4, 2e4), "resolutionunit": 3}),
    (PLANES[0, :, :, None], {}),
    (np.stack([PLANES[0]] * 4, -1), {"photometric": "rgb", "extrasamples": [2]}),
    (PLANES, {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}),
    (PLANES[0], {"photometric": "palette", "colormap": np.zeros((3, 256), np.uint16)}),
    (PLANES, {"volumetric": True, "tile": (2, 16, 16)}),
]


def seeds() -> list[bytes]:
    """TIFF, BigTIFF, OME-TIFF and ImageJ files: 1 to 32 bits, plain and compressed."""
    return [_written(array, how) for array, how in WAYS] + [_levels()]


def _written(array: Any, how: dict[str, Any]) -> bytes:
    file = BytesIO()
    tifffile.imwrite(file, array, **{"photometric": "minisblack"} | how)
    return file.getvalue()


def _levels() -> bytes:
    """An image with a smaller level, and another image."""
    file = BytesIO()
    with tifffile.TiffWriter(file, ome=True) as writer:
        writer.write(PLANES, subifds=1, metadata={"axes": "ZYX"}, photometric="minisblack")
        writer.write(PLANES[:, ::2, ::2], subfiletype=1, photometric="minisblack")
        writer.write(PLANES[0, ::4, ::4], photometric="minisblack")
    return file.getvalue()


def mutate(data: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Change tags of pages; some bytes, in other cases."""
    if chance.random() < 0.4:
        return mutate_bytes(data, KIND, chance, others)
    changed = bytearray(data)
    is_big, order = data[2:4] in (b"+\0", b"\0+"), "<" if data[:2] == b"II" else ">"
    entry, count, where = (20, "Q", "Q") if is_big else (12, "H", "I")
    pages = _pages(data, order, entry, count, where)
    for _ in range(chance.choice((1, 1, 2, 3))):
        if not pages:
            return mutate_bytes(data, KIND, chance, others)
        page, tags = chance.choice(pages)
        at = page + struct.calcsize(count) + entry * chance.randrange(max(tags, 1))
        part, size = chance.choice(
            ((0, "H"), (2, "H"), (4, where), (entry - 4, "I"), (-1, where))
        )
        if part < 0:  # where the next page is
            at, part = page + struct.calcsize(count) + entry * tags, 0
        value = chance.choice((*INTEGERS, *(p for p, _ in pages), len(data), 273, 279, 325))
        if at + part + struct.calcsize(size) <= len(changed):
            top = 256 ** struct.calcsize(size)
            struct.pack_into(order + size, changed, at + part, value % top)
    return bytes(changed)


def _pages(
    data: bytes, order: str, entry: int, count: str, where: str
) -> list[tuple[int, int]]:
    """List position and number of tags of each page."""
    found: list[tuple[int, int]] = []
    try:
        (at,) = struct.unpack_from(order + where, data, 8 if entry == 20 else 4)
        while at and len(found) < 10:
            (tags,) = struct.unpack_from(order + count, data, at)
            found.append((at, min(tags, 100)))
            at += struct.calcsize(count) + entry * tags
            (at,) = struct.unpack_from(order + where, data, at)
    except struct.error:
        pass
    return found


def check(data: bytes, folder: Path) -> None:
    """Open the file; read corners, then all of it, as an image and as labels."""
    path = folder / "a.tif"
    path.write_bytes(data)
    with warnings.catch_warnings(action="ignore"):
        stack = open_image(path)
        assert all(doubt.strip() and "\n" not in doubt for doubt in stack.doubts)
        for index in {stack.indices_of(2)[0], stack.indices_of(2)[-1]}:
            stack.window(index, (slice(0, 5), slice(0, 7)))
            stack.window(index, (slice(-3, None), slice(-3, None)))
        if stack.nbytes < 100_000_000:
            assert stack.read().shape[-2:] == stack.shape[-2:]
            if stack.channels == 1:
                read_labels(stack)
