"""The plan of a prediction: everything that decides the bits of its result."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import TypeAdapter

from napari_utile import __version__
from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.arrays.instances.model_rule import ModelRule
from napari_utile.arrays.instances.offsets import Offset
from napari_utile.engine.models.model import Model
from napari_utile.engine.models.parameters import digest_of_parameters
from napari_utile.engine.prediction.in_memory import device_and_dtype
from napari_utile.engine.prediction.normalizing import normalized_by
from napari_utile.engine.prediction.tile_size import choose_tile
from napari_utile.folders.link_costs import read_link_costs
from napari_utile.io.fingerprints import fingerprint, image_change
from napari_utile.io.region import part_of
from napari_utile.io.stack import Stack
from napari_utile.networks.tileable import sides_of_pixel
from napari_utile.settings.checked import option_differences
from napari_utile.settings.options import INPUT_OPTIONS
from napari_utile.settings.prediction import PredictSettings

PLAN_FORMAT = 1
"""Goes up when partial outputs of older versions can no longer be resumed."""
WITHOUT_INFLUENCE = {"device", "tile", "format", "precision", "objects_table", *INPUT_OPTIONS}
"""Settings that may differ when a result is resumed: they say how it is computed, not what. The
number format that comes of the precision is compared by itself."""
OF_LINKING = {"linking", "link_iou", "linking_costs"}
"""Settings of how objects of neighbouring slices become one."""
OF_INSTANCES = {
    "min_size", "fill_holes", "instance_method", "grow", "keep_affinities", *OF_LINKING
}  # fmt: skip
"""Settings that count for instances alone."""


@dataclass(frozen=True)
class PredictionPlan:
    """What a result will be: the same plan gives the same bits.

    Attributes
    ----------
    model : str
        Digest of parameters and normalization.
    image : dict
        Fingerprint of the pixels.
    settings : dict
        Of `PredictSettings`, as plain types.
    precision : str
        Number format of the convolutions.
    tile : tuple of int
        Shape of a block. Chosen once: another would change the last bits.
    model_path, image_path : str
        Where they were found.
    costs : dict of str to float, or None
        By which a graph links instances.
    offsets : tuple of tuple of int
        Of the affinities that the model finds beside the foreground.
    growth : tuple of float
        By how many pixels instances grow into narrow gaps, along each axis; empty for none.
    gray_values : {"sample", "whole"}
        What is measured of an image that is normalized by itself; a sample by older versions.
    """

    model: str
    image: dict[str, Any]
    settings: dict[str, Any]
    precision: str
    tile: tuple[int, ...]
    model_path: str
    image_path: str
    version: str = __version__
    format: int = PLAN_FORMAT
    costs: dict[str, float] | None = None
    offsets: tuple[Offset, ...] = ()
    growth: tuple[float, ...] = ()
    gray_values: Literal["sample", "whole"] = "sample"

    @classmethod
    def of(
        cls,
        model: Model,
        digest: str,
        model_path: Path | str,
        stack: Stack,
        settings: PredictSettings,
    ) -> Self:
        """Plan the prediction of a stack.

        Parameters
        ----------
        model : Model
        digest : str
            `digest_of_model` of it: computed once for many stacks, as it reads all parameters.
        model_path : path
        stack : Stack
            Its fingerprint is taken.
        settings : PredictSettings
        """
        device, dtype = device_and_dtype(settings)
        _, shape = part_of(stack, settings.region)
        if shape == stack.shape:  # the same as no region
            settings = settings.model_copy(update={"region": None})
        settings = settings.model_copy(update={"normalize": normalized_by(model, settings)})
        plane = shape[-model.network.ndim :]
        asked = None if settings.tile == "auto" else (settings.tile,) * len(plane)
        return cls(
            model=digest,
            image=fingerprint(stack),
            settings=settings.model_dump(mode="json"),
            precision=str(dtype or "float32").removeprefix("torch."),
            tile=choose_tile(model.network, plane, device, dtype, asked),
            model_path=str(Path(model_path).absolute()),
            image_path=str(stack.path.absolute()) if stack.path else stack.source,
            costs=_costs_of(model, settings),
            offsets=model.offsets,
            growth=rule_of(model).growth_by(settings),
            gray_values="whole",
        )

    @classmethod
    def read(cls, plan: Mapping[str, Any]) -> Self | None:
        """Return a plan from a file; None if there is none that this version understands."""
        if plan.get("format") != PLAN_FORMAT:
            return None
        try:
            # the oldest versions knew but one way of normalizing
            settings = {"normalize": "model"} | plan["settings"]
            PredictSettings(**settings)
            as_now = {"tile": tuple(plan["tile"]), "settings": settings}
            found = cls(**plan | as_now)  # type: ignore[operator]
            return TypeAdapter(cls).validate_python(found.as_dict())
        except (TypeError, KeyError, ValueError):  # pydantic's error is a ValueError
            return None

    def as_dict(self) -> dict[str, Any]:
        """Return plain types, for a file."""
        return asdict(self)

    def linked_as(self, there: Self | None) -> Self:
        """Return the plan with the linking of another one, where it has slices to link."""
        if there is None or there.settings.get("output") != "instances":
            return self
        settings = PredictSettings(**there.settings).model_dump(mode="json")
        linking = {name: settings[name] for name in OF_LINKING}
        return replace(self, settings=self.settings | linking, costs=there.costs)

    def differences(self, here: "PredictionPlan") -> list[str]:
        """Return in what `here` differs from this plan ("there"), in words; empty if not."""
        found = [] if self.model == here.model else ["the model is another"]
        if changed := image_change(self.image, here.image):
            found.append(f"the image: {changed}")
        # through the settings class: older versions had fewer options, or other names for them
        settings = PredictSettings(**self.settings).model_dump(mode="json")
        without = _without_influence(here.settings, len(here.tile))
        without |= set() if here.offsets else {"keep_affinities"}
        if "linking" not in without and self.costs != here.costs:
            found.append("the costs of linking are others")
        if tuple(self.growth) != here.growth:
            growths = (_growth_text(growth) for growth in (self.growth, here.growth))
            found.append("instances grow by {} there and by {} here".format(*growths))
        without |= {"linking_costs", "grow"}  # the numbers count, not where they were found
        found += option_differences(settings, here.settings, without)
        if here.settings["normalize"] != "model" and self.gray_values != here.gray_values:
            found.append("the image was normalized by a sample of it")
        found += option_differences(
            {"precision": self.precision}, {"precision": here.precision}
        )
        return found


def options_without_effect(
    settings: PredictSettings, maps: int, is_tiff: bool, ndim: int = 2
) -> list[str]:
    """Return a doubt about options that were changed, and have no effect on what is written.

    Parameters
    ----------
    settings : PredictSettings
    maps : int
        Channels of the network's probabilities.
    is_tiff : bool
        Whether the results are TIFF, in which classes stand alone.
    ndim : int, default 2
        Axes of what the network sees at once.

    Returns
    -------
    list of str
        One sentence at most.
    """
    output, what = settings.output, str(settings.output)
    names = _without_influence(settings.model_dump(), ndim) - WITHOUT_INFLUENCE
    of_instances = {"objects_table", *OF_INSTANCES}
    names |= {"objects_table"} if output != "instances" else set()
    if output == "classes":
        names |= ({"threshold"} if maps > 1 else set()) | ({"dtype"} if is_tiff else set())
    fields = PredictSettings.model_fields.items()
    changed = [n for n, f in fields if n in names and getattr(settings, n) != f.default]
    if not changed:
        return []
    if output == "classes" and "threshold" in changed:
        what = "classes, of which the most probable is taken"
    if output == "instances" and ndim > 2:
        what = "instances that are found in volumes"
    told = " and ".join(name.replace("_", " ") for name in changed)
    has, it = ("s {} have", "them") if len(changed) > 1 else (" {} has", "it")
    is_of_instances = output != "instances" and {"threshold", *of_instances} & {*changed}
    way_on = ", or set output to instances" if is_of_instances else ""
    return [f"The option{has.format(told)} no effect on {what}: leave {it} out{way_on}."]


def _costs_of(model: Model, settings: PredictSettings) -> dict[str, float] | None:
    """Return the costs by which instances will be linked: of the file, model, or built in."""
    if settings.output != "instances" or settings.linking != "graph" or model.network.ndim > 2:
        return None
    if settings.linking_costs:
        return read_link_costs(settings.linking_costs).as_dict()
    return rule_of(model).costs.as_dict()


def rule_of(model: Model) -> ModelRule:
    """Return how the probabilities of a model become objects, unless settings say otherwise."""
    costs = LinkCosts.of(model.linking or {})
    return ModelRule.learnt(model.border, sides_of_pixel(model.network), model.offsets, costs)


def _growth_text(growth: tuple[float, ...]) -> str:
    return " x ".join(f"{width:g}" for width in growth) + " px" if growth else "nothing"


def _without_influence(settings: Mapping[str, Any], ndim: int) -> set[str]:
    """Return the settings that change no bit of what these settings ask for."""
    names = set(WITHOUT_INFLUENCE)
    if settings["output"] != "instances":
        names |= OF_INSTANCES
    else:
        names |= {"dtype"} | ({"link_iou"} if settings["linking"] != "overlap" else set())
        names |= {"linking_costs"} if settings["linking"] != "graph" else set()
        names |= OF_LINKING if ndim > 2 else set()  # volumes have no slices to link
    if settings["output"] == "probabilities":
        names |= {"threshold"}
    return names


def digest_of_model(model: Model) -> str:
    """Return the BLAKE2 digest of all that the probabilities of a model depend on.

    Parameters
    ----------
    model : Model

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    facts = f"{model.normalization} {model.ids} {type(model.network).__name__} "
    facts += f"{model.offsets} " if model.offsets else ""
    facts += f"{model.normalize} " if model.normalize != "model" else ""
    facts += str(getattr(model.network, "arguments", ""))
    digest = blake2b(facts.encode(), digest_size=16)
    digest.update(digest_of_parameters(model.network.state_dict()).encode())
    return digest.hexdigest()
