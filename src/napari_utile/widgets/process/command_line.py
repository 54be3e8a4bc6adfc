"""Command lines of `utile`: for the engine that the window starts, and for a user's shell."""

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_utile.errors import UserError
from napari_utile.io.processes import safe_environment
from napari_utile.settings.checked import Settings

NAMES_OF_FILES = {"validation_images"}
"""Options that hold several of them: a comma may be part of a name."""


def engine_environment() -> dict[str, str]:
    """Return the environment of an engine process: unbuffered, UTF-8, threads that sleep."""
    return {
        # idle threads that spin would do so on the cores that the window needs
        "OMP_WAIT_POLICY": "passive",
        **safe_environment(),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def worker_command(idle_seconds: float) -> list[str]:
    """Return the command that starts an engine, which waits for command lines.

    Parameters
    ----------
    idle_seconds : float
        It ends when it has waited for so long.

    Returns
    -------
    list of str

    Raises
    ------
    UserError
        If there is no Python to run it with.
    """
    options = json.dumps({"idle_seconds": idle_seconds})
    return [find_python(), "-P", "-m", "napari_utile.cli.warm", options]


def shell_line(arguments: Sequence[str]) -> str:
    """Return the shell command of a command line, quoted for this system.

    Parameters
    ----------
    arguments : sequence of str
        Of the command `utile`.

    Returns
    -------
    str
    """
    line = ["utile", *arguments]
    return subprocess.list2cmdline(line) if sys.platform == "win32" else shlex.join(line)


def find_python() -> str:
    """Return the Python of this napari; in a bundle it is not always `sys.executable`.

    Raises
    ------
    UserError
        If there is none.
    """
    own = Path(sys.executable or "")
    windowless = own.name.lower() == "pythonw.exe"  # has no standard input and output
    if own.is_file() and not windowless and not getattr(sys, "frozen", False):
        return str(own)
    names = ("python.exe", "python3", "python")
    for folder in (own.parent, Path(sys.prefix), Path(sys.prefix) / "bin"):
        for name in names:
            if (folder / name).is_file():
                return str(folder / name)
    raise UserError(
        "This napari is a bundle without a Python to run the engine with; "
        "install napari and napari-utile with pip or conda instead."
    )


def flags(settings: Settings) -> list[str]:
    """Return settings as flags: those that differ from what the class would fill in.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    list of str
        ['--steps', '5', '--no-flips'].
    """
    return flags_of(settings.given())


def flags_of(options: Mapping[str, Any]) -> list[str]:
    """Return options with these values as flags.

    Parameters
    ----------
    options : mapping of str to object

    Returns
    -------
    list of str
    """
    return [part for name, value in options.items() for part in _flag(name, value)]


def _flag(name: str, value: Any) -> list[str]:
    option = name.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    if isinstance(value, tuple):
        words = [str(item) for item in value]
        if name in NAMES_OF_FILES or any("," in word for word in words):
            return [part for word in words for part in (f"--{option}", word)]
        return [f"--{option}", ",".join(words)]
    return [f"--{option}", str(value)]
