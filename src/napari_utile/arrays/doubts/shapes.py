"""Why two shapes differ, in words."""

from collections.abc import Sequence

FEW_PIXELS = 8
"""Difference of two sides that comes from cropping."""
SAME_RATIO = 0.01
"""Relative difference of two ratios up to which a plane was resized as a whole."""
Shape = tuple[int, ...]


def shape_hint(image: Sequence[int], labels: Sequence[int]) -> str:
    """Return what probably makes the shapes of an image and its labels differ, or ''.

    Parameters
    ----------
    image, labels : sequence of int
        ((T,) Z,) Y, X.

    Returns
    -------
    str
        A sentence with a leading space.

    Examples
    --------
    >>> shape_hint((512, 640), (640, 512))
    ' Rows and columns are exchanged: transpose one of them.'
    >>> shape_hint((2, 512, 640), (1, 512, 640)).partition("lacks.")[2]
    ' If they are 2 channels of one slice, give labels (512, 640).'
    >>> shape_hint((512, 640), (256, 320))
    ' One is 2 times the size of the other: resize the labels without interpolation.'
    >>> shape_hint((512, 640), (512, 639))
    ' They differ by 1 px: one was cropped; cut the other in the same way.'
    """
    a, b = tuple(image), tuple(labels)
    if len(a) != len(b):
        return _axes_hint(a, b)
    if a[-2:] == b[:-3:-1] and a[:-2] == b[:-2]:
        return " Rows and columns are exchanged: transpose one of them."
    if a[-2:] == b[-2:]:
        slices = f" They have {a[0]} and {b[0]} slices: leave out those that the other lacks."
        if b[0] != 1 or a[1:] != b[1:]:
            return slices
        return f"{slices} If they are {a[0]} channels of one slice, give labels {b[1:]}."
    if sorted(a) == sorted(b):
        return " The same lengths are in another order: bring the axes into the same order."
    return _size_hint(a[-2:], b[-2:]) if a[:-2] == b[:-2] else ""


def _axes_hint(a: Shape, b: Shape) -> str:
    """Tell a stack from one slice."""
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    if longer[len(longer) - len(shorter) :] != shorter:
        return ""
    which = "image has" if longer is a else "labels have"
    return f" The {which} {longer[0]} slices, the other has one: give as many."


def _size_hint(a: Shape, b: Shape) -> str:
    """Tell a cropped plane (Y, X) from one of another size."""
    pairs = list(zip(a, b, strict=True))
    if (most := max(abs(m - n) for m, n in pairs)) <= FEW_PIXELS:
        return f" They differ by {most} px: one was cropped; cut the other in the same way."
    ratios = [m / n for m, n in pairs]
    if abs(ratios[0] / ratios[1] - 1) > SAME_RATIO:
        return ""
    times = max(ratios[0], 1 / ratios[0])
    return (
        f" One is {times:.3g} times the size of the other: resize the labels without "
        "interpolation."
    )
