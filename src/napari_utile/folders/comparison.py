"""What a comparison keeps of itself: settings, data, and their split. No training here."""

import json
import shutil
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from napari_utile.arrays.splits import Region, Split
from napari_utile.errors import UserError
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write, check_writable
from napari_utile.io.fingerprints import digest_of_planes
from napari_utile.io.images import Stack
from napari_utile.settings import SINGLE, CompareSettings, TrainSettings, difference

SETTINGS, DATA = "settings.json", "data.json"
WRITTEN = ("table.json", "table.csv", "table.md", "curves.png", "results.png")
"""Files that come of it."""
MACHINE = {"device", "precision"}
"""Options that say how a network is computed, not what."""
MAY_CHANGE = {"networks", "seeds", *SINGLE, *MACHINE}
"""Options that may change when a comparison goes on."""
ANOTHER = "choose another folder, or replace it: --overwrite, in Python overwrite=True."


def name_of(network: str, seed: int) -> str:
    """Name the run folder of a candidate."""
    return f"{network}-seed{seed}"


def check_folder(out: Path) -> None:
    """Refuse a folder that cannot be written, or in which something else is."""
    check_writable(out / SETTINGS)
    if out.is_dir() and any(out.glob("[!.]*")):
        try:
            CompareSettings.read(out / SETTINGS)
        except (OSError, ValueError):
            raise UserError(
                f"{out} exists and is no comparison; choose another name."
            ) from None


def kept_split(
    out: Path, settings: CompareSettings, images: Sequence[Stack], labels: Sequence[Stack]
) -> Split | None:
    """Read how a comparison that has begun divides its data; None if there is none.

    Raises
    ------
    UserError
        If it differs from the one that is asked for: names every difference.
    """
    if not (out / DATA).exists():
        if runs_in(out):
            raise UserError(f"Nothing tells what the runs in {out} have learnt from; {ANOTHER}")
        return None
    try:
        facts = json.loads((out / DATA).read_text())
        split = as_split(facts)
        then = facts["images"], facts["labels"]
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{out} holds a comparison of another version of U-Tile; {ANOTHER}"
        ) from None
    words = list(differences(CompareSettings.read(out / SETTINGS), settings, MAY_CHANGE))
    if then[1] != digest_of_labels(labels):
        words.append("the labels have changed")
    elif then[0] != digest_of_images(images, split):
        words.append("the annotated images have changed")
    if words:
        raise UserError(
            f"{out} holds a comparison that differs ({'; '.join(words)}); {ANOTHER}"
        )
    return split


def write_data(
    out: Path, images: Sequence[Stack], labels: Sequence[Stack], split: Split
) -> None:
    """Write down what is learnt from and judged by."""
    facts = {
        "images": digest_of_images(images, split),
        "labels": digest_of_labels(labels),
    } | as_json(split)
    atomic_write(out / DATA, json.dumps(facts).encode())


def differences(there: TrainSettings, here: TrainSettings, but: Set[str]) -> Iterator[str]:
    """Say in which options two settings differ, apart from some."""
    before = there.model_dump()
    for name, value in here.model_dump().items():
        if name not in but and before[name] != value:
            yield difference(name, before[name], value)


def digest_of_labels(labels: Sequence[Stack]) -> str:
    """Compute the digest of all labels."""
    return digest_of_planes(labels, sorted(_planes(labels)))


def digest_of_images(images: Sequence[Stack], split: Split) -> str:
    """Compute the digest of the planes that are divided; '' if there are no such planes."""
    places = {region.plane for region in (*split.training, *split.validation)}
    return digest_of_planes(images, sorted(places)) if places <= _planes(images) else ""


def _planes(stacks: Sequence[Stack]) -> set[tuple[int, tuple[int, ...]]]:
    return {(i, index) for i, stack in enumerate(stacks) for index in stack.indices}


# a split as JSON


def as_json(split: Split) -> dict[str, Any]:
    """Write a split with plain types."""
    return {
        "split": split.how,
        "guard": split.guard,
        "training": [_region_as_json(region) for region in split.training],
        "validation": [_region_as_json(region) for region in split.validation],
    }


def as_split(found: dict[str, Any]) -> Split:
    """Read what `as_json` wrote."""
    training, validation = (
        tuple(
            Region(part["image"], tuple(part["index"]), (slice(*part["y"]), slice(*part["x"])))
            for part in found[name]
        )
        for name in ("training", "validation")
    )
    return Split(training, validation, found["split"], found["guard"])


def _region_as_json(region: Region) -> dict[str, Any]:
    y, x = ([side.start, side.stop] for side in region.window)
    return {"image": region.image, "index": list(region.index), "y": y, "x": x}


# to begin anew


def give_up(out: Path) -> None:
    """Remove what a comparison made, and nothing of anybody else's."""
    for run in runs_in(out):
        give_up_run(run)
    if (out / "validation" / "places.json").exists():
        shutil.rmtree(out / "validation", ignore_errors=True)
    for name in (*WRITTEN, DATA):
        (out / name).unlink(missing_ok=True)


def runs_in(out: Path) -> list[Run]:
    """List the runs of candidates: their folders are named as their settings say."""
    return [Run(folder) for folder in sorted(out.iterdir()) if _is_candidate(folder)]


def _is_candidate(folder: Path) -> bool:
    try:
        settings = TrainSettings.read(Run(folder).settings)
    except (OSError, ValueError):
        return False
    return folder.name == name_of(settings.network, settings.seed)


def give_up_run(run: Run) -> None:
    """Remove a run, and its folder if there was nothing else in it."""
    with Run.hold(run.folder, TrainSettings):
        shutil.rmtree(run.folder / "validation", ignore_errors=True)
        run.events.unlink(missing_ok=True)
        for path in (run.model, run.checkpoint, run.previews):
            shutil.rmtree(path, ignore_errors=True)
    if [*run.folder.glob("[!.]*")] == [run.settings]:
        shutil.rmtree(run.folder, ignore_errors=True)
