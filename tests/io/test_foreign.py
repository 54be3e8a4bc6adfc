"""Files of foreign formats: named for what they are, with a way to an image."""

import gzip
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.foreign import is_foreign_image
from napari_utile.io.images import open_image


def picture(kind):
    """A picture as Pillow writes it."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    return file.getvalue()


def archive():
    file = io.BytesIO()
    np.savez(file, image=np.eye(4))
    assert zipfile.is_zipfile(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        *((picture(kind), kind) for kind in ("GIF", "BMP", "WebP", "PPM", "AVIF")),
        (b"ZISRAWFILE" + bytes(90), "Zeiss"),
        (b"\xda\xce\xbe\x0a" + bytes(90), "Nikon"),
        (b"\x70\0\0\0" + bytes(90), "Leica"),
        (bytes(10) + bytes(198) + b"MAP DA\0\0" + bytes(90), "MRC"),
        (bytes([0, 0, 1, 92]) + bytes(340) + b"n+1\0" + bytes(90), "NIfTI"),
        (bytes(128) + b"DICM" + bytes(90), "DICOM"),
        (b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5"),
        (b"MATLAB 5.0 MAT-file" + bytes(90), "MATLAB"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(90), "JPEG 2000"),
        (b"\0\0\0\x18ftypheic" + bytes(90), "HEIC"),
        (b"\0\0\0\x18ftypisom" + bytes(90), "film"),
        (b"II\xbc\x01" + bytes(90), "JPEG XR"),
        (b"\0\0\0\x03" + bytes(90), "Gatan"),
        (archive(), "zip archive"),
        (gzip.compress(b"x" * 90, mtime=0), "gzip"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "download the image again"),
        (b"\xef\xbb\xbf{}", "JSON"),
        ("a;b\n1;2 µm".encode(), "is no image, but text"),
        (bytes(600), "only zeros"),
        (b"\x07\xff\xc0" * 99, "save it as TIFF"),
    ],
)
def test_a_foreign_file_is_named_with_a_way_on(tmp_path, content, said):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError) as refused:
        open_image(tmp_path / "a.png")
    text = str(refused.value)
    assert said in text
    assert text.startswith(str(tmp_path / "a.png"))
    assert text.endswith(".")


def test_names_of_foreign_images(tmp_path):
    assert is_foreign_image(tmp_path / "A.CZI")
    assert is_foreign_image(tmp_path / "brain.nii.gz")
    assert not is_foreign_image(tmp_path / "notes.txt")
