"""The files of the images of a COCO file: found in a folder, never outside of it."""

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from PIL import Image

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.io.names import composed

END_ONLY = "are found by the end of their names alone"
SPELLING = "are found under another spelling of their names"
LINK = "are links that lead out of the folder of images"

EXIF_ORIENTATION, TURNED = 0x112, (5, 6, 7, 8)
"""Tag, and its values for which width and height are swapped when the image is upright."""


@dataclass(frozen=True)
class FoundFile:
    """The file of an image, and what is doubtful about it.

    Attributes
    ----------
    path : Path
    doubt : str
        `END_ONLY`, `SPELLING`, `LINK`, or empty.
    """

    path: Path
    doubt: str = ""


@dataclass
class ImageFolder:
    """A folder in which files are looked for by the names in a COCO file."""

    path: Path
    _listings: dict[Path, dict[str, list[str]]] = field(default_factory=dict)

    def find(self, name: str) -> FoundFile | None:
        """Return the file of an image; None if the folder does not hold it.

        Parameters
        ----------
        name : str
            Path of the image in the folder, or an address. If there is no such file, its first
            parts are left out one after the other, as tools write paths of their own; then
            other spellings are looked for: composed letters, upper and lower case, and %20.
        """
        for spelling, doubt in ((name, ""), (unquote(name), SPELLING)):
            if doubt and spelling == name:
                continue
            parts = parts_of(spelling)
            for first in range(len(parts)):
                end = parts[first:]
                if ".." in end:
                    continue
                found = self._exact(end) or self._alike(end)
                if found:
                    path, alike = found
                    left_out = "" if self._is_own(parts[:first]) else END_ONLY
                    return FoundFile(path, self._link(end) or doubt or alike or left_out)
        return None

    def _exact(self, parts: list[str]) -> tuple[Path, str] | None:
        path = Path(self.path, *parts)
        return (path, "") if os.path.isfile(path) else None

    def _alike(self, parts: list[str]) -> tuple[Path, str] | None:
        """Return the only file of that name in upper and lower case; composed letters first."""
        path, doubt = self.path, ""
        for part in parts:
            names = self._listing(path).get(composed(part).casefold(), [])
            same = [name for name in names if composed(name) == composed(part)]
            if len(same or names) != 1:
                return None
            doubt = doubt if same else SPELLING
            path /= (same or names)[0]
        return (path, doubt) if path.is_file() else None

    def _listing(self, folder: Path) -> dict[str, list[str]]:
        """List the names in a folder once, by their common spelling."""
        if folder not in self._listings:
            names: dict[str, list[str]] = defaultdict(list)
            try:
                for name in os.listdir(folder):
                    names[composed(name).casefold()].append(name)
            except (OSError, ValueError):
                pass  # no folder
            self._listings[folder] = names
        return self._listings[folder]

    def _is_own(self, parts: list[str]) -> bool:
        """Whether parts of a name are those of the folder itself."""
        own = self.path.absolute().parts
        return parts == list(own[len(own) - len(parts) :])

    def _link(self, parts: list[str]) -> str:
        """Return a doubt if a file or folder is a link that leads out."""
        path = self.path
        for part in parts:
            path /= part
            if path.is_symlink() and not path.resolve().is_relative_to(self.path.resolve()):
                return LINK
        return ""


def parts_of(name: str) -> list[str]:
    """Return the parts of a path or address, of any system.

    Parameters
    ----------
    name : str

    Examples
    --------
    >>> parts_of("C:\\\\a\\\\b.png"), parts_of("https://host/a/b.png?v=1"), parts_of("./b.png")
    (['a', 'b.png'], ['a', 'b.png'], ['b.png'])
    """
    name = name.replace("\\", "/")
    if re.match(r"[A-Za-z][\w+.-]+://", name):
        name = re.split(r"[?#]", name)[0].partition("://")[2].partition("/")[2]
    name = re.sub(r"^[A-Za-z]:/", "", name)
    return [part for part in name.split("/") if part not in ("", ".")]


def image_folder(path: Path, names: Iterable[str]) -> Path | None:
    """Return the folder that holds the images of a COCO file; None if none is found.

    Looks in the folder of the file, in its subfolders that are named after the file ("val2017"
    for instances_val2017.json) and "images", and in the same places one level higher.

    Parameters
    ----------
    path : Path
        The COCO file.
    names : iterable of str
        File names of images, one of which the folder must hold.
    """
    own, above = path.stem.removeprefix("instances_"), path.absolute().parent
    places = [base / name for base in (above, above.parent) for name in ("", own, "images")]
    wanted = list(names)
    for place in places:
        folder = ImageFolder(place)
        if any(folder.find(name) for name in wanted):
            return place
    return None


def sizes_in_header(path: Path) -> list[tuple[int, int]]:
    """Return the height and width of an image, upright and as stored, without its pixels.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of (int, int)
        The first is that of the upright image; equal ones once.

    Raises
    ------
    UserError
        If it cannot be read.
    """
    if (found := picture_header(path)) is None:
        height, width = open_image(path).shape[-2:]
        return [(height, width)]
    stored, orientation = found
    return [stored[::-1], stored] if orientation in TURNED else [stored]


def picture_header(path: Path) -> tuple[tuple[int, int], int] | None:
    """Return the height and width of a PNG or JPEG as stored, and its EXIF orientation.

    Parameters
    ----------
    path : Path

    Returns
    -------
    tuple or None
        None of another file, or one that cannot be read.
    """
    with (
        suppress(Exception),  # headers have no common type of error
        warnings.catch_warnings(action="ignore"),
        Image.open(path) as picture,
    ):
        if picture.format in ("PNG", "JPEG"):
            orientation = int(picture.getexif().get(EXIF_ORIENTATION, 1))
            return (picture.height, picture.width), orientation
    return None


def check_header(path: Path, size: tuple[int, int], said_by: str, id: int) -> None:
    """Refuse an image of another size than a file says.

    Parameters
    ----------
    path : Path
        The image.
    size : (int, int)
        Height and width.
    said_by, id : str, int
        The file that says so, and the id of the image, for the message.

    Raises
    ------
    ValueError
        If the size differs, or the image cannot be read. Continues "image 7 ...".
    """
    try:
        found = sizes_in_header(path)
    except UserError as error:
        raise ValueError(f"cannot be used: {str(error).rstrip('.')}") from None
    if size not in found:
        height, width = found[0]
        raise ValueError(
            f"does not match its file: {path} is {width} x {height} pixels, but {said_by} says "
            f"{size[1]} x {size[0]} of image {id}"
        )
