"""`utile instances`: other objects of a finished result, without the network."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from napari_utile.cli.display import report
from napari_utile.settings.prediction import ObjectSettings


class InstancesCommand(ObjectSettings):
    """Make the objects of a finished result again, from the probabilities that it holds."""

    kind: ClassVar = ObjectSettings
    result: CliPositionalArg[Path] = Field(description="Result of instances, .zarr")
    overwrite: bool = Field(
        False, description="Let objects that were corrected by hand be replaced"
    )
    events: bool = Field(
        False, description="Print one JSON line per event; `stop` on stdin stops"
    )
    json_: bool = Field(False, alias="json", description="Only the end of the run, as JSON")

    def run(self) -> int:
        from napari_utile.engine.prediction.relink import remake

        names = self.model_fields_set & {*ObjectSettings.model_fields}
        settings = ObjectSettings(**{name: getattr(self, name) for name in names})
        return report(remake(self.result, settings, self.overwrite), self.events, self.json_)
