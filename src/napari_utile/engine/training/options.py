"""Which options take effect in a training: those of its network, with the values in use."""

from collections.abc import Iterator
from typing import Any

from napari_utile.engine.models.factory import NETWORK_OPTIONS, network_options
from napari_utile.networks import NETWORKS
from napari_utile.settings.options import VOLUME_NETWORKS
from napari_utile.settings.training import TrainSettings

BALANCED_WINDOWS: dict[str, Any] = {"sampling": "classes", "w0": 0.0, "class_balance": False}
"""How a network is trained on windows: as many of each class, all of the same weight, as
Ciresan et al. (2012) did. The weight map on top would count what is rare twice."""


UNWEIGHTED: dict[str, Any] = {
    "output": "sigmoid",
    "loss": "cross-entropy",
    "w0": 0.0,
    "class_balance": False,
}
"""How affinities are learnt: all that is annotated weighs the same."""


def effective_settings(settings: TrainSettings) -> TrainSettings:
    """Return the settings that take effect: what is recorded is what is used.

    Parameters
    ----------
    settings : TrainSettings
        As the user gave them. Those that this returns are returned unchanged.
    """
    update: dict[str, Any] = {}
    if NETWORKS[settings.network].trains_on_windows:
        update |= BALANCED_WINDOWS
    if settings.target == "affinities":
        update |= UNWEIGHTED
    if settings.network in VOLUME_NETWORKS and settings.context:
        update["context"] = 0
    return settings.model_copy(update=update) if update else settings


def unused_options(settings: TrainSettings) -> Iterator[str]:
    """Name in a sentence each option that was chosen and takes no effect.

    Parameters
    ----------
    settings : TrainSettings
        As the user gave them.

    Yields
    ------
    str
        A warning.
    """
    network = NETWORKS[settings.network]
    default, used = TrainSettings(recipe=settings.recipe), effective_settings(settings)
    unused = [name for name in NETWORK_OPTIONS if name not in network_options(network)]
    if network.trains_on_windows:
        unused += ["tile", *(n for n in BALANCED_WINDOWS if _differs(n, settings, used))]
    unused += ["context"] if settings.network in VOLUME_NETWORKS else ["spacing"]
    for name in unused:
        if _differs(name, settings, default):
            chosen = getattr(settings, name)
            yield f"The network {settings.network} has no {name}: {chosen} is not used."
    for name in UNWEIGHTED if settings.target == "affinities" else ():
        if _differs(name, settings, default) and _differs(name, settings, used):
            chosen, word = getattr(settings, name), name.replace("_", " ")
            yield f"Affinities are learnt without {word}: {chosen} is not used."


def _differs(name: str, one: TrainSettings, other: TrainSettings) -> bool:
    """Whether an option has two values."""
    return bool(getattr(one, name) != getattr(other, name))
