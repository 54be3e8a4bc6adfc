"""PNG, JPEG and .npy files: opened, read, and taken for images and for labels."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from napari_utile.io.images import expand, open_image
from napari_utile.io.jpeg_scans import damage_of
from napari_utile.io.pairs import open_pairs
from napari_utile.io.pictures import colored_image_doubts, palette_doubts
from napari_utile.io.stack import read_labels

KIND = "bytes"
GRAY = np.arange(12 * 10, dtype=np.uint8).reshape(12, 10)
MOST_PIXELS = 10**7


def seeds() -> list[bytes]:
    """Make a picture of each kind, and arrays."""
    gray, exif = Image.fromarray(GRAY), Image.Exif()
    exif[0x112] = 6
    palette = Image.fromarray(GRAY % 4, mode="P")
    palette.putpalette([0, 0, 0, 9, 0, 0, 0, 9, 0, 7, 7, 7])
    grays = Image.fromarray(GRAY % 4, mode="P")
    grays.putpalette(np.repeat([0, 5, 9, 255], 3).tolist())
    pictures = [
        _saved(gray, "PNG", exif=exif),
        _saved(gray.convert("1"), "PNG"),
        _saved(Image.fromarray(GRAY.astype(np.uint16) * 99), "PNG"),
        _saved(gray.convert("RGBA"), "PNG"),
        _saved(palette, "PNG", bits=2, transparency=0),
        _saved(grays, "PNG"),
        _saved(gray, "PNG", save_all=True, append_images=[Image.fromarray(255 - GRAY)]),
        _saved(gray, "JPEG", exif=exif),
        _saved(gray.convert("RGB"), "JPEG", progressive=True),
        _saved(gray.convert("CMYK"), "JPEG"),
        _saved(gray.convert("RGB"), "MPO", save_all=True, append_images=[gray.convert("RGB")]),
    ]
    arrays = [GRAY, np.asfortranarray(GRAY.astype(">i4")), GRAY.reshape(2, 6, 10, 1) / 3]
    return pictures + [_array(array) for array in arrays]


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _array(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


for _seed in seeds():
    if _seed.startswith(b"\xff\xd8"):
        damage_of(_seed)  # compiled before it is watched: the compiler pickles its own types


def check(data: bytes, folder: Path) -> None:
    """Open a file by itself, and as image and labels of a folder."""
    (folder / "a.png").write_bytes(data)
    stack = open_image(folder / "a.png")
    assert all(doubt.endswith(".") for doubt in stack.doubts)
    if stack.nbytes > MOST_PIXELS:
        return
    for index in stack.indices[:2]:
        stack.plane(index, slice(0, 4), slice(0, 4))
    stack.read()
    palette_doubts([stack]), colored_image_doubts([stack])
    open_pairs(folder, str(expand(folder)[0]))
    if stack.channels == 1:
        read_labels(stack)
