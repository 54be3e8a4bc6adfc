"""Results of many images: where each is written, and the table of how they ended."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_utile.engine.prediction.outputs import TiffOutput, ZarrOutput
from napari_utile.errors import UserError
from napari_utile.events import ImageDone
from napari_utile.folders.journal import WorkFolder
from napari_utile.io.disk import atomic_write
from napari_utile.io.images import IMAGE_SUFFIXES
from napari_utile.io.names import last_part
from napari_utile.io.ome_zarr import provenance
from napari_utile.io.tables import csv_text
from napari_utile.io.zarr_folders import is_zarr

RESULT_SUFFIXES = {*ZarrOutput.suffixes, *TiffOutput.suffixes}
"""Of the name of a single result."""


def without_results(paths: Sequence[Path | str], out: Path) -> list[Path | str]:
    """Leave out of a list of images the results that an earlier run wrote among them.

    Parameters
    ----------
    paths : sequence of path
        Images.
    out : Path
        Folder of the results.

    Returns
    -------
    list of path
        All of `paths`, if nothing else would be left.
    """
    images = [
        p for p in paths if not (isinstance(p, Path) and p.parent == out and is_result(p))
    ]
    return images or list(paths)


def is_result(path: Path) -> bool:
    """Whether a path is a result of U-Tile."""
    return is_zarr(path) and "settings" in provenance(path)


def result_of_each(
    paths: Sequence[Path | str], out: Path, form: str = "auto", is_alone: bool = True
) -> list[Path]:
    """Return where the result of each image is written.

    Parameters
    ----------
    paths : sequence of path
        Images.
    out : Path
        The result of a lone image, or the folder of all results. A folder that is there, and
        no result, gets that of a lone image, too.
    form : {"auto", "zarr", "tif"}
        Format of the results; "auto" is that of the name, or Zarr.
    is_alone : bool
        Whether there is one image whose result is `out` itself.

    Returns
    -------
    list of Path

    Raises
    ------
    UserError
        If two would be at the same place, or the name does not fit what is written.
    """
    suffix = out.suffix.lower()
    if is_alone:
        if suffix in IMAGE_SUFFIXES - RESULT_SUFFIXES:
            raise UserError(f"{out}: a result is written as .zarr or .tif.")
        is_folder = suffix not in RESULT_SUFFIXES and out.is_dir() and not is_zarr(out)
        # a killed process may have left a folder without metadata, of a result that resumes
        if is_folder and not WorkFolder(out).plan:
            return _inside(out, paths, form)
        if form != "auto" and (suffix in TiffOutput.suffixes) != (form == "tif"):
            raise UserError(f"{out}: the format {form} is asked for; end the name in .{form}.")
        return [out]
    if (suffix in IMAGE_SUFFIXES and not out.is_dir()) or is_zarr(out):
        raise UserError(
            f"{out} is one file, and the results of {len(paths)} images are a folder: name one."
        )
    results = _inside(out, paths, form)
    if twice := [str(path) for path, n in Counter(results).items() if n > 1]:
        raise UserError(f"More than one image would become {', '.join(twice)}; rename them.")
    return results


def _inside(folder: Path, paths: Sequence[Path | str], form: str) -> list[Path]:
    """Return where the result of each image is written in a folder."""
    suffix = "tif" if form == "tif" else "zarr"
    return [folder / f"{Path(last_part(path)).stem}.{suffix}" for path in paths]


def write_summary(folder: Path, ends: Sequence[ImageDone]) -> None:
    """Write how each image ended, as summary.csv and summary.json.

    Parameters
    ----------
    folder : Path
    ends : sequence of ImageDone
        At least one.
    """
    rows = [
        {
            "file": end.image,
            "size": " x ".join(map(str, end.shape)),
            "seconds": round(end.seconds, 1),
            "objects": "" if end.objects is None else end.objects,
            "status": end.status,
            "result": end.out,
            "message": end.message,
        }
        for end in ends
    ]
    atomic_write(folder / "summary.csv", csv_text(list(rows[0]), rows).encode())
    plain = [end.model_dump(mode="json", exclude={"event"}) for end in ends]
    atomic_write(folder / "summary.json", (json.dumps(plain, indent=2) + "\n").encode())
