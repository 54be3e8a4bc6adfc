"""The folder of a comparison: its files, its data and their split. No training here.

settings.json                    all that is needed to run it again
data.json                        digests of the data, and how it is split
table.csv  table.json  table.md  one row per network
curves.png  results.png
validation/                      image and truth of the validation part
<network>-seed<k>/               an ordinary run folder, and in it
<network>-seed<k>/validation/    results and scores of the network on the validation part
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from napari_utile.arrays.splits import Region, Split
from napari_utile.arrays.tiling import Window
from napari_utile.errors import UserError
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write, check_writable, locked
from napari_utile.io.fingerprints import digest_of_planes
from napari_utile.io.images import Stack
from napari_utile.io.slice_context import planes_seen
from napari_utile.json_files import read_json
from napari_utile.settings.checked import option_differences
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import HARDWARE_OPTIONS, INPUT_OPTIONS, axes_seen
from napari_utile.settings.training import TrainSettings

MAY_CHANGE = {"networks", "seeds", *HARDWARE_OPTIONS, *INPUT_OPTIONS}
"""Options that may change when a comparison is resumed."""
OTHER_FOLDER = "choose another folder, or overwrite it."


class _RegionFacts(BaseModel):
    """A part of the data, as it is written down."""

    image: int = Field(ge=0)
    index: tuple[int, ...]
    z: tuple[int | None, int | None] | None = None
    """Of volumes alone."""
    y: tuple[int | None, int | None]
    x: tuple[int | None, int | None]
    """(start, stop); None is the border of the image."""


class _DataFacts(BaseModel):
    """The data of a comparison, as it is written down."""

    images: str
    labels: str
    split: str
    guard: int | None
    axis: int = -1
    training: tuple[_RegionFacts, ...]
    validation: tuple[_RegionFacts, ...]


class ComparisonFolder:
    """The files of a comparison.

    Attributes
    ----------
    path, settings, data, table, table_csv, table_md, curves, results, inputs : Path
        The folder and what is in it; the window copies layers to `inputs`.
    validation : ValidationFolder
        Image and truth of the validation part.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.settings = self.path / "settings.json"
        self.data = self.path / "data.json"
        self.table = self.path / "table.json"
        self.table_csv = self.path / "table.csv"
        self.table_md = self.path / "table.md"
        self.curves = self.path / "curves.png"
        self.results = self.path / "results.png"
        self.inputs = self.path / "inputs"
        self.validation = ValidationFolder(self.path)

    def run_folder(self, network: str, seed: int) -> Path:
        """Return the run folder of a candidate. It may not exist yet."""
        return self.path / _candidate_name(network, seed)

    @property
    def runs(self) -> list[Run]:
        """The runs of candidates: their folders are named as their settings say."""
        return [Run(folder) for folder in sorted(self.path.iterdir()) if _is_candidate(folder)]

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from the comparison; see `io.disk.locked`."""
        return locked(self.path / "comparison")

    def check(self) -> None:
        """Refuse a folder that cannot be written, or in which something else is.

        Raises
        ------
        UserError
            If it is one of these.
        """
        check_writable(self.settings)
        if self.path.is_dir() and any(self.path.glob("[!.]*")):
            try:
                CompareSettings.read(self.settings)
            except (OSError, ValueError):
                raise UserError(
                    f"{self.path} exists and is no comparison; choose another name."
                ) from None

    def split(
        self, settings: CompareSettings, images: Sequence[Stack], labels: Sequence[Stack]
    ) -> Split | None:
        """Read how an unfinished or finished comparison splits its data; None if it is new.

        Raises
        ------
        UserError
            If the comparison there differs from the one that is asked for: names every
            difference.
        """
        if not self.data.exists():
            if self.runs:
                raise UserError(
                    f"{self.path} holds runs, but no record of the data they were trained on; "
                    f"{OTHER_FOLDER}"
                )
            return None
        try:
            facts = _DataFacts.model_validate(read_json(self.data))
            split = split_from_facts(facts.model_dump())
        except ValueError:
            raise UserError(
                f"{self.path} holds a comparison of another version of U-Tile; {OTHER_FOLDER}"
            ) from None
        there = CompareSettings.read(self.settings)
        words = option_differences(there.model_dump(), settings.model_dump(), MAY_CHANGE)
        if (axes := axes_seen(there.networks[0])) != axes_seen(settings.networks[0]):
            words.append(f"its networks see {'slices' if axes == 2 else 'volumes'}")
        if facts.labels != _digest_of_labels(labels):
            words.append("the labels have changed")
        elif facts.images != _digest_of_images(images, split, settings.context):
            words.append("the annotated images have changed")
        if words:
            raise UserError(
                f"{self.path} holds a comparison that differs ({'; '.join(words)}); "
                f"{OTHER_FOLDER}"
            )
        return split

    def write_data(
        self, images: Sequence[Stack], labels: Sequence[Stack], split: Split, context: int = 0
    ) -> None:
        """Record the data that the networks are trained and scored on, and its split.

        With a context, that many slices on each side of each slice are part of it.
        """
        facts = {
            "images": _digest_of_images(images, split, context),
            "labels": _digest_of_labels(labels),
        } | split_facts(split)
        atomic_write(self.data, json.dumps(facts).encode())

    def clear(self) -> None:
        """Remove all that a comparison writes, and nothing else."""
        for run in self.runs:
            _remove_run(run)
        if self.validation.places.exists():
            shutil.rmtree(self.validation.path, ignore_errors=True)
        tables = (self.table, self.table_csv, self.table_md)
        for path in (*tables, self.curves, self.results, self.data):
            path.unlink(missing_ok=True)


class ValidationFolder:
    """The validation part as TIFFs: image and truth of a comparison, results of a run.

    A part that makes several stacks has a suffix for each, "_0", "_1", ...

    Parameters
    ----------
    folder : Path
        Of the comparison or run.

    Attributes
    ----------
    path : Path
        The folder of the files.
    places : Path
        Where in the images the stacks are: a list of suffix, slices and corner.
    scores : Path
        The row of a run in the table of the comparison; written last.
    """

    def __init__(self, folder: Path):
        self.path = folder / "validation"
        self.places = self.path / "places.json"
        self.scores = self.path / "scores.json"

    def file(self, kind: str, suffix: str = "") -> Path:
        """Return the file of "image", "truth", "hidden", "probabilities", ..."""
        return self.path / f"{kind}{suffix}.tif"

    def files(self, kind: str) -> list[Path]:
        """List the files of a kind, one per stack, in order."""
        return sorted(self.path.glob(f"{kind}*.tif"))


def split_facts(split: Split) -> dict[str, Any]:
    """Describe a split with plain JSON types.

    Parameters
    ----------
    split : Split

    Returns
    -------
    dict
        As `split_from_facts` takes it.
    """
    return {
        "split": split.how,
        "guard": split.guard,
        "axis": split.axis,
        "training": [_region_facts(region) for region in split.training],
        "validation": [_region_facts(region) for region in split.validation],
    }


def split_from_facts(facts: dict[str, Any]) -> Split:
    """Return the split that `split_facts` describes."""
    training, validation = (
        tuple(
            Region(part["image"], tuple(part["index"]), _window_of_facts(part))
            for part in facts[name]
        )
        for name in ("training", "validation")
    )
    return Split(training, validation, facts["split"], facts["guard"], facts.get("axis", -1))


def _region_facts(region: Region) -> dict[str, Any]:
    axes = "zyx"[-len(region.window) :]
    sides = {
        axis: [side.start, side.stop] for axis, side in zip(axes, region.window, strict=True)
    }
    return {"image": region.image, "index": list(region.index), **sides}


def _window_of_facts(part: dict[str, Any]) -> Window:
    return tuple(slice(*part[axis]) for axis in "zyx" if part.get(axis) is not None)


def _digest_of_labels(labels: Sequence[Stack]) -> str:
    return digest_of_planes(labels, sorted(_all_planes(labels)))


def _digest_of_images(images: Sequence[Stack], split: Split, context: int) -> str:
    """Compute the digest of the planes that are split, and of those that are seen with them.

    Or of the volumes. It is '' if the images lack one of them.
    """
    regions = (*split.training, *split.validation)
    places = {region.plane for region in regions}
    if not places <= _all_planes(images, len(regions[0].window) if regions else 2):
        return ""
    return digest_of_planes(images, planes_seen(images, places, context))


def _all_planes(stacks: Sequence[Stack], ndim: int = 2) -> set[tuple[int, tuple[int, ...]]]:
    return {
        (i, index)
        for i, stack in enumerate(stacks)
        if len(stack.shape) >= ndim
        for index in stack.indices_of(ndim)
    }


def _candidate_name(network: str, seed: int) -> str:
    return f"{network}-seed{seed}"


def _is_candidate(folder: Path) -> bool:
    try:
        settings = TrainSettings.read(Run(folder).settings)
    except (OSError, ValueError):
        return False
    return folder.name == _candidate_name(settings.network, settings.seed)


def _remove_run(run: Run) -> None:
    """Remove a run, and its folder if there was nothing else in it."""
    with Run.hold(run.folder, TrainSettings):
        shutil.rmtree(ValidationFolder(run.folder).path, ignore_errors=True)
        for file in (run.events, run.data):
            file.unlink(missing_ok=True)
        for path in (run.model, run.checkpoint, run.previews):
            shutil.rmtree(path, ignore_errors=True)
    if [*run.folder.glob("[!.]*")] == [run.settings]:
        shutil.rmtree(run.folder, ignore_errors=True)
