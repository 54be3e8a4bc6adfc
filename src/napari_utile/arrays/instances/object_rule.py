"""The rule by which foreground becomes objects."""

from dataclasses import dataclass
from typing import Self, get_args

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.instances.affinity_sums import near_and_far
from napari_utile.arrays.instances.growth import MOST_GROWTH, growth_halo
from napari_utile.arrays.instances.heights import SMOOTHING_OF_AFFINITIES, halo
from napari_utile.arrays.instances.link_costs import DEFAULT_COSTS, LinkCosts
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.settings.options import InstanceMethod, Linking
from napari_utile.settings.prediction import PREDICT_DEFAULTS, PredictSettings

CHOICES = {
    "method": get_args(get_args(InstanceMethod)[0]),
    "linking": get_args(get_args(Linking)[0]),
}
"""What the options of `ObjectRule` can be."""


@dataclass(frozen=True)
class ObjectRule:
    """Rule by which foreground becomes objects.

    Attributes
    ----------
    threshold : float
        A pixel is foreground if its probability is higher.
    min_size : int
        Smaller objects are dropped: in pixels of the plane, or if `linking` is "touch", in
        voxels of the whole object.
    fill_holes : int
        Background of up to this many pixels becomes part of the object around it, if there is
        only one and it does not touch the border of the plane.
    method : {"watershed", "components"}
        Watershed and merging, which separates objects that only a narrow neck joins, see
        `arrays.instances.merging`; or connected components.
    linking : {"overlap", "graph", "touch", "none"}
        How objects of neighbouring planes become one, see `arrays.instances.linking`.
    link_iou : float
        Least IoU of two objects that become one by "overlap".
    costs : LinkCosts
        By which "graph" decides.
    growth : tuple of float
        By how many pixels objects of a "watershed" grow into narrow gaps, along each axis of
        the plane; empty for none. See `arrays.instances.growth`.
    offsets : tuple of tuple of int
        Of affinities that were found beside the foreground of a volume: a "watershed" then
        joins fragments by the affinities between them. See `arrays.instances.affinity_sums`.

    Raises
    ------
    ValueError
        If an option is out of range.
    """

    threshold: float = PREDICT_DEFAULTS.threshold
    min_size: int = PREDICT_DEFAULTS.min_size
    fill_holes: int = PREDICT_DEFAULTS.fill_holes
    method: InstanceMethod = PREDICT_DEFAULTS.instance_method
    linking: Linking = PREDICT_DEFAULTS.linking
    link_iou: float = PREDICT_DEFAULTS.link_iou
    costs: LinkCosts = DEFAULT_COSTS
    growth: tuple[float, ...] = ()
    offsets: tuple[Offset, ...] = ()

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} can be {', '.join(choices)}, not {getattr(self, name)!r}"
                )
        for name in ("threshold", "link_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} should be 0 to 1, not {getattr(self, name)}")
        for name in ("min_size", "fill_holes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} should be 0 or more, not {getattr(self, name)}")
        if not all(0 <= width <= MOST_GROWTH for width in self.growth):
            raise ValueError(f"growth should be 0 to {MOST_GROWTH:g}, not {self.growth}")
        if self.offsets:
            near_and_far(self.offsets)

    @classmethod
    def of_settings(
        cls,
        settings: PredictSettings,
        ndim: int,
        growth: tuple[float, ...],
        offsets: tuple[Offset, ...],
        costs: LinkCosts,
    ) -> Self:
        """Return the rule by which a prediction makes objects.

        Parameters
        ----------
        settings : PredictSettings
        ndim : {2, 3}
            Axes of what the network sees at once.
        growth, offsets, costs
            See the attributes.
        """
        return cls(
            threshold=settings.threshold,
            min_size=settings.min_size,
            fill_holes=settings.fill_holes,
            method=settings.instance_method,
            linking=settings.linking if ndim == 2 else "none",
            link_iou=settings.link_iou,
            costs=costs,
            growth=growth,
            offsets=offsets if settings.instance_method == "watershed" else (),
        )

    def reach(self, ndim: int) -> int:
        """Return how many pixels around a block of so many axes decide about its fragments."""
        if self.method != "watershed":
            return 0
        if not self.offsets:
            return max(halo(ndim), growth_halo(self.growth))
        return 1 + max(halo(ndim, SMOOTHING_OF_AFFINITIES), growth_halo(self.growth))


def foreground_mask(foreground: NDArray[np.uint8], threshold: float) -> NDArray[np.bool_]:
    """Return the mask of the foreground.

    Parameters
    ----------
    foreground : ndarray of uint8, any shape
        Foreground probabilities; 255 is 1.
    threshold : float
        Foreground is what is higher, 0 to 1.

    Returns
    -------
    ndarray of bool, shape of `foreground`
    """
    return foreground > int(threshold * 255)
