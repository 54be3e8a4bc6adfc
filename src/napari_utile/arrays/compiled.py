"""Functions of loops over pixels, compiled when they are first called.

In one place, because `numba.njit(cache=True)` fails where no cache can be written, and because
threads run these functions side by side.
"""

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import config
from numpy.typing import NDArray

Array = NDArray[Any]
"""An argument of a compiled function, compiled once for each dtype it meets."""

# Numba takes options from a file in the working folder, among them the folder of its cache,
# which holds machine code: what lies there may have come with somebody's data.
config._config_fname = ""
config.reload_config()


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Return a function in machine code, cached for other processes where that is possible.

    Parameters
    ----------
    function : callable
        Of arrays and numbers only: it runs without the GIL.
    **options
        Of `numba.njit`.

    Returns
    -------
    callable

    Notes
    -----
    The cache is beside the module, or else in the user's cache folder. Where neither can be
    written to, as in a container, every process compiles for itself.
    """
    try:
        return njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba: "no locator available"
        return njit(nogil=True, **options)(function)
