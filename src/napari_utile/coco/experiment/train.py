"""A comparison of networks trained on the images of a COCO file. It yields events.

It is a comparison like any other (see `engine.comparison`), of images that are reduced in size,
with crowds as unannotated pixels. Its folder holds one more file:

    coco.json    the categories that are learnt, and the size of the images
"""

from collections.abc import Generator
from pathlib import Path
from typing import Self

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.experiment.images import Chosen, small_labels, usable_images
from napari_utile.engine.comparison.front import run_comparison
from napari_utile.engine.comparison.table import Comparison
from napari_utile.errors import UserError
from napari_utile.events import Event, RunStarted, Warned, transform
from napari_utile.folders.comparison import OTHER_FOLDER
from napari_utile.io.disk import atomic_write
from napari_utile.settings.checked import Settings, option_differences
from napari_utile.settings.coco import CocoSettings
from napari_utile.settings.comparison import CompareSettings

COCO = "coco.json"


class Learnt(Settings):
    """What is learnt from which images: the content of `coco.json`.

    Attributes
    ----------
    names : tuple of str
        Names of the categories. Class 1 is the first of them if `kinds` is on.
    kinds : bool
        Whether every category is a class of its own; otherwise all are one foreground.
    longest_side : int
        Size of the images, in pixels; 0 if they are not reduced.
    negatives : bool
        Whether images without an object of the categories are learnt as background.
    files : tuple of str
        Names of the images.
    """

    names: tuple[str, ...]
    kinds: bool
    longest_side: int
    negatives: bool
    files: tuple[str, ...] = ()

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Read the `coco.json` of a folder; None if there is none.

        Raises
        ------
        UserError
            If it is damaged, or of another version.
        """
        if not (folder / COCO).exists():
            return None
        try:
            return cls.read(folder / COCO)
        except ValueError:
            raise UserError(f"{folder / COCO} is damaged, or of another version.") from None


def train_coco(
    annotations: Path,
    folder: Path,
    out: Path,
    settings: CompareSettings,
    coco: CocoSettings,
    overwrite: bool = False,
) -> Generator[Event, None, Comparison]:
    """Train every network with every seed on the same images; see `run_comparison`.

    Parameters
    ----------
    annotations, folder : Path
        COCO instances, and the folder of their images.
    out : Path
        Folder of the comparison. A partial one is resumed.
    settings : CompareSettings
        How each network is trained. Crowds are ignored. With the target "classes" every
        category is a class; otherwise all are one foreground.
    coco : CocoSettings
        What is learnt, and from which images.
    overwrite : bool, default False
        Overwrite the comparison in the folder.

    Yields
    ------
    Event
        As `run_comparison`.

    Returns
    -------
    Comparison

    Raises
    ------
    UserError
        If the file is broken, an image is missing, there is no such category, the settings
        contradict COCO, or the folder holds another comparison.
    """
    if settings.ignore is not None or settings.sparse:
        raise UserError(
            "COCO marks unannotated pixels itself, as crowds: leave out ignore and sparse."
        )
    settings = settings.model_copy(update={"ignore": CROWD})
    file = read_coco(
        annotations,
        folder,
        strict=not settings.skip_broken,
        crowds_as_objects=coco.crowds_as_objects,
    )
    chosen = Chosen.of(file, coco.category)
    chosen.check_objects()
    yield from file.reported(settings.strict)
    every = [i for i in chosen.coco.images if coco.negatives or chosen.shown_in(i)]
    images, pixels, left_out = usable_images(
        chosen.coco, every, coco.longest_side, settings.skip_broken
    )
    for message in left_out:
        yield Warned(message=message)
    learnt = Learnt(
        names=chosen.names,
        kinds=settings.target == "classes",
        longest_side=coco.longest_side,
        negatives=coco.negatives,
        files=tuple(image.file_name for image in images),
    )
    if not overwrite:
        _check_same(out, learnt)
    if not any(map(chosen.shown_in, images)):
        raise UserError(f"{annotations} shows no {' or '.join(chosen.names[:3])}.")
    labels = small_labels(chosen, images, coco.longest_side, learnt.kinds)
    facts = chosen.counts(images, () if learnt.kinds else labels)
    run = run_comparison(
        pixels,
        labels,
        settings,
        out,
        overwrite,
    )

    def record(event: Event) -> Event:
        # Once the folder is known to be ours, and before anything is trained.
        if isinstance(event, RunStarted) and event.job == "compare":
            atomic_write(out / COCO, learnt.text().encode())
            return event.model_copy(update={"facts": event.facts | facts})
        return event

    return (yield from transform(run, record))


def _check_same(out: Path, learnt: Learnt) -> None:
    """Refuse a folder in which something else is learnt, and name the differences."""
    there = Learnt.found(out)
    if there and (
        words := option_differences(_option_texts(there), _option_texts(learnt), {"files"})
    ):
        raise UserError(
            f"{out} holds a comparison that differs ({'; '.join(words)}); {OTHER_FOLDER}"
        )


def _option_texts(learnt: Learnt) -> dict[str, object]:
    """Return the options by name, several values with commas between."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in learnt
    }
