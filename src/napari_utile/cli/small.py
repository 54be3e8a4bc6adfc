"""The short commands: `utile weights`, `utile sample`, `utile doctor`."""

import sys
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field
from pydantic_settings import (
    CliPositionalArg,
)

from napari_utile.cli.display import DONE, print_facts, print_warning
from napari_utile.errors import UserError, printable
from napari_utile.events import doubted
from napari_utile.io.units import size_text
from napari_utile.settings.arrays import SampleSettings, WeightSettings

if TYPE_CHECKING:
    from napari_utile.io.stack import Stack

BYTES_OF_WEIGHTS = 40
"""Of memory that a pixel of labels takes at most until its weight is written."""


class Weights(WeightSettings):
    """Write the loss weight map of labels as a TIFF."""

    labels: CliPositionalArg[str] = Field(description="Labels: instances or a mask")
    out: Path = Field(description="TIFF to write")
    overwrite: bool = Field(False, description="Overwrite existing output")

    def run(self) -> int:
        from napari_utile.arrays.doubts.ids import ids_doubts, ids_in
        from napari_utile.arrays.doubts.labels import label_doubts, looked_at
        from napari_utile.arrays.labels import check_labels
        from napari_utile.arrays.targets import training_target
        from napari_utile.arrays.weight_maps.weight_map import target_weights
        from napari_utile.io.agreement import jpeg_doubts
        from napari_utile.io.disk import check_file_output
        from napari_utile.io.images import open_image, write_tiff
        from napari_utile.io.stack import read_labels

        if self.out.suffix.lower() not in (".tif", ".tiff"):
            raise UserError(f"{self.out}: weights are written as .tif.")
        stack = open_image(self.labels)
        if self.out.exists() and stack.path and self.out.samefile(stack.path):
            raise UserError(f"{self.out} is the labels themselves; choose another output.")
        check_file_output(self.out, self.overwrite)
        _check_room(stack)
        labels = check_labels(read_labels(stack), f"labels '{stack.name}'", self.ignore)
        planes = looked_at(labels, self.ignore)
        found = label_doubts(
            planes, stack.name, ignore=self.ignore, sparse=self.sparse, has_target=False
        )
        doubts = [
            *stack.doubts,
            *ids_doubts([(stack.name, ids_in(labels))], self.ignore),
            *(doubt.text for doubt in found or jpeg_doubts(stack)),
        ]
        if not labels.any():
            doubts.append(f"{stack.source} holds no object: every weight is the same.")
        for event in doubted(doubts, self.strict):
            print_warning(event)
        target = training_target(labels, ignore=self.ignore, sparse=self.sparse, alone=False)
        weights = target_weights(target, self.w0, self.sigma, self.class_balance)
        write_tiff(self.out, weights.reshape(stack.shape), like=stack)
        span = f"{weights.min():.3g} to {weights.max():.3g}"
        print(printable(f"{self.out}: {span}"), file=sys.stderr)
        return DONE


def _check_room(labels: "Stack") -> None:
    """Check that the weight map of labels can be computed in memory, before any is read."""
    from napari_utile.io.memory import memory_budget

    pixels = prod(labels.shape)
    needed, budget = pixels * BYTES_OF_WEIGHTS, memory_budget()
    if needed > budget:
        raise UserError(
            f"The weight map of {pixels:,} pixels takes {size_text(needed)} of memory and "
            f"{size_text(budget)} may be used: give fewer slices, or crop them."
        )


class Sample(SampleSettings):
    """Write sample data, image.tif and labels.tif."""

    name: CliPositionalArg[Literal["synthetic", "isbi2012"]] = Field(
        description="synthetic, made by code; or isbi2012, real, a download of 7.5 MB"
    )
    out: Path = Field(description="Folder to write to")
    overwrite: bool = Field(False, description="Overwrite existing output")

    def run(self) -> int:
        from napari_utile.samples.samples import write_sample

        settings = SampleSettings(
            **{name: getattr(self, name) for name in SampleSettings.model_fields}
        )
        for path in write_sample(self.name, self.out, self.overwrite, settings):
            print(printable(str(path)))
        return DONE


class Doctor(BaseModel):
    """Print which PyTorch and device there are, and how to get the GPU to work."""

    json_: bool = Field(False, alias="json", description="Print JSON")

    def run(self) -> int:
        from napari_utile.engine.devices import diagnose

        print_facts(diagnose(), self.json_)
        return DONE
