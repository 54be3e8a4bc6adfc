"""Sample data: a synthetic stack, and the stack of ISBI 2012, which is downloaded once."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from napari_utile.errors import UserError
from napari_utile.io.disk import all_or_none, atomic_write, check_file_output
from napari_utile.io.napari_reader import LayerData
from napari_utile.io.stack import Stack
from napari_utile.io.tiff import open_tiff, write_tiff
from napari_utile.samples.synthesis import synthetic_stack
from napari_utile.settings.arrays import SAMPLE_DEFAULTS, SampleSettings

__all__ = ["isbi2012", "isbi2012_layers", "synthetic_layers", "synthetic_stack", "write_sample"]

ISBI2012 = (
    "https://raw.githubusercontent.com/zhixuhao/unet/"
    "b45af4d458437d8281cc218a07fd4380818ece4a/data/membrane/"
)
ISBI2012_FILES = {
    "train-volume.tif": "358e48bed4f747c20da43251eb7138727d98cec3",
    "train-labels.tif": "74ab9858c0be80842c94c41c6fb980aab49e9558",
}
"""Files and their checksums: their blob ids in that commit of git."""
ISBI2012_TERMS = (
    "ISBI 2012 training data: serial-section TEM of the Drosophila larva ventral nerve cord. "
    "You are free to use this data set for the purpose of generating or testing non-commercial "
    "image segmentation software. If any scientific publications derive from the usage of this "
    "data set, you must cite TrakEM2 and the following publication: Cardona A, Saalfeld S, "
    "Preibisch S, Schmid B, Cheng A, Pulokas J, Tomancak P, Hartenstein V (2010). An "
    "Integrated Micro- and Macroarchitectural Analysis of the Drosophila Brain by "
    "Computer-Assisted Serial Section Electron Microscopy. PLoS Biol 8(10): e1000502. "
    "doi:10.1371/journal.pbio.1000502"
)
SCALE, UNITS = (50.0, 4.0, 4.0), ("nanometer",) * 3
"""Sections of 50 nm with pixels of 4 nm, in both stacks."""


def isbi2012(folder: Path | str | None = None) -> tuple[Path, Path]:
    """Return the 30 annotated slices of the ISBI 2012 challenge, downloaded the first time.

    Parameters
    ----------
    folder : path, optional
        Where to keep them. The user's cache folder if left out.

    Returns
    -------
    volume, labels : Path
        TIFFs of uint8, (30, 512, 512); in the labels 255 is a neurite and 0 membrane.

    Raises
    ------
    UserError
        If the download fails, or its checksum is wrong.

    References
    ----------
    .. [1] Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms
       for connectomics", Front. Neuroanat. 9:142 (2015).
    """
    folder = Path(folder) if folder else user_cache_path("napari-utile") / "isbi2012"
    volume, labels = (_download(name, folder) for name in ISBI2012_FILES)
    return volume, labels


def synthetic_layers() -> list[LayerData]:
    """Return the synthetic stack and its truth, as sample data of napari."""
    image, instances = synthetic_stack()
    return _sample_layers("Synthetic ssTEM", image, instances)


def isbi2012_layers(tell: Callable[[str], object] | None = None) -> list[LayerData]:
    """Return the ISBI 2012 stack and its labels, as sample data of napari; tell the terms.

    Parameters
    ----------
    tell : callable, optional
        Called with the terms. By default they are a warning, which napari shows.
    """
    image, labels = (open_tiff(path).read() for path in isbi2012())
    if tell is not None:
        tell(ISBI2012_TERMS)
    else:
        warnings.warn(ISBI2012_TERMS, stacklevel=2)
    return _sample_layers("ISBI 2012", image, labels)


def write_sample(
    name: Literal["synthetic", "isbi2012"],
    out: Path | str,
    overwrite: bool = False,
    settings: SampleSettings = SAMPLE_DEFAULTS,
) -> list[Path]:
    """Write image.tif and labels.tif to a folder, and the terms of use if there are any.

    Parameters
    ----------
    name : {"synthetic", "isbi2012"}
    out : path
        The folder; it is created if need be.
    overwrite : bool, default False
        Whether existing files are replaced.
    settings : SampleSettings, optional
        What the synthetic sample shows.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    UserError
        If they exist and `overwrite` is off, cannot be written, or the download fails; or if
        the downloaded sample is given options.
    """
    if name != "synthetic" and settings != SAMPLE_DEFAULTS:
        raise UserError("Options of the sample are for synthetic: leave them out for isbi2012.")
    out = Path(out)
    paths = [out / "image.tif", out / "labels.tif"]
    for path in paths:
        check_file_output(path, overwrite)
    pixels: list[NDArray[Any]]
    if name == "synthetic":
        drawn = settings.model_dump(exclude={"slices", "size"})
        shape = (settings.slices, settings.size, settings.size)
        pixels = [*synthetic_stack(shape, **drawn)]
    else:
        pixels = [open_tiff(path).read() for path in isbi2012()]
    with all_or_none():
        for path, array in zip(paths, pixels, strict=True):
            write_tiff(path, array, like=Stack(array, "zyx", scale=SCALE, units=UNITS))
        if name == "isbi2012":
            paths.append(out / "TERMS.txt")
            atomic_write(paths[-1], ISBI2012_TERMS.encode() + b"\n")
    return paths


def git_blob_id(content: bytes) -> str:
    """Return the checksum by which git names a file.

    Parameters
    ----------
    content : bytes
        Of the file.

    Examples
    --------
    >>> git_blob_id(b"")
    'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(
        b"blob %d\0" % len(content) + content, usedforsecurity=False
    ).hexdigest()


def _download(name: str, folder: Path) -> Path:
    """Download a file into `folder`, unless it is there and intact."""
    import pooch  # it takes a third of a second, and the window is just opening

    path, url = folder / name, ISBI2012 + name
    if not _is_intact(path):
        path.unlink(missing_ok=True)
        pooch.get_logger().setLevel("WARNING")  # it would write to standard error
        try:
            # pooch knows no checksums of git: they are compared below
            pooch.retrieve(url, None, name, folder, downloader=pooch.HTTPDownloader(timeout=30))
        except OSError as error:  # as are the errors of requests
            raise UserError(
                f"{url} could not be downloaded ({_reason(error)}): check the network, or put "
                f"the file into {folder} by other means."
            ) from error
        if not _is_intact(path):
            size = path.stat().st_size
            path.unlink()
            raise UserError(f"{url} gave {size:,} bytes with a wrong checksum; not used.")
    return path


def _is_intact(path: Path) -> bool:
    return path.exists() and git_blob_id(path.read_bytes()) == ISBI2012_FILES[path.name]


def _reason(error: BaseException) -> str:
    """Return the innermost cause in a few words: requests wraps it several times."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return getattr(error, "strerror", None) or str(error)


def _sample_layers(
    name: str, image: NDArray[np.uint8], labels: NDArray[Any]
) -> list[LayerData]:
    place = {"scale": SCALE, "units": UNITS}
    return [
        (image, {"name": name, "contrast_limits": (0, 255), **place}, "image"),
        (labels, {"name": f"{name} labels", **place}, "labels"),
    ]
