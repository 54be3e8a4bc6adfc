"""The command `utile`: flags made from the settings classes, events printed as they come.

The engine is imported inside the commands, so that `utile --help` is there at once.
"""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliPositionalArg,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    get_subcommand,
)

from napari_utile import __version__
from napari_utile.cli_coco import Coco
from napari_utile.cli_evaluate import Evaluate
from napari_utile.cli_runs import Run, first_sentence, report_comparison
from napari_utile.console import (
    DEFECT,
    DONE,
    MEND,
    STOPPED,
    ignoring_stops,
    print_facts,
    print_warning,
    report,
)
from napari_utile.errors import EngineError, UserError
from napari_utile.events import RunFailed, RunStarted
from napari_utile.files.names import check_name
from napari_utile.settings import (
    CompareSettings,
    PredictSettings,
    TrainSettings,
    WeightSettings,
)


class Train(Run, TrainSettings):
    """Train a network on images and their labels."""

    kind: ClassVar = TrainSettings
    image: CliPositionalArg[str] = Field(description="Image or stack; a folder or glob of them")
    labels: CliPositionalArg[str] = Field(description="Labels of the same shape, likewise")
    out: Path = Field(description="Run folder; an unfinished run in it goes on")
    warm_start: Path | None = Field(None, description="Model or run to begin from")

    def run(self) -> int:
        options = self.options()
        from napari_utile.engine.distributed import joined
        from napari_utile.engine.jobs import follow_training, train_files

        with joined(options.device) as group:
            if not group.leads:
                with ignoring_stops():
                    follow_training(self.image, self.labels, options)
                return DONE
            run = train_files(
                self.image, self.labels, self.out, options, self.overwrite, self.warm_start
            )
            return report(run, self.events, self.json_)


class Augment(Run, TrainSettings):
    """Show what training would see: random tiles, the split, and where tiles are drawn."""

    kind: ClassVar = TrainSettings
    image: CliPositionalArg[str] = Field(description="Image or stack; a folder or glob of them")
    labels: CliPositionalArg[str] = Field(description="Labels of the same shape, likewise")
    out: Path = Field(description="Folder to write to")
    count: int = Field(8, ge=1, description="Random tiles to show")

    def run(self) -> int:
        options = self.options()
        from napari_utile.engine.augment import augment_files

        run = augment_files(
            self.image, self.labels, self.out, options, self.count, self.overwrite
        )
        return report(run, self.events, self.json_)


class Predict(Run, PredictSettings):
    """Run a model over images of any size; the same command goes on with what was stopped."""

    kind: ClassVar = PredictSettings
    model: CliPositionalArg[Path] = Field(description="Folder of a model, or of a run")
    image: CliPositionalArg[list[str]] = Field(description="Images or stacks; folders or globs")
    out: Path = Field(description=".zarr (OME-Zarr) or .tif; a folder for several images")
    resume: bool = Field(True, description="Go on with a result that is not finished")
    part: str | None = Field(None, description="k/n: do the k-th of n parts, others the others")
    scheduler: str | None = Field(
        None, description="Address of a dask scheduler, tcp://host:8786, for its workers"
    )
    workers: int = Field(0, ge=0, description="Start so many dask workers on this machine")
    dry_run: bool = Field(False, description="Say what time, memory and disk it takes, and end")
    job: Path | None = Field(None, description="Folder by which a window follows the events")

    @field_validator("part")
    @classmethod
    def _refuse_no_part(cls, part: str | None) -> str | None:
        k, _, n = (part or "1/1").partition("/")
        if not (k.isdigit() and n.isdigit() and 1 <= int(k) <= int(n)):
            raise ValueError(f"{part!r} is no part; write it like 2/8, the second of eight")
        return part

    def run(self) -> int:
        options = self.options()
        from napari_utile.engine.jobs import How, predict_files

        if self.part and (self.scheduler or self.workers):
            raise UserError("--part and --scheduler or --workers share out the work: give one.")
        if self.job and not self.events:
            raise UserError("--job is of use with --events only.")
        how = How(
            overwrite=self.overwrite,
            resume=self.resume,
            part=_part(self.part),
            scheduler=self.scheduler,
            workers=self.workers,
            dry_run=self.dry_run,
        )
        run = predict_files(self.model, self.image, self.out, options, how=how)
        if self.dry_run and not self.events:
            for event in run:
                print_warning(event)
                if isinstance(event, RunStarted):
                    print_facts(event.facts, self.json_)
            return DONE
        return report(run, self.events, self.json_, self.job)


def _part(part: str | None) -> tuple[int, int] | None:
    k, _, n = (part or "").partition("/")
    return (int(k), int(n)) if part else None


class Compare(Run, CompareSettings):
    """Train several networks on one split with one budget each, and put them side by side."""

    kind: ClassVar = CompareSettings
    image: CliPositionalArg[str] = Field(description="Image or stack; a folder or glob of them")
    labels: CliPositionalArg[str] = Field(description="Labels of the same shape, likewise")
    out: Path = Field(
        description="Folder for runs, table and figures; goes on where it stopped"
    )

    def run(self) -> int:
        options = self.options()
        from napari_utile.engine.comparison import compare_files

        run = compare_files(self.image, self.labels, self.out, options, self.overwrite)
        return report_comparison(run, self.out, self.events, self.json_)


class Weights(WeightSettings):
    """Write the loss weight map of labels as a TIFF."""

    labels: CliPositionalArg[str] = Field(description="Labels: instances or a mask")
    out: Path = Field(description="TIFF to write")
    overwrite: bool = Field(False, description="Replace what is there")

    def run(self) -> int:
        from napari_utile.arrays.labels import check_labels, training_target
        from napari_utile.arrays.weight_maps import target_weights
        from napari_utile.files.images import open_image, write_tiff
        from napari_utile.files.runs import check_output
        from napari_utile.files.stacks import read_labels

        check_output(self.out, self.overwrite)
        stack = open_image(self.labels)
        if self.out.exists() and self.out.samefile(self.labels):
            raise UserError(f"{self.out} is the labels themselves; choose another output.")
        labels = check_labels(read_labels(stack), self.labels, self.ignore)
        target = training_target(labels, ignore=self.ignore, alone=False)
        weights = target_weights(target, self.w0, self.sigma, self.class_balance)
        write_tiff(self.out, weights.reshape(stack.shape), like=stack)
        print(f"{self.out}: {weights.min():.3g} to {weights.max():.3g}", file=sys.stderr)
        return DONE


class Sample(BaseModel):
    """Write sample data, image.tif and labels.tif, to try things on."""

    name: CliPositionalArg[Literal["synthetic", "isbi2012"]] = Field(
        description="synthetic, made by code; or isbi2012, real, a download of 7.5 MB"
    )
    out: Path = Field(description="Folder to write to")
    overwrite: bool = Field(False, description="Replace what is there")

    def run(self) -> int:
        from napari_utile.files.samples import write_sample

        for path in write_sample(self.name, self.out, overwrite=self.overwrite):
            print(path)
        return DONE


class Doctor(BaseModel):
    """Say which torch and device there are, why not the GPU, and how to mend it."""

    json_: bool = Field(False, alias="json", description="Print JSON")

    def run(self) -> int:
        from napari_utile.engine.diagnosis import diagnose

        print_facts(diagnose(), self.json_)
        return DONE


class Utile(BaseSettings):
    """Train a U-Net on a few annotated slices, and segment stacks of any size."""

    model_config = SettingsConfigDict(
        cli_prog_name="utile",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_exit_on_error=False,
    )

    version: bool = Field(False, description="Say which version this is")
    train: CliSubCommand[Train] = Field(description=Train.__doc__)
    augment: CliSubCommand[Augment] = Field(description=Augment.__doc__)
    predict: CliSubCommand[Predict] = Field(description=Predict.__doc__)
    compare: CliSubCommand[Compare] = Field(description=Compare.__doc__)
    weights: CliSubCommand[Weights] = Field(description=Weights.__doc__)
    evaluate: CliSubCommand[Evaluate] = Field(description=Evaluate.__doc__)
    coco: CliSubCommand[Coco] = Field(description=Coco.__doc__)
    sample: CliSubCommand[Sample] = Field(description=Sample.__doc__)
    doctor: CliSubCommand[Doctor] = Field(description=Doctor.__doc__)

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the command line alone: a variable named TRAIN must not set options."""
        return (init_settings,)


COMMANDS = {*Utile.model_fields, *Coco.model_fields}
"""Names that come before those of options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; give back the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_events = "--events" in arguments
    try:
        return _dispatch(arguments)
    except UserError as error:
        return _fail(str(error), MEND, as_events)
    except (KeyboardInterrupt, BrokenPipeError):
        return STOPPED  # before a run began, or asked twice; or nobody reads any more
    except OSError as error:
        return _fail(f"{error.filename or 'File'}: {error.strerror or error}.", MEND, as_events)
    except EngineError as error:
        return _fail(str(error), DEFECT, as_events)
    except Exception as error:
        traceback.print_exc()
        return _fail(f"{type(error).__name__}: {error}", DEFECT, as_events)


def _dispatch(arguments: list[str]) -> int:
    for argument in arguments:
        check_name(argument)
    try:
        command = CliApp.run(Utile, cli_args=arguments or ["--help"])
    except ValidationError as error:
        raise UserError(first_sentence(error, COMMANDS)) from None
    except SettingsError as error:
        raise UserError(
            f"{str(error).removeprefix('error parsing CLI: ')}; see --help."
        ) from None
    except SystemExit as end:  # --help
        return int(end.code or DONE)
    if command.version:
        print(f"utile {__version__}")
        return DONE
    status: int = get_subcommand(command).run()  # type: ignore[union-attr]
    return status


def _fail(message: str, status: int, as_events: bool) -> int:
    message = " ".join(message.split())
    print(f"utile: {message}", file=sys.stderr)
    if as_events:
        print(RunFailed(message=message, user=status == MEND).line(), flush=True)
    return status
