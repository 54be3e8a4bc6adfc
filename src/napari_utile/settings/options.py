"""What options can be, and the names that are chosen from: each type once, for all classes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field


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


SHOWN: dict[str, Any] = {"main": True}


FOLDED: dict[str, Any] = {"main": False}


LABELING, NETWORK = "Labels and validation", "Network"


TILES, LEARNING = "Tiles and augmentation", "Learning"


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
        "How objects of neighbouring slices become one: graph weighs all slices together, "
        "overlap joins the two that overlap most, touch all that touch, none leaves each "
        "slice alone",
    ),
]


LinkIou = Annotated[
    float,
    option(
        ...,
        "Least overlap of two objects in neighbouring slices that become one, as IoU, 0 to 1: "
        "higher joins fewer",
        label="least overlap (IoU)",
        ge=0,
        le=1,
    ),
]


LinkingCosts = Annotated[
    str | None,
    option(
        ..., "JSON file of the costs of linking by a graph; default: of the model, or built in"
    ),
]


Target = Annotated[
    Literal["instances", "classes"],
    option(
        ...,
        "What a number in the labels means: instances, an object each; classes, a kind of "
        "pixel each",
        main=True,
    ),
]


LearntTarget = Annotated[
    Literal["instances", "classes", "affinities"],
    option(
        ...,
        "What a number in the labels means: instances, an object each; classes, a kind of "
        "pixel each; affinities, an object each, of which a network of volumes also learns "
        "which voxels belong together",
        main=True,
    ),
]


Ignore = Annotated[
    int | None,
    option(
        ...,
        "Number in the labels of pixels that nobody annotated, which are left out of training "
        "and scores; off: there is none",
        LABELING,
        label="ignore id",
    ),
]


Sparse = Annotated[
    bool,
    option(
        ...,
        "Tick where only some pixels are annotated: 0 is then unannotated, 1 background, and "
        "2 and above are the objects or classes",
        LABELING,
        label="sparse labels",
    ),
]


Threshold = Annotated[
    float,
    option(
        ...,
        "Probability of the foreground, 0 to 1, above which a pixel is object: higher finds "
        "fewer and thinner objects",
        gt=0,
        lt=1,
    ),
]


InstanceMethod = Annotated[
    Literal["watershed", "components"],
    option(
        ...,
        "How foreground becomes objects: watershed parts those that a narrow bridge joins, "
        "components takes each connected piece for one",
    ),
]


MinSize = Annotated[
    int,
    option(
        ...,
        "Objects of fewer pixels are dropped, px: larger removes more specks",
        label="smallest object",
        ge=0,
    ),
]


GapWeight = Annotated[
    float,
    option(
        ...,
        "How much more pixels in narrow gaps between objects count (paper: 10): larger keeps "
        "touching objects apart, and may cut some in two; 0: no more than others",
        main=True,
        label="border weight (w0)",
        ge=0,
    ),
]


GapWidth = Annotated[
    float,
    option(
        ...,
        "Width of gaps over which the border weight fades, px (paper: 5): larger counts wider "
        "gaps, too",
        main=True,
        label="border width in pixels (sigma)",
        gt=0,
    ),
]


ClassBalance = Annotated[
    bool,
    option(
        ...,
        "Give every class the same total weight, so that rare ones count as much as common "
        "ones",
        LEARNING,
    ),
]


Category = Annotated[
    tuple[str, ...],
    option(..., "Categories, or groups of them such as animal; default: all"),
]


Device = Annotated[
    str,
    option(
        ...,
        "What computes: auto takes a GPU where there is one, cpu the processor, cuda a GPU, "
        "cuda:1 the second of several",
    ),
]


Precision = Annotated[
    Literal["auto", "fp32", "bf16"],
    option(
        ...,
        "Number format that is computed in: bf16 is faster where the device is made for it, "
        "fp32 is more exact; auto: by the device",
    ),
]


NormalizedBy = Literal["model", "image", "percentiles"]


Normalize = Annotated[
    Literal["auto", "model", "image", "percentiles"],
    option(
        ...,
        "What gray values are normalized by; auto: as the model was trained; model: mean and "
        "standard deviation of the training images; image: those of the image; percentiles: "
        "its 1st and 99.8th percentile, which a few bright pixels do not move",
        "Input",
    ),
]


Strict = Annotated[
    bool,
    option(
        ...,
        "Refuse input that raises any doubt, instead of warning of it",
        "Input",
        label="refuse doubtful",
    ),
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


def targets_of(*networks: str) -> tuple[str, ...]:
    """Return what all of these can learn of labels: affinities only if they see volumes."""
    names: tuple[str, ...] = get_args(get_args(LearntTarget)[0])
    see_volumes = all(axes_seen(network) == 3 for network in networks)
    return tuple(name for name in names if name != "affinities" or see_volumes)


HARDWARE_OPTIONS = frozenset({"device", "precision"})
"""Options that decide how a network is computed, not what: they may change when resuming."""


INPUT_OPTIONS = frozenset({"strict", "skip_broken"})
"""Options that decide what is refused, not what is computed: they may change when resuming."""
