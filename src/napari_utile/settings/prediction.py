"""Options of a prediction, and of linking its result again."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from napari_utile.settings.checked import Settings
from napari_utile.settings.options import (
    SHOWN,
    Device,
    InstanceMethod,
    Linking,
    LinkingCosts,
    LinkIou,
    MinSize,
    Normalize,
    Precision,
    SkipBroken,
    Strict,
    Threshold,
    option,
)

REGION = re.compile(r"\d+:\d+(,\d+:\d+)+")
"""Ranges of pixels, first to one past the last, for each axis."""

FillHoles = Annotated[
    int,
    option(
        ...,
        "Holes in an object up to this size are filled, px: larger fills more of them",
        ge=0,
    ),
]
Grow = Annotated[
    Annotated[float, Field(ge=0, le=4)] | Literal["auto"],
    option(
        ...,
        "How far objects grow into narrow gaps, px: larger closes wider gaps; auto: over half "
        "the border between objects that the model learnt, or 0 for one of 1 px",
    ),
]


class PredictSettings(Settings):
    """How a model is run over a stack.

    Raises
    ------
    UserError
        If there is no such option, or its value is out of range.
    """

    renamed: ClassVar[dict[str, str]] = {"objects": "instance_method"}

    output: Literal["probabilities", "classes", "instances"] = option(
        "probabilities",
        "What is made of the image: the probability of every class, the most probable class, "
        "or instances, objects with a number each",
        main=True,
    )
    tile: Annotated[int, Field(ge=1)] | Literal["auto"] = option(
        "auto",
        "Side of the square pieces that are computed, px: larger are faster and take more "
        "memory, the result is the same; auto: as large as memory allows",
        label="tile side",
    )
    averaging: bool = option(
        False,
        "Average over the 8 turned and mirrored views of each tile: slightly better, and 8 "
        "times the work",
        main=True,
    )
    normalize: Normalize = "auto"
    threshold: Threshold = Field(0.5, json_schema_extra=SHOWN)
    min_size: MinSize = Field(0, json_schema_extra=SHOWN)
    fill_holes: FillHoles = 0
    instance_method: InstanceMethod = "watershed"
    grow: Grow = "auto"
    linking: Linking = "graph"
    link_iou: LinkIou = 0.25
    linking_costs: LinkingCosts = None
    objects_table: bool = option(
        False, "Write a table of the instances beside the result: size, place, shape, intensity"
    )
    keep_affinities: bool = option(
        False,
        "Keep affinities in the result, so that other objects can be made of it without the "
        "network; a byte per voxel and affinity",
    )
    dtype: Literal["uint8", "float16", "float32"] = option(
        "uint8",
        "Number format of probabilities on disk; in uint8, 255 is 1",
        label="number format",
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


class ObjectSettings(Settings):
    """How the objects of a result are made again; what is not given stays as it was."""

    threshold: Threshold = 0.5
    min_size: MinSize = 0
    fill_holes: FillHoles = 0
    instance_method: InstanceMethod = "watershed"
    grow: Grow = "auto"
    linking: Linking = "graph"
    link_iou: LinkIou = 0.25
    linking_costs: LinkingCosts = None


class LinkSettings(Settings):
    """How the instances of a finished result are linked again."""

    linking: Linking = "graph"
    link_iou: LinkIou = 0.25
    linking_costs: LinkingCosts = None


PREDICT_DEFAULTS = PredictSettings()
