"""Every option once: its default, limits, help and unit.

The panel's form, the command line's flags, `settings.json` in the run folder and the record
in the model are all made from these classes. Nobody else types a default again.
"""

import re
from collections.abc import Callable, Container, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, ParamSpec, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

PAPER = {
    "width": 64,
    "padding": "valid",
    "norm": "none",
    "dropout": 0.5,
    "optimizer": "sgd",
    "learning_rate": 1e-3,
    "momentum": 0.99,
    "weight_decay": 0.0,
    "schedule": "constant",
    "tile": 388,
    "batch": 1,
    "deformed": 1.0,
    "w0": 10.0,
    "class_balance": True,
}
"""What Ronneberger et al. (2015) did. They give no learning rate and no dropout rate."""

PHOTOS: dict[str, Any] = {
    "split": "image",
    "tile": 128,
    "sampling": "foreground",
    "w0": 0.0,
    "elastic": 6.0,
    "rotation": 15.0,
    "deformed": 0.8,
    "gray": 0.4,
}
"""For photos of scenes: up stays up, objects are few and of any size, gaps are no borders."""

RECIPES: dict[str, dict[str, Any]] = {"paper": PAPER, "photos": PHOTOS}
"""Named sets of options. What a set does not name is as in "default"."""


class Settings(BaseModel):
    """Options that are checked, frozen, and the same in a file as in memory."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    renamed: ClassVar[dict[str, str]] = {}
    """Names of options in older versions -> their names now. Files and calls may use both."""

    @classmethod
    def present_names(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options under their present names.

        Parameters
        ----------
        given : mapping of str to object
            Options of this class and anything else, which is passed on.

        Returns
        -------
        dict

        Raises
        ------
        ValueError
            If an option is given under both names.
        """
        if both := [old for old, new in cls.renamed.items() if {old, new} <= given.keys()]:
            old = both[0]
            raise ValueError(f"{old} is the old name of {cls.renamed[old]}: give one of them")
        return {cls.renamed.get(name, name): value for name, value in given.items()}

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, given: Any) -> Any:
        return cls.present_names(given) if isinstance(given, dict) else given

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read settings that `write` wrote."""
        return cls.model_validate_json(path.read_text())

    def text(self) -> str:
        """Write every option, the defaults too, as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"


class TrainSettings(Settings):
    """How a network is built and trained."""

    renamed = {"validation": "validation_share", "validations": "validations_per_run"}

    recipe: Literal["default", "paper", "photos"] = Field(
        "default", description="Named set of the options below; those given win over it"
    )
    # what is learnt
    target: Literal["instances", "classes"] = Field(
        "instances", description="What a label id means: one object, or one kind of pixel"
    )
    ignore: int | None = Field(None, description="Label id of pixels that nobody annotated")
    sparse: bool = Field(
        False, description="0 = not annotated, 1 = background, 2... = the classes"
    )
    # the network
    network: Literal["unet", "encoder-decoder", "segnet", "fcn", "sliding-window"] = Field(
        "unet", description="Architecture"
    )
    depth: int = Field(4, ge=1, le=7, description="Number of poolings")
    width: int = Field(16, ge=1, le=512, description="Features at full resolution")
    padding: Literal["valid", "same"] = Field(
        "same", description="Convolutions without padding, as published, or padded"
    )
    norm: Literal["none", "batch"] = Field("batch", description="Normalization layers")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Rate at the end of the contracting path"
    )
    output: Literal["softmax", "sigmoid"] = Field(
        "softmax", description="One map per class, or one foreground map"
    )
    # the budget
    steps: int | None = Field(None, ge=1, description="Optimizer steps to take at most")
    minutes: float | None = Field(None, gt=0, description="Minutes to train at most")
    validations_per_run: int = Field(
        20, ge=1, description="How often to validate; by the clock, less often if it takes long"
    )
    patience: int | None = Field(
        None, ge=1, description="End early after so many validations without a better one"
    )
    validation_share: float = Field(
        0.2, gt=0, lt=1, description="Share of the annotated pixels kept for validation"
    )
    split: Literal["auto", "image", "slice", "block"] = Field(
        "auto", description="What is kept whole when the annotated pixels are divided"
    )
    # how it is learnt
    tile: int = Field(256, ge=16, description="Side of a training tile of the result, px")
    batch: int = Field(4, ge=1, description="Tiles per step")
    sampling: Literal["uniform", "foreground", "classes", "borders"] = Field(
        "uniform", description="Where tiles are drawn more often"
    )
    optimizer: Literal["muon", "adamw", "sgd"] = Field("muon", description="Update rule")
    learning_rate: float = Field(
        3e-3,
        gt=0,
        description="Learning rate, at its highest; Muon gives kernels 15 times that",
    )
    momentum: float = Field(
        0.9,
        ge=0,
        lt=1,
        description="Momentum of SGD, beta1 of Adam; of Muon's kernels it is 0.95",
    )
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay")
    schedule: Literal["constant", "one-cycle"] = Field(
        "one-cycle", description="Learning rate over the run"
    )
    # the loss
    w0: float = Field(2.0, ge=0, description="Extra weight of narrow gaps (paper: 10)")
    sigma: float = Field(5.0, gt=0, description="Gap width over which it fades (paper: 5), px")
    class_balance: bool = Field(
        False, description="Give every class the same total weight; for classes that are rare"
    )
    # augmentation
    elastic: float = Field(
        10.0, ge=0, description="Random displacements, standard deviation (paper: 10), px"
    )
    rotation: float = Field(180.0, ge=0, le=180, description="Largest random rotation, degrees")
    deformed: float = Field(
        0.5, ge=0, le=1, description="Share of tiles so changed; others are turned by quarters"
    )
    flips: bool = Field(True, description="Mirror at random")
    gray: float = Field(
        0.2, ge=0, lt=1, description="Random change of contrast and brightness, share"
    )
    # the machine
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything that is random")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Number format of the convolutions; auto: bf16 where it is faster"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_recipe(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return RECIPES.get(str(given.get("recipe")), {}) | given
        return given

    @model_validator(mode="after")
    def _fill_in_the_budget(self) -> Self:
        if self.steps is None and self.minutes is None:
            object.__setattr__(self, "steps", 2000)
        return self


NETWORK_NAMES: tuple[str, ...] = get_args(TrainSettings.model_fields["network"].annotation)


class CompareSettings(TrainSettings):
    """Which networks are compared, and how each of them is trained.

    `network` and `seed` are those of a candidate, see `candidate`; here they are not given.
    """

    networks: tuple[str, ...] = Field(
        NETWORK_NAMES, min_length=1, description="Networks to compare, with commas between"
    )
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...] = Field(
        (0,), min_length=1, description="Each network is trained once for each of these seeds"
    )

    @field_validator("networks")
    @classmethod
    def _refuse_unknown_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in networks if name not in NETWORK_NAMES]:
            raise ValueError(
                f"there is no network {unknown[0]!r}; there are {', '.join(NETWORK_NAMES)}"
            )
        return tuple(dict.fromkeys(networks))

    @field_validator("seeds")
    @classmethod
    def _count_seeds_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(seeds))

    @field_validator("network", "seed")
    @classmethod
    def _refuse_a_single_one(cls, _: Any, info: ValidationInfo) -> Any:
        raise ValueError(f"a comparison has several; name them in {info.field_name}s")

    def candidate(self, network: str, seed: int) -> TrainSettings:
        """Give the settings that one of the networks is trained with."""
        shared = self.model_dump(exclude={"networks", "seeds", *SINGLE})
        return TrainSettings(**shared, network=network, seed=seed)

    def text(self) -> str:
        """Write every option of the comparison as indented JSON."""
        return self.model_dump_json(indent=2, exclude=SINGLE) + "\n"


SINGLE = {"network", "seed"}
"""Options of one candidate of a comparison."""


class CocoSettings(Settings):
    """Which objects of COCO annotations are learnt, and how large the images are seen."""

    category: tuple[str, ...] = Field(
        (), description="Categories to find, or groups of them such as animal; default: all"
    )
    longest_side: int = Field(
        160, ge=0, description="Images are made so small, 16 px or more; 0: as they are"
    )
    negatives: bool = Field(
        True, description="Learn also from images without such an object, as background"
    )

    @field_validator("longest_side")
    @classmethod
    def _refuse_specks(cls, longest_side: int) -> int:
        if 0 < longest_side < 16:
            raise ValueError(f"{longest_side} px show nothing; give 16 or more, or 0")
        return longest_side


class CocoEvaluateSettings(Settings):
    """How what networks find in images is compared with COCO annotations."""

    renamed = {"objects": "instance_method"}

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = Field(
        "auto",
        description="Foreground probability that makes an object; auto: for each network that "
        "with the best IoU on its validation part",
    )
    instance_method: Literal["watershed", "components"] = Field(
        "watershed", description="Take apart what only a leak joins, or leave as it is"
    )
    min_size: int = Field(
        100, ge=0, description="Smaller objects are dropped, px of the full image"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Number format of the convolutions; auto: bf16 on CUDA, else fp32"
    )


class PredictSettings(Settings):
    """How a model is run over a stack."""

    renamed = {"objects": "instance_method"}

    output: Literal["probabilities", "classes", "instances"] = Field(
        "probabilities", description="What is written"
    )
    tile: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="Side of a tile of the result, px; auto: by the memory there is"
    )
    averaging: bool = Field(
        False, description="Average over the 8 rotations and flips (8 times the work)"
    )
    threshold: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="Foreground probability that makes an object; for instances, and one map",
    )
    min_size: int = Field(0, ge=0, description="Smaller objects are dropped, px; for instances")
    fill_holes: int = Field(
        0, ge=0, description="Holes in an object up to this size are filled, px; for instances"
    )
    instance_method: Literal["watershed", "components"] = Field(
        "watershed",
        description="Take apart what only a leak joins, or leave what is connected; instances",
    )
    linking: Literal["overlap", "touch", "none"] = Field(
        "overlap",
        description="How objects of neighbouring slices become one: the two that overlap most, "
        "all that touch, or never; for instances",
    )
    link_iou: float = Field(
        0.25, ge=0, le=1, description="Least IoU of two objects that overlap and become one"
    )
    dtype: Literal["uint8", "float16", "float32"] = Field(
        "uint8", description="Number format of probabilities on disk; in uint8, 255 is 1"
    )
    format: Literal["auto", "zarr", "tif"] = Field(
        "auto", description="OME-Zarr or BigTIFF; auto: as the name says, zarr for several"
    )
    region: str | None = Field(
        None, description="Part to segment, in px: 0:10,256:768,0:512 for slices, rows, columns"
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Number format of the convolutions; auto: bf16 on CUDA, else fp32"
    )

    @field_validator("region")
    @classmethod
    def _refuse_no_region(cls, region: str | None) -> str | None:
        if region is not None and not REGION.fullmatch(region):
            raise ValueError(f"{region!r} is no region; write it like 0:10,256:768,0:512")
        return region


REGION = re.compile(r"\d+:\d+(,\d+:\d+)+")
"""Ranges of pixels, first to one past the last, for each axis."""


class WeightSettings(Settings):
    """The loss weight map."""

    w0: float = Field(10.0, ge=0, description="Extra weight of narrow gaps (paper: 10)")
    sigma: float = Field(5.0, gt=0, description="Gap width over which it fades (paper: 5), px")
    class_balance: bool = Field(True, description="Give every class the same total weight")
    ignore: int | None = Field(None, description="Label id of pixels that nobody annotated")


class EvaluateSettings(Settings):
    """How a prediction is compared with the truth."""

    renamed = {
        "labels": "target",
        "objects": "instance_method",
        "thresholds": "score_thresholds",
        "validation": "threshold_slices",
    }

    target: Literal["instances", "classes"] = Field(
        "instances", description="What a label id means: one object, or one kind of pixel"
    )
    ignore: int | None = Field(None, description="Label id of pixels that nobody annotated")
    threshold: float = Field(
        0.5, gt=0, lt=1, description="Foreground probability that makes an object"
    )
    instance_method: Literal["watershed", "components"] = Field(
        "watershed",
        description="Of probabilities: take apart what only a leak joins, or leave as it is",
    )
    volumetric: bool = Field(
        False, description="Objects extend over slices; else those of each slice are compared"
    )
    score_thresholds: bool = Field(
        False, description="Score ten thresholds of the probabilities as well (ISBI 2012)"
    )
    threshold_slices: str | None = Field(
        None,
        description="Slices that only choose the best threshold, first to one past the last: "
        "20:24; of several images, counted through all of them",
    )

    @field_validator("threshold_slices")
    @classmethod
    def _refuse_no_slices(cls, slices: str | None) -> str | None:
        first, _, end = (slices or "0:1").partition(":")
        if not (first.isdigit() and end.isdigit() and int(first) < int(end)):
            raise ValueError(f"{slices!r} are no slices; write them like 20:24")
        return slices


P = ParamSpec("P")
R = TypeVar("R")


def renamed_keywords(kind: type[Settings]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function accept the old names of options of `kind` as keywords.

    Parameters
    ----------
    kind : subclass of Settings
        Its `renamed` lists the old names.

    Returns
    -------
    callable
        The decorator. The function raises `ValueError` if an option is given twice.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            return function(*args, **kind.present_names(kwargs))

        return call

    return decorate


def option_differences(
    there: Mapping[str, Any], here: Mapping[str, Any], ignore: Container[str] = ()
) -> list[str]:
    """Describe the options that differ between two runs, apart from those to ignore.

    Parameters
    ----------
    there, here : mapping
        Options and their values; those that one of them lacks are none.
    ignore : container of str, default none
        Names of options.

    Examples
    --------
    >>> option_differences({"steps": 3, "seed": 0}, {"steps": 5, "seed": 1}, ignore={"seed"})
    ['steps: 3 there, 5 here']
    """
    return [
        difference(name, there.get(name), here.get(name))
        for name in {**here, **there}
        if name not in ignore and there.get(name) != here.get(name)
    ]


def difference(name: str, there: Any, here: Any) -> str:
    """Describe how an option differs between two runs."""
    words = ["none" if value is None else value for value in (there, here)]
    return f"{name.replace('_', '-')}: {words[0]} there, {words[1]} here"
