"""The best network of a run so far: in memory, in the run folder, and in checkpoints."""

from typing import Any

import torch

from napari_utile.engine.models.model import Model
from napari_utile.engine.models.parameters import Weights
from napari_utile.engine.training.data.preparation import TrainingData
from napari_utile.engine.training.validation import Validation
from napari_utile.events import PreviewReady
from napari_utile.folders.run import Run
from napari_utile.io.images import write_tiff
from napari_utile.networks.tileable import Network
from napari_utile.settings import TrainSettings


class Best:
    """A copy of a network that learns, whenever it is the best.

    Parameters
    ----------
    network : nn.Module
        The one that learns; not changed.
    data : TrainingData
        What it learns from.
    settings : TrainSettings
        How.
    run : Run or None
        Where the model is saved, if it is.

    Attributes
    ----------
    model : Model
        The last copy; at first the network as it was given.
    found : Validation or None
        What the last validation found, of the best or another.
    facts : dict
        What it is and was trained on, name -> value.
    """

    def __init__(
        self, network: Network, data: TrainingData, settings: TrainSettings, run: Run | None
    ):
        self.network, self.data, self.settings, self.run = network, data, settings, run
        self.found: Validation | None = None
        self.facts: dict[str, str | int | float] = {
            "network": settings.network,
            "parameters": sum(p.numel() for p in network.parameters()),
            "classes": len(data.ids),
            "channels": data.channels,
            "split": data.split.how,
        }
        self.model = self._model(network.state_dict(), {})

    def keep(self, found: Validation | None, is_best: bool = True) -> None:
        """Copy the network as it is now, with its scores, if it is best."""
        self.found = found
        if is_best:
            self._put(self.network.state_dict(), found.scores if found else {})

    def preview(self, found: Validation, run: Run, step: int) -> PreviewReady:
        """Write what the network makes of the first validation plane."""
        region = self.data.split.validation[0]
        path = run.previews / f"step_{step:06}.tif"
        write_tiff(path, found.foreground)
        y, x = region.window
        return PreviewReady(
            path=str(path), step=step, index=region.index, origin=(y.start or 0, x.start or 0)
        )

    def state(self) -> dict[str, Any]:
        """Give the weights and scores of the best network."""
        return {"weights": self.model.network.state_dict(), "scores": self.model.scores}

    def restore(self, state: dict[str, Any]) -> None:
        """Bring back what `state` gave, also in place of a later model in the run folder."""
        self._put(state["weights"], state["scores"])

    def _put(self, weights: Weights, scores: dict[str, float]) -> None:
        self.model = self._model(weights, scores)
        if self.run:
            self.model.save(self.run.model)

    def _model(self, weights: Weights, scores: dict[str, float]) -> Model:
        return Model(
            copy_with(self.network, weights).eval(),
            normalization=self.data.normalization,
            settings=self.settings,
            target=self.settings.target,
            ids=self.data.ids,
            scores=scores,
            trained_on=self.facts,
        )


def copy_with(network: Network, weights: Weights) -> Network:
    """Copy a network to the CPU with other weights. Draws no random number."""
    with torch.device("meta"):
        copy = type(network)(**network.arguments)
    values = {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in weights.items()
    }
    copy.load_state_dict(values, assign=True)
    return copy
