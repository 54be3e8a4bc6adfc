"""The folder of a model: where it is, and what its card says. No torch.

A model is a BioImage.IO package. What only U-Tile needs is in its description under
``config: utile``, the *card*: all of a model but its parameters. The engine builds networks
from the card; the window reads it to know what a model expects.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_utile import __version__
from napari_utile.arrays.appearance import Appearance
from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.intensity import Normalization
from napari_utile.errors import UserError
from napari_utile.folders.standard_part import contradiction
from napari_utile.settings.options import NormalizedBy, axes_seen
from napari_utile.settings.training import TrainSettings

MODEL = "model"
"""Name of the folder of a model in the folder of its run."""
DESCRIPTION = "bioimageio.yaml"
"""The file that makes a folder a model."""
PARAMETERS_FILE = "weights.pt"
"""The parameters of its network."""
CARD_FORMAT = 7
"""Counts up when older versions of U-Tile can no longer read what is written. 2: options of
training have names that version 1 refuses. 3: options and `appearance`, which version 2
refuses. 4: options, `context` and `linking`, which version 3
refuses. 5: options, `activation` of networks, `offsets`, `border`, which version 4 refuses.
6: options and `name`, which version 5 refuses. 7: `normalize`, which version 6 refuses."""

LARGEST_DESCRIPTION, DEEPEST = 1_000_000, 100
"""Bytes of a description, and levels in it, that are read."""

MOST_CONTEXT = 16
"""Slices on each side that a card may ask for."""
FARTHEST = 64
"""Voxels along an axis to the partner of an affinity, in a card."""
CHECKED_PIXELS, CHECKED_STROKES = "pixels checked by", "strokes checked by"
"""Facts of a model of sparse labels: how much its scores were measured on."""
LONGEST_NAME = 64
"""Characters of the name of a model."""

Fact = str | int | float


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML that builds nothing but plain values, each as large as it is written.

    Keys that merge mappings (`<<`) would multiply what is written.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Read one value, and those inside it."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.YAMLError("nested too deeply")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse a mapping into which others are to be merged."""
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.YAMLError("it merges mappings")


class ModelCard(BaseModel):
    """All of a model but its parameters, as it is written under ``config: utile``.

    Attributes
    ----------
    format, version : int, str
        Of the card, and of the U-Tile that made the model.
    network, arguments : str, dict
        Name of the network, and what it is constructed with.
    normalization : Normalization
        Mean and standard deviation of the training images.
    normalize : {"model", "image", "percentiles"}
        What images are normalized by: by `normalization`, or each by its own gray values.
    settings : TrainSettings or None
        How it was trained.
    target : {"instances", "classes"}
        What a label meant.
    ids : tuple of int
        Label id of each class.
    scores : dict
        Validation scores, metric name -> value.
    trained_on : dict
        Facts about the data, name -> value.
    appearance : Appearance or None
        What the training images looked like.
    context : int
        Slices on each side of a slice that the network sees as further channels.
    linking : dict of str to float, or None
        Costs by which its instances are linked by a graph; None: those that are built in.
    offsets : tuple of tuple of int
        Of the affinities that are its maps behind the foreground; () if they are classes.
    border : float
        Width of the background between touching objects in what it learnt, in pixels of x.
    name : str
        By which the user knows it; '' if none was given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = CARD_FORMAT
    version: str = __version__
    network: str
    arguments: dict[str, int | float | str | tuple[float, ...] | None]
    normalization: Normalization
    normalize: NormalizedBy = "model"
    settings: TrainSettings | None
    target: Literal["instances", "classes"]
    ids: tuple[int, ...]
    scores: dict[str, float]
    trained_on: dict[str, Fact]
    appearance: Appearance | None = None
    context: int = Field(0, ge=0, le=MOST_CONTEXT)
    linking: dict[str, float] | None = None
    offsets: tuple[Offset, ...] = ()
    border: float = Field(1.0, ge=1, le=1000)
    name: str = ""

    @field_validator("name")
    @classmethod
    def _has_plausible_name(cls, name: str) -> str:
        if problem := name_problem(name):
            raise ValueError(problem)
        return name

    @field_validator("linking")
    @classmethod
    def _has_plausible_costs(cls, linking: dict[str, float] | None) -> dict[str, float] | None:
        if linking is not None:
            LinkCosts.of(linking)
        return linking

    @field_validator("offsets")
    @classmethod
    def _has_plausible_offsets(cls, offsets: tuple[Offset, ...]) -> tuple[Offset, ...]:
        if not all(any(offset) and max(map(abs, offset)) <= FARTHEST for offset in offsets):
            raise ValueError(f"offsets must lead to another voxel, at most {FARTHEST} away")
        return offsets

    @model_validator(mode="after")
    def _has_plausible_ids(self) -> Self:
        if len({*self.ids}) != len(self.ids) or not all(0 <= n < 2**32 for n in self.ids):
            raise ValueError("ids must differ, and lie between 0 and 4,294,967,295")
        return self

    @property
    def in_channels(self) -> int:
        """Channels of an image, without those of other slices: each has its normalization."""
        return len(self.normalization.mean)


def name_problem(name: str) -> str:
    """Return why a model cannot have a name, or ''. It may be '': no name was given."""
    if len(name) > LONGEST_NAME:
        return f"the name of a model has at most {LONGEST_NAME} characters"
    if not name.isprintable() or name != name.strip():
        return "the name of a model is one line, without blanks around it"
    return ""


# reading


def find_model(path: Path | str) -> Path:
    """Return the folder of a model, given that folder or the folder of its run.

    If a save was interrupted after it had moved the older model aside, that one is returned.

    Parameters
    ----------
    path : path

    Returns
    -------
    Path
        It holds a `DESCRIPTION`.

    Raises
    ------
    UserError
        If there is none.
    """
    path = Path(path)
    for folder in (path, path / MODEL):
        for place in (folder, previous_model(folder)):
            if (place / DESCRIPTION).is_file():
                return place
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    if not path.is_dir():
        raise UserError(
            f"{path} is a file, and a model is a folder: unpack it if it is packed, and name "
            f"the folder that holds {DESCRIPTION}."
        )
    raise UserError(
        f"{path} is no model: it holds no {DESCRIPTION}. Name a run folder, or its model."
    )


def models_of_runs(place: Path) -> list[Path]:
    """List the models in run folders, the one that was trained last first.

    Parameters
    ----------
    place : Path
        Folder of the run folders. It need not exist.

    Returns
    -------
    list of Path
        As `find_model` takes them.
    """
    models = [run / MODEL for run in place.glob("*") if run.is_dir()]
    written: dict[Path, float] = {}
    for model in models:
        for folder in (model, previous_model(model)):
            if (folder / DESCRIPTION).is_file():
                written.setdefault(model, time_of_training(folder))
    return sorted(written, key=lambda model: written[model], reverse=True)


def time_of_training(folder: Path) -> float:
    """Return when the parameters in the folder of a model were saved, as seconds since 1970.

    A new name, or new costs of linking, change the description alone.

    Parameters
    ----------
    folder : Path
        As `find_model` returns it.
    """
    parameters = folder / PARAMETERS_FILE
    return (parameters if parameters.is_file() else folder / DESCRIPTION).stat().st_mtime


def previous_model(folder: Path) -> Path:
    """Return where the older model is while `folder` is replaced."""
    return folder.with_name(f".{folder.name}.previous")


def read_description(folder: Path) -> dict[str, Any]:
    """Read the BioImage.IO description in the folder of a model.

    Parameters
    ----------
    folder : Path
        As `find_model` returns it.

    Returns
    -------
    dict

    Raises
    ------
    UserError
        If it is damaged.
    """
    path = folder / DESCRIPTION
    if path.stat().st_size > LARGEST_DESCRIPTION:
        raise UserError(
            f"{path} is too large to describe a model ({path.stat().st_size:,} bytes)."
        )
    try:
        description = yaml.load(path.read_text(encoding="utf-8"), _PlainLoader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        # also dates that there are not, and numbers of thousands of digits
        raise UserError(f"{path} is damaged: it is not YAML.") from None
    if not isinstance(description, dict):
        raise UserError(f"{path} does not describe a model.")
    return description


def card_in(description: dict[str, Any], folder: Path) -> ModelCard:
    """Return the card in the description of a model.

    Parameters
    ----------
    description : dict
        As `read_description` returns it.
    folder : Path
        Of the model, for messages.

    Returns
    -------
    ModelCard

    Raises
    ------
    UserError
        If the model is not of U-Tile, of a newer version, its card is damaged, or says
        something else than the standard part of the description.
    """
    config = description.get("config")
    card = config.get("utile") if isinstance(config, dict) else None
    if not isinstance(card, dict):
        raise UserError(f"{folder} is a model, but was not made by U-Tile.")
    version, written = card.get("version"), card.get("format")
    if not isinstance(version, str) or not version.isprintable() or len(version) > 40:
        version = "unknown"
    if type(written) is not int or written < 1:
        raise UserError(f"{folder / DESCRIPTION} is damaged: it names no format of its card.")
    if written > CARD_FORMAT:
        raise UserError(
            f"{folder} was written by U-Tile {version} (format {written}) and this is U-Tile "
            f"{__version__}, which reads up to format {CARD_FORMAT}: "
            "pip install -U napari-utile"
        )
    try:
        read = ModelCard.model_validate(card)
    except ValidationError as wrong:
        first = wrong.errors(include_input=False)[0]
        place = ascii(".".join(map(str, first["loc"])))[1:-1][:80]
        raise UserError(
            f"{folder / DESCRIPTION}, written by U-Tile {version}, cannot be read by U-Tile "
            f"{__version__}: {place}: {first['msg']}."
        ) from None
    card_says = read.normalization, read.arguments, read.context, axes_seen(read.network)
    if difference := contradiction(description, *card_says, read.offsets, read.normalize):
        raise UserError(
            f"{folder / DESCRIPTION} contradicts itself: {difference}. Other programs follow "
            "the one and U-Tile the other: make both alike."
        )
    return read


def read_card(path: Path | str) -> ModelCard:
    """Read the card of a model.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.

    Returns
    -------
    ModelCard

    Raises
    ------
    UserError
        If there is no model, or its card cannot be read.
    """
    folder = find_model(path)
    status = (folder / DESCRIPTION).stat()
    return _card_as_of(folder, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _card_as_of(folder: Path, *_state: int) -> ModelCard:
    """Read a card once, as long as its file is not changed: panels ask at every tick."""
    return card_in(read_description(folder), folder)


def given_name(path: Path | str) -> str:
    """Return the name that the user gave a model; '' if none, or if it cannot be read.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    """
    try:
        return read_card(path).name
    except (UserError, OSError):
        return ""


def model_problem(model: Path | None) -> str:
    """Return why a model cannot be used, as far as its card says; "" if it can.

    Parameters
    ----------
    model : Path or None
        Folder of the model or of its run; None if none was chosen.

    Returns
    -------
    str
        A sentence for the user.
    """
    if model is None:
        return "Choose a model: train one, or look for its folder."
    try:
        read_card(model)
    except (UserError, OSError) as error:
        return str(error)
    return ""
