"""The parameters of a trained model, for another run to start from."""

from dataclasses import dataclass
from pathlib import Path

from napari_utile.engine.models.model import load_model
from napari_utile.engine.models.parameters import Parameters
from napari_utile.errors import UserError
from napari_utile.networks import NETWORKS
from napari_utile.networks.tileable import Network
from napari_utile.settings.checked import option_differences

FREE = {"dropout", "padding"}
"""Arguments of a network that its parameters do not depend on."""


@dataclass(frozen=True)
class WarmStart:
    """Parameters, and the path of the model that they are of."""

    path: str
    parameters: Parameters

    @classmethod
    def read(cls, path: Path | str, network: Network, context: int = 0) -> "WarmStart":
        """Read a model, or that of a run, to start the training of `network` from.

        Parameters
        ----------
        path : path
        network : nn.Module
        context : int, default 0
            Slices on each side that it sees.

        Raises
        ------
        UserError
            If there is no model, or it is of another architecture: names every difference.
        """
        model = load_model(path)
        there = description(model.network) | {"context": model.context}
        here = description(network) | {"context": context}
        if differences := option_differences(there, here, FREE):
            raise UserError(
                f"{path} is of another architecture and cannot be started from "
                f"({'; '.join(differences)})."
            )
        return cls(str(path), model.network.state_dict())


def description(network: Network) -> dict[str, int | float | str | None]:
    """Return the name and the arguments of one of U-Tile's networks."""
    names: dict[type, str] = {kind: name for name, kind in NETWORKS.items()}
    return {"network": names[type(network)], **network.arguments}
