"""Broken ones among many files: all of them named, or left out on request."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from napari_utile.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

MOST_NAMED = 5
"""Broken files whose reasons are told; the others are counted."""


def open_sound(
    names: Sequence[T],
    open_one: Callable[[T], R],
    skip_broken: bool,
    lacking: Sequence[str] = (),
    kind: str = "pair",
) -> tuple[list[R], tuple[str, ...]]:
    """Open one after the other; name all that are broken, or leave them out.

    Parameters
    ----------
    names : sequence
        What is opened.
    open_one : callable
        Opens one of them; raises `UserError` if it is broken.
    skip_broken : bool
        Whether broken ones are left out, unless nothing would be left.
    lacking : sequence of str, optional
        What is known to be broken beforehand, a reason each.
    kind : str, default "pair"
        What messages call one of them.

    Returns
    -------
    opened : list
        What `open_one` returned.
    warnings : tuple of str
        Which were left out and why; empty if there was none.

    Raises
    ------
    UserError
        If one is broken: of several it names all, up to five with their reasons.

    Examples
    --------
    >>> def half(n):
    ...     if n % 2:
    ...         raise UserError(f"{n} is odd.")
    ...     return n // 2
    >>> open_sound([4, 5, 6], half, skip_broken=True)
    ([2, 3], ('1 of 3 pairs is left out: 5 is odd.',))
    """
    total = len(names) + len(lacking)
    if total == len(names) == 1:
        return [open_one(names[0])], ()
    opened: list[R] = []
    broken = list(lacking)
    for name in names:
        try:
            opened.append(open_one(name))
        except UserError as error:
            broken.append(str(error).rstrip("."))
    if not broken:
        return opened, ()
    verb = "is" if len(broken) == 1 else "are"
    more = f"; and {len(broken) - MOST_NAMED} more" if len(broken) > MOST_NAMED else ""
    reasons = "; ".join(broken[:MOST_NAMED]) + more
    count = f"{len(broken)} of {total} {kind}s {verb}"
    if skip_broken and opened:
        return opened, (f"{count} left out: {reasons}.",)
    way_on = ", or add skip broken to leave them out" if opened else ""
    raise UserError(f"{count} broken: {reasons}. Correct or remove them{way_on}.")
