"""Slices that are left out of an evaluation, such as those that a network was trained on."""

from collections.abc import Collection, Iterable

from napari_utile.errors import UserError
from napari_utile.settings.evaluation import EvaluateSettings


def left_out_slices(settings: EvaluateSettings, slices: int) -> frozenset[int]:
    """Return the numbers of the slices that are not compared.

    Parameters
    ----------
    settings : EvaluateSettings
    slices : int
        How many slices there are, in all images together.

    Raises
    ------
    UserError
        If there are no such slices, no others, or if objects of volumes are compared.
    """
    if settings.leave_out is None:
        return frozenset()
    if settings.volumetric:
        raise UserError(
            "Slices are left out where slices are compared: leave out none, or turn volumetric "
            "off."
        )
    spans = (part.split(":") for part in settings.leave_out.split(","))
    numbers = {n for first, end in spans for n in range(int(first), int(end))}
    if max(numbers) >= slices or len(numbers) == slices:
        raise UserError(
            f"Slices {settings.leave_out} of {slices} are to be left out: there must be such "
            "slices, and others to compare."
        )
    return frozenset(numbers)


def spans_of(numbers: Iterable[int]) -> list[range]:
    """Return whole numbers as ranges, in order.

    Examples
    --------
    >>> spans_of([5, 0, 1, 2, 7, 6])
    [range(0, 3), range(5, 8)]
    """
    spans: list[range] = []
    for number in sorted(set(numbers)):
        if spans and spans[-1].stop == number:
            spans[-1] = range(spans[-1].start, number + 1)
        else:
            spans.append(range(number, number + 1))
    return spans


def option_of(numbers: Collection[int]) -> str | None:
    """Return the value of the option `leave_out` for these slices.

    Examples
    --------
    >>> option_of([0, 1, 2, 5])
    '0:3,5:6'
    """
    return ",".join(f"{span.start}:{span.stop}" for span in spans_of(numbers)) or None
