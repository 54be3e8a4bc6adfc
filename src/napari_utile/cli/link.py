"""`utile link`: other ids for a result, or costs from corrected objects."""

import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from pydantic_settings import CliPositionalArg

from napari_utile.cli.display import report
from napari_utile.cli.models import model_path
from napari_utile.errors import UserError, printable
from napari_utile.events import Event
from napari_utile.settings.prediction import LinkSettings

if TYPE_CHECKING:
    from napari_utile.arrays.instances.link_costs import LinkCosts


class Link(LinkSettings):
    """Link the objects of a finished result again, without the network; or learn how."""

    kind: ClassVar = LinkSettings
    result: CliPositionalArg[Path] = Field(description="Result of instances, .zarr")
    learn: str | None = Field(
        None, description="Corrected labels: learn costs from them, and change no ids"
    )
    out: Path | None = Field(None, description="JSON file that --learn writes the costs to")
    model: Path | None = Field(
        None, description="Model whose costs are used, or into which --learn writes them"
    )
    overwrite: bool = Field(
        False,
        description="Let ids that were corrected by hand be replaced, or --learn overwrite a "
        "file or costs",
    )
    events: bool = Field(
        False, description="Print one JSON line per event; `stop` on stdin stops"
    )
    json_: bool = Field(False, alias="json", description="Only the end of the run, as JSON")

    def run(self) -> int:
        if self.learn is None:
            if self.out:
                raise UserError("--out is for --learn: ids are changed in the result itself.")
            from napari_utile.engine.prediction.relink import relink

            settings = LinkSettings(
                **{name: getattr(self, name) for name in LinkSettings.model_fields}
            )
            run = relink(self.result, settings, self._costs(), self.overwrite)
            return report(run, self.events, self.json_)
        return report(self._learnt(self.learn), self.events, self.json_)

    def _costs(self) -> "LinkCosts | None":
        """Return the costs of the file, or of the model; None if neither is named."""
        from napari_utile.arrays.instances.link_costs import LinkCosts
        from napari_utile.folders.link_costs import read_link_costs
        from napari_utile.folders.model import read_card

        if self.linking_costs and self.model and not self.learn:
            raise UserError("--linking-costs and --model exclude each other: give one.")
        if self.linking_costs:
            return read_link_costs(self.linking_costs)
        card = read_card(model_path(self.model)) if self.model else None
        return LinkCosts.of(card.linking) if card and card.linking else None

    def _learnt(self, corrected: str) -> Generator[Event, None, "LinkCosts"]:
        """Learn costs, and write them where they are wanted."""
        from napari_utile.arrays.instances.link_costs import DEFAULT_COSTS
        from napari_utile.folders.link_costs import write_link_costs
        from napari_utile.folders.model_writing import write_linking
        from napari_utile.io.disk import check_file_output
        from napari_utile.results.learn_links import learn_links

        if (self.out is None) == (self.model is None):
            raise UserError(
                "--learn writes costs: name a JSON file with --out, or a model with --model."
            )
        if self.out:
            check_file_output(self.out, self.overwrite)
        costs = yield from learn_links(self.result, corrected, self._costs() or DEFAULT_COSTS)
        if self.out:
            write_link_costs(self.out, costs)
        elif self.model:
            write_linking(model_path(self.model), costs.as_dict())
        print(printable(f"costs of linking: {self.out or self.model}"), file=sys.stderr)
        return costs
