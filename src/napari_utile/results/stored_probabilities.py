"""What the objects of a result were made of, and objects made of it anew, a part at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray

from napari_utile.arrays.instances.decoding import instances_by_rule
from napari_utile.arrays.instances.model_rule import IN_SLICES, ModelRule
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.errors import UserError
from napari_utile.events import drain
from napari_utile.io.ngff import AFFINITIES
from napari_utile.io.ome_zarr import open_zarr, provenance
from napari_utile.io.zarr_folders import is_zarr
from napari_utile.io.zarr_nodes import open_folder
from napari_utile.settings.prediction import PredictSettings


def plan_of_instances(result: Path) -> dict[str, Any]:
    """Return the plan of a finished result of instances.

    Parameters
    ----------
    result : Path

    Raises
    ------
    UserError
        If it is none, is unfinished, or is a TIFF, which holds no probabilities.
    """
    if not is_zarr(result):
        raise UserError(
            f"{result}: objects are made again of a result as .zarr, which holds the "
            "probabilities that they were made of."
        )
    facts = provenance(result)
    plan: Any = facts.get("plan")
    if facts.get("kind") != "instances" or not isinstance(plan, dict):
        raise UserError(f"{result} is no result of utile predict with the output instances.")
    if not facts.get("complete"):
        raise UserError(f"{result} is not finished: resume it first.")
    return plan


@dataclass(frozen=True, eq=False)
class StoredProbabilities:
    """What the objects of a finished result were made of.

    Attributes
    ----------
    result : Path
    foreground : zarr.Array of uint8, shape (..., Y, X)
        255 is 1.
    affinities : zarr.Array of uint8, shape (offsets, ..., Z, Y, X), or None
        Where they were kept.
    rule : ModelRule
    settings : PredictSettings
        By which the objects in the result were made.
    """

    result: Path
    foreground: Any
    affinities: Any
    rule: ModelRule
    settings: PredictSettings

    @classmethod
    def of(cls, result: Path) -> Self:
        """Open what a result keeps; nothing is read.

        Raises
        ------
        UserError
            If it is no finished result of instances, as .zarr.
        """
        plan = plan_of_instances(result)
        stack = open_zarr(result, "probabilities")
        rule = ModelRule.read(stack.rule)
        if rule is None:  # older versions kept less
            axes = 3 if len(plan.get("tile", ())) > 2 else 2
            rule = ModelRule(axes) if axes > 2 else IN_SLICES
        kept = open_folder(result).get(AFFINITIES) if rule.offsets else None
        kept = kept if isinstance(kept, zarr.Array) else None
        settings = PredictSettings(**plan["settings"])
        return cls(result, stack.data, kept, rule, settings)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return tuple(self.foreground.shape)

    def check(self, settings: PredictSettings) -> None:
        """Refuse settings by which objects cannot be made of what is kept.

        Raises
        ------
        UserError
            If they need affinities.
        """
        needs = self.rule.offsets and settings.instance_method == "watershed"
        if needs and self.affinities is None:
            raise UserError(
                f"{self.result} does not hold the affinities that its objects were made of: "
                "segment again, and keep affinities; or set the instance method to components."
            )

    def objects(
        self, settings: PredictSettings, box: tuple[tuple[int, int], ...]
    ) -> NDArray[np.int32]:
        """Make objects of a part, as a prediction of that region would.

        Parameters
        ----------
        settings : PredictSettings
        box : tuple of (int, int)
            First pixel and one past the last, along each axis.

        Returns
        -------
        ndarray of int32, shape of the part
            1, 2, ...; 0 is background.

        Raises
        ------
        UserError
            If they need affinities that were not kept.
        """
        self.check(settings)
        where = tuple(slice(first, end) for first, end in box)
        growth, axes = self.rule.growth_by(settings), self.rule.axes
        rule = ObjectRule.of_settings(
            settings, axes, growth, self.rule.offsets, self.rule.costs
        )
        maps = np.asarray(self.foreground[where])[np.newaxis]
        if rule.offsets:
            affinities = np.asarray(self.affinities[(slice(None), *where)])
            maps = np.concatenate([maps, affinities])
        return drain(instances_by_rule(maps, rule, axes))
