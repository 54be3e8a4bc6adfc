"""What commands that take time share: settings from file and flags, and what is printed."""

import json
from collections.abc import Container, Generator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, Field, ValidationError

from napari_utile.cli.display import STOPPED, follow, print_table, print_warning, report
from napari_utile.errors import UserError
from napari_utile.events import Event
from napari_utile.folders.comparison import ComparisonFolder
from napari_utile.settings import RECIPES, Settings

START = "Input should be "
"""With which most of pydantic's messages begin."""

BUDGET = {"steps", "minutes"}
"""Options of which the one that is given replaces both of a file."""


class Run(BaseModel):
    """What every command that takes time has beside its settings."""

    settings: Path | None = Field(None, description="settings.json to start from")
    overwrite: bool = Field(False, description="Replace what is there")
    events: bool = Field(
        False, description="One JSON line per event; stdin heeds `stop`, `pause`, `resume`"
    )
    json_: bool = Field(False, alias="json", description="Only the result, as JSON")

    kind: ClassVar[type[Settings]]
    recipe_by_default: ClassVar[str | None] = None
    """Which recipe is followed if neither the file nor the flags name one."""

    def options(self) -> Any:
        """Give the settings alone: those of the file, then the flags that were given."""
        given = {name: getattr(self, name) for name in self.flags()}
        if self.settings is not None:
            kept = self._read(self.settings)
            if "recipe" in given:  # the named set wins over what another run was made with
                named = {name for recipe in RECIPES.values() for name in recipe}
                kept = {name: value for name, value in kept.items() if name not in named}
            if BUDGET & given.keys():
                kept = {name: value for name, value in kept.items() if name not in BUDGET}
            given = kept | given
        if self.recipe_by_default:
            given = {"recipe": self.recipe_by_default} | given
        try:
            return self.kind(**given)
        except ValidationError as error:
            raise UserError(f"{self.settings}: {first_sentence(error)}") from None

    def flags(self) -> list[str]:
        """Name the options that were given as flags."""
        return [name for name in self.kind.model_fields if name in self.model_fields_set]

    def _read(self, path: Path) -> dict[str, Any]:
        """Read a file of settings."""
        try:
            settings = json.loads(path.read_text())
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}.") from None
        except ValueError as error:
            raise UserError(f"{path} is not JSON: {error}.") from None
        if not isinstance(settings, dict):
            raise UserError(f"{path} holds no settings.")
        try:
            return self.kind.present_names(settings)
        except ValueError as error:
            raise UserError(f"{path}: {error}.") from None


def kebab(name: str) -> str:
    """Return the name of an option as a flag has it, without dashes before it."""
    return name.replace("_", "-")


def report_comparison(
    run: Generator[Event, None, Any], folder: Path, events: bool, only_json: bool
) -> int:
    """Show a comparison as it runs, then the table in its folder; give back the exit status."""
    if only_json and not events:
        status = follow(run, print_warning)
    else:
        status = report(run, events, only_json=False)
    if events:
        return status
    from napari_utile.engine.comparison.table import cells

    table = ComparisonFolder(folder).table  # after a stop, of the networks that were done
    found = json.loads(table.read_text()) if table.exists() else {"rows": [], "notes": []}
    if only_json:
        print(json.dumps(found | {"stopped": status == STOPPED}, indent=2))
    elif found["rows"]:
        print_table(str(folder), cells(found["rows"], in_terminal=True), found["notes"])
    return status


def first_sentence(error: ValidationError, commands: Container[Any] = ()) -> str:
    """Say which flag, of which command, is wrong and why, without pydantic's link."""
    first = error.errors()[0]
    # ("train", "steps"), ("coco", "train", "tile", "int"), or ("steps",) from a file
    depth = next((i for i, part in enumerate(first["loc"]) if part not in commands), 0)
    place = first["loc"][: depth + 1]
    name = kebab(str(place[-1]))
    if first["type"] == "missing":
        return f"--{name} is missing."
    same = [e["msg"] for e in error.errors() if e["loc"][: depth + 1] == place]
    if not same[0].startswith(START):
        return f"--{name}: {same[0].removeprefix('Value error, ')}."
    wanted = " or ".join(dict.fromkeys(message.removeprefix(START) for message in same))
    return f"--{name} {first['input']}: should be {wanted}."
