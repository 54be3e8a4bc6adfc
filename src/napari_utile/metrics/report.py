"""How good a prediction is: every score, per slice and for the whole, in one report."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_utile.arrays.labels import check_labels, components, instances
from napari_utile.errors import UserError
from napari_utile.metrics.matching import f1, match, matching_ap, panoptic_quality, seg
from napari_utile.metrics.overlap import (
    Contingency,
    Labels,
    contingency,
    dice,
    iou,
    pixel_error,
    side_by_side,
)
from napari_utile.metrics.partitions import (
    adapted_rand_error,
    rand_error,
    thin_borders,
    v_info,
    v_rand,
    vi_merge,
    vi_split,
)

Row = Mapping[str, Any]

PARTITIONS = ("v_rand", "v_info", "rand_error", "adapted_rand_error", "vi_split", "vi_merge")
"""Scores of a stack that are the mean of those of its slices."""

ROUNDING = 1e-3  # by which probabilities in half precision may leave 0 to 1


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, float]):
    """Scores of the whole by name; `rows` has those of every slice too. Prints as a table.

    Parameters
    ----------
    rows : tuple of mapping
        One per slice and, last, one of the whole. Under "slice" stands the index of the slice
        (a tuple of indices where there are several leading axes), or "all".
    notes : tuple of str
        What a reader of the numbers must know: empty slices, masks that were split.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> float:
        return self._whole[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def __repr__(self) -> str:
        short = {"true_positives": "TP", "false_positives": "FP", "false_negatives": "FN"}
        cells = [[short.get(name, name) for name in self.rows[-1]]]
        cells += [[as_text(value) for value in row.values()] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(map(str.rjust, line, widths)) for line in cells]
        return "\n".join([*lines, *self.notes])

    def to_json(self) -> str:
        """Write the scores of the whole, then `rows` and `notes`, as one JSON object."""
        return json.dumps(
            {**self, "rows": [dict(row) for row in self.rows], "notes": self.notes}
        )

    def to_csv(self) -> str:
        """Write one line per slice and one for the whole, below a line of names."""
        text = io.StringIO()
        table = csv.DictWriter(text, self.rows[-1], lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        return text.getvalue()

    @property
    def _whole(self) -> dict[str, float]:
        return {name: value for name, value in self.rows[-1].items() if name != "slice"}


def evaluate(
    prediction: Any,
    truth: Any,
    ignore: int | None = None,
    threshold: float = 0.5,
    volumetric: bool = False,
    objects: Literal["watershed", "components"] = "watershed",
) -> Report:
    """Compare a prediction with the truth, pixel by pixel and object by object.

    Parameters
    ----------
    prediction : array of int or bool, shape of `truth`, or of probabilities
        Instances, 0 is background; or a mask. Probabilities are float and have shape
        (C, \\*truth.shape), as `predict` gives them, or the shape of `truth`: then they are
        those of the foreground. Unsigned integers (C, ...) are shares of their largest value.
    truth : array of int or bool, shape (..., Y, X)
        Instances, or a mask: labels with a single non-zero id, which are split into connected
        components slice by slice, on either side.
    ignore : int, optional
        Id in `truth` of pixels that nobody annotated. They count nowhere: not as background
        and not in the area of an object.
    threshold : float, default 0.5
        Foreground probability above which a pixel belongs to an object.
    volumetric : bool, default False
        Whether an object extends over slices. By default the objects of each slice (Y, X) are
        compared on their own, since 2D networks number them slice by slice. The whole then
        pools the counts of all slices (not the mean of their scores), except for the scores of
        partitions, of which it is the mean over the slices, as the ISBI 2012 challenge had it.
        If True the objects of the whole are those of the whole array; those of a slice are
        their sections.
    objects : {"watershed", "components"}, default "watershed"
        How probabilities become objects; see `napari_utile.instances`.

    Returns
    -------
    Report
        `iou`, `dice`, `pixel_error` of the foreground (id > 0); `matching_ap50`, `f1_50`,
        `panoptic_quality` of objects matched one-to-one at an IoU of at least 0.5; `seg`; the
        scores of partitions, which look at pixels of true objects only: `v_rand`, `v_info`,
        `vi_split`, `vi_merge` (bits) after the borders of the prediction were thinned, by
        watershed of the boundary probability if probabilities are given and to the nearest
        object if not, and `rand_error`, `adapted_rand_error` of the prediction as it is; and
        the counts `true_positives`, `false_positives`, `false_negatives`. See
        `metrics.overlap`, `metrics.matching` and `metrics.partitions` for the formulas.

    Raises
    ------
    UserError
        If the shapes differ, or an array holds neither labels nor probabilities.

    Notes
    -----
    Empty on both sides is perfect agreement: every score 1, every error 0. Empty on one side
    only: every score 0, every error 1, the pixel error the share of the pixels in question.
    No score is ever NaN; a note names the slices that were empty.

    Examples
    --------
    >>> truth = np.array([[[1, 1, 0, 2, 2, 2]], [[0, 0, 0, 0, 0, 0]]])
    >>> prediction = np.array([[[7, 7, 0, 0, 0, 9]], [[0, 0, 0, 0, 0, 0]]])
    >>> report = evaluate(prediction, truth)
    >>> report["matching_ap50"], report["false_negatives"]
    (0.3333333333333333, 1)
    >>> report.notes
    ('No object in truth and prediction: counted as perfect agreement (slice 1).',)
    """
    prediction, truth = np.asarray(prediction), np.asarray(truth)
    if truth.size == 0:
        raise UserError(f"The truth has shape {truth.shape}, so there is nothing to compare.")
    prediction, boundary = as_labels(prediction, truth.shape, threshold, volumetric, objects)
    ignored = None if ignore is None else truth == ignore
    if ignored is not None:
        prediction, truth = np.where(ignored, 0, prediction), np.where(ignored, 0, truth)
        if boundary is not None:  # its objects were parted before the ignored pixels were
            prediction = components(prediction, volumetric)
    sides = {"prediction": prediction, "truth": check_labels(truth, "true labels")}
    masks = [name for name, labels in sides.items() if is_mask(labels)]
    sides |= {name: components(sides[name] > 0, volumetric) for name in masks}

    def tables(index: tuple[int, ...] = ()) -> tuple[Contingency, Contingency]:
        hidden = None if ignored is None else ignored[index]
        predicted, true = sides["prediction"][index], sides["truth"][index]
        thin = thin_borders(predicted, None if boundary is None else boundary[index])
        return contingency(predicted, true, hidden), contingency(thin, true, hidden)

    slices = {slice_name(index): tables(index) for index in np.ndindex(truth.shape[:-2])}
    found = {name: scores(*both) for name, both in slices.items()}
    if volumetric:
        found["all"] = scores(*tables())
    elif "all" not in found:
        found["all"] = whole_of(list(slices.values()), list(found.values()))
    rows = tuple({"slice": name, **row} for name, row in found.items())
    notes = [f"The objects of the {name} are the connected parts of a mask." for name in masks]
    tables_of = {name: as_is for name, (as_is, _) in slices.items()}
    return Report(rows, (*notes, *remarks(tables_of)))


def slice_name(index: tuple[int, ...]) -> int | str | tuple[int, ...]:
    """Name a slice as `Report.rows` does. An image is its only slice, and the whole."""
    match index:
        case ():
            return "all"
        case (z,):
            return z
    return index


def as_labels(
    prediction: NDArray[Any],
    shape: tuple[int, ...],
    threshold: float,
    volumetric: bool,
    objects: Literal["watershed", "components"],
) -> tuple[Labels, NDArray[Any] | None]:
    """Make labels of `shape` of a prediction: its own, or the objects that are likely.

    The second is what tells of borders, if probabilities were given: the less likely a pixel
    is foreground, the higher.
    """
    is_float = prediction.dtype.kind == "f"
    if prediction.shape == shape:
        if not (is_float and prediction.min() >= 0 and prediction.max() <= 1):
            return check_labels(prediction, "predicted labels"), None
        prediction = prediction[np.newaxis]
    elif prediction.shape[1:] != shape or prediction.dtype.kind not in "fu":
        raise UserError(f"Prediction {prediction.shape} and truth {shape} differ in shape.")

    low, high = prediction.min(), prediction.max()
    if is_float and not -ROUNDING <= low <= high <= 1 + ROUNDING:  # also if NaN
        raise UserError(f"Predicted probabilities must be 0 to 1, not {low} to {high}.")
    is_foreground = len(prediction) == 1
    boundary = -prediction[0].astype(np.float32) if is_foreground else prediction[0]
    found = instances(
        prediction, threshold, volumetric=volumetric, method=objects, linking="none"
    )
    return found, boundary


def is_mask(labels: Labels) -> bool:
    """Tell whether the labels have a single non-zero id."""
    highest = labels.max()
    return bool(highest > 0 and ((labels == 0) | (labels == highest)).all())


def scores(table: Contingency, thinned: Contingency) -> dict[str, float]:
    """Every score by its name, of a prediction as it is and with its borders thinned."""
    matching = match(table, 0.5)
    return {
        "iou": iou(table),
        "dice": dice(table),
        "pixel_error": pixel_error(table),
        "matching_ap50": matching_ap(matching),
        "f1_50": f1(matching),
        "panoptic_quality": panoptic_quality(matching),
        "seg": seg(table),
        "v_rand": v_rand(thinned),
        "v_info": v_info(thinned),
        "rand_error": rand_error(table),
        "adapted_rand_error": adapted_rand_error(table),
        "vi_split": vi_split(thinned),
        "vi_merge": vi_merge(thinned),
        "true_positives": matching.true_positives,
        "false_positives": matching.false_positives,
        "false_negatives": matching.false_negatives,
    }


def whole_of(
    slices: Sequence[tuple[Contingency, Contingency]], found: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Pool the counts of the slices; of the scores of partitions, take the mean."""
    pooled = scores(*(side_by_side(tables) for tables in zip(*slices, strict=True)))
    return pooled | {name: float(np.mean([row[name] for row in found])) for name in PARTITIONS}


def remarks(tables: Mapping[Any, Contingency]) -> list[str]:
    """Say in which slices there was nothing to find, or nothing found."""
    slices_of: dict[str, list[str]] = {}
    for name, table in tables.items():
        slices_of.setdefault(remark(table), []).append(str(name))
    return [f"{text} (slice {', '.join(names)})." for text, names in slices_of.items() if text]


def remark(table: Contingency) -> str:
    """Say what is missing on one side or both; nothing if there are objects on both."""
    match table.pixels, table.truth_ids.size, table.prediction_ids.size:
        case 0, _, _:
            return "Every pixel is ignored: counted as perfect agreement"
        case _, 0, 0:
            return "No object in truth and prediction: counted as perfect agreement"
        case _, 0, _:
            return "No object in the truth: every predicted one is false"
        case _, _, 0:
            return "No object in the prediction: every true one is missed"
    return ""


def as_text(value: Any) -> str:
    """Write scores to four digits, and indices and counts as they are."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
