"""Which slices of an image a model was trained on, as its run has recorded. No training here.

A result names its model, the run of a model the images that it was trained on and how they were
divided. Images are told apart by their pixels: a copy is the same image.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from napari_utile.arrays.splits import Region, Split
from napari_utile.errors import UserError
from napari_utile.folders.comparison import split_facts, split_from_facts
from napari_utile.folders.journal import WorkFolder
from napari_utile.folders.model import find_model
from napari_utile.folders.run import Run
from napari_utile.io.disk import atomic_write
from napari_utile.io.fingerprints import Fingerprint, aligned_index, fingerprint
from napari_utile.io.ome_zarr import provenance
from napari_utile.io.stack import Stack
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.json_files import read_json

MOST_STARTS = 50
"""Models that started from one another which are looked up."""
SAME = ("shape", "channels", "dtype", "samples")
"""Parts of a fingerprint that copies of an image have in common."""


class Use(Enum):
    """What training did with a slice; the first of several counts."""

    TRAINED = "trained"
    PART = "in part"
    VALIDATED = "validation"


@dataclass(frozen=True)
class SliceUses:
    """What training did with the slices of an image.

    Parameters
    ----------
    uses : mapping of tuple of int to Use
        By the index of the slice; slices that are missing were not seen.
    unknown : str
        Why it is not known, as a sentence, or ''.
    """

    uses: Mapping[tuple[int, ...], Use] = field(default_factory=dict)
    unknown: str = ""

    def of(self, index: tuple[int, ...]) -> Use | None:
        """Return what training did with a slice, whatever axes of length 1 its index has."""
        counts = {len(each) for each in self.uses}
        found = (self.uses.get(aligned_index(index, count)) for count in counts)
        return next((use for use in found if use), None)


class _Record(BaseModel):
    images: list[Fingerprint]
    start: str
    division: dict[str, Any]


def record_data(
    run: Run, images: Sequence[Stack], parts: Split, start: Path | str | None = None
) -> None:
    """Record the images that a run trains on, and how they are divided.

    Parameters
    ----------
    run : Run
    images : sequence of Stack
    parts : Split
    start : path, optional
        The model that it starts from.
    """
    facts = _Record(
        images=[fingerprint(image) for image in images],
        start=str(Path(start).absolute()) if start else "",
        division=split_facts(parts),
    )
    atomic_write(run.data, facts.model_dump_json().encode())


def uses_of(result: Path) -> SliceUses:
    """Return what training did with the slices of a result, as far as it is known.

    Parameters
    ----------
    result : Path
        A result of U-Tile, or anything else.

    Returns
    -------
    SliceUses
        Indices are those of the result, which may be a part of its image.
    """
    plan = _plan_of(result)
    try:
        model, image = Path(plan["model_path"]), dict(plan["image"])
        region = plan["settings"].get("region")
    except (KeyError, TypeError, AttributeError, ValueError):
        return SliceUses(unknown=f"{result.name} does not say which model made it.")
    written = _time_of(result)
    found: dict[tuple[int, ...], Use] = {}
    for _ in range(MOST_STARTS):
        record, recorded = _record_of(model)
        if record is None or recorded > written:
            return SliceUses(unknown=f"The data that {model} was trained on are not known.")
        for number, there in enumerate(record.images):
            if _are_alike(there, image):
                parts = split_from_facts(record.division)
                _add(found, parts, number, tuple(image["shape"]))
        if not record.start:
            return SliceUses(_moved(found, region, len(image["shape"]) - 2))
        model, written = Path(record.start), recorded
    return SliceUses(unknown=f"The data that {model} was trained on are not known.")


def _plan_of(result: Path) -> dict[str, Any]:
    """Return the plan of a finished result; empty if it is none."""
    with suppress(UserError, OSError):
        facts = provenance(result) if is_zarr(result) else WorkFolder(result).finished
        plan = facts.get("plan")
        return plan if isinstance(plan, dict) else {}
    return {}


def _time_of(result: Path) -> int:
    """Return when a result was completed, in ns."""
    file = result / "zarr.json" if is_zarr(result) else result
    with suppress(OSError):
        return file.stat().st_mtime_ns
    return 0


def _record_of(model: Path) -> tuple[_Record | None, int]:
    """Return what the run of a model has recorded, and when in ns; None if it has not."""
    with suppress(UserError, OSError, ValueError, ValidationError):
        data = Run(find_model(model).parent).data
        return _Record.model_validate(read_json(data)), data.stat().st_mtime_ns
    return None, 0


def _are_alike(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether two fingerprints are of the same pixels, wherever these lie."""
    names = [*SAME, *(["pixels"] if "pixels" in one and "pixels" in other else [])]
    return all(json.dumps(one.get(name)) == json.dumps(other.get(name)) for name in names)


def _add(
    found: dict[tuple[int, ...], Use], parts: Split, image: int, shape: tuple[int, ...]
) -> None:
    """Add what a split does with the slices of an image."""
    order = [*Use]
    for regions, is_training in ((parts.training, True), (parts.validation, False)):
        for region in regions:
            for index in _slices_in(region, shape) if region.image == image else ():
                is_whole = all(side == slice(None) for side in region.window[-2:])
                use = Use.TRAINED if is_whole else Use.PART
                use = use if is_training else Use.VALIDATED
                before = found.get(index, use)
                found[index] = min(before, use, key=order.index)


def _slices_in(region: Region, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the indices of the slices that a region is in; of a volume, there are several."""
    if len(region.window) == 2:
        yield region.index
        return
    for z in range(*region.window[0].indices(shape[-3])):
        yield (*region.index, z)


def _moved(
    found: Mapping[tuple[int, ...], Use], region: str | None, axes: int
) -> dict[tuple[int, ...], Use]:
    """Return the uses by the index in a region, such as "2:10,0:512,0:512", of the image."""
    if region is None:
        return dict(found)
    starts = [int(part.partition(":")[0]) for part in region.split(",")][:-2]
    moved = {}
    for index, use in found.items():
        whole = aligned_index(index, axes)
        moved[tuple(i - start for i, start in zip(whole, starts, strict=True))] = use
    return moved
