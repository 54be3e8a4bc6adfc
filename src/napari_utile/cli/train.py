"""`utile train` and `utile preview`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import (
    CliPositionalArg,
)

from napari_utile.cli.display import DONE, print_facts, print_warning, report
from napari_utile.cli.models import model_path
from napari_utile.cli.options import FollowedCommand, JobCommand
from napari_utile.cli.stopping import ignoring_stops
from napari_utile.events import Event, RunStarted, drain
from napari_utile.settings.training import TrainSettings


class Train(FollowedCommand, TrainSettings):
    """Train a network on images and their labels."""

    kind: ClassVar = TrainSettings
    image: CliPositionalArg[str] = Field(description="Image or stack; a folder or glob of them")
    labels: CliPositionalArg[str] = Field(description="Labels of the same shape, likewise")
    out: Path = Field(description="Run folder; an unfinished run in it is resumed")
    warm_start: Path | None = Field(
        None, description="Model or run whose parameters to start from, by path or name"
    )
    dry_run: bool = Field(
        False, description="Print the time it takes, by a few steps that are not kept, and end"
    )
    alone: bool = Field(
        False,
        description="With dry run: not also what the same network of volumes, or of slices, "
        "would take",
    )

    def run(self) -> int:
        options, job = self.options(), self.followed_in()
        if self.dry_run:
            return self._estimate(options)
        from napari_utile.engine.training.distributed import process_group
        from napari_utile.engine.training.followers import follow_training
        from napari_utile.engine.training.front import train_files

        start = model_path(self.warm_start) if self.warm_start else None
        with process_group(options.device) as group:
            if not group.leads:
                with ignoring_stops():
                    follow_training(self.image, self.labels, options, start)
                return DONE
            run = train_files(self.image, self.labels, self.out, options, self.overwrite, start)
            return report(run, self.events, self.json_, job)

    def _estimate(self, options: TrainSettings) -> int:
        from napari_utile.engine.training.estimate import estimate_training

        run = estimate_training(self.image, self.labels, options, self.alone)
        if self.events:
            return report(run, events=True, only_json=False)
        drain(run, self._print_estimate)
        return DONE

    def _print_estimate(self, event: Event) -> None:
        print_warning(event)
        if isinstance(event, RunStarted):
            print_facts(event.facts, self.json_)


class TrainPreview(JobCommand, TrainSettings):
    """Write what training would see: random tiles, the split, and where tiles are drawn."""

    kind: ClassVar = TrainSettings
    image: CliPositionalArg[str] = Field(description="Image or stack; a folder or glob of them")
    labels: CliPositionalArg[str] = Field(description="Labels of the same shape, likewise")
    out: Path = Field(description="Folder to write to")
    count: int = Field(8, ge=1, description="Random tiles to show")

    def run(self) -> int:
        options = self.options()
        from napari_utile.engine.training.preview import preview_files

        run = preview_files(
            self.image, self.labels, self.out, options, self.count, self.overwrite
        )
        return report(run, self.events, self.json_)
