"""`utile models`: the models of this user: listed, shown, renamed, deleted, exported."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg, CliSubCommand, get_subcommand

from napari_utile.cli.display import DONE, print_facts, print_table
from napari_utile.errors import UserError, printable
from napari_utile.folders.places import data_folder

MODEL_HELP = "Name of a model in the list, or the folder of one or of its run"


class ListModels(BaseModel):
    """List all models: of runs and comparisons in the data folder, and imported ones."""

    json_: bool = Field(False, alias="json", description="Print JSON")

    def run(self) -> int:
        from napari_utile.evaluation.scores import format_score
        from napari_utile.folders.catalogue import read_catalogue
        from napari_utile.io.units import size_text

        models, left_out = read_catalogue(data_folder())
        if self.json_:
            found = {
                "models": [model.model_dump(mode="json") for model in models],
                "left_out": [{"path": str(p), "reason": reason} for p, reason in left_out],
            }
            print(json.dumps(found, indent=2))
            return DONE
        names = ("name", "date", "score", "images", "network", "channels", "size")
        rows = [
            (
                printable(model.name),
                f"{model.date:%Y-%m-%d %H:%M}",
                f"{model.score} {format_score(model.score, model.value)}"
                if model.score
                else "",
                printable(model.images),
                model.network,
                str(model.channels),
                size_text(model.nbytes),
            )
            for model in models
        ]
        if rows:
            print_table(str(data_folder()), [names, *rows], [])
        for _, reason in left_out:
            print(printable(f"left out: {reason}"), file=sys.stderr)
        if not rows:
            print(printable(f"There are no models in {data_folder()}."), file=sys.stderr)
        return DONE


class ModelCardCommand(BaseModel):
    """Print what is known of a model."""

    model: CliPositionalArg[Path] = Field(description=MODEL_HELP)
    json_: bool = Field(False, alias="json", description="Print JSON")

    def run(self) -> int:
        from napari_utile.folders.catalogue import known_model
        from napari_utile.folders.model import read_card

        path = model_path(self.model)
        known, card = known_model(path, data_folder()), read_card(path)
        facts = known.model_dump(mode="json")
        facts |= {"scores": card.scores, "trained_on": card.trained_on, "version": card.version}
        if self.json_:
            facts["settings"] = card.settings and card.settings.model_dump(mode="json")
        else:
            facts = {name: _in_one_line(fact) for name, fact in facts.items()}
            facts = {name: fact for name, fact in facts.items() if fact}
        print_facts(facts, self.json_)
        return DONE


class ExportModel(BaseModel):
    """Write a model as one file, a BioImage.IO package."""

    model: CliPositionalArg[Path] = Field(description=MODEL_HELP)
    out: Path = Field(description="File to write, NAME.zip")
    overwrite: bool = Field(False, description="Overwrite existing output")

    def run(self) -> int:
        from napari_utile.folders.model_zip import export_model

        print(printable(str(export_model(model_path(self.model), self.out, self.overwrite))))
        return DONE


class ImportModel(BaseModel):
    """Copy a model into the data folder, where lists find it; print its new folder."""

    source: CliPositionalArg[Path] = Field(
        description="A package that was exported (.zip), or the folder of a model or of its run"
    )
    name: str | None = Field(None, description="Name in the list; by default its own")

    def run(self) -> int:
        from napari_utile.folders.model_zip import import_model

        print(printable(str(import_model(self.source, data_folder(), self.name or ""))))
        return DONE


class RenameModel(BaseModel):
    """Give a model another name; its folder stays where it is."""

    model: CliPositionalArg[Path] = Field(description=MODEL_HELP)
    name: CliPositionalArg[str] = Field(description="Its new name")

    def run(self) -> int:
        from napari_utile.folders.model_changes import rename_model

        rename_model(model_path(self.model), self.name)
        return DONE


class DeleteModel(BaseModel):
    """Delete a model with its run: checkpoints, previews and copies of layers."""

    model: CliPositionalArg[Path] = Field(description=MODEL_HELP)
    yes: bool = Field(False, description="Delete it; without this, only what would be is said")

    def run(self) -> int:
        from napari_utile.folders.model_changes import delete_model, planned_deletion

        path = model_path(self.model)
        planned = planned_deletion(path)
        if not self.yes:
            raise UserError(f"{planned.text} Give --yes to delete it; it cannot be undone.")
        delete_model(path, data_folder())
        print(printable(planned.text.replace("This deletes", "deleted", 1)), file=sys.stderr)
        return DONE


class Models(BaseModel):
    """The models of this user: list, rename, delete, export and import them."""

    list_: CliSubCommand[ListModels] = Field(alias="list", description=ListModels.__doc__)
    card: CliSubCommand[ModelCardCommand] = Field(description=ModelCardCommand.__doc__)
    export: CliSubCommand[ExportModel] = Field(description=ExportModel.__doc__)
    import_: CliSubCommand[ImportModel] = Field(alias="import", description=ImportModel.__doc__)
    rename: CliSubCommand[RenameModel] = Field(description=RenameModel.__doc__)
    delete: CliSubCommand[DeleteModel] = Field(description=DeleteModel.__doc__)

    def run(self) -> int:
        command = get_subcommand(self, is_required=False) or ListModels()
        status: int = command.run()  # type: ignore[union-attr]
        return status


COMMANDS_OF_MODELS = [field.alias or name for name, field in Models.model_fields.items()]
"""As the user writes them."""


def model_path(given: Path) -> Path:
    """Return the folder of a model that is named in the list; a path that exists is itself.

    Parameters
    ----------
    given : Path
        As the user wrote it: a path, or a name.

    Raises
    ------
    UserError
        If there is neither, or several models have this name.
    """
    if given.exists() or len(given.parts) != 1:
        return given
    from napari_utile.folders.catalogue import models_named, read_catalogue

    found = models_named(str(given), read_catalogue(data_folder()).models)
    if len(found) > 1:
        paths = ", ".join(str(model.path) for model in found)
        raise UserError(f"{len(found)} models are called {str(given)!r}: name one of {paths}.")
    if not found:
        raise UserError(
            f"{given} does not exist, and no model has this name; `utile models` lists them."
        )
    return found[0].path


def _in_one_line(fact: object) -> object:
    """Return a fact as it is printed: of several, each with its name."""
    if not isinstance(fact, dict):
        return fact
    parts = (
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fact.items()
    )
    return ", ".join(parts)
