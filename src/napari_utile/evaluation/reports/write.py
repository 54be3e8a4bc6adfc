"""An evaluation as a file: a page, a picture, or its scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_utile.errors import UserError
from napari_utile.evaluation.report import Report
from napari_utile.evaluation.reports.html import page
from napari_utile.evaluation.reports.sheet import sheet
from napari_utile.io.disk import atomic_write
from napari_utile.io.stack import Stack

SUFFIXES = (".html", ".png", ".json", ".csv")


def check_suffix(path: Path | str) -> str:
    """Return the suffix of a path, which says what kind of report is written.

    Parameters
    ----------
    path : path

    Raises
    ------
    UserError
        If it is none of `SUFFIXES`.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: a report is {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}.")
    return suffix


def write_report(
    path: Path | str,
    report: Report,
    title: str = "",
    images: Sequence[Stack] = (),
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a report atomically, in the format of its suffix.

    Parameters
    ----------
    path : path
        .html: everything on one page that needs no other file. .png: main scores, curves and
        slices as one picture. .json: `Report.to_json`. .csv: the table of slices. An existing
        file is overwritten.
    report : Report
    title : str
    images : sequence of Stack, optional
        The image of each truth, to show below the errors of the worst slices; by default the
        truth. Only the planes of these slices are read.
    facts : mapping, optional
        What was compared and with which options: name -> value.

    Raises
    ------
    UserError
        If the suffix is none of these, or there is no room.
    """
    match check_suffix(path):
        case ".html":
            content = page(report, title, images, facts).encode()
        case ".json":
            content = f"{report.to_json()}\n".encode()
        case ".csv":
            content = report.to_csv().encode()
        case _:
            content = sheet(report, title, images, facts)
    atomic_write(path, content)
