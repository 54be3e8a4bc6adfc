"""Options of what is made without a network: weight maps and samples."""

from pydantic import Field

from napari_utile.settings.checked import Settings
from napari_utile.settings.options import (
    FOLDED,
    SHOWN,
    ClassBalance,
    GapWeight,
    GapWidth,
    Ignore,
    Seed,
    Sparse,
    Strict,
    option,
)


class WeightSettings(Settings):
    """The loss weight map."""

    w0: GapWeight = 10.0
    sigma: GapWidth = 5.0
    class_balance: ClassBalance = Field(True, json_schema_extra=SHOWN)
    ignore: Ignore = Field(None, json_schema_extra=SHOWN)
    sparse: Sparse = Field(False, json_schema_extra=FOLDED)
    strict: Strict = False


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


WEIGHT_DEFAULTS = WeightSettings()


SAMPLE_DEFAULTS = SampleSettings()
"""Defaults of functions that take the same options one by one."""
