"""Networks as settings describe them."""

from inspect import signature

import torch
from torch import nn

from napari_utile.arrays.instances.offsets import Offset, affinity_offsets
from napari_utile.errors import UserError
from napari_utile.io.slice_context import slices_seen
from napari_utile.networks import NETWORKS
from napari_utile.networks.tileable import Network
from napari_utile.settings.options import VOLUME_NETWORKS
from napari_utile.settings.training import TrainSettings

Offsets = tuple[Offset, ...]

NETWORK_OPTIONS = ("depth", "width", "padding", "norm", "dropout")
"""Options of networks; not every network has every one."""


def network_from_settings(
    settings: TrainSettings,
    channels: int,
    classes: int,
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
) -> Network:
    """Build the network that the settings name, with those of the options that it has.

    Parameters
    ----------
    settings : TrainSettings
        `network`, `output`, and the options of `NETWORK_OPTIONS`.
    channels : int
        Of the images; the network has as many for each slice that it sees (`context`).
    classes : int
        Kinds of pixels, with the background.
    spacing : (float, float, float), default (1, 1, 1)
        Size of a voxel along (Z, Y, X), for networks that see volumes.

    Returns
    -------
    nn.Module
        With random parameters, drawn by torch's own generator.

    Raises
    ------
    UserError
        If one sigmoid output shall tell more than two classes apart.
    """
    if settings.output == "sigmoid" and classes > 2:
        raise UserError(
            f"One sigmoid output cannot tell {classes} classes apart; set output to softmax."
        )
    network = NETWORKS[settings.network]
    options = {name: getattr(settings, name) for name in network_options(network)}
    if options.get("norm") == "none":
        options["norm"] = None
    offsets = learnt_offsets(settings, spacing)
    if settings.network in VOLUME_NETWORKS:
        options["spacing"] = spacing
        options["activation"] = "sigmoid" if offsets else "softmax"
    is_one_map = settings.output == "sigmoid" or offsets
    return network(
        in_channels=channels * slices_seen(settings.context),
        classes=1 + len(offsets) if is_one_map else classes,
        **options,
    )


def learnt_offsets(settings: TrainSettings, spacing: tuple[float, ...]) -> Offsets:
    """Return the offsets of the affinities that a network learns; () if it learns none.

    Parameters
    ----------
    settings : TrainSettings
        `target`.
    spacing : (float, float, float)
        Size of a voxel along (Z, Y, X).
    """
    return affinity_offsets(spacing) if settings.target == "affinities" else ()


def network_options(network: type[nn.Module]) -> list[str]:
    """Return the names in `NETWORK_OPTIONS` that a network takes."""
    return [name for name in NETWORK_OPTIONS if name in signature(network).parameters]


def receptive_field(
    settings: TrainSettings, spacing: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> tuple[int, ...]:
    """Return the sides, in pixels per axis, of what a network sees to classify one pixel."""
    with torch.device("meta"):
        return receptive_field_of(network_from_settings(settings, 1, 2, spacing))


def receptive_field_of(network: Network) -> tuple[int, ...]:
    """Return the sides, in pixels per axis, of what a network sees to classify one pixel."""
    return tuple(2 * margin + 1 for margin in network.margin)
