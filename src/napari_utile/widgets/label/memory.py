"""What ids mean is remembered over a restart: by folder of images, and by name of labels."""

from contextlib import suppress

from napari.layers import Labels
from napari.viewer import Viewer

from napari_utile.errors import UserError
from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.kit.memory import remember, remembered
from napari_utile.widgets.layers.meaning import said_meaning, say_meaning
from napari_utile.widgets.layers.project import project_of

KEY = "label"
MOST_LABELS = 50
"""Labels that are remembered in a folder; those that were said first go first."""


def keep_meaning(viewer: Viewer, labels: Labels) -> None:
    """Remember what is said of labels, if it is new.

    Parameters
    ----------
    viewer : Viewer
        Its first image is in the folder.
    labels : Labels
    """
    project, said = project_of(viewer), said_meaning(labels)
    kept = _kept(project)
    if said is not None and kept.get(labels.name) != (meaning := said.model_dump()):
        kept.pop(labels.name, None)
        newest = [*kept.items(), (labels.name, meaning)][-MOST_LABELS:]
        remember(KEY, dict(newest), project)


def recall_meaning(viewer: Viewer, labels: Labels) -> None:
    """Say of labels what was said of those of their name the last time, unless more is known.

    Parameters
    ----------
    viewer : Viewer
    labels : Labels
    """
    kept = _kept(project_of(viewer)).get(labels.name)
    if said_meaning(labels) is None and isinstance(kept, dict):
        with suppress(UserError):  # of another version
            say_meaning(labels, LabelSettings(**kept))


def _kept(project: str) -> dict[str, object]:
    kept = remembered(KEY, project)
    return kept if isinstance(kept, dict) else {}
