"""What the window remembers over a restart, by project: a small JSON file. No Qt."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_config_path

from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write, locked
from napari_utile.json_files import read_json_object

VERSION = 1
MOST_PROJECTS = 50
"""Projects that are remembered; the one that was used least recently goes first."""
PATIENCE = 1
"""Seconds to wait for another napari that writes."""


def remembered(key: str, project: str = "") -> Any:
    """Return what was remembered under `key`, or None.

    Parameters
    ----------
    key : str
        Of what asks, such as "train".
    project : str, default ""
        Folder of the project; '' is that of layers which are in no file.
    """
    return _projects().get(project, {}).get(key)


def remember(key: str, value: Any, project: str = "") -> None:
    """Keep a value for the next start. A file that cannot be written is left as it is.

    Parameters
    ----------
    key : str
    value : object
        Of plain JSON types; None or something empty is forgotten.
    project : str, default ""
    """
    path = _memory_file()
    with suppress(UserError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path, timeout=PATIENCE):
            projects = _projects()
            kept = projects.pop(project, {}) | {key: value}
            projects[project] = {name: value for name, value in kept.items() if value}
            newest = dict([*projects.items()][-MOST_PROJECTS:])
            text = json.dumps({"version": VERSION, "projects": newest}, indent=1)
            atomic_write(path, text.encode())


def _memory_file() -> Path:
    return user_config_path("napari-utile", appauthor=False) / "window.json"


def _projects() -> dict[str, dict[str, Any]]:
    """Read the file; one that is damaged, or of another version, holds nothing."""
    with suppress(UserError, OSError):
        found = read_json_object(_memory_file())
        projects = found.get("projects")
        if found.get("version") == VERSION and isinstance(projects, dict):
            return {name: kept for name, kept in projects.items() if isinstance(kept, dict)}
    return {}
