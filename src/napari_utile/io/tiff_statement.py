"""What our TIFF files say about their own pixels, as an annotation of their OME-XML."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import tifffile

from napari_utile.io.own_files import NAMESPACE
from napari_utile.io.stack import Holds

IN_WORDS = {
    "probabilities": "Probabilities; in whole numbers the largest of the type is 1.",
    "labels": "Labels; 0 is background.",
    "instances": "Labels: one id per object; 0 is background.",
    "classes": "Labels: one id per class.",
}
"""The description that a human reads in other programs."""


def statement(
    holds: Holds,
    ids: Sequence[int] = (),
    rule: Mapping[str, Any] | None = None,
    *,
    is_partial: bool = False,
) -> dict[str, Any]:
    """Return metadata for tifffile that say what the pixels are.

    Parameters
    ----------
    holds : Holds
        What they are; with "" only that U-Tile wrote them.
    ids : sequence of int, optional
        Of probabilities: the label id of each channel.
    rule : mapping, optional
        Of probabilities: how they become objects, see `Stack`.
    is_partial : bool, default False
        Whether pixels are still missing; `completed` says that they are there.

    Returns
    -------
    dict
    """
    said = {"Namespace": NAMESPACE, "holds": holds, "ids": " ".join(map(str, ids))}
    if rule:
        said["rule"] = json.dumps(rule)
    if is_partial:
        said["complete"] = "0"
    words = {"Description": IN_WORDS[holds]} if holds else {}
    return {**words, "MapAnnotation": said}


_PARTIAL, _COMPLETE = b'K="complete">0<', b'K="complete">1<'


def says_partial(xml: str) -> bool:
    """Whether OME-XML says that pixels of a result of ours are missing."""
    return NAMESPACE in xml and _PARTIAL.decode() in xml


def completed(xml: bytes) -> bytes:
    """Return OME-XML, of the same length, that says that no pixel is missing."""
    return xml.replace(_PARTIAL, _COMPLETE)


def read_statement(xml: str) -> tuple[Holds, tuple[int, ...], dict[str, Any]]:
    """Read what a file says that its pixels are.

    Parameters
    ----------
    xml : str
        OME-XML of the file; of other files it says nothing.

    Returns
    -------
    holds : Holds
    ids : tuple of int
        Of probabilities: the label id of each channel, if they are known.
    rule : dict
        Of probabilities: how they become objects, see `Stack`; empty if it is not known.
    """
    if NAMESPACE not in xml:
        return "", (), {}
    try:
        notes = tifffile.xml2dict(xml)["OME"]["StructuredAnnotations"]["MapAnnotation"]
        for note in notes if isinstance(notes, list) else [notes]:
            if note.get("Namespace") == NAMESPACE:
                said = {pair["K"]: str(pair.get("value", "")) for pair in note["Value"]["M"]}
                ids = tuple(int(word) for word in said.get("ids", "").split())
                rule = json.loads(said.get("rule", "{}"))
                if said.get("holds") in get_args(Holds):
                    return cast(Holds, said["holds"]), ids, rule
    except (SyntaxError, KeyError, TypeError, ValueError, AttributeError):  # edited by hand
        pass
    return "", (), {}
