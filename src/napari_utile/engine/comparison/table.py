"""The table of a comparison: its rows, and their text as JSON, CSV and Markdown."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Self

from napari_utile.arrays.splits import Split
from napari_utile.evaluation.scores import SCORES, Place, format_score, scores_in
from napari_utile.io.tables import csv_text

TableRow = Mapping[str, Any]
"""Scores and costs by name, of one run or of all runs of a network."""

COSTS = {
    "threshold": "threshold",
    "parameters": "parameters",
    "steps": "steps",
    "seconds_to_train": "training, s",
    "seconds_to_predict": "prediction, s",
    "seconds_per_megapixel": "prediction, s/Mpx",
}
"""Columns of the table beside scores, with their headings."""
COSTS_IN_TERMINAL = {
    "parameters": "params",
    "seconds_to_train": "train s",
    "seconds_per_megapixel": "s/Mpx",
}
"""Those that fit into a terminal."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """Result of a comparison: scores and costs of every run. Prints as a table.

    Attributes
    ----------
    folder : Path
        Folder of the comparison.
    runs : tuple of mapping
        One per network and seed: `network`, `seed`, and every score and cost by name.
    notes : tuple of str
        What a reader of the scores must know.
    failed : tuple of str
        Candidates that failed, and why.
    """

    folder: Path
    runs: tuple[TableRow, ...] = ()
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[TableRow, ...]:
        """One row per network, in the order of their first runs; see `summarize`."""
        return summarize(self.runs)

    def with_run(self, network: str, seed: int, row: TableRow) -> Self:
        """Return a copy with the row of one more run."""
        return replace(self, runs=(*self.runs, {"network": network, "seed": seed, **row}))

    def without(self, reason: str) -> Self:
        """Return a copy with one more candidate that failed, and why."""
        return replace(self, failed=(*self.failed, reason))

    def __repr__(self) -> str:
        return to_markdown(self.rows, self.notes) if self.runs else "No network is done.\n"


def summarize(runs: Sequence[TableRow]) -> tuple[TableRow, ...]:
    """Return mean and spread over the seeds, one row per network.

    Parameters
    ----------
    runs : sequence of mapping
        As in `Comparison.runs`.

    Returns
    -------
    tuple of mapping
        `network`, `seeds`, and of every number its mean over the seeds and, as ``<name>_std``,
        its standard deviation (n - 1; None of a single seed). Networks are in the order of
        their first runs. The number of parameters has no spread.
    """
    networks = dict.fromkeys(run["network"] for run in runs)
    return tuple(_summary([run for run in runs if run["network"] == n]) for n in networks)


def _summary(runs: Sequence[TableRow]) -> dict[str, Any]:
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
            is_known = len(values) > 1 and not any(map(_is_nan, values))
            row[f"{name}_std"] = stdev(values) if is_known else None
    return row


def to_json(comparison: Comparison) -> str:
    """Return rows, runs, notes and failures as the text of one JSON object.

    A score that is not defined is null.
    """
    content: dict[str, Any] = {
        "rows": [*map(_with_none, comparison.rows)],
        "runs": [*map(_with_none, comparison.runs)],
        "notes": comparison.notes,
        "failed": comparison.failed,
    }
    return json.dumps(content, indent=2) + "\n"


def _with_none(row: TableRow) -> dict[str, Any]:
    """Return a row with None in place of scores that are not defined."""
    return {name: None if _is_nan(value) else value for name, value in row.items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and isnan(value)


def to_csv(rows: Sequence[TableRow]) -> str:
    """Return the rows as CSV below a line of names; a value that is missing is empty."""
    texts = ({**_with_none(row), "seeds": " ".join(map(str, row["seeds"]))} for row in rows)
    return csv_text(list(rows[0]), texts)


def to_markdown(rows: Sequence[TableRow], notes: Sequence[str]) -> str:
    """Return the main columns as an aligned Markdown table, with the notes below."""
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


def cells(rows: Sequence[TableRow], in_terminal: bool = False) -> list[list[str]]:
    """Return the table as text: a line of headings, and one per network.

    Parameters
    ----------
    rows : sequence of mapping
        As `summarize` returns them.
    in_terminal : bool, default False
        Whether to leave out the columns for which a terminal has no room.
    """
    place: Place = "terminal" if in_terminal else "comparison"
    headings = {name: SCORES[name].short or SCORES[name].title for name in scores_in(place)}
    headings |= COSTS_IN_TERMINAL if in_terminal else COSTS
    names = [name for name in headings if name in rows[0]]
    lines = [["network", *(headings[name] for name in names)]]
    for row in rows:
        numbers = [format_score(name, row[name], row.get(f"{name}_std")) for name in names]
        lines.append([row["network"], *numbers])
    return lines


def table_notes(
    seeds: Sequence[int], split: Split, fields: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Return what a reader of the scores must know: their data, spread, and guard band.

    Parameters
    ----------
    seeds : sequence of int
        Each network was trained once with each of these.
    split : Split
        Training and validation part.
    fields : mapping, optional
        Network -> receptive field, in pixels.

    Returns
    -------
    tuple of str
        A sentence or two each.
    """
    return (
        f"Scores are of the validation part ({split.how}), the same for every network. It "
        "also chose the best checkpoint of each run, so they flatter a little: judge by images "
        "that were in neither part.",
        spread_note(seeds),
        *_notes_on_guard(split.guard, fields or {}),
    )


def spread_note(seeds: Sequence[int]) -> str:
    """Return the sentence that explains the spread in a table.

    Parameters
    ----------
    seeds : sequence of int
        Each network was trained once with each of these.
    """
    if len(seeds) == 1:
        return f"One seed ({seeds[0]}): no spread is known, small differences may be chance."
    return f"± is the standard deviation over the seeds {', '.join(map(str, seeds))} (n - 1)."


def _notes_on_guard(guard: int | None, fields: Mapping[str, int]) -> Iterator[str]:
    """Name the networks whose receptive field is wider than the guard band."""
    wider = {n: field for n, field in fields.items() if guard is not None and field > guard}
    if wider:
        seen = ", ".join(f"{name} sees {field} px" for name, field in wider.items())
        yield (
            f"Only {guard} px lie between training and validation, and {seen}: these scores "
            "may flatter more."
        )
