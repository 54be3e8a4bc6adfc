"""The state of a run on disk, from which it goes on; and whether it is still the same run."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_utile.arrays.splits import Split
from napari_utile.engine.models.parameters import Weights, digest_of_weights
from napari_utile.errors import UserError
from napari_utile.folders.run import checkpoint_file, checkpoint_files
from napari_utile.io.disk import atomic_write, check_free
from napari_utile.io.fingerprints import aligned_index, digest_of_planes
from napari_utile.io.images import Stack
from napari_utile.settings import TrainSettings, option_differences

FORMAT = 1
"""Counts up when what older versions wrote can no longer be gone on from."""
KEPT = 2
"""Checkpoints that stay: the newest, and one in case it is damaged."""
MACHINE = {"device", "precision"}
"""Settings that may change under a run: they say how it is computed, not what."""

State = dict[str, Any]
"""Tensors and plain types, by name, in any depth."""


@dataclass(frozen=True)
class Plan:
    """What a run is about: the same plan gives the same result.

    Attributes
    ----------
    settings : dict
        Of `TrainSettings`, as plain types.
    images, labels : str
        Digests of all pixels and labels that are trained on or validated with.
    weights : str
        Digest of the weights that it starts from; '' if they are drawn at random.
    """

    settings: State
    images: str
    labels: str
    weights: str = ""

    @classmethod
    def of(
        cls,
        settings: TrainSettings,
        images: Sequence[Stack],
        labels: Sequence[Stack],
        split: Split,
        weights: Weights | None = None,
    ) -> "Plan":
        """Look at everything that decides what a run will give."""
        regions = (*split.training, *split.validation)
        places = sorted({region.plane for region in regions})
        same = [(i, aligned_index(index, len(labels[i].shape) - 2)) for i, index in places]
        return cls(
            settings.model_dump(mode="json"),
            digest_of_planes(images, places),
            digest_of_planes(labels, same),
            digest_of_weights(weights) if weights else "",
        )

    def differences(self, here: "Plan") -> list[str]:
        """Say in what another plan differs from this one, which is "there"."""
        settings = TrainSettings(**self.settings).model_dump(mode="json")  # options since added
        words = option_differences(settings, here.settings, MACHINE)
        words += ["the annotated images have changed"] * (self.images != here.images)
        words += ["the labels have changed"] * (self.labels != here.labels)
        # going on, nobody needs to name again what was started from
        if here.weights and self.weights != here.weights:
            words.append("it was started from other weights")
        return words


class Checkpoints:
    """The folder of the checkpoints of a run.

    Attributes
    ----------
    state : dict or None
        What the run goes on from; None if it is new.
    doubts : tuple of str
        What went wrong in reading it.
    """

    def __init__(self, folder: Path, plan: Plan):
        self.folder, self.plan = folder, plan
        self.state: State | None = None
        self.doubts: tuple[str, ...] = ()

    def find(self) -> bool:
        """Read the newest checkpoint that is whole; tell whether there is one.

        Raises
        ------
        UserError
            If it is of another plan (names every difference) or version, or there are
            checkpoints and none is whole.
        """
        paths = self._paths()
        for path in paths:
            self.state = read(path)
            if self.state:
                self._refuse_another_plan(Plan(**self.state["plan"]))
                return True
            self.doubts += (f"{path} is damaged: the run goes on from the one before it.",)
        if paths:
            raise UserError(
                f"{paths[0]} is damaged, as is every other checkpoint of the run. {WAYS_OUT}"
            )
        return False

    def save(self, step: int, state: State) -> None:
        """Write what the run is after so many steps, and remove what is older than needed.

        The state holds tensors and plain types only.

        Raises
        ------
        UserError
            If the disk has too little room; what was there is untouched.
        """
        archive = io.BytesIO()  # writing to disk itself, torch tells nobody that it is full
        torch.save({"format": FORMAT, "plan": asdict(self.plan)} | plain(state), archive)
        path = checkpoint_file(self.folder, step)
        check_free(path, archive.tell())
        atomic_write(path, lambda draft: draft.write_bytes(archive.getbuffer()))
        for old in self._paths()[KEPT:]:
            old.unlink()

    def _paths(self) -> list[Path]:
        """List the checkpoints, the newest first."""
        return checkpoint_files(self.folder)

    def _refuse_another_plan(self, there: Plan) -> None:
        if differences := there.differences(self.plan):
            raise UserError(
                f"{self.folder.parent} holds an unfinished run that differs "
                f"({'; '.join(differences)}). {WAYS_OUT}"
            )


WAYS_OUT = (
    "--overwrite replaces it by a new run; add --warm-start and its name to begin with what it "
    "has learnt. Or choose another folder."
)


def plain(state: Any) -> Any:
    """Make floats of NumPy's, which only a loader that can run code would read."""
    if isinstance(state, dict):
        return {name: plain(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(plain(value) for value in state)
    return state.item() if isinstance(state, np.generic) else state


def read(path: Path) -> State | None:
    """Read a checkpoint; None if it is not whole. Nothing in it can run code.

    Raises
    ------
    UserError
        If another version wrote it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():  # torch checks no sums
                return None
        state = torch.load(path, map_location="cpu", weights_only=True)
        written = state["format"]
    except (MemoryError, PermissionError):
        raise
    except Exception:  # a damaged archive can fail in any way
        return None
    names = {field.name for field in fields(Plan)}
    if written != FORMAT or set(state["plan"]) != names:
        raise UserError(f"{path} was written by another version of U-Tile. {WAYS_OUT}")
    return dict(state)
