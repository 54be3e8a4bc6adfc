"""What the list of runs says of one: dates, models and what is done. No Qt."""

import re
from datetime import datetime
from pathlib import Path

from napari_utile.folders.job import JobRecord
from napari_utile.folders.model import MODEL
from napari_utile.widgets.kit.dates import when_text

KINDS = {"train": "training", "compare": "comparison", "predict": "segmentation"}
"""Command -> what it is called."""
BEGINS_WITH_TIME = re.compile(r"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)_(.+)")
"""The names of folders that a window made."""
TIME_FORMAT = "%Y-%m-%d_%H-%M-%S"


def folder_words(folder: Path, now: datetime | None = None) -> str:
    """Return the name of a folder that a window made: of which layer, and when.

    Parameters
    ----------
    folder : Path
    now : datetime, optional

    Examples
    --------
    >>> folder_words(Path("runs/2026-12-01_14-05-09_em"), datetime(2026, 12, 1, 15))
    'em, today 14:05'
    >>> folder_words(Path("my run"))
    'my run'
    """
    made = BEGINS_WITH_TIME.fullmatch(folder.name)
    if not made:
        return folder.name
    return f"{made[2]}, {when_text(datetime.strptime(made[1], TIME_FORMAT), now)}"


def model_folder(record: JobRecord) -> Path | None:
    """Return the folder after which the model of a segmentation is named; None of other runs.

    Parameters
    ----------
    record : JobRecord
    """
    if record.kind != "predict" or len(record.arguments) < 2:
        return None
    model = Path(record.arguments[1])
    return model.parent if model.name == MODEL else model


def second_line(record: JobRecord, model: str = "") -> str:
    """Return date and kind of a run, and by which model it is made.

    Parameters
    ----------
    record : JobRecord
    model : str, optional
        Name of the model.
    """
    made = when_text(record.created.replace(tzinfo=None))
    folder = model_folder(record)
    if folder is None:
        return f"{made} · {KINDS.get(record.kind, record.kind)}"
    named = BEGINS_WITH_TIME.fullmatch(folder.name)
    return f"{made} · {model or (named[2] if named else folder.name)}"
