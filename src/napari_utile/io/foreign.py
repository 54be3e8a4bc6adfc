"""Files that people have and that are not read: what they are, and the way to an image.

A file is recognized by its first bytes; nothing of it is opened.
"""

from collections.abc import Callable
from pathlib import Path

FIRST_BYTES = 512
"""Of a file, that are looked at."""

FIJI = "open it in Fiji and save it as TIFF"
BIOFORMATS = "open it in Fiji (Bio-Formats) and save it as TIFF, or use bfconvert"
PNG = "save it as PNG or TIFF"
TABLE = "name an image"

Test = Callable[[bytes], bool]


def _at(offset: int, *marks: bytes) -> Test:
    """Make a test of whether one of some bytes is at a place."""
    return lambda start: start[offset:].startswith(marks)


def _riff(kind: bytes) -> Test:
    return lambda start: start.startswith(b"RIFF") and start[8:12] == kind


def _begins_as_text(*marks: bytes) -> Test:
    """Make a test of whether a text begins with some letters, in upper or lower case."""
    return lambda start: start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(marks)


_KINDS: tuple[tuple[Test, str, str], ...] = (
    (_at(0, b"GIF8"), "a GIF picture", PNG),
    (_riff(b"WEBP"), "a WebP picture", PNG),
    (_riff(b"AVI "), "a film (AVI)", FIJI),
    (_at(4, b"ftypavif", b"ftypavis"), "an AVIF picture", PNG),
    (_at(4, b"ftyphe", b"ftypmif1", b"ftypmsf1"), "a HEIC picture", PNG),
    (_at(4, b"ftyp", b"moov"), "a film", "save its frames as a TIFF stack"),
    (_at(0, b"\x1aE\xdf\xa3"), "a film (Matroska or WebM)", "save its frames as a TIFF stack"),
    (_at(0, b"\xda\xce\xbe\x0a"), "a Nikon file (ND2)", BIOFORMATS),
    (_at(4, b"jP  ", b"jP\x1a\x1a"), "a JPEG 2000 picture", FIJI),
    (_at(0, b"\xff\x4f\xff\x51"), "a JPEG 2000 picture", FIJI),
    (_at(0, b"\xff\x0a", b"\0\0\0\x0cJXL "), "a JPEG XL picture", PNG),
    (_at(0, b"II\xbc"), "a JPEG XR picture", PNG),
    (_at(0, b"ZISRAWFILE"), "a Zeiss file (CZI)", BIOFORMATS),
    (_at(0, b"\x70\0\0\0"), "a Leica file (LIF)", BIOFORMATS),
    (_at(0, b"\xd0\xcf\x11\xe0"), "a Zeiss, Olympus or Office file (OLE)", BIOFORMATS),
    (_at(208, b"MAP "), "an MRC file of electron microscopy", FIJI),
    (_at(0, b"\0\0\0\x03", b"\0\0\0\x04"), "a Gatan file (DM3 or DM4)", BIOFORMATS),
    (_at(344, b"n+1\0", b"ni1\0"), "a NIfTI volume", FIJI),
    (_at(128, b"DICM"), "a DICOM image", FIJI),
    (_at(0, b"NRRD"), "an NRRD volume", FIJI),
    (_at(0, b"SIMPLE  ="), "a FITS image", FIJI),
    (_at(0, b"\x89HDF\r\n\x1a\n"), "an HDF5 file (.h5, .ims, .mat)", "save its image as TIFF"),
    (_at(0, b"MATLAB "), "a MATLAB file", "save its image with imwrite as TIFF"),
    (_at(0, b"CDF\x01", b"CDF\x02"), "a NetCDF file", "save its image as TIFF"),
    (_at(0, b"8BPS"), "a Photoshop picture", PNG),
    (_at(0, b"gimp xcf"), "a GIMP picture", "export it as PNG or TIFF"),
    (_at(0, b"%PDF", b"%!PS"), "a PDF or PostScript file", PNG),
    (_at(0, b"v/1\x01"), "an OpenEXR picture", FIJI),
    (_at(0, b"PK\x03\x04", b"PK\x05\x06"), "a zip archive (.zip, .npz)", "unpack it"),
    (_at(0, b"\x1f\x8b"), "compressed with gzip (.gz)", "unpack it"),
    (_at(0, b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ"), "an archive", "unpack it"),
    (_at(257, b"ustar"), "a tar archive", "unpack it"),
    (_at(0, b"version https://git-lfs"), "a pointer of Git LFS", "run git lfs pull"),
    (_begins_as_text(b"<!doctype html", b"<html"), "a web page", "download the image again"),
    (_begins_as_text(b"<svg"), "an SVG drawing", PNG),
    (_begins_as_text(b"<?xml"), "an XML file", TABLE),
    (_begins_as_text(b"{", b"["), "a JSON file", TABLE),
    (_at(0, b"BM"), "a BMP picture", PNG),
    *((_at(0, b"P%d" % n), "a PGM or PPM picture", PNG) for n in range(1, 8)),
    (_at(0, b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "a Python pickle", TABLE),
)
"""Test of the first bytes, what the file is, and the way on. The first that holds counts."""

_SUFFIXES = frozenset(
    {
        *(".gif", ".webp", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".jxl", ".jxr"),
        *(".jpe", ".jfif", ".jif", ".bmp", ".pgm", ".ppm", ".tga", ".psd", ".xcf", ".exr"),
        *(".avi", ".mp4", ".mov", ".mkv", ".nd2", ".czi", ".lif", ".oib", ".oif", ".zvi"),
        *(".vsi", ".svs", ".ndpi", ".scn", ".lsm", ".stk", ".btf", ".tf2", ".tf8", ".raw"),
        *(".mrc", ".mrcs", ".rec", ".map", ".dm3", ".dm4", ".nii", ".dcm", ".nrrd", ".nhdr"),
        *(".mhd", ".mha", ".fits", ".h5", ".hdf5", ".ims", ".mat", ".nc", ".npz", ".n5"),
    }
)
"""Suffixes of images that are not looked for in a folder, in lower case."""


def is_foreign_image(path: Path) -> bool:
    """Whether a file in a folder is called like an image, but not like one that is looked for.

    Parameters
    ----------
    path : Path
    """
    return path.suffix.lower() in _SUFFIXES or path.name.lower().endswith(
        (".nii.gz", ".tif.gz")
    )


def described(path: Path, start: bytes, read: str) -> str:
    """Describe a file that is not read, and the way to an image.

    Parameters
    ----------
    path : Path
    start : bytes
        Its first `FIRST_BYTES`.
    read : str
        The formats that are read.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> described(Path("a.gif"), b"GIF89a", "TIFF or PNG")
    'a.gif is a GIF picture, which is not read: save it as PNG or TIFF.'
    """
    for fits, what, way in _KINDS:
        if fits(start):
            return f"{path} is {what}, which is not read: {way}."
    if not start:
        return f"{path} is empty."
    if not any(start):
        return f"{path} holds only zeros at its beginning: it was not copied completely."
    if _is_text(start):
        return f"{path} is no image, but text: name a {read} file."
    return f"{path} is no image that is read ({read}): save it as TIFF."


def _is_text(start: bytes) -> bool:
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.start > len(start) - 4 > 0  # a letter that the end cuts
    return b"\0" not in start
