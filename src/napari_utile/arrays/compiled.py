"""Functions of loops over pixels, compiled when they are first called."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compile `function`, and keep what comes out for the next process where that can be.

    Parameters
    ----------
    function : callable
        It releases the GIL, so its arguments are arrays and numbers.
    **options
        Of `numba.njit`.

    Notes
    -----
    It is kept beside the module, or else in the user's cache folder. Where neither can be
    written to, as in a container, every process compiles for itself.
    """
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba: "no locator available"
        return njit(nogil=True, **options)(function)
