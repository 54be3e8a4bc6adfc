"""Whether an image and its labels belong together: one place, one pixel size, two files."""

from collections.abc import Iterator, Sequence

from napari_utile.arrays.doubts.ids import has_two_values
from napari_utile.arrays.doubts.wording import Doubt
from napari_utile.io.stack import Stack
from napari_utile.io.units import micrometers, unit_symbol

JPEG = b"\xff\xd8\xff"
"""First bytes of a JPEG."""
SAME = 0.01
"""Relative difference up to which two sizes of a pixel are the same."""


def doubts_as_image(stack: Stack) -> tuple[str, ...]:
    """Return the doubts about a file that is used as an image, which it may say it is not.

    Parameters
    ----------
    stack : Stack
    """
    if not stack.holds:
        return stack.doubts
    said = (
        f"Image '{stack.name}' holds {stack.holds}, as it says of itself, not intensities: is "
        "it the wrong file?"
    )
    return (*stack.doubts, said)


def time_texts(images: Sequence[Stack]) -> list[str]:
    """Describe how the time points of images without z are taken: at most one sentence.

    Parameters
    ----------
    images : sequence of Stack

    Examples
    --------
    >>> import numpy as np
    >>> time_texts([Stack(np.zeros((9, 64, 64)), "tyx", "a.tif")])[0].partition(": ")[0]
    "Image 'a.tif' has 9 time points and no z"
    """
    found = [image for image in images if "z" not in image.axes and _time_points(image) > 1]
    if not found:
        return []
    has = f"Image '{found[0].name}' has {_time_points(found[0])}"
    if len(found) > 1:
        has = f"{len(found)} of {len(images)} images (such as '{found[0].name}') have"
    return [
        f"{has} time points and no z: they are taken as slices, each by itself, and no object "
        "is linked from one to the next. If they are the slices of a stack, name this axis z."
    ]


def _time_points(image: Stack) -> int:
    return image.shape[0] if "t" in image.axes else 1


def pair_doubts(
    image: Stack, labels: Stack, names: tuple[str, str] = ("image", "labels")
) -> list[Doubt]:
    """Return what suggests that an image and its labels do not lie on each other.

    Parameters
    ----------
    image, labels : Stack
        Of the same spatial shape.
    names : tuple of str
        What messages call the two.

    Returns
    -------
    list of Doubt
        Nothing is doubted that one of the files does not say.
    """
    return [*_same_file(image, labels, names), *_other_place(image, labels, names)]


def jpeg_doubts(labels: Stack) -> list[Doubt]:
    """Doubt labels of more than two ids in a JPEG, which stores about the same gray values.

    Parameters
    ----------
    labels : Stack

    Returns
    -------
    list of Doubt
    """
    path = labels.path
    if path is None or not path.is_file() or has_two_values(labels.plane(labels.indices[0])):
        return []
    with path.open("rb") as file:
        if file.read(len(JPEG)) != JPEG:
            return []
    return [
        Doubt(
            "jpeg",
            f"Labels '{labels.name}' are a JPEG, which changes ids near edges: save them as "
            "PNG or TIFF.",
        )
    ]


def _same_file(image: Stack, labels: Stack, names: tuple[str, str]) -> Iterator[Doubt]:
    if image.source and image.source == labels.source:
        yield Doubt(
            "same file",
            f"'{image.name}' is given both as {names[0]} and as {names[1]}: give the "
            f"{names[1]} of the {names[0]}.",
        )


def _other_place(image: Stack, labels: Stack, names: tuple[str, str]) -> Iterator[Doubt]:
    """Doubt labels with pixels of another size, or at another place, where both are known."""
    n = min(len(image.shape), len(labels.shape))
    known = [
        axis
        for axis in range(-n, 0)
        if _is_measured(image.units[axis]) and _is_measured(labels.units[axis])
    ]
    sizes = [(_um(image, axis), _um(labels, axis)) for axis in known]
    if any(abs(a / b - 1) > SAME for a, b in sizes):
        yield Doubt(
            "pixel size",
            f"{names[0].capitalize()} '{image.name}' has pixels of {_size_text(image)}, "
            f"{names[1]} '{labels.name}' of {_size_text(labels)}, so that they show the same "
            "place at other pixels. Check that they belong together, and correct the size in "
            "one file.",
        )
        return
    starts = [
        (image.translate[i] / image.scale[i], labels.translate[i] / labels.scale[i])
        for i in known
    ]
    # Many programs write no position: 0 along all axes is no evidence.
    are_known = all(any(side) for side in zip(*starts, strict=True))
    if starts and are_known and any(abs(a - b) > 0.5 for a, b in starts):
        shift = ", ".join(f"{b - a:.4g}" for a, b in starts)
        yield Doubt(
            "place",
            f"The {names[1]} '{labels.name}' begin {shift} px away from the {names[0]} "
            f"'{image.name}', as their files say, but are used pixel by pixel: crop both to "
            "the same place.",
        )


def _is_measured(unit: str) -> bool:
    """Whether a unit is one of microscopes: others are of prints, or unknown."""
    return micrometers(unit) is not None and unit not in ("inch", "centimeter")


def _um(stack: Stack, axis: int) -> float:
    return stack.scale[axis] * (micrometers(stack.units[axis]) or 1.0)


def _size_text(stack: Stack) -> str:
    """Return the size of a pixel in words."""
    sides = " x ".join(f"{scale:.4g}" for scale in stack.scale)
    return f"{sides} {unit_symbol(stack.units[-1])}"
