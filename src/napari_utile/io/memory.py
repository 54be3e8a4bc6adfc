"""How much memory an image may take."""

import psutil

from napari_utile.errors import UserError
from napari_utile.io.units import size_text


def memory_budget() -> int:
    """Return the bytes that one image may take: half of what is free."""
    return psutil.virtual_memory().available // 2


def check_memory(nbytes: int, name: str) -> None:
    """Refuse an array that does not fit into memory, before any is allocated.

    Parameters
    ----------
    nbytes : int
        Size of the array.
    name : str
        What the message calls it.

    Raises
    ------
    UserError
        Names the size, the budget, and the way that needs no memory.
    """
    budget = memory_budget()
    if nbytes > budget:
        raise UserError(
            f"{name} takes {size_text(nbytes)} of memory and {size_text(budget)} may be used: "
            "save it as OME-Zarr or uncompressed TIFF and give its path, then it is read tile "
            "by tile."
        )
