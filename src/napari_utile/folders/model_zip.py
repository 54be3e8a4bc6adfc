"""Models as one file, and from one file into the folder of the user. No torch.

The file is a BioImage.IO package: the folder of a model, zipped. One that is imported is read
as a stranger's: only files beside its description, under plain names, and no more bytes than
it says.
"""

import os
import shutil
import stat
import zipfile
import zlib
from contextlib import suppress
from hashlib import file_digest
from io import BytesIO
from pathlib import Path, PurePosixPath
from time import mktime
from typing import Any

import yaml
from PIL import Image

from napari_utile.errors import UserError
from napari_utile.folders.catalogue import known_model
from napari_utile.folders.model import (
    DESCRIPTION,
    LONGEST_NAME,
    PARAMETERS_FILE,
    card_in,
    find_model,
    given_name,
    read_description,
)
from napari_utile.folders.model_writing import replaced_model, write_name
from napari_utile.folders.places import IMPORTED, plain_name, unused
from napari_utile.folders.thumbnails import thumbnail
from napari_utile.io.disk import atomic_write, check_file_output, check_free, private_folder
from napari_utile.io.names import windows_problem
from napari_utile.io.own_files import NAMESPACE

COVER, COVER_SIDE = "cover.png", 256
MOST_ENTRIES, LARGEST_MODEL = 1000, 16_000_000_000
"""Files in a package, and their bytes."""
NOT_ONE = "choose a .zip that was exported, the folder of a model, or that of its run."
DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a way of packing that Python does not know
    RuntimeError,  # a password
    ValueError,
)


def export_model(path: Path | str, out: Path | str, overwrite: bool = False) -> Path:
    """Write a model as one file, a BioImage.IO package, for others and for other programs.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    out : path
        The file, NAME.zip.
    overwrite : bool, default False
        Whether an older export is replaced.

    Returns
    -------
    Path
        The file. The last preview of the run is the cover of the package.

    Raises
    ------
    UserError
        If there is no model of U-Tile, it is damaged, or the file cannot be written.
    """
    out, folder = Path(out), find_model(path)
    if out.suffix.lower() != ".zip":
        raise UserError(f"{out}: a model is exported as .zip.")
    description = _checked_package(folder)
    files = {file.name: file for file in _files_in(folder)}
    cover = None if description.get("covers") else _cover(folder)
    nbytes = sum(file.stat().st_size for file in files.values()) + len(cover or b"")
    check_file_output(out, overwrite)
    check_free(out, nbytes)

    def write(draft: Path) -> None:
        # Stored, not packed: parameters do not get smaller, and it takes no time.
        with zipfile.ZipFile(draft, "w", strict_timestamps=False) as archive:
            archive.comment = NAMESPACE.encode()
            _write_description(archive, files.pop(DESCRIPTION), description, cover)
            for name, file in sorted(files.items()):
                archive.write(file, name)

    atomic_write(out, write, nbytes)
    return out


def import_model(source: Path | str, place: Path, name: str = "") -> Path:
    """Copy a model of U-Tile into the folder of the user, where lists find it.

    Parameters
    ----------
    source : path
        A package (.zip), or the folder of a model or of its run.
    place : Path
        Folder of the user's data.
    name : str, optional
        By which it is listed; by default its own, else that of the file.

    Returns
    -------
    Path
        Its new folder.

    Raises
    ------
    UserError
        If it is no model of U-Tile, is damaged, or would write elsewhere; nothing is left.
    """
    source = Path(source)
    if not source.exists():
        raise UserError(f"{source} does not exist.")
    if not source.is_dir() and not zipfile.is_zipfile(source):
        raise UserError(f"{source} is no model: {NOT_ONE}")
    usual = known_model(source, place).name if source.is_dir() else source.stem
    folder = unused(place / IMPORTED / plain_name(name or usual))
    private_folder(place)
    with replaced_model(folder) as draft:
        try:
            if source.is_dir():
                _copy(find_model(source), draft)
            else:
                _unpack_package(source, draft)
            _checked_package(draft)
            if name or not given_name(draft):
                write_name(draft, name or usual[:LONGEST_NAME])
        except UserError as error:
            told = str(error).replace(str(draft), str(source))
            raise UserError(f"{told} Nothing was imported.") from None
        except DAMAGES as error:
            what = type(error).__name__
            raise UserError(f"{source} is damaged ({what}). Nothing was imported.") from None
    return folder


# the folder of a model


def _checked_package(folder: Path) -> dict[str, Any]:
    """Return the description of a model of U-Tile whose parameters are those it names."""
    description = read_description(folder)
    card_in(description, folder)
    parameters = folder / PARAMETERS_FILE
    if not parameters.is_file():
        raise UserError(f"{folder} is incomplete: it holds no {PARAMETERS_FILE}.")
    named: Any = description
    for key in ("weights", "pytorch_state_dict", "sha256"):
        named = named.get(key) if isinstance(named, dict) else None
    with parameters.open("rb") as file:
        found = file_digest(file, "sha256").hexdigest()
    if isinstance(named, str) and named.lower() != found:
        raise UserError(
            f"{parameters} is damaged or was changed: its SHA-256 is not {named[:64]}."
        )
    return description


def _files_in(folder: Path) -> list[Path]:
    """List the files of a package: no links, nothing hidden, no folders."""
    return [
        file
        for file in folder.iterdir()
        if file.is_file() and not file.is_symlink() and not file.name.startswith(".")
    ]


def _copy(folder: Path, draft: Path) -> None:
    """Copy a package, with the last preview of its run as its cover."""
    files, cover = _files_in(folder), _cover(folder)
    check_free(draft, sum(file.stat().st_size for file in files))
    for file in files:
        shutil.copy2(file, draft / file.name)  # with its time, by which lists are sorted
    description = read_description(draft)
    if cover and not description.get("covers"):
        (draft / COVER).write_bytes(cover)
        (draft / DESCRIPTION).write_bytes(_with_cover(description))


def _cover(folder: Path) -> bytes | None:
    """Return the last preview of the run of a model as a picture; None if there is none."""
    with suppress(UserError, OSError):
        if picture := known_model(folder, folder).thumbnail:
            content = BytesIO()
            Image.fromarray(thumbnail(picture, COVER_SIDE)).save(content, "PNG")
            return content.getvalue()
    return None


def _with_cover(description: dict[str, Any]) -> bytes:
    covered = description | {"covers": [COVER]}
    return yaml.safe_dump(covered, sort_keys=False, allow_unicode=True).encode()


# the file


def _write_description(
    archive: zipfile.ZipFile, file: Path, description: dict[str, Any], cover: bytes | None
) -> None:
    """Write the description first, and the cover if there is one."""
    entry = zipfile.ZipInfo.from_file(file, DESCRIPTION, strict_timestamps=False)
    archive.writestr(entry, _with_cover(description) if cover else file.read_bytes())
    if cover:
        entry = zipfile.ZipInfo.from_file(file, COVER, strict_timestamps=False)
        archive.writestr(entry, cover)


def _unpack_package(path: Path, draft: Path) -> None:
    """Unpack a package into an empty folder: its description first, and if it is ours, all."""
    with zipfile.ZipFile(path) as archive:
        entries = _entries_of_package(archive, path)
        size = sum(entry.file_size for entry in entries.values())
        if size > LARGEST_MODEL:
            raise UserError(f"{path} would unpack to {size:,} bytes, more than a model has.")
        check_free(draft, size)
        _unpack_one(archive, entries.pop(DESCRIPTION), draft / DESCRIPTION)
        card_in(read_description(draft), draft)
        for name, entry in entries.items():
            _unpack_one(archive, entry, draft / name)


def _entries_of_package(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the files beside the description, by their name.

    Raises
    ------
    UserError
        If there is no description, or several; or if a file would be written elsewhere, is a
        link or encrypted, or two have the same name.
    """
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MOST_ENTRIES:
        raise UserError(f"{path} holds {len(entries):,} files, more than a model has.")
    for entry in entries:
        if problem := _entry_problem(entry):
            raise UserError(f"{path} holds {entry.filename[:200]!r}, {problem}.")
    places = [PurePosixPath(entry.filename) for entry in entries]
    homes = [place.parent for place in places if place.name == DESCRIPTION]
    top = min((len(home.parts) for home in homes), default=0)
    homes = [home for home in homes if len(home.parts) == top]
    if len(homes) != 1:
        count = "several models" if homes else f"no {DESCRIPTION}"
        raise UserError(f"{path} holds {count}: {NOT_ONE}")
    found = {
        place.name: entry
        for place, entry in zip(places, entries, strict=True)
        if place.parent == homes[0] and not place.name.startswith(".")
    }
    beside = [p for p in places if p.parent == homes[0] and not p.name.startswith(".")]
    if len({name.casefold() for name in found}) < len(beside):
        raise UserError(f"{path} holds two files of the same name.")
    return found


def _entry_problem(entry: zipfile.ZipInfo) -> str:
    """Return why a file in an archive is not unpacked, or ''."""
    name = entry.filename
    if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
        return "which would be written outside of its folder"
    if any(windows_problem(part) for part in PurePosixPath(name).parts):
        return "which is no name of a file on every system"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "which is a link"
    return "which is encrypted" if entry.flag_bits & 1 else ""


def _unpack_one(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    """Unpack a file, no more than it says, with its time."""
    with archive.open(entry) as source, path.open("xb") as file:
        shutil.copyfileobj(source, file)
    with suppress(ValueError, OverflowError):
        when = mktime((*entry.date_time, 0, 0, -1))
        os.utime(path, (when, when))
