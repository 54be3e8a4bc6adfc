"""Writes a model into its folder: as a whole, or one entry of its card. No torch."""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from napari_utile.errors import UserError
from napari_utile.folders.model import (
    CARD_FORMAT,
    DESCRIPTION,
    ModelCard,
    card_in,
    find_model,
    name_problem,
    previous_model,
    read_description,
)
from napari_utile.io.disk import atomic_write, room_for, to_disk


def write_linking(path: Path | str, linking: dict[str, float]) -> None:
    """Write costs of linking into the card of a model; its parameters stay as they are.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    linking : dict of str to float
        See `LinkCosts`.

    Raises
    ------
    UserError
        If there is no model, or its card cannot be read or written.
    """
    folder = find_model(path)
    description = read_description(folder)
    card = card_in(description, folder).model_copy(update={"linking": linking})
    _write_card(folder, description, card)


def write_name(path: Path | str, name: str) -> None:
    """Write the name of a model into its card; its parameters stay as they are.

    Parameters
    ----------
    path : path
        Folder of the model or of its run.
    name : str
        One line, at most `LONGEST_NAME` characters.

    Raises
    ------
    UserError
        If it is no name, there is no model, or its card cannot be read or written.
    """
    name = name.strip()
    if problem := name_problem(name) or ("" if name else "the name is empty"):
        raise UserError(f"{problem[0].upper()}{problem[1:]}.")
    folder = find_model(path)
    description = read_description(folder)
    card = card_in(description, folder).model_copy(update={"name": name})
    description["name"] = name_for_others(name, card.network)
    _write_card(folder, description, card)


def name_for_others(name: str, network: str) -> str:
    """Return the name in the standard part of a description, which takes ASCII letters alone.

    Parameters
    ----------
    name : str
        Any; '' if none was given.
    network : str
        By which a model without a name is called.

    Examples
    --------
    >>> name_for_others("Zellen, groß", "unet"), name_for_others("", "UNet")
    ('U-Tile Zellen  gro', 'U-Tile UNet')
    """
    plain = re.sub(r"[^A-Za-z0-9_+() -]", " ", name).strip()
    return f"U-Tile {plain or network}"


def _write_card(folder: Path, description: dict[str, Any], card: ModelCard) -> None:
    description["config"]["utile"] = card.model_dump(mode="json") | {"format": CARD_FORMAT}
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    atomic_write(folder / DESCRIPTION, text.encode())


@contextmanager
def replaced_model(folder: Path) -> Iterator[Path]:
    """Yield a draft folder that becomes the model `folder` when the block ends.

    An older model at the same place can be loaded until the new one is complete; if the
    block raises, it stays, and the draft is removed.

    Parameters
    ----------
    folder : Path
        Of a new model, or of one that is replaced.

    Yields
    ------
    Path
        An empty folder beside it.

    Raises
    ------
    UserError
        If something else is at that place, or the disk is full.
    """
    is_empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and not is_empty and not (folder / DESCRIPTION).is_file():
        raise UserError(f"{folder} exists and is not a model; choose another name.")
    with room_for(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        draft.mkdir()
        try:
            yield draft
            _put_in_place(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def remove_drafts(folder: Path) -> None:
    """Remove the drafts of a model that killed processes left.

    The older model stays: it may be the only complete one.

    Parameters
    ----------
    folder : Path
        Of the model.
    """
    for draft in folder.parent.glob(f".{folder.name}.*"):
        if draft != previous_model(folder):
            shutil.rmtree(draft, ignore_errors=True)


def _put_in_place(draft: Path, folder: Path) -> None:
    # First the content, then the name: a power cut must not leave a name without content.
    for path in (*draft.rglob("*"), draft):
        to_disk(path)
    # No system renames onto a folder that is not empty, so there is a moment without `folder`;
    # `find_model` then finds the older one.
    previous = previous_model(folder)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    draft.rename(folder)
    to_disk(folder.parent)
    shutil.rmtree(previous, ignore_errors=True)
