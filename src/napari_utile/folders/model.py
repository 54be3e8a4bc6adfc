"""What the window needs to know of a model; it reads the card, never the weights."""

from pathlib import Path

import yaml

from napari_utile.errors import UserError


def model_problem(model: Path | None) -> str:
    """Say why this model cannot be used, or nothing."""
    if model is None:
        return "Choose a model: train one, or look for its folder."
    try:
        channels_of(model)
    except UserError as error:
        return str(error)
    return ""


def channels_of(model: Path) -> int:
    """Read from the folder of a model, or of its run, how many channels it expects.

    Raises
    ------
    UserError
        If there is no model of U-Tile.
    """
    cards = [folder / "bioimageio.yaml" for folder in (model, model / "model")]
    card = next((path for path in cards if path.is_file()), None)
    if card is None:
        raise UserError(f"{model} holds no model.")
    try:
        found = yaml.safe_load(card.read_text(encoding="utf-8"))
        return int(found["config"]["utile"]["arguments"]["in_channels"])
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        raise UserError(f"{card.parent} was not made by U-Tile, or is damaged.") from None
