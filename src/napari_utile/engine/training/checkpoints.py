"""The state of a run on disk, from which it resumes; and whether it is still the same run."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_utile.engine.models.archives import ArchiveError, read_archive
from napari_utile.engine.models.parameters import digest_of_parameters
from napari_utile.engine.training.options import effective_settings
from napari_utile.engine.training.setup import TrainingSetup
from napari_utile.errors import DifferentRunError, UserError
from napari_utile.folders.model import MODEL
from napari_utile.folders.run import checkpoint_file, checkpoint_files
from napari_utile.io.disk import atomic_write, check_free
from napari_utile.io.fingerprints import aligned_index, digest_of_planes
from napari_utile.io.images import Stack
from napari_utile.io.slice_context import planes_seen
from napari_utile.settings.checked import option_differences
from napari_utile.settings.options import HARDWARE_OPTIONS, INPUT_OPTIONS
from napari_utile.settings.training import TrainSettings

CHECKPOINT_FORMAT = 1
"""Counts up when what older versions wrote cannot be resumed from."""
KEPT_CHECKPOINTS = 2
"""Checkpoints that stay: the newest, and one in case it is damaged."""

CheckpointState = dict[str, Any]
"""Tensors and plain types, by name, in any depth."""


@dataclass(frozen=True)
class TrainingPlan:
    """What a run is about: the same plan gives the same result.

    Attributes
    ----------
    settings : dict
        Of `TrainSettings`, as plain types.
    images, labels : str
        Digests of all pixels and labels that are trained on or validated with.
    parameters : str
        Digest of the parameters that it starts from; '' if they are drawn at random.
    """

    settings: CheckpointState
    images: str
    labels: str
    parameters: str = ""

    @classmethod
    def of(
        cls, setup: TrainingSetup, images: Sequence[Stack], labels: Sequence[Stack]
    ) -> "TrainingPlan":
        """Compute the plan of a run on these images and labels."""
        split, warm = setup.data.split, setup.warm_start
        regions = (*split.training, *split.validation)
        places = sorted({region.plane for region in regions})
        seen = planes_seen(images, places, setup.settings.context)
        same = [(i, aligned_index(index, len(labels[i].shape) - 2)) for i, index in places]
        return cls(
            setup.settings.model_dump(mode="json"),
            digest_of_planes(images, seen),
            digest_of_planes(labels, same),
            digest_of_parameters(warm.parameters) if warm else "",
        )

    @classmethod
    def from_state(cls, state: CheckpointState) -> "TrainingPlan":
        """Read the plan in a checkpoint."""
        return cls(**{RENAMED.get(name, name): value for name, value in state.items()})

    def state(self) -> CheckpointState:
        """Return the plan as plain types, under the names that it has in checkpoints."""
        names = {new: old for old, new in RENAMED.items()}
        return {names.get(name, name): value for name, value in asdict(self).items()}

    def differences(self, here: "TrainingPlan") -> list[str]:
        """Return in what another plan differs from this one, which is "there"."""
        words = differing_settings(
            TrainSettings(**self.settings), TrainSettings(**here.settings)
        )
        words += ["the annotated images have changed"] * (self.images != here.images)
        words += ["the labels have changed"] * (self.labels != here.labels)
        if self.parameters and here.parameters:
            words += ["it was started from other parameters"] * (
                self.parameters != here.parameters
            )
        else:
            words += differing_starts(bool(self.parameters), bool(here.parameters))
        return words


RENAMED = {"weights": "parameters"}
"""Fields of a plan that have another name in checkpoints."""


def differing_settings(there: TrainSettings, here: TrainSettings) -> list[str]:
    """Describe the settings in effect that differ, apart from those of the machine.

    Parameters
    ----------
    there, here : TrainSettings
        Of an older run, and of the one that is started.
    """
    old, new = (effective_settings(each).model_dump(mode="json") for each in (there, here))
    return option_differences(old, new, HARDWARE_OPTIONS | INPUT_OPTIONS)


def differing_starts(there: bool, here: bool) -> list[str]:
    """Describe that one of two runs, and not the other, starts from the parameters of a model.

    Parameters
    ----------
    there, here : bool
        Whether the older run does, and the one that is started.
    """
    named = ["a model" if is_warm else None for is_warm in (there, here)]
    return option_differences(*({"warm-start": name} for name in named))


class Checkpoints:
    """The folder of the checkpoints of a run.

    Attributes
    ----------
    state : dict or None
        What the run resumes from; None if it is new.
    damaged : tuple of str
        What went wrong in reading it.
    """

    def __init__(self, folder: Path, plan: TrainingPlan):
        self.folder, self.plan = folder, plan
        self.state: CheckpointState | None = None
        self.damaged: tuple[str, ...] = ()
        self._passed: set[Path] = set()

    def find(self) -> CheckpointState | None:
        """Read the newest checkpoint that is whole; None if there is no checkpoint.

        Raises
        ------
        UserError
            If it is of another plan (names every difference) or version, or there are
            checkpoints and none is whole.
        """
        if (kept := self.kept_plan()) and (differences := kept.differences(self.plan)):
            raise DifferentRunError(
                f"{self.folder.parent} holds an unfinished run that differs "
                f"({'; '.join(differences)}). {WAYS_OUT}",
                differences,
            )
        if not kept and (paths := self._paths()):
            has_model = (self.folder.parent / MODEL).is_dir()
            raise UserError(
                f"{paths[0]} is damaged, as is every other checkpoint of the run. "
                f"{WAYS_OUT if has_model else WAYS_OUT.partition(';')[0] + '.'}"
            )
        return self.state

    def kept_plan(self) -> TrainingPlan | None:
        """Read the plan of the newest checkpoint that is whole, and `state`, if there is one.

        Raises
        ------
        UserError
            If another version wrote it.
        """
        while left := self._left():
            self.state = read_checkpoint(left[0])
            if self.state:
                return TrainingPlan.from_state(self.state["plan"])
            self._pass_over(left[0])
        return None

    def give_up(self) -> None:
        """Pass over the checkpoint of `state`, which cannot be restored; find the one before.

        Raises
        ------
        UserError
            If there is none, or it is of another plan.
        """
        self._pass_over(self._left()[0])
        self.find()

    def _left(self) -> list[Path]:
        """List the checkpoints that were not passed over, the newest first."""
        return [path for path in self._paths() if path not in self._passed]

    def _pass_over(self, path: Path) -> None:
        self._passed.add(path)
        self.state = None
        self.damaged += (f"{path} is damaged: the run resumes from the one before it.",)

    def save(self, step: int, state: CheckpointState) -> None:
        """Write what the run is after so many steps, and remove what is older than needed.

        Parameters
        ----------
        step : int
            Steps taken so far.
        state : dict
            Tensors and plain types only.

        Raises
        ------
        UserError
            If the disk has too little room; what was there is untouched.
        """
        archive = io.BytesIO()  # writing to disk itself, torch does not report a full disk
        torch.save(
            {"format": CHECKPOINT_FORMAT, "plan": self.plan.state()} | plain_numbers(state),
            archive,
        )
        path = checkpoint_file(self.folder, step)
        check_free(path, archive.tell())
        atomic_write(path, lambda draft: draft.write_bytes(archive.getbuffer()))
        for old in self._paths()[KEPT_CHECKPOINTS:]:
            old.unlink()

    def _paths(self) -> list[Path]:
        """List the checkpoints, the newest first."""
        return checkpoint_files(self.folder)


WAYS_OUT = (
    "Overwrite it, or choose another folder; to start from what it has learnt, name it as warm "
    "start."
)


def plain_numbers(state: Any) -> Any:
    """Turn numbers of NumPy into Python's: a loader that runs no code reads no others."""
    if isinstance(state, dict):
        return {name: plain_numbers(value) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(plain_numbers(value) for value in state)
    return state.item() if isinstance(state, np.generic) else state


def read_checkpoint(path: Path) -> CheckpointState | None:
    """Read a checkpoint; None if it is not whole. Nothing in it can run code.

    Raises
    ------
    UserError
        If another version wrote it.
    """
    try:
        state = read_archive(path)
    except ArchiveError:
        return None
    written, plan = (
        (state.get(n) for n in ("format", "plan")) if isinstance(state, dict) else (0, 0)
    )
    if type(written) is not int or not isinstance(plan, dict):
        return None
    names = {RENAMED.get(name, name) for name in plan}
    if (
        written != CHECKPOINT_FORMAT
        or names != {field.name for field in fields(TrainingPlan)}
        or not _is_plan(plan)
    ):
        raise UserError(f"{path} was written by another version of U-Tile. {WAYS_OUT}")
    return dict(state)


def _is_plan(plan: CheckpointState) -> bool:
    """Whether the settings in a plan are settings of this version, and all else is words."""
    digests = [value for name, value in plan.items() if name != "settings"]
    try:
        TrainSettings(**plan["settings"])
    except (TypeError, ValueError):
        return False
    return all(isinstance(digest, str) for digest in digests)
