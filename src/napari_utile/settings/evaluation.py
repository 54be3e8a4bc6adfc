"""Options of an evaluation."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from napari_utile.settings.checked import Settings
from napari_utile.settings.options import (
    FOLDED,
    SHOWN,
    Ignore,
    InstanceMethod,
    SkipBroken,
    Sparse,
    Strict,
    Target,
    Threshold,
    option,
)


class EvaluateSettings(Settings):
    """How a prediction is compared with the truth."""

    renamed: ClassVar[dict[str, str]] = {
        "labels": "target",
        "objects": "instance_method",
        "thresholds": "score_thresholds",
        "validation": "threshold_slices",
    }

    target: Target = Field("instances", json_schema_extra=FOLDED)
    ignore: Ignore = Field(None, json_schema_extra=SHOWN)
    sparse: Sparse = Field(False, json_schema_extra=FOLDED)
    threshold: Threshold = Field(0.5, json_schema_extra=SHOWN)
    instance_method: InstanceMethod = Field("watershed", json_schema_extra=SHOWN)
    volumetric: bool = option(
        False, "Tick if objects go on through slices; else those of each slice are compared"
    )
    score_thresholds: bool = option(
        False,
        "Score the prediction at ten thresholds of its probabilities, too, to see which is "
        "best (ISBI 2012)",
    )
    threshold_slices: str | None = option(
        None,
        "Slices that only choose the best threshold, first to one past the last: 20:24; of "
        "several images, counted through all of them",
    )
    leave_out: str | None = option(
        None,
        "Slices that are not compared, such as those a network was trained on, first to one "
        "past the last: 0:20,24:26; of several images, counted through all of them",
    )
    prediction_holds: Literal["auto", "labels", "probabilities"] = option(
        "auto",
        "What the prediction is; auto: what its file says, else whole numbers are labels and "
        "fractions are probabilities",
    )
    strict: Strict = False
    skip_broken: SkipBroken = False

    @field_validator("leave_out")
    @classmethod
    def _refuse_no_spans(cls, spans: str | None) -> str | None:
        for span in (spans or "0:1").split(","):
            first, _, end = span.strip().partition(":")
            if not (first.isdigit() and end.isdigit() and int(first) < int(end)):
                raise ValueError(f"{spans!r} are no slices; write them like 0:20,24:26")
        return spans

    @field_validator("threshold_slices")
    @classmethod
    def _refuse_no_slices(cls, slices: str | None) -> str | None:
        first, _, end = (slices or "0:1").partition(":")
        if not (first.isdigit() and end.isdigit() and int(first) < int(end)):
            raise ValueError(f"{slices!r} are no slices; write them like 20:24")
        return slices
