"""Whether all of a TIFF is read, and read right: pages, sizes, and what a library only logs."""

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import tifffile

from napari_utile.errors import UserError
from napari_utile.io.memory import check_memory
from napari_utile.io.tiff_directories import Directory, read_directories
from napari_utile.io.tiff_segments import MAX_EXPANSION, MAX_EXPANSION_OF_OTHERS
from napari_utile.io.units import size_text

MAX_SPARSE = 20_000_000_000
"""Bytes that a file may claim of which hardly any are stored. Not what is free in memory: it is
read window by window, and must open whatever else runs."""
MAX_PIECE = 800_000_000
"""Bytes of one strip or tile: to decode it takes twice as much."""
UNNAMED = ("", "uniform", "generic", "shaped", "imagej", "nih")
"""Kinds of series whose metadata name no thumbnails and labels beside the image."""
_COLORS = {
    5: "inks (CMYK)", 6: "brightness and color differences (YCbCr)", 8: "Lab colors",
    9: "Lab colors", 10: "Lab colors", 32803: "the raw mosaic of a camera",
    32844: "logarithms", 32845: "logarithms",
}  # fmt: skip
_JPEG = (6, 7, 33007, 34892)


def largest_series(path: Path, tif: tifffile.TiffFile) -> tuple[Any, list[str]]:
    """Return the largest image, which thumbnails and labels are not.

    Parameters
    ----------
    path : Path
        As messages name it.
    tif : tifffile.TiffFile

    Returns
    -------
    series : tifffile.TiffPageSeries
    doubts : list of str
        Which images are not read.

    Raises
    ------
    UserError
        If none can be read, or several have this size.
    """
    every = tif.series
    # A mask has the size of its image; smaller versions are smaller.
    sizes = [0 if series.keyframe.is_mask else math.prod(series.shape) for series in every]
    if not sizes or not max(sizes):
        raise UserError(f"{path} holds no image that can be read.")
    if sizes.count(max(sizes)) > 1:
        raise UserError(
            f"{path} holds several images of the same size; "
            "save the wanted one as a file of its own."
        )
    chosen = every[sizes.index(max(sizes))]
    others = [_series_text(series) for series in every if series is not chosen]
    if not others or chosen.kind in UNNAMED:  # the pages of these are looked at one by one
        return chosen, []
    shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
    return chosen, [
        f"1 of {len(every)} images in {path} is read: {_series_text(chosen)}, not {shown}."
    ]


def _series_text(series: Any) -> str:
    size = " x ".join(map(str, series.shape))
    return f"'{series.name[:40]}' ({size})" if series.name else f"the one of {size}"


def check_pages(
    path: Path, tif: tifffile.TiffFile, series: Any, directories: Sequence[Directory]
) -> list[str]:
    """Refuse a stack of which pages are missing, left over or unlike the others.

    Parameters
    ----------
    path : Path
        As messages name it.
    tif : tifffile.TiffFile
    series : tifffile.TiffPageSeries
        The image that is read.
    directories : sequence of Directory
        Of its file.

    Returns
    -------
    list of str
        Which pages are not read, if that may be right.

    Raises
    ------
    UserError
        Names the pages.
    """
    pages = _present(path, tif, series)
    _check_alike(path, tif, pages, directories)
    if not all(page.offset for page in pages):  # an index beside the file lists them
        return []
    used = {page.offset for page in pages}
    levels = {page.offset for level in series.levels[1:] for page in level if page is not None}
    if series.kind not in UNNAMED:  # other images were named before
        levels |= {page.offset for other in tif.series for page in other if page is not None}
    known = used | levels
    numbers = [i for i, directory in enumerate(directories) if directory.offset in used]
    left = [i for i, directory in enumerate(directories) if directory.offset not in known]
    if not left:
        return []
    # A small page before or behind the others is a thumbnail; one among them is a slice.
    thumbnails = [
        i
        for i in left
        if _is_small(directories[i], series.keyframe)
        and not (numbers and numbers[0] < i < numbers[-1])
    ]
    marked = [i for i in left if directories[i].is_reduced or directories[i].is_mask]
    if series.kind in UNNAMED and len({*thumbnails, *marked}) < len(left):
        raise UserError(_odd_pages(path, directories, numbers, left))
    if any(directories[i].is_mask for i in left):
        why = "marked as mask or smaller version"
    elif marked:
        why = "marked as smaller version"
    else:
        why = "taken for a thumbnail" if series.kind in UNNAMED else "no part of this image"
    return [
        f"{len(directories) - len(left)} of {len(directories)} pages of {path} are read; "
        f"{_page_numbers(left)} ({directories[left[0]].text}) "
        f"{'is' if len(left) == 1 else 'are'} {why}."
    ]


def _present(path: Path, tif: tifffile.TiffFile, series: Any) -> list[Any]:
    """List the pages of a series, and refuse one that lacks some."""
    page = series.keyframe
    claimed = math.prod(series.get_shape(False)) // max(1, math.prod(page.shape))
    if series.kind == "imagej" and page.samplesperpixel == 1 and series.keyframe.parent is tif:
        images = (tif.imagej_metadata or {}).get("images", 0)
        claimed = max(claimed, images) if isinstance(images, int) else claimed
    try:
        found = [*series]
    except IndexError:
        found = [*tif.pages]
    missing = [i for i, page in enumerate(found) if page is None]
    if missing:
        raise UserError(
            f"{path} lacks {len(missing)} of its {len(found)} planes, the first of them plane "
            f"{missing[0] + 1}: the copy is not complete, or the acquisition was stopped. Save "
            "the planes that are there as a file of their own."
        )
    # One page may stand for many whose pixels follow each other.
    in_one = len(found) == 1 and series.dataoffset is not None
    holds = math.prod(series.get_shape(False)) // max(1, math.prod(page.shape))
    there = holds if in_one else len(found)
    if there < claimed:
        raise UserError(
            f"{path} says that it holds {claimed} planes, and has {there}: it is cut off, or "
            "its description is wrong. Save it again."
        )
    return found[:claimed] if not in_one else found


def _check_alike(
    path: Path, tif: tifffile.TiffFile, pages: list[Any], directories: Sequence[Directory]
) -> None:
    """Refuse pages that would be decoded as if they were like the first, and are not."""
    here = {directory.offset: i for i, directory in enumerate(directories)}
    chosen = [here[page.offset] for page in pages if page.parent is tif and page.offset in here]
    kinds = Counter((directories[i].form, directories[i].coding) for i in chosen)
    if len(kinds) > 1:
        usual = kinds.most_common(1)[0][0]
        odd = [i for i in chosen if (directories[i].form, directories[i].coding) != usual]
        raise UserError(_odd_pages(path, directories, sorted({*chosen} - {*odd}), odd))
    for other in {page.parent.filehandle.path: page for page in pages}.values():
        if other.parent is tif:
            continue
        part = Path(other.parent.filehandle.path)
        form = (*other.keyframe.shaped[2:4],)
        for directory in read_directories(part):
            if chosen and directory.form != directories[chosen[0]].form:
                raise UserError(
                    f"{part}, a part of {path}, has pages of {directory.text}, and {path.name} "
                    f"of {directories[chosen[0]].text} ({form[0]} x {form[1]} are wanted)."
                )


def _is_small(directory: Directory, page: Any) -> bool:
    height, width = directory.form[:2]
    return 2 * height <= page.imagelength and 2 * width <= page.imagewidth


def _odd_pages(
    path: Path, directories: Sequence[Directory], numbers: list[int], left: list[int]
) -> str:
    odd, usual = directories[left[0]], directories[numbers[0]] if numbers else None
    if usual is None or (odd.form, odd.coding) == (usual.form, usual.coding):
        return (
            f"{path} says that it holds {len(numbers)} of its {len(directories)} pages: its "
            "description is wrong. Save it again."
        )
    if odd.form != usual.form:
        how = f"{odd.text}, and the others are {usual.text}"
    else:
        how = (
            "stored otherwise than the others (compression, colors, orientation, strips or "
            "tiles)"
        )
    which = _page_numbers(left)
    return (
        f"{path} is no stack of equal pages: {which} of {len(directories)} "
        f"{'is' if len(left) == 1 else 'are'} {how}. Save it without {which}, or with all "
        "pages alike."
    )


def _page_numbers(left: list[int]) -> str:
    """Name pages by their numbers from 1: "page 4", "pages 4, 5 and 12 more"."""
    if len(left) == 1:
        return f"page {left[0] + 1}"
    shown = ", ".join(str(i + 1) for i in left[:5])
    return f"pages {shown}" + (f" and {len(left) - 5} more" if len(left) > 5 else "")


def check_decodable(path: Path, page: Any) -> None:
    """Refuse a page whose numbers cannot be decoded, or mean something else than intensities.

    Parameters
    ----------
    path : Path
    page : tifffile.TiffPage

    Raises
    ------
    UserError
        Names what the page holds.
    """
    bits, kind = page.bitspersample, int(page.sampleformat)
    formats = page.tags.valueof(339)
    if isinstance(bits, tuple) or (isinstance(formats, tuple) and len({*formats}) > 1):
        raise UserError(
            f"{path} has samples of different bits or types ({bits}): save it with one type."
        )
    if page.dtype is None:
        what = {2: "signed ", 3: "float ", 5: "complex ", 6: "complex "}.get(kind, "")
        raise UserError(
            f"{path} holds {what}numbers of {bits} bits, which are not read: save it with 8, "
            "16 or 32 bits."
        )
    if page.compression not in tifffile.TIFF.DECOMPRESSORS:
        name = getattr(page.compression, "name", f"method {int(page.compression)}")
        raise UserError(f"{path} is compressed by {name}: `pip install imagecodecs` reads it.")
    if page.predictor != 1 and page.predictor not in tifffile.TIFF.UNPREDICTORS:
        raise UserError(f"{path} uses a predictor: `pip install imagecodecs` reads it.")
    colors = _COLORS.get(int(page.photometric))
    if colors and not (int(page.photometric) == 6 and int(page.compression) in _JPEG):
        raise UserError(f"{path} holds {colors}: save it in gray or as RGB.")


def check_extent(path: Path, series: Any) -> list[str]:
    """Refuse files that are smaller than their headers claim, before anything is allocated.

    Parameters
    ----------
    path : Path
    series : tifffile.TiffPageSeries

    Returns
    -------
    list of str
        How many strips or tiles are not stored.

    Raises
    ------
    UserError
        Names the sizes.
    """
    pages, page = [*series] if not series.is_truncated else [series[0]], series.keyframe
    files = {entry.parent.filehandle.path for entry in pages}
    status = {file: Path(file).stat() for file in files}
    ends, empty, stored = dict.fromkeys(files, 0), 0, 0
    for entry in pages:
        offsets = np.asarray(entry.dataoffsets, np.uint64)
        counts = np.asarray(entry.databytecounts, np.uint64)
        n = min(len(offsets), len(counts))
        is_stored = (offsets[:n] > 0) & (counts[:n] > 0)
        stored, empty = stored + int(is_stored.sum()), empty + int(n - is_stored.sum())
        if is_stored.any():
            end = int((offsets[:n] + counts[:n])[is_stored].max())
            file = entry.parent.filehandle.path
            ends[file] = max(ends[file], end)
    if series.dataoffset is not None:
        ends[str(page.parent.filehandle.path)] = series.dataoffset + series.nbytes
    for file, end in ends.items():
        if end > status[file].st_size:
            raise UserError(f"{file} is cut off: it has {status[file].st_size} of {end} bytes.")
    there = sum(found.st_size for found in status.values())
    # A sparse file takes less room than its size; file systems that do not tell say 0.
    room = sum(
        getattr(found, "st_blocks", 0) * 512 or found.st_size for found in status.values()
    )
    claimed = math.prod(series.shape) * page.bitspersample // 8
    if empty:
        limit = max(MAX_SPARSE, there * MAX_EXPANSION_OF_OTHERS)
    else:
        limit = there * MAX_EXPANSION.get(int(page.compression), MAX_EXPANSION_OF_OTHERS)
    limit = min(limit, max(MAX_SPARSE, room * MAX_EXPANSION_OF_OTHERS))
    if claimed > limit:
        size = size_text(claimed)
        raise UserError(
            f"{path} claims {claimed} bytes of pixels ({size}, shape {series.shape}), which "
            f"its {min(there, room)} bytes cannot hold."
        )
    is_decoded = series.dataoffset is None  # others are read window by window
    piece = is_decoded * math.prod(page.chunks) * np.dtype(series.dtype).itemsize
    if piece > MAX_PIECE:
        raise UserError(
            f"{path} is stored in strips or tiles of {size_text(piece)}, and more than "
            f"{size_text(MAX_PIECE)} are not decoded at once: save it with smaller ones."
        )
    check_memory(piece, f"A strip of {path}")
    if not empty:
        return []
    return [
        f"{path} does not store {empty} of its {empty + stored} "
        f"{'tiles' if page.is_tiled else 'strips'}: they are read as {page.nodata}."
    ]


class Logged:
    """What a library only logged.

    Attributes
    ----------
    errors, warnings : list of str
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []


@contextmanager
def logged_by_tifffile() -> Iterator[Logged]:
    """Collect what tifffile logs in this thread, such as pages missing in a cut-off file."""
    found, thread = Logged(), get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread != thread:
                return
            said = record.getMessage()
            said = said.partition("> ")[2] or said
            if error := re.match(r"raised \w+\(['\"]?(.*?)['\"]?\)?$", said):
                said = error[1]
            said = said.replace("<tifffile.TiffTag ", "tag ").replace(">", "").strip(" .")
            # A series that raised is read in another way.
            is_error = record.levelno >= logging.ERROR and "series raised" not in said
            (found.errors if is_error else found.warnings).append(said)

    collector, logger = Collector(logging.WARNING), logging.getLogger("tifffile")
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)
