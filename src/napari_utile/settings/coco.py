"""Options of learning from COCO annotations, and of scoring with them."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from napari_utile.settings.checked import Settings
from napari_utile.settings.options import (
    Category,
    CrowdsAsObjects,
    Device,
    InstanceMethod,
    MinSize,
    Normalize,
    Precision,
    SkipBroken,
    Strict,
    option,
)


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

    renamed: ClassVar[dict[str, str]] = {"objects": "instance_method"}

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["auto"] = option(
        "auto",
        "Foreground probability above which a pixel is object; auto: for each network the "
        "threshold with the best IoU on its validation part",
    )
    instance_method: InstanceMethod = "watershed"
    min_size: MinSize = 100
    normalize: Normalize = "auto"
    crowds_as_objects: CrowdsAsObjects = False
    strict: Strict = False
    skip_broken: SkipBroken = False
    device: Device = "auto"
    precision: Precision = "auto"
