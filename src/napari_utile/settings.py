"""Every option once: its default, limits, help, unit and group.

The panels' forms, the command line's flags, `settings.json` in the run folder and the record
in the model are all made from these classes. Nobody else types a default again.
"""

import json
import re
from collections.abc import Callable, Container, Mapping
from functools import wraps
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    ParamSpec,
    Self,
    TypeVar,
    get_args,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from napari_utile.errors import UserError
from napari_utile.json_files import read_json
from napari_utile.refusals import clause, sentence

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

VOLUMES: dict[str, Any] = {"depth": 3, "batch": 2}
"""Of networks of volumes, as published (Cicek et al. 2016): each pooling doubles the margin of
a tile on six sides."""
RECIPES: dict[str, dict[str, Any]] = {"paper": PAPER, "photos": PHOTOS}
"""Named sets of options. An option that a set does not name has its default."""


def option(
    default: Any,
    description: str,
    group: str = "",
    main: bool = False,
    label: str = "",
    words: Mapping[Any, str] | None = None,
    **limits: Any,
) -> Any:
    """Declare one option of a settings class.

    Parameters
    ----------
    default : object
        Its value if it is not given; `...` in a type that several classes share.
    description : str
        Tooltip of the field and help of the flag.
    group : str, default ""
        Title under which a form folds the option away; without one it is under "More".
    main : bool, default False
        Whether a form always shows the option.
    label : str, default ""
        What a form calls it; by default its name.
    words : mapping of object to str, optional
        All values that it can have, and what a form calls each of them.
    **limits
        `ge`, `gt`, `le`, `lt`, `min_length`, as of `pydantic.Field`.
    """
    shown: dict[str, Any] = {"group": group} | ({"main": True} if main else {})
    shown |= {"label": label} if label else {}
    shown |= {"words": dict(words)} if words else {}
    return Field(default, description=description, json_schema_extra=shown, **limits)


_MAIN: dict[str, Any] = {"main": True}
_FOLDED: dict[str, Any] = {"main": False}

_LABELS, _NETWORK = "Labels and validation", "Network"
_TILES, _LEARNING = "Tiles and augmentation", "Learning"

# Options that several classes have: each class gives its own default.
NetworkName = Literal[
    "unet",
    "encoder-decoder",
    "segnet",
    "fcn",
    "sliding-window",
    "unet-3d",
    "encoder-decoder-3d",
]
LossName = Literal["cross-entropy", "dice", "both"]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
SplitUnit = Literal["auto", "image", "slice", "block"]
Sampling = Literal["uniform", "foreground", "classes", "borders"]
Linking = Annotated[
    Literal["graph", "overlap", "touch", "none"],
    option(
        ...,
        "How instances of neighbouring slices become one: those that a graph over the stack "
        "joins, the two that overlap most, all that touch, or never",
    ),
]
LinkIou = Annotated[
    float, option(..., "Least IoU of two instances that overlap and become one", ge=0, le=1)
]
LinkingCosts = Annotated[
    str | None,
    option(
        ..., "JSON file of the costs of linking by a graph; default: of the model, or built in"
    ),
]
Target = Annotated[
    Literal["instances", "classes"],
    option(..., "What a label id means: one object, or one kind of pixel", main=True),
]
LearntTarget = Annotated[
    Literal["instances", "classes", "affinities"],
    option(
        ...,
        "What a label id means: one object, or one kind of pixel. With affinities it is one "
        "object too, and a network of volumes also learns which voxels are in the same one",
        main=True,
    ),
]
Ignore = Annotated[int | None, option(..., "Label id of unannotated pixels", _LABELS)]
Sparse = Annotated[
    bool,
    option(..., "0 = unannotated, 1 = background, 2... = the objects or classes", _LABELS),
]
Threshold = Annotated[
    float,
    option(..., "Foreground probability above which a pixel is object", gt=0, lt=1),
]
InstanceMethod = Annotated[
    Literal["watershed", "components"],
    option(
        ...,
        "How foreground becomes instances: watershed and merging, or connected components",
    ),
]
MinSize = Annotated[int, option(..., "Smaller objects are dropped, px", ge=0)]
GapWeight = Annotated[
    float, option(..., "Extra weight of narrow gaps (paper: 10)", main=True, ge=0)
]
GapWidth = Annotated[
    float,
    option(..., "Gap width over which it fades (paper: 5), px", main=True, gt=0),
]
ClassBalance = Annotated[bool, option(..., "Give every class the same total weight", _LEARNING)]
Category = Annotated[
    tuple[str, ...],
    option(..., "Categories, or groups of them such as animal; default: all"),
]
Device = Annotated[str, option(..., "auto, cpu, cuda or cuda:N")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    option(..., "Number format of the convolutions; auto: by the device"),
]

Normalize = Annotated[
    Literal["model", "image"],
    Field(
        description="Gray values by which an image is normalized: those of the training "
        "images, or its own"
    ),
]
Strict = Annotated[
    bool,
    option(..., "Refuse input that raises any doubt, instead of warning of it", "Input"),
]
SkipBroken = Annotated[
    bool,
    option(..., "Leave out and name broken files and entries, instead of refusing", "Input"),
]

CrowdsAsObjects = Annotated[
    bool,
    option(
        ..., "Take crowds for objects: some tools mark every brushed object as a crowd", "Input"
    ),
]

NETWORK_NAMES: tuple[str, ...] = get_args(NetworkName)
"""The names of `networks.NETWORKS`, which stand here because settings import no torch."""
VOLUME_NETWORKS = ("unet-3d", "encoder-decoder-3d")
"""Those that see volumes (Z, Y, X); the others see one slice at a time."""
SLICE_NETWORKS = tuple(name for name in NETWORK_NAMES if name not in VOLUME_NETWORKS)
LOSS_NAMES: tuple[str, ...] = get_args(LossName)
"""The names of `engine.training.losses.LOSSES`, for the same reason."""


def axes_seen(network: str) -> int:
    """Return the number of spatial axes that a network sees at once: 3, or 2 of a slice."""
    return 3 if network in VOLUME_NETWORKS else 2


def targets_of(network: str) -> tuple[str, ...]:
    """Return what a network can learn of labels: affinities only if it sees volumes."""
    names: tuple[str, ...] = get_args(get_args(LearntTarget)[0])
    return tuple(name for name in names if name != "affinities" or axes_seen(network) == 3)


LARGEST = 2**53
"""Of whole numbers, in any option: floating-point numbers hold larger ones only roughly."""
HARDWARE_OPTIONS = frozenset({"device", "precision"})
"""Options that decide how a network is computed, not what: they may change when resuming."""
INPUT_OPTIONS = frozenset({"strict", "skip_broken"})
"""Options that decide what is refused, not what is computed: they may change when resuming."""


class Settings(BaseModel):
    """Options that are checked, frozen, and the same in a file as in memory.

    Raises
    ------
    UserError
        If there is no such option, or its value is out of range: names both, and what is
        allowed. Its `__cause__` is the `ValidationError` of pydantic, with all that is wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    if not TYPE_CHECKING:  # there, the parameters are those of the fields

        def __init__(self, **given: Any):
            try:
                super().__init__(**given)
            except ValidationError as error:
                raise UserError(sentence(refused_option(error, type(self)))) from error

        # Settings within others, as those of a command, are checked without this.
        __init__.__pydantic_base_init__ = True

    renamed: ClassVar[dict[str, str]] = {}
    """Names of options in older versions -> their names now. Files and calls may use both."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read settings that were written with `text`.

        Raises
        ------
        UserError
            If there is no such file, or it holds no such settings: names file and option.
        """
        given = read_json(path)
        try:
            return cls.model_validate_json(json.dumps(given))  # JSON has lists, not tuples
        except ValidationError as error:
            raise UserError(sentence(f"{path}: {refused_option(error, cls)}")) from None

    def text(self) -> str:
        """Return every option, the defaults too, as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

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

    @field_validator("*")
    @classmethod
    def _refuse_huge_numbers(cls, value: Any) -> Any:
        if isinstance(value, int) and abs(value) > LARGEST:
            raise ValueError(f"this number has more than {len(str(LARGEST))} digits")
        return value

    @model_validator(mode="before")
    @classmethod
    def _accept_old_names(cls, given: Any) -> Any:
        return cls.present_names(given) if isinstance(given, dict) else given

    @classmethod
    def main_options(cls) -> list[str]:
        """Return the names of the options that a form always shows."""
        return [name for name in cls.model_fields if cls._shown(name).get("main")]

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """Return the other options by the title under which a form folds them away.

        Returns
        -------
        dict of str to list of str
            Titles in the order of the fields, "More" last.
        """
        found: dict[str, list[str]] = {}
        for name in cls.model_fields:
            if not cls._shown(name).get("main"):
                found.setdefault(cls._shown(name).get("group") or "More", []).append(name)
        more = found.pop("More", [])
        return found | ({"More": more} if more else {})

    @classmethod
    def label(cls, name: str) -> str:
        """Return what a form calls an option."""
        return str(cls._shown(name).get("label") or name.replace("_", " "))

    @classmethod
    def words(cls, name: str) -> dict[Any, str]:
        """Return what a form calls the values of an option; {} if they speak for themselves."""
        return dict(cls._shown(name).get("words") or {})

    @classmethod
    def _shown(cls, name: str) -> dict[str, Any]:
        shown = cls.model_fields[name].json_schema_extra
        return shown if isinstance(shown, dict) else {}


class NetworkChoice(Settings):
    """What differs between the trainings of a comparison."""

    network: NetworkName = option("unet", "Architecture", main=True)
    seed: Seed = option(0, "Seed of everything that is random")


class TrainingOptions(Settings):
    """What one training and all trainings of a comparison have in common."""

    renamed = {"validation": "validation_share", "validations": "validations_per_run"}

    recipe: Literal["default", "paper", "photos"] = option(
        "default", "Named set of options; those that are given win over it", main=True
    )
    # what is learnt
    target: LearntTarget = "instances"
    ignore: Ignore = None
    sparse: Sparse = False
    # the network
    context: int = option(
        0,
        "Neighbouring slices on each side that the network sees as further channels: with 1 it "
        "sees 3 slices of a stack at once, with 2 it sees 5",
        main=True,
        label="slices seen",
        words={0: "1", 1: "3", 2: "5"},
        ge=0,
        le=2,
    )
    depth: int = option(4, "Number of poolings; 3 in networks of volumes", _NETWORK, ge=1, le=7)
    width: int = option(16, "Features at full resolution", _NETWORK, ge=1, le=512)
    padding: Literal["valid", "same"] = option(
        "same", "Convolutions without padding, as published, or padded", _NETWORK
    )
    norm: Literal["none", "batch"] = option("batch", "Normalization layers", _NETWORK)
    dropout: float = option(
        0.0, "Dropout rate at the end of the contracting path", _NETWORK, ge=0, lt=1
    )
    spacing: tuple[float, ...] = option(
        (),
        "Size of a voxel along z, y, x in any unit, such as 40,10,10; default: what the image "
        "says. Networks of volumes pool an axis while its voxels are short",
        _NETWORK,
    )
    output: Literal["softmax", "sigmoid"] = option(
        "softmax", "One map per class, or one foreground map", _NETWORK
    )
    border: str = option(
        "auto",
        "Width of the background between touching objects in what is learnt, like 3 (px) or "
        "30nm; auto: 1 px, and 4 px for networks of volumes where objects fill the image",
        _LABELS,
    )
    empty_slices: Literal["auto", "background", "unannotated"] = option(
        "auto",
        "What slices without any label are; auto: unannotated if most of a stack are empty, as "
        "when a few slices were painted",
        _LABELS,
    )
    # the budget
    minutes: float | None = option(None, "Longest training time, minutes", main=True, gt=0)
    steps: int | None = option(None, "Largest number of optimizer steps", main=True, ge=1)
    validations_per_run: int = option(
        20, "Number of validations; fewer in a run by minutes if each takes long", _LABELS, ge=1
    )
    patience: int | None = option(
        None, "Stop early after this many validations without a better one", _LABELS, ge=1
    )
    validation_share: float = option(
        0.2, "Fraction of the annotated pixels kept for validation", _LABELS, gt=0, lt=1
    )
    split: SplitUnit = option(
        "auto", "What is kept whole when the annotated pixels are split", _LABELS
    )
    # the optimization
    tile: int = option(256, "Side of a training tile of the result, px", _TILES, ge=16)
    batch: int = option(4, "Tiles per step; 2 in networks of volumes", _TILES, ge=1)
    sampling: Sampling = option("uniform", "Where tiles are drawn more often", _TILES)
    optimizer: Literal["muon", "adamw", "sgd"] = option("muon", "Update rule", _LEARNING)
    learning_rate: float = option(
        3e-3, "Highest learning rate; Muon gives kernels 15 times that", _LEARNING, gt=0
    )
    momentum: float = option(
        0.9,
        "Momentum of SGD, beta1 of Adam; of Muon's kernels it is 0.95",
        _LEARNING,
        ge=0,
        lt=1,
    )
    weight_decay: float = option(1e-4, "Weight decay", _LEARNING, ge=0)
    schedule: Literal["constant", "one-cycle"] = option(
        "one-cycle", "Learning rate over the run", _LEARNING
    )
    # the loss
    loss: LossName = option(
        "cross-entropy",
        "What training minimizes: cross entropy per pixel (paper), 1 - Dice per tile, or their "
        "sum",
        _LEARNING,
    )
    w0: GapWeight = 2.0
    sigma: GapWidth = 5.0
    class_balance: ClassBalance = False
    # augmentation
    elastic: float = option(
        10.0, "Elastic displacements, standard deviation (paper: 10), px", _TILES, ge=0
    )
    rotation: float = option(180.0, "Largest random rotation, degrees", _TILES, ge=0, le=180)
    deformed: float = option(
        0.5,
        "Fraction of tiles with elastic deformation and free rotation; the rest get 90-degree "
        "rotations",
        _TILES,
        ge=0,
        le=1,
    )
    flips: bool = option(True, "Random mirroring", _TILES)
    gray: float = option(
        0.2, "Largest random change of contrast and brightness, fraction", _TILES, ge=0, lt=1
    )
    # the input
    strict: Strict = False
    skip_broken: SkipBroken = False
    # the machine
    device: Device = "auto"
    precision: Precision = "auto"

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_recipe(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        networks = f"{given.get('network')} {given.get('networks')}"
        sees_volumes = any(name in networks for name in VOLUME_NETWORKS)
        recipe = RECIPES.get(str(given.get("recipe")), {})
        return (VOLUMES if sees_volumes else {}) | recipe | given

    @property
    def meaning(self) -> Literal["instances", "classes"]:
        """What a label id means, whatever is learnt of it."""
        return "classes" if self.target == "classes" else "instances"

    @field_validator("border")
    @classmethod
    def _refuse_no_width(cls, border: str) -> str:
        if border != "auto" and not BORDER.fullmatch(border):
            raise ValueError(f"{border!r} is no width; write it like 3, 30nm or auto")
        return border

    @field_validator("spacing")
    @classmethod
    def _refuse_another_number_of_axes(cls, spacing: tuple[float, ...]) -> tuple[float, ...]:
        if len(spacing) not in (0, 3):
            raise ValueError(f"give three lengths, for z, y and x, not {len(spacing)}")
        if not all(side > 0 for side in spacing):
            raise ValueError(f"a voxel has no side of {min(spacing):g}")
        return spacing

    @model_validator(mode="after")
    def _fill_in_the_budget(self) -> Self:
        if self.steps is None and self.minutes is None:
            object.__setattr__(self, "steps", 2000)
        return self


class TrainSettings(TrainingOptions, NetworkChoice):
    """How a network is built and trained.

    Options that are not given have the values of the `recipe`, or their defaults. Without
    `minutes` and `steps`, a run takes 2000 steps.

    Raises
    ------
    UserError
        If there is no such option, or its value is out of range; if affinities are to be
        learnt by a network of slices, or of sparse labels.
    """

    @field_validator("target")
    @classmethod
    def _refuse_affinities_of_slices(cls, target: str, others: ValidationInfo) -> str:
        network = others.data.get("network", VOLUME_NETWORKS[0])
        if target == "affinities" and network not in VOLUME_NETWORKS:
            raise ValueError(
                f"{network} sees slices, and affinities are learnt by networks of volumes: "
                f"choose the network {' or '.join(VOLUME_NETWORKS)}, or the target instances"
            )
        return target

    @field_validator("sparse")
    @classmethod
    def _refuse_affinities_of_strokes(cls, sparse: bool, others: ValidationInfo) -> bool:
        if sparse and others.data.get("target") == "affinities":
            raise ValueError(
                "affinities are learnt of whole objects, not of strokes: mark what is not "
                "annotated by an ignore id, or choose the target instances"
            )
        return sparse


class CompareSettings(TrainingOptions):
    """Which networks are compared, and how each of them is trained."""

    target: Target = "instances"
    networks: tuple[str, ...] = option(
        SLICE_NETWORKS, "Networks to compare, comma-separated", main=True, min_length=1
    )
    seeds: tuple[Seed, ...] = option(
        (0,), "Each network is trained once for each of these seeds", main=True, min_length=1
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_a_single_one(cls, given: Any) -> Any:
        for name in NetworkChoice.model_fields:
            if isinstance(given, dict) and name in given:
                raise ValueError(f"{name}: a comparison has several; name them in {name}s")
        return given

    @field_validator("networks")
    @classmethod
    def _refuse_unknown_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in networks if name not in NETWORK_NAMES]:
            raise ValueError(
                f"there is no network {unknown[0]!r}; there are {', '.join(NETWORK_NAMES)}"
            )
        if len({axes_seen(name) for name in networks}) > 1:
            raise ValueError(
                "networks of volumes and networks of slices do not share a split: compare "
                f"{', '.join(VOLUME_NETWORKS)} by themselves"
            )
        return tuple(dict.fromkeys(networks))

    @field_validator("seeds")
    @classmethod
    def _count_seeds_once(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(seeds))

    def candidate(self, network: str, seed: int) -> TrainSettings:
        """Return the settings that one of the networks is trained with."""
        shared = self.model_dump(exclude={"networks", "seeds"})
        return TrainSettings(**shared, network=network, seed=seed)


class CocoSettings(Settings):
    """Which objects of COCO annotations are learnt, and how large the images are."""

    category: Category = ()
    longest_side: int = option(
        160, "Images are reduced to this size, 16 px or more; 0: not reduced", ge=0
    )
    negatives: bool = option(
        True, "Learn also from images without such an object, as background"
    )
    crowds_as_objects: CrowdsAsObjects = False

    @field_validator("longest_side")
    @classmethod
    def _refuse_specks(cls, longest_side: int) -> int:
        if 0 < longest_side < 16:
            raise ValueError(f"{longest_side} px show nothing; give 16 or more, or 0")
        return longest_side


class CocoEvaluateSettings(Settings):
    """How the objects that networks find in images are scored with COCO annotations."""

    renamed = {"objects": "instance_method"}

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = option(
        "auto",
        "Foreground probability above which a pixel is object; auto: for each network the "
        "threshold with the best IoU on its validation part",
    )
    instance_method: InstanceMethod = "watershed"
    min_size: MinSize = 100
    normalize: Normalize = "model"
    crowds_as_objects: CrowdsAsObjects = False
    strict: Strict = False
    skip_broken: SkipBroken = False
    device: Device = "auto"
    precision: Precision = "auto"


class PredictSettings(Settings):
    """How a model is run over a stack.

    Raises
    ------
    UserError
        If there is no such option, or its value is out of range.
    """

    renamed = {"objects": "instance_method"}

    output: Literal["probabilities", "classes", "instances"] = option(
        "probabilities", "What is written", main=True
    )
    tile: Annotated[int, Field(ge=1)] | Literal["auto"] = option(
        "auto", "Side of a tile of the result, px; auto: as large as memory allows"
    )
    averaging: bool = option(
        False, "Average over the 8 rotations and flips (8 times the work)", main=True
    )
    normalize: Normalize = "model"
    threshold: Threshold = Field(0.5, json_schema_extra=_MAIN)
    min_size: MinSize = 0
    fill_holes: int = option(0, "Holes in an object up to this size are filled, px", ge=0)
    instance_method: InstanceMethod = "watershed"
    grow: Annotated[float, Field(ge=0, le=4)] | Literal["auto"] = option(
        "auto",
        "How far objects grow into narrow gaps, px; auto: over half the border between objects "
        "that the model learnt, or 0 for one of 1 px",
    )
    linking: Linking = "graph"
    link_iou: LinkIou = 0.25
    linking_costs: LinkingCosts = None
    objects_table: bool = option(
        False, "Write a table of the instances beside the result: size, place, shape, intensity"
    )
    dtype: Literal["uint8", "float16", "float32"] = option(
        "uint8", "Number format of probabilities on disk; in uint8, 255 is 1"
    )
    format: Literal["auto", "zarr", "tif"] = option(
        "auto", "OME-Zarr or BigTIFF; auto: by the name of the output, zarr for several images"
    )
    region: str | None = option(
        None, "Part to segment, in px: 0:10,256:768,0:512 for slices, rows, columns"
    )
    strict: Strict = False
    skip_broken: SkipBroken = False
    device: Device = "auto"
    precision: Precision = "auto"

    @field_validator("region")
    @classmethod
    def _refuse_no_region(cls, region: str | None) -> str | None:
        if region is not None and not REGION.fullmatch(region):
            raise ValueError(f"{region!r} is no region; write it like 0:10,256:768,0:512")
        return region


BORDER = re.compile(r"(\d+(?:\.\d+)?|\.\d+) ?(px|nm|um)?")
"""A width, in pixels if there is no unit."""
REGION = re.compile(r"\d+:\d+(,\d+:\d+)+")
"""Ranges of pixels, first to one past the last, for each axis."""


class WeightSettings(Settings):
    """The loss weight map."""

    w0: GapWeight = 10.0
    sigma: GapWidth = 5.0
    class_balance: ClassBalance = Field(True, json_schema_extra=_MAIN)
    ignore: Ignore = Field(None, json_schema_extra=_MAIN)
    sparse: Sparse = Field(False, json_schema_extra=_FOLDED)
    strict: Strict = False


class LinkSettings(Settings):
    """How the instances of a finished result are linked again."""

    linking: Linking = "graph"
    link_iou: LinkIou = 0.25
    linking_costs: LinkingCosts = None


class SampleSettings(Settings):
    """What the synthetic sample shows."""

    seed: Seed = option(0, "Seed of all that is random")
    slices: int = option(8, "Number of slices", ge=1, le=2000)
    size: int = option(256, "Side of a slice, px", ge=16, le=8192)
    branches: float = option(0.0, "Fraction of the neurites that branch", ge=0, le=1)
    jitter: float = option(0.0, "Shift of each slice, standard deviation, px", ge=0, le=100)
    contrast: float = option(
        0.0,
        "Contrast and brightness of each slice, standard deviation as a fraction",
        ge=0,
        lt=1,
    )
    ruined: int = option(0, "Number of slices that are blank, shifted or burnt, in turn", ge=0)


class EvaluateSettings(Settings):
    """How a prediction is compared with the truth."""

    renamed = {
        "labels": "target",
        "objects": "instance_method",
        "thresholds": "score_thresholds",
        "validation": "threshold_slices",
    }

    target: Target = Field("instances", json_schema_extra=_FOLDED)
    ignore: Ignore = Field(None, json_schema_extra=_MAIN)
    sparse: Sparse = Field(False, json_schema_extra=_FOLDED)
    threshold: Threshold = Field(0.5, json_schema_extra=_MAIN)
    instance_method: InstanceMethod = Field("watershed", json_schema_extra=_MAIN)
    volumetric: bool = option(
        False, "Objects extend over slices; else those of each slice are compared"
    )
    score_thresholds: bool = option(
        False, "Also score ten thresholds of the probabilities (ISBI 2012)"
    )
    threshold_slices: str | None = option(
        None,
        "Slices that only choose the best threshold, first to one past the last: 20:24; of "
        "several images, counted through all of them",
    )
    prediction_holds: Literal["auto", "labels", "probabilities"] = option(
        "auto",
        "What the prediction is; auto: what its file says, else whole numbers are labels and "
        "fractions are probabilities",
    )
    strict: Strict = False
    skip_broken: SkipBroken = False

    @field_validator("threshold_slices")
    @classmethod
    def _refuse_no_slices(cls, slices: str | None) -> str | None:
        first, _, end = (slices or "0:1").partition(":")
        if not (first.isdigit() and end.isdigit() and int(first) < int(end)):
            raise ValueError(f"{slices!r} are no slices; write them like 20:24")
        return slices


_P = ParamSpec("_P")
_R = TypeVar("_R")


def renamed_keywords(kind: type[Settings]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for functions that accept old names of options as keywords.

    Parameters
    ----------
    kind : subclass of Settings
        Its `renamed` lists the old names.

    Returns
    -------
    callable
        Its functions raise `ValueError` if an option is given under both names.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            return function(*args, **kind.present_names(kwargs))

        return call

    return decorate


def refused_option(error: ValidationError, kind: type[Settings]) -> str:
    """Return which option of settings is refused first, and why.

    Parameters
    ----------
    error : ValidationError
    kind : subclass of Settings

    Examples
    --------
    >>> try:
    ...     WeightSettings.model_validate({"sigm": 3})
    ... except ValidationError as error:
    ...     refused_option(error, WeightSettings)
    'sigm is no option; did you mean sigma?'
    """
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return clause([first]).removeprefix(": ")
    name = first["loc"][0]
    same = [each for each in error.errors(include_url=False) if each["loc"][:1] == (name,)]
    return f"{name}{clause(same, kind.model_fields)}"


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
        _option_difference(name, there.get(name), here.get(name))
        for name in {**here, **there}
        if name not in ignore and there.get(name) != here.get(name)
    ]


def _option_difference(name: str, there: Any, here: Any) -> str:
    """Describe how an option differs between two runs."""
    words = ["none" if value is None else value for value in (there, here)]
    return f"{name.replace('_', '-')}: {words[0]} there, {words[1]} here"


TRAIN_DEFAULTS = TrainSettings()
PREDICT_DEFAULTS = PredictSettings()
WEIGHT_DEFAULTS = WeightSettings()
SAMPLE_DEFAULTS = SampleSettings()
"""Defaults of functions that take the same options one by one."""
