"""`utile compare`."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import (
    CliPositionalArg,
)

from napari_utile.cli.options import FollowedCommand, report_comparison
from napari_utile.settings.comparison import CompareSettings


class Compare(FollowedCommand, CompareSettings):
    """Train several networks on one split with one budget each, and compare their scores."""

    kind: ClassVar = CompareSettings
    image: CliPositionalArg[str] = Field(description="Image or stack; a folder or glob of them")
    labels: CliPositionalArg[str] = Field(description="Labels of the same shape, likewise")
    out: Path = Field(
        description="Folder for runs, table and figures; an unfinished comparison is resumed"
    )

    def run(self) -> int:
        options, job = self.options(), self.followed_in()
        from napari_utile.engine.comparison.front import compare_files

        run = compare_files(self.image, self.labels, self.out, options, self.overwrite)
        return report_comparison(run, self.out, self.events, self.json_, job)
