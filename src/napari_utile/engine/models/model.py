"""A network with all that is needed to use it, in memory and as a folder.

The folder is a BioImage.IO package. What only U-Tile needs stands in it under
``config: utile``. Nothing that is read can run code: the network is built from a name and
plain arguments, and its weights are tensors only.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import torch
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import nn

from napari_utile import __version__
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.package import WEIGHTS, write_package
from napari_utile.engine.models.parameters import (
    assign_weights,
    digest,
    read_weights,
    write_weights,
)
from napari_utile.errors import UserError
from napari_utile.io.disk import to_disk
from napari_utile.networks import NETWORKS
from napari_utile.settings import TrainSettings

FORMAT = 1
"""Counts up when older versions of U-Tile can no longer read what is written."""

DESCRIPTION = "bioimageio.yaml"
GEOMETRY = (
    "in_channels",
    "classes",
    "margin",
    "stride_alignment",
    "input_size",
    "forward_tile",
)
LARGEST_ARGUMENT = 4096

Fact = str | int | float


@dataclass
class Model:
    """A network, how it is fed, and what its output means.

    Attributes
    ----------
    network : nn.Module
        Any with the six members that `networks` describes: `in_channels`, `classes`,
        `margin`, `stride_alignment`, `input_size`, `forward_tile`.
    normalization : Normalization
        Applied to every image; by default gray values are left as they are.
    settings : TrainSettings or None
        How it was trained.
    target : {"instances", "classes"}
        What a label meant: one object, or one kind of pixel.
    ids : tuple of int
        Label id of each class; 0, 1, ... by default.
    scores : dict
        Validation scores, metric name -> value.
    trained_on : dict
        Facts about the data, name -> value.
    version : str
        Of U-Tile, which made it.

    Raises
    ------
    UserError
        If the network lacks some of the six, or takes other channels than are normalized.
    """

    network: nn.Module
    normalization: Normalization = None  # type: ignore[assignment]  # of the network's channels
    settings: TrainSettings | None = None
    target: Literal["instances", "classes"] = "instances"
    ids: tuple[int, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    trained_on: dict[str, Fact] = field(default_factory=dict)
    version: str = __version__

    def __post_init__(self) -> None:
        if missing := [name for name in GEOMETRY if not hasattr(self.network, name)]:
            raise UserError(
                f"{type(self.network).__name__} cannot be tiled: it has no "
                f"{', no '.join(missing)}; see napari_utile.networks."
            )
        if not self.normalization:
            self.normalization = Normalization.none(self.in_channels)
        if len(self.normalization.mean) != self.in_channels:
            raise UserError(
                f"The network takes {self.in_channels} channels, "
                f"but {len(self.normalization.mean)} are normalized."
            )
        self.ids = tuple(self.ids) or tuple(range(max(2, self.classes)))

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return int(self.network.in_channels)  # type: ignore[arg-type]

    @property
    def classes(self) -> int:
        """Maps of probabilities; 1 is a foreground map."""
        return int(self.network.classes)  # type: ignore[arg-type]

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder, whole or not at all.

        An older model at the same place is replaced, and can be loaded until the new one
        is complete.

        Raises
        ------
        UserError
            If the network is not one of U-Tile's, or something else is at that place.
        """
        folder = Path(folder)
        card = Card.of(self)
        if folder.exists() and not _is_replaceable(folder):
            raise UserError(f"{folder} exists and is not a model; choose another name.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            write_weights(self.network, draft / WEIGHTS)
            description = write_package(
                draft, self.network, card.arguments, self.normalization
            ) | {"config": {"utile": card.model_dump(mode="json")}}
            text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
            (draft / DESCRIPTION).write_text(text, encoding="utf-8")
            draft.chmod(0o755)
            _put_in_place(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


class Card(BaseModel):
    """What stands under ``config: utile``: all of a model but its weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str = __version__
    network: str
    arguments: dict[str, int | float | str | None]
    normalization: Normalization
    settings: TrainSettings | None
    target: Literal["instances", "classes"]
    ids: tuple[int, ...]
    scores: dict[str, float]
    trained_on: dict[str, Fact]

    @classmethod
    def of(cls, model: Model) -> Self:
        """Describe a model whose network is one of U-Tile's."""
        names: dict[type, str] = {network: name for name, network in NETWORKS.items()}
        if type(model.network) not in names:
            raise UserError(
                f"{type(model.network).__name__} cannot be saved as a model: "
                f"it is none of {', '.join(NETWORKS)}."
            )
        return cls(
            version=model.version,
            network=names[type(model.network)],
            arguments=model.network.arguments,
            normalization=model.normalization,
            settings=model.settings,
            target=model.target,
            ids=model.ids,
            scores=model.scores,
            trained_on=model.trained_on,
        )

    def build(self, weights: Path) -> Model:
        """Make the model with the weights in that file."""
        network = build_network(self.network, self.arguments)
        assign_weights(network, read_weights(weights), weights)
        facts = {name: getattr(self, name) for name in type(self).model_fields}
        for name in ("format", "network", "arguments"):
            del facts[name]
        return Model(network.eval(), **facts)


def load_model(path: str | Path) -> Model:
    """Read a model that was saved, from its folder or from the folder of its run.

    Raises
    ------
    UserError
        If there is none, it was written by a newer version, is damaged, or its weights are
        not those of its network. Whatever it holds, nothing in it is executed.
    """
    folder = _find(Path(path))
    description = _read_description(folder / DESCRIPTION)
    card = _read_card(description, folder)
    weights = folder / WEIGHTS
    named = description.get("weights", {}).get("pytorch_state_dict", {}).get("sha256")
    if weights.is_file() and weights.stat().st_size and named not in (None, digest(weights)):
        raise UserError(f"{weights} is damaged or was changed: its SHA-256 is not {named}.")
    return card.build(weights)


def build_network(name: str, arguments: dict[str, Any]) -> nn.Module:
    """Build a network by name without memory for its weights, on the device "meta".

    Raises
    ------
    UserError
        If there is no such network, or it does not take these arguments.
    """
    if name not in NETWORKS:
        raise UserError(f"There is no network {name!r}, only {', '.join(NETWORKS)}.")
    for key, value in arguments.items():
        if isinstance(value, int | float) and not 0 <= value <= LARGEST_ARGUMENT:
            raise UserError(f"The network {name!r} cannot have {key} = {value}.")
    try:
        with torch.device("meta"):
            return NETWORKS[name](**arguments)
    except (TypeError, ValueError, RuntimeError, OverflowError) as wrong:
        raise UserError(f"The network {name!r} cannot be built: {wrong}") from None


def _find(path: Path) -> Path:
    """Find the folder of the model: here, in the run folder, or left by an interrupted save."""
    for folder in (path, path / "model"):
        for place in (folder, _previous(folder)):
            if (place / DESCRIPTION).is_file():
                return place
    if not path.exists():
        raise UserError(f"{path} does not exist.")
    raise UserError(
        f"{path} is no model: it holds no {DESCRIPTION}. Name a run folder, or its model."
    )


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise UserError(f"{path} is damaged: it is not YAML.") from None
    if not isinstance(description, dict):
        raise UserError(f"{path} does not describe a model.")
    return description


def _read_card(description: dict[str, Any], folder: Path) -> Card:
    config = description.get("config")
    card = config.get("utile") if isinstance(config, dict) else None
    if not isinstance(card, dict):
        raise UserError(f"{folder} is a model, but was not made by U-Tile.")
    version, written = card.get("version", "unknown"), card.get("format")
    if not isinstance(written, int) or written > FORMAT:
        raise UserError(
            f"{folder} was written by U-Tile {version} (format {written}) and this is U-Tile "
            f"{__version__}, which reads up to format {FORMAT}: pip install -U napari-utile"
        )
    try:
        return Card.model_validate(card)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{folder / DESCRIPTION}, written by U-Tile {version}, cannot be read by U-Tile "
            f"{__version__}: {place}: {first['msg']}."
        ) from None


def _previous(folder: Path) -> Path:
    """Where an older model stands while it is replaced."""
    return folder.with_name(f".{folder.name}.previous")


def _is_replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / DESCRIPTION).is_file() or not any(folder.iterdir()))


def _put_in_place(draft: Path, folder: Path) -> None:
    """Make a written folder durable and give it its name."""
    for path in (*draft.rglob("*"), draft):
        to_disk(path)
    previous = _previous(folder)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    draft.rename(folder)
    to_disk(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)
