"""Whether truth and prediction look like labels, as far as that can be seen."""

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.doubts.comparison import background_doubt, restart_doubt, sparse_doubt
from napari_utile.arrays.doubts.labels import label_doubts, looked_at
from napari_utile.arrays.doubts.wording import Doubt, told_together
from napari_utile.evaluation.inputs import LabelPair, Side
from napari_utile.evaluation.meaning import as_plane, looks_gray
from napari_utile.events import Warned, doubted
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.options import Target


class Looks:
    """Looks at the sides of each image, and remembers what is doubtful.

    Parameters
    ----------
    settings : EvaluateSettings
        What the labels mean; with `strict` a doubt is raised.
    total : int
        Number of images.
    """

    def __init__(self, settings: EvaluateSettings, total: int):
        self._settings, self._total = settings, total
        self._found: list[tuple[str, Doubt]] = []
        self._has_ignored = settings.ignore is None
        self._used: set[str] = set()
        self._decodes = False

    def look_at(self, name: str, prediction: Any, truth: Any) -> None:
        """Look at one image. What is no labels is not looked at.

        Parameters
        ----------
        name : str
            Of the image; empty if it is the only one.
        prediction, truth : Side or array
            As of `evaluate`.

        Raises
        ------
        UserError
            With `strict`, if one of them is doubtful.
        """
        target, ignore = self._settings.target, self._settings.ignore
        shape = np.shape(Side.of(truth).pixels)
        shape = shape[:-1] if len(shape) > 2 and shape[-1] == 1 else shape
        self._has_ignored |= bool((np.asarray(Side.of(truth).pixels) == ignore).any())
        for side, kind in ((truth, "True labels"), (prediction, "Predicted labels")):
            ids = _whole_ids(Side.of(side).pixels, shape)
            if ids is None or Side.of(side).holds == "probabilities":
                continue
            is_float = np.asarray(Side.of(side).pixels).dtype.kind == "f"
            says_meaning = self._settings.prediction_holds == "probabilities"
            says_meaning |= not is_float and looks_gray(ids)
            if side is not truth and says_meaning:
                continue  # `meaning_of` says so
            planes = looked_at(ids, ignore)
            sparse = self._settings.sparse and side is truth
            doubts = label_doubts(
                planes, name, target, ignore, sparse, kind=kind, is_predicted=side is not truth
            )
            self._found += [(name, Doubt(f"{kind} {d.kind}", d.text)) for d in doubts]
        if self._settings.strict:
            list(doubted(self.messages(), strict=True))

    def saw_ignored(self) -> None:
        """Note that the id to ignore occurs."""
        self._has_ignored = True

    def compare(self, pair: LabelPair) -> None:
        """Look at a prediction beside its truth.

        Parameters
        ----------
        pair : LabelPair

        Raises
        ------
        UserError
            With `strict`, if it is doubtful.
        """
        self._decodes |= pair.is_decoded
        self._used |= _used_options(pair, self._settings.target)
        who = f"Prediction '{pair.name}'" if pair.name else "The prediction"
        whose = f"True labels '{pair.name}'" if pair.name else "The true labels"
        made_of: Any = "mask" if "prediction" in pair.masks else ""
        made_of = "probabilities" if pair.is_decoded else made_of
        doubts = [background_doubt(pair.prediction, pair.truth, who, pair.ignored, made_of)]
        if self._settings.volumetric:
            doubts += [restart_doubt(pair.prediction, who), restart_doubt(pair.truth, whose)]
        if not self._settings.sparse and "truth" not in pair.masks:
            doubts.append(
                sparse_doubt(
                    pair.prediction, pair.truth, whose, self._settings.target, pair.ignored
                )
            )
        found = [(pair.name, doubt) for doubt in doubts if doubt]
        self._found += found
        if self._settings.strict:
            list(doubted((doubt.text for _, doubt in found), strict=True))

    def messages(self) -> list[str]:
        """Return a message for each kind of doubt, whichever images have it."""
        return told_together(self._found, self._total, "images")

    def unused_options(self) -> Generator[Warned, None, None]:
        """Doubt options that changed nothing; called when all images are seen.

        Yields
        ------
        Warned

        Raises
        ------
        UserError
            With `strict`.
        """
        if not self._has_ignored:
            ignored = f"No pixel of the truth has the id {self._settings.ignore} to ignore."
            yield from doubted([ignored], self._settings.strict)
        why = "it is of probabilities, and the prediction holds labels"
        if self._decodes:
            why = "of classes the most probable is taken"
        for name in ("threshold", "instance_method"):
            default = EvaluateSettings.model_fields[name].default
            if name not in self._used and getattr(self._settings, name) != default:
                unused = f"The option {name.replace('_', ' ')} had no effect: {why}."
                yield from doubted([unused], self._settings.strict)


def _used_options(pair: LabelPair, target: Target) -> set[str]:
    """Return the options by which the labels of a pair were made of probabilities."""
    if not pair.is_decoded or pair.probabilities is None:
        return set()
    if target == "instances":
        return {"threshold", "instance_method"}
    return {"threshold"} if len(pair.probabilities) == 1 else set()


def _whole_ids(pixels: Any, shape: tuple[int, ...]) -> NDArray[np.integer[Any]] | None:
    """Return label ids in the shape of the truth; None if they are no whole numbers."""
    given = np.asarray(pixels)
    plane = as_plane(given, shape) if given.ndim > 1 and len(shape) > 1 else None
    if plane is None or plane.dtype.kind not in "iuf":
        return None
    if plane.dtype.kind == "f":
        if not np.isfinite(plane).all() or (plane != np.rint(plane)).any() or plane.max() <= 1:
            return None
        return plane.astype(np.int64)
    return plane
