"""Options of a training, and named sets of them."""

import re
from typing import Any, ClassVar, Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from napari_utile.settings.checked import Settings
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
    NetworkName,
    NormalizedBy,
    Precision,
    Sampling,
    Seed,
    SkipBroken,
    Sparse,
    SplitUnit,
    Strict,
    option,
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


VOLUMES: dict[str, Any] = {"depth": 3, "batch": 2}
"""Of networks of volumes, as published (Cicek et al. 2016): each pooling doubles the margin of
a tile on six sides."""


RECIPES: dict[str, dict[str, Any]] = {"paper": PAPER, "photos": PHOTOS}
"""Named sets of options. An option that a set does not name has its default."""


BORDER = re.compile(r"(\d+(?:\.\d+)?|\.\d+) ?(px|nm|um)?")
"""A width, in pixels if there is no unit."""


class NetworkChoice(Settings):
    """What differs between the trainings of a comparison."""

    network: NetworkName = option("unet", "Architecture", main=True)
    seed: Seed = option(0, "Seed of everything that is random")


class TrainingOptions(Settings):
    """What one training and all trainings of a comparison have in common."""

    renamed: ClassVar[dict[str, str]] = {
        "validation": "validation_share",
        "validations": "validations_per_run",
    }

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
        "Neighbouring slices that the network sees as further channels: 0, 1 or 2 on each side "
        "of the one that it decides about, so 1, 3 or 5 slices of a stack at once",
        main=True,
        label="slices seen",
        words={0: "1", 1: "3", 2: "5"},
        ge=0,
        le=2,
    )
    depth: int = option(
        4,
        "Number of poolings; 3 in networks of volumes",
        NETWORK,
        label="depth (poolings)",
        ge=1,
        le=7,
    )
    width: int = option(
        16, "Features at full resolution", NETWORK, label="width (features)", ge=1, le=512
    )
    padding: Literal["valid", "same"] = option(
        "same", "Convolutions without padding, as published, or padded", NETWORK
    )
    norm: Literal["none", "batch"] = option(
        "batch", "Normalization layers", NETWORK, label="normalization"
    )
    dropout: float = option(
        0.0, "Dropout rate at the end of the contracting path", NETWORK, ge=0, lt=1
    )
    spacing: tuple[float, ...] = option(
        (),
        "Size of a voxel along z, y, x in any unit, such as 40,10,10; default: what the image "
        "says. Networks of volumes pool an axis while its voxels are short",
        NETWORK,
        label="voxel size",
    )
    output: Literal["softmax", "sigmoid"] = option(
        "softmax", "One map per class, or one foreground map", NETWORK, label="output layer"
    )
    border: str = option(
        "auto",
        "Width of the background between touching objects in what is learnt, like 3 (px) or "
        "30nm; auto: 1 px, and 4 px for networks of volumes where objects fill the image",
        LABELING,
    )
    empty_slices: Literal["auto", "background", "unannotated"] = option(
        "auto",
        "What slices without any label are; auto: unannotated if most of a stack are empty, as "
        "when a few slices were painted",
        LABELING,
    )
    # the budget
    minutes: float | None = option(None, "Longest training time, minutes", main=True, gt=0)
    steps: int | None = option(None, "Largest number of optimizer steps", main=True, ge=1)
    validations_per_run: int = option(
        20,
        "Number of validations; fewer in a run by minutes if each takes long",
        LABELING,
        ge=1,
    )
    patience: int | None = option(
        None,
        "Stop early after this many validations without a better one",
        LABELING,
        label="stop early after",
        ge=1,
    )
    validation_share: float = option(
        0.2, "Fraction of the annotated pixels kept for validation", LABELING, gt=0, lt=1
    )
    split: SplitUnit = option(
        "auto", "What is kept whole when the annotated pixels are split", LABELING
    )
    validation_images: tuple[str, ...] = option(
        (),
        "Names of the images that are kept for validation, where several are trained on; "
        "default: chosen at random",
        LABELING,
    )
    # the optimization
    tile: int = option(
        256, "Side of a training tile of the result, px", TILES, label="tile side", ge=16
    )
    batch: int = option(
        4, "Tiles per step; 2 in networks of volumes", TILES, label="tiles per step", ge=1
    )
    sampling: Sampling = option("uniform", "Where tiles are drawn more often", TILES)
    optimizer: Literal["muon", "adamw", "sgd"] = option("muon", "Update rule", LEARNING)
    learning_rate: float = option(
        3e-3, "Highest learning rate; Muon gives kernels 15 times that", LEARNING, gt=0
    )
    momentum: float = option(
        0.9,
        "Momentum of SGD, beta1 of Adam; of Muon's kernels it is 0.95",
        LEARNING,
        ge=0,
        lt=1,
    )
    weight_decay: float = option(1e-4, "Weight decay", LEARNING, ge=0)
    schedule: Literal["constant", "one-cycle"] = option(
        "one-cycle", "Learning rate over the run", LEARNING
    )
    # the loss
    loss: LossName = option(
        "cross-entropy",
        "What training minimizes: cross entropy per pixel (paper), 1 - Dice per tile, or their "
        "sum",
        LEARNING,
    )
    w0: GapWeight = 2.0
    sigma: GapWidth = 5.0
    class_balance: ClassBalance = False
    # augmentation
    elastic: float = option(
        10.0,
        "Elastic displacements, standard deviation (paper: 10), px",
        TILES,
        label="elastic shifts",
        ge=0,
    )
    rotation: float = option(180.0, "Largest random rotation, degrees", TILES, ge=0, le=180)
    deformed: float = option(
        0.5,
        "Fraction of tiles with elastic deformation and free rotation; the rest get 90-degree "
        "rotations",
        TILES,
        label="deformed tiles",
        ge=0,
        le=1,
    )
    flips: bool = option(True, "Random mirroring", TILES, label="mirroring")
    gray: float = option(
        0.2,
        "Largest random change of contrast and brightness, fraction",
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
