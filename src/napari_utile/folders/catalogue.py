"""All models of a user, with what a list shows of each. No torch, and no large file is read.

What the descriptions say is kept in an index, one small file, and read again only of models
that changed. The index may be lost at any time: it is made anew.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_utile import __version__
from napari_utile.errors import UserError
from napari_utile.folders.comparison import ComparisonFolder
from napari_utile.folders.model import (
    CHECKED_STROKES,
    DESCRIPTION,
    MODEL,
    PARAMETERS_FILE,
    ModelCard,
    card_in,
    find_model,
    previous_model,
    read_description,
    time_of_training,
)
from napari_utile.folders.places import COMPARISONS, IMPORTED, RUNS
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write
from napari_utile.settings.options import axes_seen

INDEX = "models.json"
"""File of the index, in the folder of the user's data."""
LARGEST_INDEX = 20_000_000
TIME_IN_NAME = re.compile(r"^\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_")
"""How the names of folders begin that a window made."""
BEST_SCORES = ("mean_iou", "iou")
"""Which score stands for a model, if it has it; else its first one does."""
COVERS = (".png", ".jpg", ".jpeg")

Origin = Literal["run", "comparison", "imported", "elsewhere"]


class Described(BaseModel):
    """What the description of a model says, as far as a list shows it."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    network: str
    axes: int
    channels: int
    context: int
    target: str
    images: str = ""
    score: str = ""
    value: float | None = None
    strokes: int | None = None
    cover: str = ""


class KnownModel(BaseModel):
    """A model in the list.

    Attributes
    ----------
    path : Path
        Its folder, which is `MODEL` in the folder of its run, if it has one.
    origin : {"run", "comparison", "imported", "elsewhere"}
    name : str
        That the user gave it, else by the layer and network it was trained with.
    date : datetime
        When its parameters were saved.
    images : str
        Names of the images that it was trained on; '' if they are not known.
    network, target : str
        Name of its network; and what a label meant: instances or classes.
    axes, channels, context : int
        It sees slices (2) or volumes (3), with so many channels, and so many slices on each
        side of a slice.
    score, value : str, float or None
        Name and value of its best validation score; '' and None if it was not validated.
    strokes : int or None
        By how many strokes its score was measured; None if all pixels were annotated.
    nbytes : int
        Its size on disk, without that of its run.
    thumbnail : Path or None
        A picture that it comes with: the last preview of its run, or a cover.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    origin: Origin
    name: str
    date: datetime
    images: str
    network: str
    target: str
    axes: int
    channels: int
    context: int
    score: str
    value: float | None
    strokes: int | None = None
    nbytes: int
    thumbnail: Path | None


class LeftOut(NamedTuple):
    """A folder among those of models that holds none that can be used, and why."""

    path: Path
    reason: str


class Catalogue(NamedTuple):
    """The models of a user, the newest first, and what is not listed."""

    models: list[KnownModel]
    left_out: list[LeftOut]


def read_catalogue(place: Path) -> Catalogue:
    """List the models in runs and comparisons, and those that were imported.

    Parameters
    ----------
    place : Path
        Folder of the user's data. It need not exist.

    Returns
    -------
    Catalogue
        Broken, foreign and half-written folders are left out, with the reason.
    """
    index, models, left_out = _Index(place / INDEX), [], []
    for origin, folder in _model_folders(place):
        try:
            models.append(_model_in_list(folder, origin, index))
        except UserError as error:
            left_out.append(LeftOut(folder, str(error)))
        except OSError as error:
            left_out.append(LeftOut(folder, f"{folder}: {error.strerror or error}."))
    index.save()
    models.sort(key=lambda model: (model.date, model.path), reverse=True)
    return Catalogue(models, left_out)


def known_model(path: Path | str, place: Path) -> KnownModel:
    """Return what a list shows of one model, wherever it is.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    place : Path
        Folder of the user's data, by which its origin is told.

    Raises
    ------
    UserError
        If there is no model, or it cannot be read.
    """
    folder = find_model(path).absolute()
    if folder == previous_model(folder.with_name(MODEL)):
        folder = folder.with_name(MODEL)
    origin: Origin = "elsewhere"
    for kind, known in _model_folders(place.absolute()):
        if known == folder:
            origin = kind
    return _model_in_list(folder, origin)


def models_named(name: str, models: list[KnownModel]) -> list[KnownModel]:
    """Return the models of a name, as the user may write it: in any case.

    Parameters
    ----------
    name : str
    models : list of KnownModel
    """
    wanted = name.strip().casefold()
    return [model for model in models if model.name.casefold() == wanted]


class _Index:
    """What descriptions say, by their path; kept in one file between two listings."""

    def __init__(self, path: Path):
        self._path, self._seen = path, dict[str, Any]()
        self._before: dict[str, Any] = {}
        with suppress(OSError, ValueError, RecursionError):
            if path.stat().st_size <= LARGEST_INDEX:
                found = json.loads(path.read_bytes())
                if found["version"] == __version__ and isinstance(found["models"], dict):
                    self._before = found["models"]

    def described(self, folder: Path) -> Described:
        """Return what the description in a folder says, reading it only if it changed.

        Raises
        ------
        UserError
            If it cannot be read: also this is remembered.
        """
        stat = (folder / DESCRIPTION).stat()
        stamp, key = [stat.st_mtime_ns, stat.st_size, stat.st_ino], str(folder)
        kept = self._before.get(key)
        with suppress(KeyError, TypeError, ValidationError):
            if kept and kept["stamp"] == stamp:
                self._seen[key] = kept
                if reason := kept["reason"]:
                    raise UserError(reason)
                return Described.model_validate(kept["says"])
        says, reason = None, ""
        try:
            says = description_facts(folder)
        except UserError as error:
            reason = str(error)
        self._seen[key] = {
            "stamp": stamp,
            "reason": reason,
            "says": says.model_dump() if says else None,
        }
        if says is None:
            raise UserError(reason)
        return says

    def save(self) -> None:
        """Write what was seen, if it is something else than before."""
        if self._seen != self._before:
            content = json.dumps({"version": __version__, "models": self._seen})
            with suppress(OSError, UserError):  # it is only faster with it
                atomic_write(self._path, content.encode())


def description_facts(folder: Path) -> Described:
    """Read what the description of a model says, as far as a list shows it.

    Parameters
    ----------
    folder : Path
        As `find_model` returns it.

    Raises
    ------
    UserError
        If it is damaged, or no model of U-Tile.
    """
    description = read_description(folder)
    card = card_in(description, folder)
    score, value = best_score(card)
    strokes = card.trained_on.get(CHECKED_STROKES)
    covers = description.get("covers")
    cover = covers[0] if isinstance(covers, list) and covers else ""
    is_picture = isinstance(cover, str) and Path(cover).name == cover
    return Described(
        name=card.name,
        network=card.network,
        axes=axes_seen(card.network),
        channels=card.in_channels,
        context=card.context,
        target=card.target,
        images=str(card.trained_on.get("images", "")),
        score=score,
        value=value,
        strokes=strokes if isinstance(strokes, int) else None,
        cover=cover if is_picture and cover.lower().endswith(COVERS) else "",
    )


def best_score(card: ModelCard) -> tuple[str, float | None]:
    """Return name and value of the score that stands for a model; '' and None if it has none.

    Parameters
    ----------
    card : ModelCard
    """
    for name in (*BEST_SCORES, *card.scores):
        if not math.isnan(value := card.scores.get(name, math.nan)):
            return name, value
    return "", None


def _model_in_list(folder: Path, origin: Origin, index: _Index | None = None) -> KnownModel:
    """Return a model of which the description is read by way of the index, if there is one."""
    if not folder.exists() and not previous_model(folder).exists():
        raise UserError(f"{folder.parent} holds no model: none was saved in it yet.")
    there = find_model(folder)
    if not (there / PARAMETERS_FILE).is_file():
        raise UserError(f"{folder} is incomplete: it holds no {PARAMETERS_FILE}.")
    says = index.described(there) if index else description_facts(there)
    facts = says.model_dump(exclude={"name", "cover"})
    if not says.images:
        facts["images"] = _layer_of(folder)
    cover = there / says.cover if says.cover else None
    return KnownModel(
        path=folder,
        origin=origin,
        name=says.name or _name_of(folder, origin),
        date=datetime.fromtimestamp(time_of_training(there)),
        nbytes=sum(file.stat().st_size for file in there.iterdir() if file.is_file()),
        thumbnail=_last_preview(folder) or (cover if cover and cover.is_file() else None),
        **facts,
    )


def _model_folders(place: Path) -> Iterator[tuple[Origin, Path]]:
    """List where models of the user are, or would be."""
    for run in _folders(place / RUNS):
        yield "run", run / MODEL
    for comparison in _folders(place / COMPARISONS):
        others = ComparisonFolder(comparison)
        for run in _folders(comparison):
            if run not in (others.inputs, others.validation.path):
                yield "comparison", run / MODEL
    for folder in _folders(place / IMPORTED):
        yield "imported", folder


def _folders(place: Path) -> list[Path]:
    """List the folders in another that are not hidden; none if it cannot be read."""
    with suppress(OSError):
        return [p for p in place.iterdir() if not p.name.startswith(".") and p.is_dir()]
    return []


def _name_of(folder: Path, origin: Origin) -> str:
    """Return the name of a model that was given none: that of its folder, or of its run."""
    own = folder.parent if folder.name == MODEL else folder
    name = TIME_IN_NAME.sub("", own.name)
    if origin == "comparison":
        return f"{TIME_IN_NAME.sub('', own.parent.name)} {name}"
    return name or own.name


def _layer_of(folder: Path) -> str:
    """Return the name of the layer that the folder of a run is named after; '' if it is not."""
    for own in (folder.parent, folder.parent.parent):  # of a run, or of a comparison
        if TIME_IN_NAME.match(own.name):
            return TIME_IN_NAME.sub("", own.name)
    return ""


def _last_preview(folder: Path) -> Path | None:
    """Return the last preview of the run of a model; None if it has no run, or no preview."""
    if folder.name != MODEL:
        return None
    with suppress(OSError):
        return max(Run(folder.parent).previews.glob("step_*.tif"), default=None)
    return None
