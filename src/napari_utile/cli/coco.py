"""`utile coco`: choose images, train networks on them, and score the networks as COCO does.

The engine is imported inside the commands.
"""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg, CliSubCommand, get_subcommand

from napari_utile.cli.display import DONE, print_warning
from napari_utile.cli.options import JobCommand, report_comparison
from napari_utile.errors import UserError, printable
from napari_utile.io.units import counted
from napari_utile.settings.coco import CocoEvaluateSettings, CocoSettings
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.options import CrowdsAsObjects, SkipBroken, Strict


class _Images(BaseModel):
    """Input of all commands."""

    annotations: CliPositionalArg[Path] = Field(description="COCO instances, a JSON file")
    folder: CliPositionalArg[Path] = Field(description="Folder of the images")


class Subset(_Images):
    """Write a part of the images, and their objects of some categories."""

    category: tuple[str, ...] = Field(
        (), description="Categories to keep, or groups of them such as animal; default: all"
    )
    count: int | None = Field(
        None,
        alias="images",
        ge=1,
        description="Number of images, drawn at random; default: all",
    )
    seed: int = Field(0, ge=0, description="Seed of the drawing")
    out: Path = Field(description="Folder to write to: annotations.json and images/")
    overwrite: bool = Field(False, description="Overwrite existing output")
    crowds_as_objects: CrowdsAsObjects = False
    strict: Strict = False
    skip_broken: SkipBroken = False

    def run(self) -> int:
        from napari_utile.coco.subset import write_subset

        written = write_subset(
            self.annotations,
            self.folder,
            self.out,
            self.category,
            self.count,
            self.seed,
            self.overwrite,
            crowds_as_objects=self.crowds_as_objects,
            strict=self.strict,
            skip_broken=self.skip_broken,
            on_event=print_warning,
        )
        crowds = sum(annotation.is_crowd for annotation in written.annotations)
        objects = len(written.annotations) - crowds
        more = f", {counted(crowds, 'crowds')}" if crowds else ""
        if len(written.images) < written.listed:
            more += f" (of {written.listed} images in {self.annotations.name})"
        count = f"{counted(len(written.images), 'images')}, {counted(objects, 'objects')}{more}"
        print(printable(f"{self.out}: {count}"))
        return DONE


class CocoTrain(_Images, JobCommand, CompareSettings, CocoSettings):
    """Train several networks on the same images, with one budget each."""

    kind: ClassVar = CompareSettings
    recipe_by_default: ClassVar = "photos"
    out: Path = Field(
        description="Folder for runs and table; an unfinished comparison is resumed"
    )

    def run(self) -> int:
        options = self.options()
        from napari_utile.coco.experiment.train import train_coco

        chosen = CocoSettings(
            **{name: getattr(self, name) for name in CocoSettings.model_fields}
        )
        run = train_coco(
            self.annotations, self.folder, self.out, options, chosen, self.overwrite
        )
        return report_comparison(run, self.out, self.events, self.json_)


class CocoEvaluate(CocoEvaluateSettings):
    """Score the networks of `coco train` on other images, with COCOeval."""

    trained: CliPositionalArg[Path] = Field(description="Folder of `coco train`")
    annotations: CliPositionalArg[Path] = Field(description="COCO instances, a JSON file")
    folder: CliPositionalArg[Path] = Field(description="Folder of the images")
    out: Path | None = Field(
        None,
        description="Folder for table, detections and figure; default: trained/evaluation",
    )
    overwrite: bool = Field(
        False, description="Overwrite the scores of other images or options"
    )
    events: bool = Field(False, description="One JSON line per event")
    json_: bool = Field(False, alias="json", description="Only the result, as JSON")

    def run(self) -> int:
        from napari_utile.coco.experiment.evaluate import evaluate_coco

        how = CocoEvaluateSettings(
            **{name: getattr(self, name) for name in CocoEvaluateSettings.model_fields}
        )
        out = self.out or self.trained / "evaluation"
        run = evaluate_coco(
            self.trained, self.annotations, self.folder, out, how, self.overwrite
        )
        return report_comparison(run, out, self.events, self.json_)


class Coco(BaseModel):
    """Images with COCO annotations: choose some, train networks on them, score the networks."""

    subset: CliSubCommand[Subset] = Field(description=Subset.__doc__)
    train: CliSubCommand[CocoTrain] = Field(description=CocoTrain.__doc__)
    evaluate: CliSubCommand[CocoEvaluate] = Field(description=CocoEvaluate.__doc__)

    def run(self) -> int:
        command = get_subcommand(self, is_required=False)
        if command is None:
            raise UserError(
                "utile coco needs a command: subset, train or evaluate; see --help."
            )
        status: int = command.run()  # type: ignore[union-attr]
        return status
