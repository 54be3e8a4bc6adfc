"""Whether what lies at a path is an output of U-Tile, as it says of itself."""

from pathlib import Path

NAMESPACE = "napari-utile"
"""By which files say that U-Tile wrote them: of an annotation in OME-XML, or the software."""
ENDS = 2**16
"""Bytes at each end of a file, where it says what it is: pixels are between."""
IMAGES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy", ".zarr"})
"""Endings of names of files that are never text."""


def is_own_file(path: Path) -> bool:
    """Whether a file may be replaced: it is an output of U-Tile, or text without pixels.

    Parameters
    ----------
    path : Path
        A file. Tables and reports are text and say nothing of themselves.
    """
    with path.open("rb") as file:
        start = file.read(ENDS)
        file.seek(max(0, path.stat().st_size - ENDS))
        end = file.read()
    is_text = b"\0" not in start and path.suffix.lower() not in IMAGES
    return not start or is_text or NAMESPACE.encode() in start + end


def not_ours(path: Path) -> str:
    """Return the sentence about what lies where an output is to be written.

    Parameters
    ----------
    path : Path
    """
    return (
        f"{path} exists, and is no output of U-Tile as far as it says: choose another output, "
        "or remove it."
    )
