"""Arrays that lie in a file as they would in memory, read and written window by window.

Memory stays flat: pages of a file that is mapped for long count as memory of the process, up
to the size of the file. No formats here.
"""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.files.runs import room_for, to_disk


class FileArray:
    """An array in a file, of which memory holds no more than the window that is asked for.

    It may be used from several threads, and travels between processes as the name of its file.

    Parameters
    ----------
    filename : str
        The file, called as in `numpy.memmap`.
    offset : int
        Position of the first number in it, in bytes.
    shape : tuple of int
    dtype : dtype
        Its byte order is that of the file.
    order : {"C", "F"}
        Whether the last or the first axis runs fastest.
    """

    def __init__(
        self, filename: str, offset: int, shape: tuple[int, ...], dtype: Any, order: Any = "C"
    ):
        self.filename, self.offset, self.order = str(filename), offset, order
        self.shape, self.dtype = tuple(map(int, shape)), np.dtype(dtype)

    @classmethod
    def of(cls, mapped: np.memmap) -> "FileArray":
        """Describe what was mapped; the map may be dropped."""
        order = "C" if mapped.flags.c_contiguous else "F"
        return cls(str(mapped.filename), mapped.offset, mapped.shape, mapped.dtype, order)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of numbers."""
        return prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, where: Any) -> NDArray[Any]:
        """Copy a window; the file is mapped as long as that takes."""
        mapped = np.memmap(
            self.filename, self.dtype, "r", self.offset, self.shape, order=self.order
        )
        return np.array(mapped[where])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype, copy=False)

    def __setitem__(self, where: Any, values: Any) -> None:
        """Write a window, given by whole numbers and slices without steps, row by row.

        Notes
        -----
        Not through a map: on a full disk that would end the process (SIGBUS).

        Raises
        ------
        UserError
            If the disk is full.
        """
        first, lengths, kept = window_of(where, self.shape)
        window = np.broadcast_to(values, kept).astype(self.dtype, order="C").reshape(lengths)
        path = Path(self.filename)
        with room_for(path), path.open("r+b") as file:
            for row in np.ndindex(*lengths[:-1]):
                corner = [start + i for start, i in zip(first, (*row, 0), strict=True)]
                number = int(np.ravel_multi_index(corner, self.shape))
                file.seek(self.offset + number * self.dtype.itemsize)
                file.write(window[row].tobytes())

    def flush(self) -> None:
        """Wait until what was written is on the disk."""
        to_disk(Path(self.filename))


def window_of(where: Any, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[int]]:
    """Give the first number, the lengths, and the lengths of the axes that are slices.

    >>> window_of((3, ..., slice(2, 9)), (5, 6, 7))
    ([3, 0, 2], [1, 6, 5], [6, 5])
    """
    first, lengths, kept = [], [], []
    for part, n in zip(every_axis(where, len(shape)), shape, strict=True):
        chosen = range(n)[part]
        if isinstance(chosen, range):
            if chosen.step != 1:
                raise IndexError(f"a window has no steps, as {part} has")
            kept.append(len(chosen))
        else:
            chosen = range(chosen, chosen + 1)
        first.append(chosen.start)
        lengths.append(len(chosen))
    return first, lengths, kept


def every_axis(where: Any, ndim: int) -> tuple[Any, ...]:
    """Spell out an index that leaves out axes.

    >>> every_axis((0, ..., slice(3)), 4)
    (0, slice(None, None, None), slice(None, None, None), slice(None, 3, None))
    """
    where = where if isinstance(where, tuple) else (where,)
    at = next((i for i, part in enumerate(where) if part is Ellipsis), len(where))
    given = len(where) - (at < len(where))
    return (*where[:at], *(slice(None),) * (ndim - given), *where[at + 1 :])
