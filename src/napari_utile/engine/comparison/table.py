"""The table of a comparison: rows of numbers, and how they read as JSON, CSV and Markdown."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Self

from napari_utile.arrays.splits import Split

Row = Mapping[str, Any]

SHOWN = {
    "iou": "IoU",
    "dice": "Dice",
    "pixel_error": "pixel error",
    "mean_iou": "mean IoU",
    "matching_ap50": "matching AP50",
    "f1_50": "F1 at 0.5",
    "panoptic_quality": "PQ",
    "coco_ap": "COCO AP",
    "coco_ap50": "COCO AP50",
    "coco_ap75": "COCO AP75",
    "coco_ar": "COCO AR",
    "v_rand": "V Rand",
    "v_info": "V Info",
    "threshold": "threshold",
    "parameters": "parameters",
    "steps": "steps",
    "seconds_to_train": "training, s",
    "seconds_to_predict": "prediction, s",
    "seconds_per_megapixel": "prediction, s/Mpx",
}
"""Columns of the table that people read, and what stands above them."""
SHORT = {
    "iou": "IoU",
    "mean_iou": "mean IoU",
    "panoptic_quality": "PQ",
    "coco_ap": "COCO AP",
    "coco_ap50": "AP50",
    "v_rand": "V Rand",
    "parameters": "params",
    "seconds_to_train": "train s",
    "seconds_per_megapixel": "s/Mpx",
}
"""Those for which a terminal has room."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """What came of a comparison. Prints as a table.

    Attributes
    ----------
    folder : Path
        Where everything is.
    runs : tuple of mapping
        One per network and seed: `network`, `seed`, and every number by its name.
    notes : tuple of str
        What a reader of the numbers must know.
    failed : tuple of str
        Candidates that could not be done, and why.
    """

    folder: Path
    runs: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """One per network, in the order in which they came.

        `network`, `seeds`, and of every number the mean over the seeds and, under its name and
        ``_std``, the standard deviation (None of a single seed).
        """
        return summarize(self.runs)

    def with_run(self, network: str, seed: int, row: Row) -> Self:
        """Add what came of one network with one seed."""
        return replace(self, runs=(*self.runs, {"network": network, "seed": seed, **row}))

    def without(self, reason: str) -> Self:
        """Add the name of a candidate that could not be done, and why."""
        return replace(self, failed=(*self.failed, reason))

    def __repr__(self) -> str:
        return to_markdown(self.rows, self.notes) if self.runs else "No network is done.\n"


def summarize(runs: Sequence[Row]) -> tuple[Row, ...]:
    """Make one row per network, in the order in which they come, of the rows of all runs."""
    networks = dict.fromkeys(run["network"] for run in runs)
    return tuple(_summary([run for run in runs if run["network"] == n]) for n in networks)


def _summary(runs: Sequence[Row]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "network": runs[0]["network"],
        "seeds": [run["seed"] for run in runs],
    }
    for name in runs[0]:
        values = [run[name] for run in runs]
        if name == "parameters":
            row[name] = values[0]
        elif name not in ("network", "seed"):
            row[name] = mean(values)
            row[f"{name}_std"] = stdev(values) if len(values) > 1 else None
    return row


def to_json(comparison: Comparison) -> str:
    """Write rows, runs, notes and failures as one JSON object."""
    names = ("rows", "runs", "notes", "failed")
    return json.dumps({name: getattr(comparison, name) for name in names}, indent=2) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """Write one line per network, below a line of names. What there is not is empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(
        row | {"seeds": " ".join(map(str, row["seeds"]))} for row in map(dict, rows)
    )
    return text.getvalue()


def to_markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """Write the columns that people read, aligned, and the notes below."""
    lines = cells(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    head, *body = [
        "| "
        + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        + " |"
        for line in lines
    ]
    rule = (
        "|"
        + "|".join(["-" * (widths[0] + 2), *("-" * (w + 1) + ":" for w in widths[1:])])
        + "|"
    )
    return "\n".join([head, rule, *body, "", *notes]) + "\n"


def cells(rows: Sequence[Row], titles: Mapping[str, str] = SHOWN) -> list[list[str]]:
    """Give the table as text: a line of titles, and one per network."""
    names = [name for name in titles if name in rows[0]]
    lines = [["network", *(titles[name] for name in names)]]
    for row in rows:
        numbers = [as_text(row[name], row.get(f"{name}_std")) for name in names]
        lines.append([row["network"], *numbers])
    return lines


def as_text(value: float, spread: float | None) -> str:
    """Write a number to three digits behind the point, with its spread if there is one.

    Examples
    --------
    >>> as_text(0.91234, 0.0123), as_text(31030658, None), as_text(123.456, None)
    ('0.912 ± 0.012', '31,030,658', '123.5')
    """
    if isinstance(value, int):
        return f"{value:,}"
    digits = 3 if abs(value) < 10 else 1
    return f"{value:.{digits}f}" + ("" if spread is None else f" ± {spread:.{digits}f}")


def notes_on(
    seeds: Sequence[int], split: Split, fields: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Say how the numbers came about; `fields` are the receptive fields of the networks."""
    spread = f"± is the standard deviation over the seeds {', '.join(map(str, seeds))} (n - 1)."
    if len(seeds) == 1:
        spread = f"One seed ({seeds[0]}): no spread is known, small differences may be chance."
    return (
        f"Scores are of the validation part ({split.how}), the same for every network. It "
        "also chose the best checkpoint of each run, so they flatter a little: judge by images "
        "that were in neither part.",
        spread,
        *_notes_on_guard(split.guard, fields or {}),
    )


def _notes_on_guard(guard: int | None, fields: Mapping[str, int]) -> Iterator[str]:
    """Say which networks see further than the band between training and validation."""
    wider = {n: field for n, field in fields.items() if guard is not None and field > guard}
    if wider:
        seen = ", ".join(f"{name} sees {field} px" for name, field in wider.items())
        yield (
            f"Only {guard} px lie between training and validation, and {seen}: these scores "
            "may flatter more."
        )
