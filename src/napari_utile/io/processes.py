"""Processes that are started here: their environment; and who started this one."""

import os
import sys

import psutil


def safe_environment() -> dict[str, str]:
    """Return this environment for a process of ours, without imports from the working folder.

    What lies in the folder that napari or a command was started in may have come with
    somebody's data. Neither the process nor those that it starts import from there: Python
    gets `PYTHONSAFEPATH`, and keeps only the absolute entries of `PYTHONPATH`.

    Returns
    -------
    dict of str to str
    """
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [entry for entry in entries if os.path.isabs(entry)]  # "" is the working folder
    return os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(absolute)}


def has_lost(parent: int) -> bool:
    """Whether the process that started this one has ended.

    Parameters
    ----------
    parent : int
        Its id, `os.getppid()` when this process began.
    """
    if sys.platform == "win32":  # a process keeps the id of a parent that has ended
        return not psutil.pid_exists(parent)
    return os.getppid() != parent


def bytes_in_use() -> int:
    """Return the memory that this process holds."""
    return int(psutil.Process().memory_info().rss)
