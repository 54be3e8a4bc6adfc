"""Sums of 128 bits, in a low and a high word: whole numbers that no image makes overflow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.compiled import compiled


@compiled
def add_wide(
    low: NDArray[np.uint64], high: NDArray[np.int64], row: int, column: int, value: int
) -> None:
    """Add a whole number to one of the sums, in place.

    Parameters
    ----------
    low : ndarray of uint64, shape (N, K)
    high : ndarray of int64, shape (N, K)
        Words of the sums, as two's complement.
    row, column : int
    value : int
        Of 64 bits, with sign.
    """
    before = low[row, column]
    after = before + np.uint64(value)  # modulo 2^64
    low[row, column] = after
    carry = 1 if after < before else 0
    high[row, column] += (value >> 63) + carry  # the sign extends over the high word


def wide_sums(low: NDArray[np.uint64], high: NDArray[np.int64]) -> NDArray[Any]:
    """Return sums as Python's whole numbers.

    Parameters
    ----------
    low : ndarray of uint64, any shape
    high : ndarray of int64, the same shape

    Returns
    -------
    ndarray of object, the same shape

    Examples
    --------
    >>> wide_sums(np.array([5], np.uint64), np.array([1]))
    array([18446744073709551621], dtype=object)
    """
    total: NDArray[Any] = (high.astype(object) << 64) + low.astype(object)
    return total
