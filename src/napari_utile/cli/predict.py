"""`utile predict`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, field_validator
from pydantic_settings import (
    CliPositionalArg,
)

from napari_utile.cli.display import DONE, print_facts, print_warning, report
from napari_utile.cli.models import MODEL_HELP, model_path
from napari_utile.cli.options import FollowedCommand
from napari_utile.errors import UserError
from napari_utile.events import Event, RunStarted, drain
from napari_utile.settings.prediction import PredictSettings


class Predict(FollowedCommand, PredictSettings):
    """Run a model over images of any size; the same command resumes an unfinished result."""

    kind: ClassVar = PredictSettings
    model: CliPositionalArg[Path] = Field(description=MODEL_HELP)
    image: CliPositionalArg[list[str]] = Field(description="Images or stacks; folders or globs")
    out: Path = Field(description=".zarr (OME-Zarr) or .tif; a folder for several images")
    resume: bool = Field(True, description="Resume an unfinished result")
    part: str | None = Field(
        None, description="k/n: compute the k-th of n shares of the blocks (for job arrays)"
    )
    scheduler: str | None = Field(
        None, description="Address of a dask scheduler whose workers compute: tls://host:8786"
    )
    workers: int = Field(
        0, ge=0, description="Number of processes on this machine that compute"
    )
    dry_run: bool = Field(
        False, description="Print the time, memory and disk it takes, and end"
    )

    @field_validator("part")
    @classmethod
    def _refuse_no_part(cls, part: str | None) -> str | None:
        k, _, n = (part or "1/1").partition("/")
        if not (k.isdigit() and n.isdigit() and 1 <= int(k) <= int(n)):
            raise ValueError(f"{part!r} is no part; write it like 2/8, the second of eight")
        return part

    def run(self) -> int:
        options = self.options()
        from napari_utile.engine.prediction.front import predict_files
        from napari_utile.engine.prediction.resume import Execution

        if self.part and (self.scheduler or self.workers):
            raise UserError("--part and --scheduler or --workers exclude each other: give one.")
        job = self.followed_in()
        execution = Execution(
            overwrite=self.overwrite,
            resume=self.resume,
            part=_fraction(self.part),
            scheduler=self.scheduler,
            workers=self.workers,
            dry_run=self.dry_run,
        )
        model = model_path(self.model)
        run = predict_files(model, self.image, self.out, options, execution)
        if self.dry_run and not self.events:
            drain(run, self._print_estimate)
            return DONE
        return report(run, self.events, self.json_, job)

    def _print_estimate(self, event: Event) -> None:
        print_warning(event)
        if isinstance(event, RunStarted):
            print_facts(event.facts, self.json_)


def _fraction(part: str | None) -> tuple[int, int] | None:
    k, _, n = (part or "").partition("/")
    return (int(k), int(n)) if part else None
