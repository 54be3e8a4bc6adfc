"""The best network of a run so far: in memory, in the run folder, and in checkpoints."""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import TypeAdapter

from napari_utile.engine.models.model import Model
from napari_utile.engine.models.parameters import Parameters, parameter_problem
from napari_utile.engine.training.data.planes import annotated_in
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.engine.training.validation import Validation
from napari_utile.events import PreviewReady
from napari_utile.folders.model import CHECKED_PIXELS, CHECKED_STROKES, given_name
from napari_utile.folders.run import Run
from napari_utile.io.images import write_tiff
from napari_utile.networks.tileable import Network

NAMES_TOLD = 3
"""Names of images in the card of a model, of which the last may stand for all others."""


class BestModel:
    """A copy of a network that learns, whenever it is the best.

    Parameters
    ----------
    network : nn.Module
        The one that learns; not changed.
    setup : TrainingSetup
        What it learns from, and how.
    run : Run or None
        Where the model is saved, if it is.

    Attributes
    ----------
    model : Model
        The last copy; at first the network as it was given.
    """

    def __init__(self, network: Network, setup: TrainingSetup, run: Run | None):
        self.network, self.setup, self.run = network, setup, run
        self._facts = setup.facts | {"images": names_text(setup.data.names)}
        if setup.settings.sparse:
            pixels, strokes = annotated_in(setup.data.validation)
            self._facts |= {CHECKED_PIXELS: pixels, CHECKED_STROKES: strokes}
        self._name: str | None = None  # that the user gave it; nobody renames it while it runs
        self.model = self._model(network.state_dict(), {})

    def keep(self, found: Validation | None) -> None:
        """Copy the network as it is now, with the scores of its validation, if it has any."""
        self._put(self.network.state_dict(), found.scores if found else {})

    def preview(self, found: Validation, run: Run, step: int) -> PreviewReady:
        """Write the foreground that the network finds on the first validation plane.

        Of a volume, that is its middle slice.
        """
        region = self.setup.data.split.validation[0]
        path = run.previews / f"step_{step:06}.tif"
        foreground, index = found.foreground, region.index
        *z, y, x = region.window
        if z:
            middle = len(foreground) // 2
            foreground, index = foreground[middle], (*index, (z[0].start or 0) + middle)
        write_tiff(path, foreground, holds="probabilities")
        return PreviewReady(
            path=str(path),
            step=step,
            index=index,
            origin=(y.start or 0, x.start or 0),
            image=self.setup.data.names[region.image],
        )

    def state(self) -> dict[str, Any]:
        """Return the parameters and scores of the best network."""
        return {"weights": self.model.network.state_dict(), "scores": self.model.scores}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned, also in place of a later model in the run folder.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        UserError
            If the disk is full.
        """
        parameters, scores = state["weights"], state["scores"]
        if problem := parameter_problem(self.network, parameters):
            raise ValueError(problem)
        TypeAdapter(dict[str, float]).validate_python(scores)
        self._put(parameters, scores)

    def _put(self, parameters: Parameters, scores: dict[str, float]) -> None:
        self.model = self._model(parameters, scores)
        if self.run:
            self.run.check_there()
            if self._name is None:
                self._name = given_name(self.run.model)
            self.model.name = self._name
            self.model.save(self.run.model)

    def _model(self, parameters: Parameters, scores: dict[str, float]) -> Model:
        setup = self.setup
        return Model(
            copy_with(self.network, parameters).eval(),
            normalization=setup.data.normalization,
            normalize=setup.settings.normalize,
            settings=setup.settings,
            target=setup.settings.meaning,
            ids=setup.data.ids,
            scores=scores,
            trained_on=self._facts,
            appearance=setup.data.appearance,
            context=setup.settings.context,
            offsets=setup.data.offsets,
            border=setup.data.border,
        )


def names_text(names: Sequence[str]) -> str:
    """Return names of images in one line, of many only the first.

    Parameters
    ----------
    names : sequence of str

    Examples
    --------
    >>> names_text(["a", "b"]), names_text(["a", "b", "c", "d"])
    ('a, b', 'a, b and 2 more')
    """
    if len(names) <= NAMES_TOLD:
        return ", ".join(names)
    told = NAMES_TOLD - 1
    return f"{', '.join(names[:told])} and {len(names) - told} more"


def copy_with(network: Network, parameters: Parameters) -> Network:
    """Copy a network to the CPU with other parameters. Draws no random number."""
    with torch.device("meta"):
        copy = type(network)(**network.arguments)
    values = {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in parameters.items()
    }
    copy.load_state_dict(values, assign=True)
    return copy
