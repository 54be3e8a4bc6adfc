"""The command `utile objects`: labels in, a table of their objects out."""

from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg

from napari_utile.cli.display import report


class Objects(BaseModel):
    """Measure every object of a result: size, place, axes, surface, intensity, as a CSV."""

    labels: CliPositionalArg[str] = Field(description="A result of utile predict, or labels")
    out: Path | None = Field(
        None, description="CSV to write; by default RESULT.objects.csv beside the result"
    )
    image: str | None = Field(
        None, description="Image of the intensities; by default that of which the result is"
    )
    overwrite: bool = Field(False, description="Overwrite existing output")
    strict: bool = Field(
        False, description="Refuse input that raises any doubt, instead of warning of it"
    )
    events: bool = Field(
        False, description="Print one JSON line per event; `stop` on stdin stops"
    )
    json_: bool = Field(False, alias="json", description="Only the end of the run, as JSON")

    def run(self) -> int:
        from napari_utile.results.objects import measure_files

        run = measure_files(self.labels, self.out, self.image, self.overwrite, self.strict)
        return report(run, self.events, self.json_)
