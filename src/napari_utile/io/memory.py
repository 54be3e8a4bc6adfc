"""How much memory an image may take."""

import sys
from pathlib import Path

import psutil

from napari_utile.errors import UserError
from napari_utile.io.units import size_text


def memory_budget() -> int:
    """Return the bytes that one image may take: half of what is free.

    Free is what the machine has, the limit of the process (``ulimit -v``) and that of its
    group (containers, SLURM) leave.
    """
    free = [psutil.virtual_memory().available, *_left_by_limit(), *_left_by_group()]
    return max(0, min(free)) // 2


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


def _left_by_limit() -> list[int]:
    """What the limit of the process leaves of its address space, if it has one."""
    if sys.platform == "win32":
        return []
    import resource  # POSIX only

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return []
    return [limit - psutil.Process().memory_info().vms]


GROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_GROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""Limit, use, and pages of files, which are given back when needed; of versions 2 and 1."""


def _left_by_group() -> list[int]:
    """What the group of the process leaves (cgroup, Linux), if it has a limit."""
    found = []
    try:
        lines = OWN_GROUPS.read_text("ascii", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        kind, _, own = line.partition(":")[2].partition(":")
        if kind not in _GROUP_FILES:
            continue
        maximum, current, inactive = _GROUP_FILES[kind]
        group = GROUPS / kind / own.lstrip("/")
        try:
            limit, used = (
                (group / name).read_text("ascii").strip() for name in (maximum, current)
            )
            facts = dict(
                fact.split() for fact in (group / "memory.stat").read_text("ascii").splitlines()
            )
            if limit != "max":
                found.append(int(limit) - int(used) + int(facts[inactive]))
        except (OSError, ValueError, KeyError):
            continue
    return found
