"""Arrays as a caller gives them: what NumPy would take for something else is refused."""

from typing import Any

import numpy as np

from napari_utile.errors import UserError


def given_array(given: Any, name: str) -> Any:
    """Return what a caller gave as an array, or as the lazy array that it is.

    Parameters
    ----------
    given : array_like
        ndarray, tensor, nested lists of numbers, or anything with `shape` and `dtype` (zarr,
        dask), which is not read.
    name : str
        What messages call it.

    Returns
    -------
    array

    Raises
    ------
    UserError
        If it is nothing, text, a path, or lists of unequal length; or an array with a mask,
        whose pixels below the mask would be read as if they were valid.

    Examples
    --------
    >>> given_array([[0, 1]], "labels")
    array([[0, 1]])
    """
    if isinstance(given, np.ma.MaskedArray):
        if np.ma.is_masked(given):
            raise UserError(
                f"The {name}: an array with a mask, and masks are not read. Fill it "
                "(`filled`): in labels with an id of its own, and give that id as ignore."
            )
        return given.data
    if hasattr(given, "detach") and hasattr(given, "cpu"):  # a tensor, without importing torch
        try:
            return given.detach().cpu().numpy()
        except TypeError as error:
            raise UserError(f"The {name}: NumPy has no {given.dtype} ({error}).") from error
    if hasattr(given, "shape") and hasattr(given, "dtype"):
        return given
    if given is None or isinstance(given, str | bytes) or hasattr(given, "__fspath__"):
        what = "nothing" if given is None else f"{given!r}"
        raise UserError(f"The {name}: {what}, where an array is needed.")
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise UserError(
            f"The {name}: a list of arrays of different shapes, where one is needed; "
            "give them one by one."
        ) from error
    if array.dtype.kind not in "biufc":
        kind = array.dtype if array.ndim else type(given).__name__
        raise UserError(f"The {name} are {kind}, where numbers are needed.")
    return array
