"""What a table of objects is made of: labels, and image and probabilities at their place."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_utile.errors import UserError
from napari_utile.evaluation.meaning import looks_gray
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.fingerprints import fingerprint, image_change
from napari_utile.io.images import open_image
from napari_utile.io.names import location
from napari_utile.io.ome_zarr import probabilities_beside, provenance
from napari_utile.io.region import part_of
from napari_utile.io.stack import Stack, check_holds_labels
from napari_utile.io.zarr_folders import is_zarr

LEVELS_WITHIN = 3
"""Folders between a result and a level of the labels in it: labels/instances/0."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Labels whose objects are measured: opened, not read.

    Attributes
    ----------
    labels : Stack
    image : Stack, optional
    starts : tuple of int
        First pixel of the labels in the image, per spatial axis.
    probabilities : Stack, optional
        Of the foreground, one channel, of the shape of the labels.
    doubts : tuple of str
        A sentence each.
    """

    labels: Stack
    image: Stack | None = None
    starts: tuple[int, ...] = ()
    probabilities: Stack | None = None
    doubts: tuple[str, ...] = ()

    @property
    def channels(self) -> list[str]:
        """What distinguishes the names of the columns of the channels of the image."""
        if self.image is None:
            return []
        if self.image.channels == 1:
            return [""]
        return [f"_{i}" for i in range(self.image.channels)]

    def plan(self) -> dict[str, Any]:
        """Return all that the numbers depend on, as plain JSON types."""
        stacks = {
            "labels": self.labels,
            "image": self.image,
            "probabilities": self.probabilities,
        }
        found: dict[str, Any] = {n: fingerprint(s) for n, s in stacks.items() if s is not None}
        labels = self.labels
        found["place"] = [[*labels.scale], [*labels.translate], [*labels.units], [*self.starts]]
        return found


def open_measured(labels: str | Path, image: str | Path | None = None) -> Measured:
    """Open labels, and what belongs to them.

    Parameters
    ----------
    labels : str or Path
        A result of U-Tile, or any image file with labels.
    image : str or Path, optional
        The image that they are of; by default the one that a result was made from, if it is
        still there.

    Returns
    -------
    Measured

    Raises
    ------
    UserError
        If there are no labels, or the given image has another shape.
    """
    stack = open_image(labels)
    check_holds_labels(stack)
    whole = result_of(labels)
    plan = made_by(whole)
    beside = None
    if isinstance(whole, Path) and stack.holds == "instances" and is_zarr(whole):
        beside = probabilities_beside(whole)
    region = plan.get("settings", {}).get("region")
    doubts = [*stack.doubts]
    if not stack.holds and looks_gray(stack.plane(stack.indices[len(stack.indices) // 2])):
        doubts.append(f"{stack.source} looks like an image, not like labels of objects.")
    if image is not None:
        found = open_image(image)
        starts = _starts(found, stack, region)
        doubts += found.doubts
    else:
        found, starts = None, (0,) * len(stack.shape)
        with suppress(UserError):
            found = _recorded_image(plan)
            starts = _starts(found, stack, region) if found else starts
            doubts += found.doubts if found else ()
        if plan and found is None:
            doubts.append(
                f"{plan.get('image_path')}, of which {stack.source} was made, cannot be "
                "opened: there are no intensities. Give the image where it is now."
            )
    if (
        found is not None
        and plan
        and (change := image_change(plan["image"], fingerprint(found)))
    ):
        doubts.append(
            f"{found.source} is not as it was when {stack.source} was made: {change}."
        )
    return Measured(stack, found, starts, beside, tuple(dict.fromkeys(doubts)))


def result_of(labels: str | Path) -> Path | str:
    """Return the result that labels are part of, or their own place.

    Parameters
    ----------
    labels : str or Path
        Of a result, of the labels in it, or of a level of these.
    """
    place = location(labels)
    if isinstance(place, str):
        return place
    path = place.absolute()
    for folder in (path, *path.parents[:LEVELS_WITHIN]):
        if is_zarr(folder) and "settings" in _facts(folder):
            return folder
    return place


def made_by(result: Path | str) -> dict[str, Any]:
    """Return the plan that a complete result was made by; empty if it is none, or not ours.

    Parameters
    ----------
    result : Path or str
    """
    if isinstance(result, str):
        return {}
    facts = _facts(result) if is_zarr(result) else WorkFolder(result).finished
    plan: Any = facts.get("plan")
    if not isinstance(plan, dict) or not isinstance(plan.get("image"), dict):
        return {}
    return plan if isinstance(plan.get("settings"), dict) else {}


def _facts(folder: Path) -> dict[str, Any]:
    with suppress(UserError):
        return provenance(folder)
    return {}


def _recorded_image(plan: Mapping[str, Any]) -> Stack | None:
    """Open the image that a result was made from; None if it is not known."""
    path = plan.get("image_path")
    return open_image(path) if isinstance(path, str) and path else None


def _starts(image: Stack, labels: Stack, region: Any) -> tuple[int, ...]:
    """Return the first pixel of the labels in their image.

    Raises
    ------
    UserError
        If they do not fit.
    """
    if image.shape == labels.shape:
        return (0,) * len(image.shape)
    if isinstance(region, str):
        with suppress(UserError, ValueError):
            starts, shape = part_of(image, region)
            if shape == labels.shape:
                return starts
    raise UserError(
        f"Image {image.source} {image.shape} and labels {labels.source} {labels.shape} differ "
        "in shape."
    )


def channel_stacks(measured: Measured) -> Iterator[tuple[Stack, int, tuple[int, ...]]]:
    """Yield where the values of each channel are: stack, channel, and first pixel.

    Parameters
    ----------
    measured : Measured
    """
    if measured.image is not None:
        for channel in range(measured.image.channels):
            yield measured.image, channel, measured.starts
    if measured.probabilities is not None:
        yield measured.probabilities, 0, (0,) * len(measured.labels.shape)
