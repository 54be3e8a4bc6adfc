"""Archives of tensors and plain values, as torch writes them; each is read as a stranger's.

Nothing in an archive is executed. What it claims is compared with what it holds before memory
is given to it: sizes, the number of objects, and the form of every tensor.
"""

import pickle
import pickletools
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_utile.errors import UserError
from napari_utile.io.disk import room_for

LARGEST_PICKLE = 64_000_000
"""Bytes of the part of an archive that is not tensors."""
MOST_OBJECTS, DEEPEST = 5_000_000, 50
"""Of the part that is not tensors, each counted wherever it is used."""
PLAIN = (bool, int, float, str, type(None))


class ArchiveError(UserError):
    """An archive that is damaged, or was never one."""


def write_archive(content: dict[str, Any], path: Path, result: Path | None = None) -> None:
    """Write tensors and plain values.

    Parameters
    ----------
    content : dict
        In any depth.
    path : Path
    result : Path, optional
        What it is a part of, for the message of a full disk.

    Raises
    ------
    UserError
        If the disk is full.
    """
    archive = packed(content)  # writing to disk itself, torch does not report a full disk
    with room_for(result or path, len(archive)):
        path.write_bytes(archive)


def packed(content: Any) -> bytes:
    """Return tensors and plain values as an archive in memory."""
    archive = BytesIO()
    torch.save(content, archive)
    return archive.getvalue()


def unpacked(archive: bytes) -> Any:
    """Return what `packed` was given. Nothing in the archive is executed."""
    return torch.load(BytesIO(archive), map_location="cpu", weights_only=True)


def read_archive(path: Path, check_sums: bool = True) -> Any:
    """Read tensors and plain values. Nothing in the file is executed.

    Parameters
    ----------
    path : Path
        File that `write_archive` wrote, or that anybody sent.
    check_sums : bool, default True
        Whether the sums in the archive are compared with its content; torch does not.

    Returns
    -------
    dict, list, tuple, Tensor or a plain value
        All tensors on the CPU, dense, and copies of what is in the file.

    Raises
    ------
    ArchiveError
        If the file is missing, empty, cut off, damaged, no archive of torch, holds more than
        tensors and plain values, or claims more than it holds.
    """
    _check_archive(path, check_sums)
    try:
        # mapped: a tensor cannot be larger than the file, whatever it says
        content = torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        # torch's own message tells how to switch the protection off
        raise ArchiveError(
            f"{path} holds code, not only parameters; it was not loaded and nothing was run."
        ) from None
    except (MemoryError, PermissionError):
        raise
    except Exception as broken:  # a damaged archive can fail in any way
        raise ArchiveError(f"{path} is damaged ({type(broken).__name__}).") from None
    return _Copies(path).of(content)


def _check_archive(path: Path, check_sums: bool) -> None:
    """Refuse what is not an uncompressed archive, before anything is unpacked."""
    if not path.is_file():
        raise ArchiveError(f"{path} does not exist.")
    size = path.stat().st_size
    if not size:
        raise ArchiveError(f"{path} is empty.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            packed = any(entry.compress_type or entry.flag_bits & 1 for entry in entries)
            if packed or sum(entry.file_size for entry in entries) > size:
                raise ArchiveError(
                    f"{path} would unpack to more than its size; it was not loaded."
                )
            (program,) = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
            if len(names) != len(entries) or (check_sums and archive.testzip()):
                raise ArchiveError(f"{path} is damaged.")
            if archive.getinfo(program).file_size > LARGEST_PICKLE:
                raise ArchiveError(f"{path} holds more than parameters; it was not loaded.")
            is_endless = written_out(archive.read(program)) > MOST_OBJECTS
    except (ArchiveError, MemoryError, PermissionError):
        raise
    except Exception:  # no archive can fail in any way, too
        raise ArchiveError(f"{path} is cut off, or is no file of parameters.") from None
    if is_endless:
        raise ArchiveError(f"{path} would unpack to endlessly many objects; it was not loaded.")


def written_out(program: bytes) -> int:
    """Return how many objects the largest object of a pickle has, each use counted.

    A tuple of twice the same tuple of twice the same tuple ..., forty deep, is small as a
    pickle; whoever looks at all of it, if only to use it as a key, never ends.

    Parameters
    ----------
    program : bytes
        The pickle. It is not executed.

    Returns
    -------
    int
    """
    stack, marks, memo, most = list[int](), list[int](), dict[Any, int](), 0
    for operation, argument, _ in pickletools.genops(program):
        if operation.name == "MARK":
            marks.append(len(stack))
        elif operation.name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif "PUT" in operation.name:
            memo[argument] = stack[-1]
        elif "GET" in operation.name:
            stack.append(memo[argument])
        else:
            taken, used = operation.stack_before, 1
            count = len(taken)
            if pickletools.markobject in taken:
                count, mark = taken.index(pickletools.markobject), marks.pop()
                used += sum(stack[mark:])
                del stack[mark:]
            used += sum(stack.pop() for _ in range(count))
            stack += [used] * len(operation.stack_after)
            most = max(most, used)
    return most


class _Copies:
    """Copies of what is in a mapped file; refuses what is no plain value or dense tensor."""

    def __init__(self, path: Path):
        self.path, self.room, self.objects = path, path.stat().st_size, 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """Return a copy of a value, in the types of Python."""
        self.objects += 1
        if depth > DEEPEST or self.objects > MOST_OBJECTS:
            raise ArchiveError(f"{self.path} would unpack to endlessly many objects.")
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, dict):
            return {self._key(k): self.of(v, depth + 1) for k, v in value.items()}
        if isinstance(value, list | tuple):
            kind = list if isinstance(value, list) else tuple
            return kind(self.of(each, depth + 1) for each in value)
        if type(value) in PLAIN:
            return value
        raise self._foreign(type(value).__name__)

    def _key(self, key: Any) -> str | int:
        if type(key) not in (str, int):
            raise self._foreign(f"a key of type {type(key).__name__}")
        return key

    def _tensor(self, value: Tensor) -> Tensor:
        if type(value) not in (Tensor, torch.nn.Parameter):
            raise self._foreign(type(value).__name__)
        if (
            value.layout is not torch.strided
            or value.is_quantized
            or value.is_nested
            or value.device.type != "cpu"
        ):
            raise self._foreign("a tensor that is not dense")
        # an expanded tensor claims one number over and over
        self.room -= value.numel() * value.element_size()
        if self.room < 0:
            raise ArchiveError(
                f"{self.path} claims more numbers than it holds; it was not loaded."
            )
        return value.detach().clone()

    def _foreign(self, what: str) -> ArchiveError:
        return ArchiveError(
            f"{self.path} holds {what}, not only parameters; it was not loaded."
        )
