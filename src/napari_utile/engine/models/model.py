"""A network with all that is needed to use it, in memory and as a folder.

The folder is a BioImage.IO package. What only U-Tile needs stands in it under
``config: utile``. Nothing that is read can run code: the network is built from a name and
plain arguments, and its parameters are tensors only.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import yaml

from napari_utile import __version__
from napari_utile.arrays.appearance import Appearance
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.arrays.intensity import Normalization
from napari_utile.engine.models.package import package_problem, write_package
from napari_utile.engine.models.parameters import (
    assign_parameters,
    digest,
    in_float32,
    read_parameters,
    write_parameters,
)
from napari_utile.errors import UserError
from napari_utile.folders.model import (
    DESCRIPTION,
    PARAMETERS_FILE,
    Fact,
    ModelCard,
    card_in,
    find_model,
    name_problem,
    read_description,
)
from napari_utile.folders.model_writing import name_for_others, replaced_model
from napari_utile.io.slice_context import slices_seen
from napari_utile.networks import NETWORKS, Network
from napari_utile.networks.tileable import activation_of, missing_members
from napari_utile.settings.options import NormalizedBy
from napari_utile.settings.training import TrainSettings

LARGEST_ARGUMENT = 4096
AT_LEAST_ONE = ("in_channels", "classes", "width")
"""Arguments that cannot be 0."""


@dataclass
class Model:
    """A network, how it is fed, and what its output means.

    Attributes
    ----------
    network : nn.Module
        Any that is `Tileable`; see `napari_utile.networks`.
    normalization : Normalization
        Mean and standard deviation of the training images; by default gray values are left
        as they are.
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
    normalize : {"model", "image", "percentiles"}
        What images are normalized by, unless settings say otherwise: by `normalization`, or
        each by its own mean and standard deviation, or percentiles.
    appearance : Appearance or None
        What the training images looked like; images that are far from it are warned of.
    context : int
        Slices on each side of each slice of a stack that the network sees as further
        channels; see `io.slice_context`.
    version : str
        Of U-Tile, which made it.
    linking : dict of str to float, or None
        Costs by which its instances are linked by a graph, see `LinkCosts`; None: built in.
    offsets : tuple of tuple of int
        Of affinities: from each voxel to its partner. The first map of the network is then the
        foreground, and each of the others says whether a voxel and its partner are in the same
        object.
    border : float
        Width of the background between touching objects in what it learnt, in pixels of x.
    name : str
        By which the user knows it, in lists of models; one line.

    Raises
    ------
    UserError
        If the network is not `Tileable`, takes other channels than are normalized, or has
        other classes than there are ids; if ids, target, context or offsets cannot be.
    """

    network: Network
    normalization: Normalization = None  # type: ignore[assignment]  # of the network's channels
    settings: TrainSettings | None = None
    target: Literal["instances", "classes"] = "instances"
    ids: tuple[int, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    trained_on: dict[str, Fact] = field(default_factory=dict)
    appearance: Appearance | None = None
    version: str = __version__
    context: int = 0
    linking: dict[str, float] | None = None
    offsets: tuple[Offset, ...] = ()
    border: float = 1.0
    name: str = ""
    normalize: NormalizedBy = "model"

    def __post_init__(self) -> None:
        if missing := missing_members(self.network):
            raise UserError(
                f"{type(self.network).__name__} cannot be tiled: it has no "
                f"{', no '.join(missing)}; see napari_utile.networks."
            )
        if problem := self._context_problem():
            raise UserError(problem)
        if not self.normalization:
            self.normalization = Normalization.none(self.in_channels)
        if len(self.normalization.mean) != self.in_channels:
            raise UserError(
                f"The network takes {self.in_channels} channels, "
                f"but {len(self.normalization.mean)} are normalized."
            )
        if self.target not in ("instances", "classes"):
            raise UserError(f"The target is instances or classes, not {self.target!r}.")
        if self.normalize not in get_args(NormalizedBy):
            raise UserError(f"An image is not normalized by {self.normalize!r}.")
        if self.offsets and (problem := self._offsets_problem()):
            raise UserError(problem)
        if problem := name_problem(self.name):
            raise UserError(f"{self.name!r}: {problem}.")
        kinds = 2 if self.offsets else max(2, self.classes)
        self.ids = tuple(self.ids) or tuple(range(kinds))
        if len(self.ids) != kinds:
            raise UserError(
                f"The network tells {kinds} kinds of pixels apart, but "
                f"{len(self.ids)} ids are named."
            )
        if len({*self.ids}) != len(self.ids) or not all(0 <= n < 2**32 for n in self.ids):
            raise UserError(
                f"The ids {self.ids} must differ, and lie between 0 and 4,294,967,295."
            )

    @property
    def in_channels(self) -> int:
        """Channels of an image; the network takes those of all slices that it sees."""
        return self.network.in_channels // slices_seen(self.context)

    @property
    def classes(self) -> int:
        """Maps of probabilities, affinities included; 1 is a foreground map."""
        return self.network.classes

    def save(self, folder: str | Path) -> None:
        """Write the model as a folder, whole or not at all.

        An older model at the same place is replaced, and can be loaded until the new one
        is complete.

        Raises
        ------
        UserError
            If the network is not one of U-Tile's, something else is at that place, or the
            disk is full.
        """
        card, network = card_of(self), in_float32(self.network)
        with replaced_model(Path(folder)) as draft:
            write_parameters(network, draft / PARAMETERS_FILE, Path(folder))
            description = write_package(
                draft,
                network,
                card.arguments,
                self.normalization,
                self.context,
                self.offsets,
                self.normalize,
            ) | {"config": {"utile": card.model_dump(mode="json")}}
            if self.name:
                description["name"] = name_for_others(self.name, card.network)
            text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
            (draft / DESCRIPTION).write_text(text, encoding="utf-8")

    def _offsets_problem(self) -> str:
        """Return why the maps of the network cannot be foreground and affinities, or ''."""
        network = self.network
        if self.classes != 1 + len(self.offsets):
            return (
                f"The network has {self.classes} maps, but foreground and affinities of "
                f"{len(self.offsets)} offsets are {1 + len(self.offsets)}."
            )
        is_along_one = all(sum(map(bool, offset)) == 1 for offset in self.offsets)
        if not is_along_one or {*map(len, self.offsets)} != {network.ndim}:
            return (
                f"An offset leads along one of the {network.ndim} axes of the network: "
                f"{self.offsets}."
            )
        if self.target != "instances" or activation_of(network) != "sigmoid":
            return "Affinities are those of instances, by a network with activation sigmoid."
        return ""

    def _context_problem(self) -> str:
        """Return why the network cannot see so many slices; '' if it can."""
        seen = slices_seen(self.context)
        if self.context < 0 or (self.context and self.network.ndim != 2):
            return f"A network of {self.network.ndim} axes cannot have context {self.context}."
        if self.network.in_channels % seen:
            return (
                f"The network takes {self.network.in_channels} channels, which is not "
                f"a multiple of the {seen} slices that it is to see (context {self.context})."
            )
        return ""


def card_of(model: Model) -> ModelCard:
    """Return the card of a model whose network is one of U-Tile's.

    Parameters
    ----------
    model : Model

    Returns
    -------
    ModelCard

    Raises
    ------
    UserError
        If its network is another.
    """
    names: dict[type, str] = {network: name for name, network in NETWORKS.items()}
    if type(model.network) not in names:
        raise UserError(
            f"{type(model.network).__name__} cannot be saved as a model: "
            f"it is none of {', '.join(NETWORKS)}."
        )
    return ModelCard(
        version=model.version,
        network=names[type(model.network)],
        arguments=model.network.arguments,
        normalization=model.normalization,
        normalize=model.normalize,
        settings=model.settings,
        target=model.target,
        ids=model.ids,
        scores=model.scores,
        trained_on=model.trained_on,
        appearance=model.appearance,
        context=model.context,
        linking=model.linking,
        offsets=model.offsets,
        border=model.border,
        name=model.name,
    )


def load_model(path: str | Path) -> Model:
    """Read a model that was saved. Whatever it holds, nothing in it is executed.

    Parameters
    ----------
    path : path
        Folder of the model, or of its run.

    Returns
    -------
    Model
        On the CPU, in evaluation mode.

    Raises
    ------
    UserError
        If there is none, it was written by a newer version, is damaged, or its parameters
        are not those of its network or, without a digest, not those of its test.
    """
    folder = find_model(path)
    description = read_description(folder)
    card = card_in(description, folder)
    network = build_network(card.network, card.arguments)
    parameters = folder / PARAMETERS_FILE
    named = _named_digest(description, folder)
    if (
        named
        and parameters.is_file()
        and parameters.stat().st_size
        and named != digest(parameters)
    ):
        raise UserError(f"{parameters} is damaged or was changed: its SHA-256 is not {named}.")
    found = read_parameters(parameters, check_sums=not named)
    assign_parameters(network, found, parameters)
    facts = {name: getattr(card, name) for name in type(card).model_fields}
    for name in ("format", "network", "arguments"):
        del facts[name]
    model = Model(network.eval(), **facts)
    fed = model.normalization.repeated(slices_seen(model.context))
    if not named and (problem := package_problem(folder, network, fed, model.normalize)):
        raise UserError(
            f"{problem}. Put back what belongs to it; if these weights are meant, name their "
            f"SHA-256 in {DESCRIPTION}: {digest(parameters)}"
        )
    return model


def _named_digest(description: dict[str, Any], folder: Path) -> str:
    """Return the SHA-256 of the parameters; '' if none is named.

    Raises
    ------
    UserError
        If the description names no parameters, or others than those in the folder.
    """
    weights = description.get("weights")
    entry = weights.get("pytorch_state_dict") if isinstance(weights, dict) else None
    source = entry.get("source") if isinstance(entry, dict) else None
    if not isinstance(source, str):
        raise UserError(
            f"{folder / DESCRIPTION} is damaged: its weights name no pytorch_state_dict."
        )
    place = (folder / PARAMETERS_FILE).resolve()
    if source != PARAMETERS_FILE or not place.is_relative_to(folder.resolve()):
        elsewhere = place if source == PARAMETERS_FILE else source[:200]
        raise UserError(
            f"{folder} takes its parameters from elsewhere, {str(elsewhere)!r}: only its own "
            f"{PARAMETERS_FILE} is read. Put a copy of them there."
        )
    named = entry.get("sha256") if isinstance(entry, dict) else None
    return str(named or "").lower()


def build_network(name: str, arguments: dict[str, Any]) -> Network:
    """Build a network by name without memory for its parameters, on the device "meta".

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    arguments : dict
        What it is constructed with.

    Returns
    -------
    nn.Module

    Raises
    ------
    UserError
        If there is no such network, or it does not take these arguments.
    """
    if name not in NETWORKS:
        raise UserError(f"There is no network {name!r}, only {', '.join(NETWORKS)}.")
    for key, value in arguments.items():
        least = 1 if key in AT_LEAST_ONE else 0
        if isinstance(value, int | float) and not least <= value <= LARGEST_ARGUMENT:
            raise UserError(f"The network {name!r} cannot have {key} = {value}.")
    try:
        with torch.device("meta"):
            return NETWORKS[name](**arguments)
    except Exception as wrong:  # a constructor expects the arguments of a user, not of anybody
        reason = "they are not what U-Tile writes."
        if isinstance(wrong, ValueError):
            reason = str(wrong).partition("\n")[0]
        given = ", ".join(f"{key} = {value!r:.40}" for key, value in arguments.items())
        raise UserError(f"{name!r} cannot be built with {given:.300}: {reason}") from None
