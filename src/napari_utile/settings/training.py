"""Options of a training."""

import re
from typing import Any, ClassVar, Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from napari_utile.settings.checked import Settings
from napari_utile.settings.network_choice import NetworkChoice
from napari_utile.settings.options import (
    LABELING,
    LEARNING,
    NETWORK,
    TILES,
    VOLUME_NETWORKS,
    ClassBalance,
    Device,
    GapWeight,
    GapWidth,
    Ignore,
    LearntTarget,
    LossName,
    NormalizedBy,
    Precision,
    Sampling,
    SkipBroken,
    Sparse,
    SplitUnit,
    Strict,
    option,
)
from napari_utile.settings.recipes import RECIPES, VOLUMES

BORDER = re.compile(r"(\d+(?:\.\d+)?|\.\d+) ?(px|nm|um)?")
"""A width, in pixels if there is no unit."""


class TrainingOptions(Settings):
    """What one training and all trainings of a comparison have in common."""

    renamed: ClassVar[dict[str, str]] = {
        "validation": "validation_share",
        "validations": "validations_per_run",
    }

    recipe: Literal["default", "paper", "photos"] = option(
        "default",
        "Named set of options: paper is as published in 2015, photos is for pictures of "
        "scenes; what you change yourself wins over it",
        main=True,
        label="recipe (set of options)",
    )
    # what is learnt
    target: LearntTarget = "instances"
    ignore: Ignore = None
    sparse: Sparse = False
    # the network
    context: int = option(
        0,
        "Slices of a stack that the network sees on each side of the one that it decides "
        "about, 0, 1 or 2, so 1, 3 or 5 at once: more help where one slice is not clear by "
        "itself, and take longer",
        main=True,
        label="slices seen",
        words={0: "1", 1: "3", 2: "5"},
        ge=0,
        le=2,
    )
    depth: int = option(
        4,
        "How many times the network halves the image to look further around (poolings): more "
        "sees large objects as a whole, and takes memory and time; 3 in networks of volumes",
        NETWORK,
        label="depth (times halved)",
        ge=1,
        le=7,
    )
    width: int = option(
        16,
        "How many features of each pixel the network computes at full resolution: more tells "
        "finer differences, and takes memory and time",
        NETWORK,
        label="width (features)",
        ge=1,
        le=512,
    )
    padding: Literal["valid", "same"] = option(
        "same",
        "What happens at the edge of a tile: same adds zeros there, valid cuts the edge off, "
        "as published, and takes longer",
        NETWORK,
        label="padding (at edges)",
    )
    norm: Literal["none", "batch"] = option(
        "batch",
        "Whether values inside the network are brought to one range in every step: batch "
        "does, and learns faster and more steadily; none does not, as published",
        NETWORK,
        label="normalization",
    )
    dropout: float = option(
        0.0,
        "Fraction of the values in the middle of the network that each step leaves out at "
        "random, 0 to 1: more keeps it from learning few labels by heart, and slows it down",
        NETWORK,
        label="dropout (left out)",
        ge=0,
        lt=1,
    )
    spacing: tuple[float, ...] = option(
        (),
        "Size of a voxel along z, y, x, in any unit, such as 40,10,10, by which networks of "
        "volumes halve long sides later than short ones; default: what the image says",
        NETWORK,
        label="voxel size",
    )
    output: Literal["softmax", "sigmoid"] = option(
        "softmax",
        "What the network ends with: softmax gives a probability of every class, sigmoid one "
        "of the foreground alone",
        NETWORK,
        label="output layer",
    )
    border: str = option(
        "auto",
        "Width of the background that is learnt between touching objects, like 3 (px) or "
        "30nm: wider keeps them apart, and loses thin ones; auto: 1 px, and 4 px for networks "
        "of volumes where objects fill the image",
        LABELING,
        label="border between objects",
    )
    empty_slices: Literal["auto", "background", "unannotated"] = option(
        "auto",
        "What slices without any label are: background, or unannotated and left out; auto: "
        "unannotated if most of a stack are empty, as when a few slices were painted",
        LABELING,
    )
    # the budget
    minutes: float | None = option(
        None,
        "How long it trains at most, minutes: longer gives a better model, until its score no "
        "longer rises",
        main=True,
        gt=0,
    )
    steps: int | None = option(
        None,
        "How many steps it trains at most, each of them a few tiles from which the network is "
        "corrected: more take longer; off: as many as the minutes allow",
        main=True,
        ge=1,
    )
    validations_per_run: int = option(
        20,
        "How many times the network is checked on the part kept for validation: more finds "
        "its best state more surely, and leaves less time to learn; fewer if each takes long",
        LABELING,
        ge=1,
    )
    patience: int | None = option(
        None,
        "Number of validations in a row without a better one, after which the run ends early: "
        "fewer save time, more wait for late progress; off: never",
        LABELING,
        label="stop early after (patience)",
        ge=1,
    )
    validation_share: float = option(
        0.2,
        "Fraction of the annotated pixels that is kept to check the network by, 0 to 1: more "
        "judges it more surely, and leaves less to learn from",
        LABELING,
        gt=0,
        lt=1,
    )
    split: SplitUnit = option(
        "auto",
        "What is not cut in two when a part is kept for validation: images, slices, or blocks "
        "of a slice; auto: the first of these that the labels allow",
        LABELING,
        label="split (kept whole)",
    )
    validation_images: tuple[str, ...] = option(
        (),
        "Names of the images that are kept for validation, where several are trained on; "
        "default: chosen at random",
        LABELING,
    )
    # the optimization
    tile: int = option(
        256,
        "Side of the square pieces that it is trained on, px: larger ones show more of what "
        "is around, and take memory and time",
        TILES,
        label="tile side",
        ge=16,
    )
    batch: int = option(
        4,
        "How many tiles each step learns from: more make it steadier, and take memory and "
        "time; 2 in networks of volumes",
        TILES,
        label="tiles per step (batch)",
        ge=1,
    )
    sampling: Sampling = option(
        "uniform",
        "Where tiles are taken more often: everywhere alike, on foreground, on rare classes, "
        "or at borders where objects nearly touch",
        TILES,
    )
    optimizer: Literal["muon", "adamw", "sgd"] = option(
        "muon",
        "Rule by which each step corrects the network: muon learns most in a short time, "
        "adamw is the usual one, sgd that of the paper",
        LEARNING,
        label="optimizer (update rule)",
    )
    learning_rate: float = option(
        3e-3,
        "How large the corrections are at most: larger learns faster, until it learns "
        "nothing; muon gives kernels 15 times that",
        LEARNING,
        gt=0,
    )
    momentum: float = option(
        0.9,
        "How much each step keeps of the direction of those before, 0 to 1: more is smoother, "
        "and slower to turn (beta1 of adamw; for kernels muon has 0.95)",
        LEARNING,
        ge=0,
        lt=1,
    )
    weight_decay: float = option(
        1e-4,
        "How strongly each step draws the parameters towards 0: more keeps it from learning "
        "few labels by heart, too much from learning at all",
        LEARNING,
        ge=0,
    )
    schedule: Literal["constant", "one-cycle"] = option(
        "one-cycle",
        "How the learning rate goes over the run: one-cycle rises, then falls to 0, constant "
        "stays as it is",
        LEARNING,
        label="schedule (of the rate)",
    )
    # the loss
    loss: LossName = option(
        "cross-entropy",
        "What training makes small: cross-entropy is the error of each pixel (paper), dice "
        "that of the overlap in each tile, for rare objects, both their sum",
        LEARNING,
    )
    w0: GapWeight = 2.0
    sigma: GapWidth = 5.0
    class_balance: ClassBalance = False
    # augmentation
    elastic: float = option(
        10.0,
        "How far training tiles are bent at random, px (standard deviation; paper: 10): "
        "larger shows more shapes, until the image looks torn",
        TILES,
        label="elastic shifts",
        ge=0,
    )
    rotation: float = option(
        180.0,
        "How far training tiles are turned at random, degrees: larger where objects lie in "
        "any direction, smaller where up is up",
        TILES,
        ge=0,
        le=180,
    )
    deformed: float = option(
        0.5,
        "Fraction of the tiles that are bent and turned freely, 0 to 1; the rest get turns by "
        "90 degrees: more shows more shapes, fewer more of the image as it is",
        TILES,
        label="deformed tiles",
        ge=0,
        le=1,
    )
    flips: bool = option(
        True,
        "Mirror training tiles at random, where an object and its mirror image are alike",
        TILES,
        label="mirroring",
    )
    gray: float = option(
        0.2,
        "How much contrast and brightness of training tiles are changed at random, as a "
        "fraction: larger for images that differ in exposure",
        TILES,
        label="gray changes",
        ge=0,
        lt=1,
    )
    # the input
    normalize: NormalizedBy = option(
        "model",
        "What gray values are normalized by, here and later; model: mean and standard "
        "deviation of all training images; image: those of each image, for images of other "
        "brightness or number format; percentiles: 1st and 99.8th percentile of each image, "
        "which a few bright pixels do not move",
        "Input",
    )
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

    @field_validator("sparse")
    @classmethod
    def _refuse_affinities_of_strokes(cls, sparse: bool, others: ValidationInfo) -> bool:
        if sparse and others.data.get("target") == "affinities":
            raise ValueError(
                "affinities are learnt of whole objects, not of strokes: mark what is not "
                "annotated by an ignore id, or choose the target instances"
            )
        return sparse

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

    @field_validator("validation_images")
    @classmethod
    def _refuse_parts_of_images(
        cls, names: tuple[str, ...], others: ValidationInfo
    ) -> tuple[str, ...]:
        if names and (split := others.data.get("split")) in ("slice", "block"):
            raise ValueError(f"whole images are kept for validation, and split is {split}")
        return tuple(dict.fromkeys(names))

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


TRAIN_DEFAULTS = TrainSettings()
