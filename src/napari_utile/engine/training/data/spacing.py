"""The size of a voxel, which networks that see volumes follow."""

from collections.abc import Iterator, Sequence

from napari_utile.errors import UserError
from napari_utile.io.slice_context import volume_problem
from napari_utile.io.stack import Stack
from napari_utile.io.units import micrometers
from napari_utile.settings.options import axes_seen
from napari_utile.settings.training import BORDER, TrainSettings

SAME = 1.1
"""Ratio up to which two sizes count as one."""


def check_volumes(images: Sequence[Stack], settings: TrainSettings) -> None:
    """Refuse images without slices where the network sees volumes.

    Raises
    ------
    UserError
        Names the image, and the networks that see one slice at a time.
    """
    for image in images:
        if problem := volume_problem(image, settings.network):
            raise UserError(problem)


def voxel_spacing(images: Sequence[Stack], settings: TrainSettings) -> tuple[float, ...]:
    """Return the size of a voxel along (z, y, x), in any unit.

    Parameters
    ----------
    images : sequence of Stack
        Their scale is taken, that of the first one, unless settings give a spacing.
    settings : TrainSettings

    Returns
    -------
    (float, float, float)
        (1, 1, 1) for a network that sees one slice at a time.

    Raises
    ------
    UserError
        If the voxels of two images have other proportions.
    """
    if axes_seen(settings.network) == 2:
        return (1.0, 1.0, 1.0)
    if settings.spacing:
        return settings.spacing
    first = images[0]
    for image in images[1:]:
        ratios = [a / b for a, b in zip(_sides(first), _sides(image), strict=True)]
        if max(ratios) > SAME * min(ratios):
            raise UserError(
                f"The voxels of '{first.name}' are {_words(first)}, those of '{image.name}' "
                f"{_words(image)}: train on stacks of the same proportions, or give the "
                "spacing."
            )
    return _sides(first)


def relative_spacing(image: Stack, settings: TrainSettings) -> tuple[float, ...]:
    """Return the size of a voxel along (z, y, x), in pixels of x."""
    sides = settings.spacing or _sides(image)
    return tuple(side / sides[-1] for side in sides)


def border_width(settings: TrainSettings, image: Stack) -> float | None:
    """Return the width of the border between objects, in pixels of x.

    Parameters
    ----------
    settings : TrainSettings
        `border`, and the network.
    image : Stack
        Knows how long a pixel is.

    Returns
    -------
    float or None
        None if it depends on the labels.

    Raises
    ------
    UserError
        If the border is given as a length, and the image does not know that of a pixel.
    """
    if settings.border == "auto":
        return None if axes_seen(settings.network) == 3 else 1.0
    found = BORDER.fullmatch(settings.border)
    assert found
    width, unit = float(found[1]), found[2]
    if unit in (None, "px"):
        return width
    side = micrometers(image.units[-1])
    if side is None:
        raise UserError(
            f"The border is {settings.border}, and '{image.name}' does not say how long a "
            "pixel is: give the border in px."
        )
    return width * (0.001 if unit == "nm" else 1.0) / (side * abs(image.scale[-1]))


def spacing_doubts(images: Sequence[Stack], settings: TrainSettings) -> Iterator[str]:
    """Doubt that voxels are cubes where the image does not say how long they are along z.

    Parameters
    ----------
    images : sequence of Stack
    settings : TrainSettings

    Yields
    ------
    str
    """
    if axes_seen(settings.network) == 2 or settings.spacing:
        return
    unknown = [image.name for image in images if _is_unknown(image)]
    if unknown:
        yield (
            f"'{unknown[0]}' does not say how thick its slices are, and the network takes "
            "voxels for cubes: give the spacing, such as 40,10,10 for z, y and x."
        )


def _sides(image: Stack) -> tuple[float, ...]:
    return tuple(abs(side) for side in image.scale[-3:])


def _is_unknown(image: Stack) -> bool:
    """Whether an image says nothing of its voxels."""
    return image.units[-3] == "pixel" and {*image.scale[-3:]} == {1.0}


def _words(image: Stack) -> str:
    return " x ".join(f"{side:g}" for side in _sides(image))
