"""Where the runs, comparisons, models and results of this user are kept, and their names."""

import re
from itertools import chain, count
from pathlib import Path

from platformdirs import user_data_path

from napari_utile.io.names import windows_problem

RUNS, COMPARISONS, JOBS, IMPORTED = "runs", "comparisons", "segmentations", "models"
"""Folders in that of the user's data."""
TRAININGS = "trainings"
"""Folder of the jobs that train or compare; what they make is in the other folders."""


def data_folder() -> Path:
    """Return the user's folder for runs and results. It may not exist yet."""
    return user_data_path("napari-utile", appauthor=False)


def unused(folder: Path) -> Path:
    """Return `folder`, or if it exists a name beside it that does not."""
    numbered = (folder.with_name(f"{folder.name}_{i}") for i in count(2))
    return next(path for path in chain([folder], numbered) if not path.exists())


def plain_name(name: str) -> str:
    """Replace what not every file system allows in a name."""
    name = re.sub(r"[^\w.-]+", "-", name)[:60].strip("-.") or "layer"
    return f"layer-{name}"[:60] if windows_problem(name) else name
