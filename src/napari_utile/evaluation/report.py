"""The report of an evaluation: every score, of the whole and of each slice, and its tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from napari_utile.errors import printable
from napari_utile.evaluation.error_types import ErrorLayer, ObjectKinds
from napari_utile.evaluation.inputs import LabelPair
from napari_utile.evaluation.object_table import ObjectTable
from napari_utile.evaluation.rows import Row
from napari_utile.evaluation.scores import (
    GROUPS,
    format_score,
    heading,
    score_named,
)
from napari_utile.evaluation.splits_merges import SplitMerge, splits_merges_csv
from napari_utile.io.tables import csv_text

MOST_TOLD = 10
"""Splits and merges that are printed."""
TABLES = ("ious", "precision_recall", "thresholds", "best", "sizes")
"""Fields of a report that are rows of numbers."""


@dataclass(frozen=True, eq=False, repr=False)
class Report(Mapping[str, float]):
    """Scores of the whole by name; `rows` has those of every slice too. Prints as a table.

    Parameters
    ----------
    rows : tuple of mapping
        One per slice and, last, one of the whole. Under "slice" stands the index of the slice
        (a tuple of indices where there are several leading axes; a text that begins with the
        name of the image where there are several images), or "all".
    notes : tuple of str
        What a reader of the scores must know: empty slices, masks that were split.
    ious : tuple of mapping
        One per IoU threshold 0.50, 0.55 ... 0.95: the counts and scores of the matching.
    precision_recall : tuple of mapping
        The curve under which `coco_ap` is the area: precision at each recall and IoU.
    thresholds : tuple of mapping
        One per probability threshold 0.0, 0.1 ... 0.9: scores of the objects above it.
    best : tuple of mapping
        The best threshold of each of these scores, and what it was chosen on.
    sizes : tuple of mapping
        `coco_ap` and `coco_ar` of small, medium and large objects.
    stock : mapping
        The 12 numbers that pycocotools prints, under names of their own.
    objects : ObjectTable, optional
        Every true and every predicted object, and its kind.
    sides : tuple of LabelPair
        The compared labels, one pair per image.
    found : tuple of mapping of tuple of int to Differences
        Kinds of the objects of each slice, by its index; one mapping per image.
    splits_merges : tuple of SplitMerge
        Of volumes: which objects were split or merged, by how many voxels, and where; those
        of most voxels first.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    ious: tuple[Row, ...] = ()
    precision_recall: tuple[Row, ...] = ()
    thresholds: tuple[Row, ...] = ()
    best: tuple[Row, ...] = ()
    sizes: tuple[Row, ...] = ()
    stock: Row = field(default_factory=dict)
    objects: ObjectTable | None = None
    sides: tuple[LabelPair, ...] = ()
    found: tuple[Mapping[tuple[int, ...], ObjectKinds], ...] = ()
    splits_merges: tuple[SplitMerge, ...] = ()

    def __getitem__(self, name: str) -> float:
        return self._whole[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)

    def __repr__(self) -> str:
        names = [name for name in self if "report" in score_named(name).places]
        lines = _aligned_lines(["slice", *names], self.rows)
        more = [name for name in self if name not in names]
        lines += [*_whole_lines(self, more), *_best_threshold_line(self.best)]
        lines += [*_largest_lines(self.splits_merges), *self.notes]
        return "\n".join(map(printable, lines))

    def error_layer(self, image: int = 0) -> ErrorLayer | None:
        """Return the error layer of an image; None for classes, which have no objects."""
        if not self.found:
            return None
        sides = self.sides[image]
        return ErrorLayer(sides.prediction, sides.truth, self.found[image])

    def to_json(self) -> str:
        """Return scores of the whole, `rows`, `notes` and the other tables as one JSON object.

        Objects are counted by kind; `objects_csv` lists them.
        """
        tables = {name: [dict(row) for row in getattr(self, name)] for name in TABLES}
        return json.dumps(
            {
                **self,
                "rows": [dict(row) for row in self.rows],
                "notes": self.notes,
                **{name: rows for name, rows in tables.items() if rows},
                **({"coco_stock": dict(self.stock)} if self.stock else {}),
                **({"objects": self.objects.counts()} if self.objects is not None else {}),
                **(
                    {"splits_merges": [each.row() for each in self.splits_merges]}
                    if self.splits_merges
                    else {}
                ),
            },
            allow_nan=False,
        )

    def to_csv(self) -> str:
        """Return CSV with one line per slice and one for the whole, below a line of names."""
        return csv_text(list(self.rows[-1]), self.rows)

    def objects_csv(self) -> str:
        """Return CSV with one line per object, below a line of names; empty for classes."""
        return "" if self.objects is None else self.objects.to_csv()

    def splits_merges_csv(self) -> str:
        """Return CSV with one line per split or merge, below a line of names."""
        return splits_merges_csv(self.splits_merges)

    @property
    def _whole(self) -> dict[str, float]:
        return {name: value for name, value in self.rows[-1].items() if name != "slice"}


def _aligned_lines(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return rows as lines of text below their headings, in columns aligned on the right."""
    cells = [[heading(name) for name in names]]
    cells += [[format_score(name, row[name]) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.rjust, line, widths)) for line in cells]


def _whole_lines(whole: Mapping[str, float], names: Sequence[str]) -> list[str]:
    """Return scores of the whole in one line for each group."""
    lines = []
    for group in GROUPS:
        told = [name for name in names if score_named(name).group == group]
        if told:
            lines.append(
                "  ".join(f"{name} {format_score(name, whole[name])}" for name in told)
            )
    return lines


def _largest_lines(found: Sequence[SplitMerge]) -> list[str]:
    """Return the largest splits and merges in a line each."""
    more = len(found) - MOST_TOLD
    rest = [f"... and {more:,} more"] if more > 0 else []
    return [*map(str, found[:MOST_TOLD]), *rest]


def _best_threshold_line(best: Sequence[Row]) -> list[str]:
    """Return the best threshold of each score in one line, if any was chosen."""
    if not best:
        return []
    told = ", ".join(
        f"{r['name']} {format_score(r['name'], r['value'])} at {r['threshold']}" for r in best
    )
    return [f"best thresholds: {told}"]
