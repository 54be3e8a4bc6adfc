"""What a model decides of how its probabilities become objects; the rest is for the user."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from napari_utile.arrays.instances.growth import growth_along_axes, growth_of_border
from napari_utile.arrays.instances.link_costs import DEFAULT_COSTS, LinkCosts
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.settings.prediction import PredictSettings


@dataclass(frozen=True)
class ModelRule:
    """How the probabilities of a model become objects, unless a user says otherwise.

    Attributes
    ----------
    axes : {2, 3}
        Of what the model sees at once: objects are found in slices, or in volumes.
    growth : tuple of float
        By how many pixels they grow into narrow gaps, along each axis; see `ObjectRule`.
    offsets : tuple of tuple of int
        Of the affinities behind the foreground.
    costs : LinkCosts
        By which a graph links objects of slices.
    sides : tuple of float
        Of a pixel, along each axis; empty if all are alike.

    Raises
    ------
    ValueError
        If there are no such axes, or growth or offsets are of others.
    """

    axes: int = 2
    growth: tuple[float, ...] = ()
    offsets: tuple[Offset, ...] = ()
    costs: LinkCosts = DEFAULT_COSTS
    sides: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        per_axis = [len(each) for each in (self.growth, self.sides, *self.offsets) if each]
        if self.axes not in (2, 3) or not {*per_axis} <= {self.axes}:
            raise ValueError(f"no rule of {self.axes} axes: {self}")

    @classmethod
    def learnt(
        cls,
        border: float,
        sides: tuple[float, ...],
        offsets: tuple[Offset, ...] = (),
        costs: LinkCosts = DEFAULT_COSTS,
    ) -> Self:
        """Return the rule of a model by what it learnt.

        Parameters
        ----------
        border : float
            Width of the background between touching objects, in pixels of x.
        sides : tuple of float
            Of a pixel, along each axis that the model sees at once.
        offsets : tuple of tuple of int, optional
        costs : LinkCosts, optional
        """
        growth = growth_along_axes(growth_of_border(border), sides)
        differ = len({*sides}) > 1
        return cls(len(sides), growth, offsets, costs, tuple(sides) if differ else ())

    def growth_by(self, settings: PredictSettings) -> tuple[float, ...]:
        """Return by how much objects grow along each axis, in pixels; () if they do not."""
        if settings.output != "instances" or settings.instance_method != "watershed":
            return ()
        if settings.grow == "auto":
            return self.growth
        return growth_along_axes(settings.grow, self.sides or (1.0,) * self.axes)

    def as_dict(self) -> dict[str, Any]:
        """Return plain types, for a file."""
        return asdict(self)

    @classmethod
    def read(cls, given: Any) -> Self | None:
        """Return the rule of `as_dict` in a file; None if it says none that can be."""
        try:
            rule = cls(
                axes=int(given["axes"]),
                growth=tuple(map(float, given["growth"])),
                offsets=tuple(tuple(map(int, offset)) for offset in given["offsets"]),
                costs=LinkCosts.of(given["costs"]),
                sides=tuple(map(float, given.get("sides", ()))),
            )
            ObjectRule(growth=rule.growth, offsets=rule.offsets)
            return rule if all(side > 0 for side in rule.sides) else None
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


IN_SLICES = ModelRule()
"""Of models of slices that learnt no wide border."""
