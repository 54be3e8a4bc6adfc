"""What the ids of a labels layer mean and are called: kept in the layer, for all panels."""

from collections.abc import Mapping
from typing import Any

from napari.layers import Layer
from psygnal import Signal as Announcement

from napari_utile.errors import UserError
from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.layers.stacks import held_in

MEANING, NAMES = "utile_meaning", "utile_class_names"
"""Keys of a layer's metadata."""
INDEX, NAME = "index", "class"
"""Columns of a layer's features: napari shows the name of an id in its status bar."""
NAMED_IN = (NAME, "category")
"""Columns that hold names: ours, and that of COCO annotations."""


class _Meanings:
    """Announces a layer whose ids got another meaning to every panel."""

    changed = Announcement(object)


MEANINGS = _Meanings()


def said_meaning(layer: Layer) -> LabelSettings | None:
    """Return what the ids of a layer mean, if a panel was told.

    Parameters
    ----------
    layer : Labels

    Returns
    -------
    LabelSettings or None
    """
    said = layer.metadata.get(MEANING)
    try:
        return LabelSettings(**said) if isinstance(said, Mapping) else None
    except UserError:  # of another version
        return None


def label_meaning(layer: Layer) -> LabelSettings:
    """Return what the ids of a layer mean: what a panel was told, or what its file says.

    Parameters
    ----------
    layer : Labels

    Returns
    -------
    LabelSettings
    """
    told = layer.metadata.get("coco")
    kinds = {held_in(layer), told.get("kind") if isinstance(told, Mapping) else ""}
    guess = LabelSettings(target="classes" if "classes" in kinds else "instances")
    return said_meaning(layer) or guess


def say_meaning(layer: Layer, meaning: LabelSettings) -> None:
    """Keep what the ids of a layer mean, and announce it if it is new.

    Parameters
    ----------
    layer : Labels
    meaning : LabelSettings
    """
    if said_meaning(layer) != meaning:
        layer.metadata[MEANING] = meaning.model_dump()
        MEANINGS.changed.emit(layer)


def meaning_text(meaning: LabelSettings) -> str:
    """Return what the ids mean, in one line.

    Parameters
    ----------
    meaning : LabelSettings

    Examples
    --------
    >>> meaning_text(LabelSettings())
    '0 = background · 1, 2, 3 … = one object each, however many strokes'
    >>> meaning_text(LabelSettings(target="classes", sparse=True, ignore=9))
    '0 = not annotated · 1 = background · 2, 3, 4 … = one class each · 9 = not annotated'
    """
    parts = ["0 = not annotated"] * meaning.sparse + [f"{meaning.background} = background"]
    some = ", ".join(str(meaning.first + i) for i in range(3))
    each = "class each" if meaning.target == "classes" else "object each, however many strokes"
    parts += [f"{some} … = one {each}"]
    if meaning.ignore is not None:
        parts += [f"{meaning.ignore} = not annotated"]
    return " · ".join(parts)


def class_names(layer: Layer) -> dict[int, str]:
    """Return the names that were given to ids, by the user or by the file of the layer.

    Parameters
    ----------
    layer : Labels

    Returns
    -------
    dict of int to str
    """
    table = layer.features
    columns = [name for name in NAMED_IN if name in table and INDEX in table]
    names = {}
    for name in columns[:1]:
        names = {
            int(id_): str(given)
            for id_, given in zip(table[INDEX], table[name], strict=True)
            if isinstance(given, str) and given
        }
    said = layer.metadata.get(NAMES)
    return names | ({int(i): str(n) for i, n in said.items()} if said else {})


def name_class(layer: Layer, id_: int, name: str) -> None:
    """Give an id a name; '' removes it.

    Parameters
    ----------
    layer : Labels
        Its metadata keep the names; its features, too, unless they hold something else.
    id_ : int
    name : str
    """
    names = class_names(layer) | {id_: name.strip()}
    layer.metadata[NAMES] = {i: n for i, n in names.items() if n}
    if {*layer.features} <= {INDEX, NAME}:
        kept = sorted(layer.metadata[NAMES].items())
        features: dict[str, Any] = {INDEX: [i for i, _ in kept], NAME: [n for _, n in kept]}
        layer.features = features


def default_name(id_: int, meaning: LabelSettings) -> str:
    """Return what an id is called if it has no name.

    Parameters
    ----------
    id_ : int
    meaning : LabelSettings

    Examples
    --------
    >>> [default_name(i, LabelSettings(target="classes", sparse=True)) for i in range(4)]
    ['not annotated', 'background', 'class 2', 'class 3']
    """
    if id_ == meaning.ignore or (meaning.sparse and id_ == 0):
        return "not annotated"
    if id_ == meaning.background:
        return "background"
    return f"{'class' if meaning.target == 'classes' else 'object'} {id_}"
