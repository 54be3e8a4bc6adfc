"""PNG and JPEG pictures as stacks: with the values that a viewer shows, and upright.

Labels are often pictures, and their numbers must survive. The indices of a palette of colors
are ids, and are kept. Those of a palette of grays only stand for the grays: programs that
shrink PNG files number them anew in every file.
"""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_utile.errors import UserError
from napari_utile.io.memory import check_memory
from napari_utile.io.stack import Stack

MAX_PICTURE_EXPANSION = 1100
"""Bytes of pixels that one byte of PNG or JPEG can decode to, at best."""
ORIENTATION = 0x112
"""Tag of EXIF: how the picture is to be turned and mirrored; 1 is upright."""

Color = tuple[int, int, int]


def open_picture(path: Path, upright: bool = True) -> Stack:
    """Read a PNG or JPEG.

    Parameters
    ----------
    path : Path
    upright : bool, default True
        Whether to turn it as its EXIF orientation says, and as viewers do.

    Returns
    -------
    Stack
        Gray as stored; 1, 2 and 4 bits are spread to 0 to 255, as a viewer does. Palettes of
        grays become the grays. Palettes of colors stay indices, and `Stack.colors` are theirs.

    Raises
    ------
    UserError
        If it is cut off, damaged, too large, or has 16 bits per color.
    """
    with warnings.catch_warnings(action="ignore"):  # what is warned of is checked here
        try:
            with Image.open(path) as picture:
                _check_size(path, picture)
                doubts = [*_other_frames(path, picture)]
                orientation = _orientation(picture) if upright else 1
                picture.load()
                doubts += _damage(path) if picture.format in ("JPEG", "MPO") else []
                colors = _palette_colors(picture)
                pixels = _shown_pixels(picture)
        except (UserError, MemoryError):
            raise
        except UnidentifiedImageError:
            raise UserError(
                f"{path} is a PNG or JPEG of a rare kind, or damaged: save it as TIFF."
            ) from None
        except Exception as error:  # decoders have no common type for damaged files
            cut = "truncated" in str(error).lower()
            what = "is cut off: not all of its pixels are there" if cut else "is damaged"
            raise UserError(f"{path} {what}; copy or save it again.") from error
    has_alpha = pixels.ndim == 3 and pixels.shape[2] in (2, 4)
    doubts += _transparency(path, pixels) if has_alpha else []
    turned = _upright(pixels, orientation)
    if turned is not pixels and turned.shape == pixels.shape:  # labels would fit both ways
        doubts.append(
            f"{path} is turned as its EXIF orientation says, as in a viewer: labels have to be "
            "those of the turned picture."
        )
    return Stack(
        turned,
        "yxc" if turned.ndim == 3 else "yx",
        name=path.name,
        path=path,
        alpha=has_alpha,
        doubts=tuple(doubts),
        colors=colors,
    )


def palette_doubts(labels: Sequence[Stack]) -> list[str]:
    """Describe why the same id may not mean the same in several label pictures.

    Parameters
    ----------
    labels : sequence of Stack

    Returns
    -------
    list of str
        At most one sentence: palettes that differ, or palettes beside gray pictures.
    """
    colored = [stack for stack in labels if stack.colors]
    first: dict[int, tuple[Color, Stack]] = {}
    for stack in colored:
        for id, color in (stack.colors or {}).items():
            known, other = first.setdefault(id, (color, stack))
            if known != color:
                return [
                    f"Id {id} has the color {known} in {other.source} and {color} in "
                    f"{stack.source}: the palettes of these labels differ, so an id may not "
                    "mean the same in all."
                ]
    if colored and len(colored) < len(labels):
        gray = next(stack for stack in labels if not stack.colors)
        return [
            f"{len(colored)} of {len(labels)} labels have a palette of colors, whose indices "
            f"are the ids ({colored[0].source}), and others have gray values ({gray.source}): "
            "an id may not mean the same in all."
        ]
    return []


def colored_image_doubts(images: Sequence[Stack]) -> list[str]:
    """Describe images, not labels, whose pixels are indices of a palette of colors.

    Parameters
    ----------
    images : sequence of Stack
    """
    found = [stack.source for stack in images if stack.colors is not None]
    if not found:
        return []
    which = found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1} other images"
    return [
        f"{which}: the pixels are numbers in a palette of colors, and these numbers are taken "
        "for brightness: save it as RGB or gray."
    ]


def _check_size(path: Path, picture: Image.Image) -> None:
    """Refuse a picture that does not fit into the memory, before it is decoded."""
    bands = len(picture.getbands())
    is_deep = any("16" in str(tile[-1]) for tile in getattr(picture, "tile", ()))
    claimed = picture.width * picture.height * bands * (2 if is_deep else 1)
    there = path.stat().st_size
    if claimed > there * MAX_PICTURE_EXPANSION:
        raise UserError(
            f"{path} claims {picture.width} x {picture.height} pixels, "
            f"which its {there} bytes cannot hold."
        )
    check_memory(claimed, str(path))
    if bands > 1 and is_deep:
        raise UserError(
            f"{path} has 16 bits per color, of which 8 would be lost: save it as TIFF."
        )


def _damage(path: Path) -> list[str]:
    """Refuse a JPEG of which some pixels are wrong, which its decoder does not say."""
    from napari_utile.io.jpeg_scans import damage_of  # loads numba

    if (found := damage_of(path.read_bytes())) is None:
        return []
    if found.is_certain:
        raise UserError(f"{path} is damaged: {found.text}; copy or save it again.")
    return [f"{path} may be damaged: {found.text}. Look at it."]


def _other_frames(path: Path, picture: Image.Image) -> list[str]:
    """Name the frames of an animation, or the pictures behind the first one of a camera."""
    frames = getattr(picture, "n_frames", 1)
    if frames == 1:
        return []
    return [f"{path} holds {frames} pictures, of which 1 is read: save a TIFF of them all."]


def _orientation(picture: Image.Image) -> int:
    with suppress(Exception):  # EXIF of some cameras is broken
        return int(picture.getexif().get(ORIENTATION, 1))
    return 1


def _shown_pixels(picture: Image.Image) -> NDArray[Any]:
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if picture.mode == "I":  # 16 bits of gray, in older versions of Pillow
        return np.asarray(picture).astype(np.uint16)
    if picture.mode == "CMYK":
        return np.asarray(picture.convert("RGB"))
    grays = _grays(picture) if picture.mode == "P" else None
    pixels = np.asarray(picture)
    return pixels if grays is None else grays[pixels]


def _palette_colors(picture: Image.Image) -> Mapping[int, Color] | None:
    """Return the colors of the indices that occur, unless the palette is of grays."""
    if picture.mode != "P" or _grays(picture) is not None:
        return None
    palette = _palette(picture).tolist()
    return {int(i): tuple(palette[i]) for i in _occurring(picture)}


def _grays(picture: Image.Image) -> NDArray[np.uint8] | None:
    """Return the gray of each index; None if there are colors, or if a gray stands for two."""
    palette = _palette(picture)
    grays, occurring = palette[:, 0], _occurring(picture)
    if (palette != grays[:, None]).any() or np.unique(grays[occurring]).size < occurring.size:
        return None
    return grays


def _palette(picture: Image.Image) -> NDArray[np.uint8]:
    """Return a palette, shape (256, 3); what a file does not name is black."""
    given = np.array(picture.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:256]
    return np.vstack([given, np.zeros((256 - len(given), 3), np.uint8)])


def _occurring(picture: Image.Image) -> NDArray[np.intp]:
    return np.flatnonzero(picture.histogram())


def _transparency(path: Path, pixels: NDArray[Any]) -> list[str]:
    """Say that what is transparent is read as if it were not."""
    hidden = np.count_nonzero(pixels[..., -1] < 255)
    if not hidden:
        return []
    share = hidden / pixels[..., -1].size
    return [f"{path} is transparent in {share:.1%} of its pixels: that is left out."]


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror pixels (Y, X, ...) as EXIF 2.3, sec. 4.6.4 A, "Orientation" says."""
    swapped = pixels.swapaxes(0, 1)
    turned = {
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: swapped,
        6: swapped[:, ::-1],
        7: swapped[::-1, ::-1],
        8: swapped[::-1],
    }
    return np.ascontiguousarray(turned[orientation]) if orientation in turned else pixels
