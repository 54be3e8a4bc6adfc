"""The two ways in which a piece of work fails."""

import re
from collections.abc import Sequence
from unicodedata import category

STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of signs that are not shown, but change how others are."""


class UserError(ValueError):
    """Something the user can change. The message is one sentence that names it.

    A `ValueError`, so that a script catches it as it catches those of NumPy. Code that catches
    `ValueError` around a call that may raise this one lets it pass first.

    The message is one line without control signs, whatever names and libraries put into it.
    """

    def __init__(self, message: object = ""):
        super().__init__(printable(re.sub(r"\s*[\r\n]\s*", " ", str(message))))


class DifferentRunError(UserError):
    """The folder holds an unfinished run that is not the one that was asked for.

    Attributes
    ----------
    differences : tuple of str
        In what it differs: a clause each.
    """

    def __init__(self, message: object, differences: Sequence[str]):
        super().__init__(message)
        self.differences = tuple(differences)


class EngineError(Exception):
    """A run broke. The message says what happened and what is left on disk.

    Never a `RuntimeError`: superqt takes those for a deleted worker and drops them.
    """


def printable(text: str) -> str:
    """Return a text in which nothing steers a terminal or turns the reading direction.

    Parameters
    ----------
    text : str
        Names of files may hold any sign: colors of a terminal, line breaks, backspaces.

    Returns
    -------
    str
        Such signs are shown as their codes.

    Examples
    --------
    >>> print(printable("a\\x1b[2Jb.tif"))
    a\\x1b[2Jb.tif
    """
    return "".join(
        sign.encode("unicode_escape").decode() if category(sign) in STEERING else sign
        for sign in text
    )
