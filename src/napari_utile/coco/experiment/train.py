"""Networks trained on the images of a COCO file, beside each other.

It is a comparison like any other (see `comparison`), on images that were made small, and with
crowds as pixels that nobody annotated. One more file lies in its folder:

    coco.json    the categories that are learnt, and how large the images were seen
"""

from collections.abc import Generator
from pathlib import Path
from typing import Self

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.experiment.images import Chosen, small_images, small_labels
from napari_utile.engine.comparison.front import run_comparison
from napari_utile.engine.comparison.table import Comparison
from napari_utile.errors import UserError
from napari_utile.events import Event, RunStarted
from napari_utile.folders.comparison import OTHER_FOLDER
from napari_utile.io.disk import atomic_write
from napari_utile.settings import CocoSettings, CompareSettings, Settings, option_differences

COCO = "coco.json"


class Learnt(Settings):
    """What is learnt from the images: what `coco.json` holds.

    Attributes
    ----------
    names : tuple of str
        Of the categories. Class 1 is the first of them if `kinds` are told apart.
    kinds : bool
        Whether they are; otherwise all are one foreground.
    """

    names: tuple[str, ...]
    kinds: bool
    longest_side: int
    negatives: bool
    files: tuple[str, ...] = ()
    """Names of the images."""

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """Read what was learnt in a folder; None if that is not said."""
        try:
            return cls.read(folder / COCO)
        except OSError:
            return None
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
        Folder for everything that comes of it; goes on where it stopped.
    settings : CompareSettings
        How each network is trained. Crowds are the pixels that it ignores. With the target
        "classes" categories are told apart; otherwise all are one foreground.
    coco : CocoSettings
        What is learnt, and from which images.
    overwrite : bool, default False
        Replace whatever comparison is in the folder.

    Yields
    ------
    As `run_comparison`.

    Raises
    ------
    UserError
        If the file is broken, an image is missing, there is no such category, the settings
        contradict COCO, or the folder holds another comparison.
    """
    if settings.ignore is not None or settings.sparse:
        raise UserError("COCO says itself what is not annotated: leave out ignore and sparse.")
    settings = settings.model_copy(update={"ignore": CROWD})
    chosen = Chosen.of(read_coco(annotations, folder), coco.category)
    images = [i for i in chosen.coco.images if coco.negatives or chosen.shown_in(i)]
    learnt = Learnt(
        names=chosen.names,
        kinds=settings.target == "classes",
        longest_side=coco.longest_side,
        negatives=coco.negatives,
        files=tuple(image.file_name for image in images),
    )
    if not overwrite:
        refuse_another(out, learnt)
    if not any(map(chosen.shown_in, images)):
        raise UserError(f"{annotations} shows no {' or '.join(chosen.names[:3])}.")
    steps = run_comparison(
        small_images(chosen.coco, images, coco.longest_side),
        small_labels(chosen, images, coco.longest_side, learnt.kinds),
        settings,
        out,
        overwrite,
    )
    try:
        while True:
            event = next(steps)
            if isinstance(event, RunStarted) and event.job == "compare":
                atomic_write(out / COCO, learnt.text().encode())
            yield event
    except StopIteration as end:
        found: Comparison = end.value
        return found
    finally:
        steps.close()


def refuse_another(out: Path, learnt: Learnt) -> None:
    """Refuse a folder in which something else was learnt from COCO, in words."""
    there = Learnt.found(out)
    if there and (
        words := option_differences(_option_texts(there), _option_texts(learnt), {"files"})
    ):
        raise UserError(
            f"{out} holds a comparison that differs ({'; '.join(words)}); {OTHER_FOLDER}"
        )


def _option_texts(learnt: Learnt) -> dict[str, object]:
    """Return the options, several names with commas between."""
    return {
        name: ", ".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in learnt
    }
