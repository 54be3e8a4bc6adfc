"""What an evaluation found: scores, objects and curves in tabs, errors as a layer."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.viewer import Viewer
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QTabWidget, QVBoxLayout, QWidget

from napari_utile.evaluation import Report
from napari_utile.evaluation.error_counts import COUNT_MEANINGS, ErrorCounts
from napari_utile.evaluation.error_types import KIND_COLORS
from napari_utile.evaluation.scores import GROUPS, score_named
from napari_utile.evaluation.splits_merges import COLUMN_TIPS
from napari_utile.folders.trained_on import Use
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.widgets.evaluate.curves import ScoreCurves
from napari_utile.widgets.evaluate.inputs import EvaluationInputs
from napari_utile.widgets.evaluate.summary import MAIN_SCORES, Summary
from napari_utile.widgets.evaluate.training_note import TrainingNote
from napari_utile.widgets.evaluate.walk import ErrorWalk
from napari_utile.widgets.kit.camera import go_to, look_at
from napari_utile.widgets.kit.colors import Tone
from napari_utile.widgets.kit.fields import offer, wide_choice
from napari_utile.widgets.kit.messages import Messages
from napari_utile.widgets.kit.table import Table
from napari_utile.widgets.layers.aside import is_training_preview
from napari_utile.widgets.layers.choice import following
from napari_utile.widgets.layers.errors import ErrorOverlay, Legend
from napari_utile.widgets.layers.in_turn import in_turn
from napari_utile.widgets.layers.outlines import ObjectMarker

TRAINING = "training"
"""Column of what training did with a slice."""
TRAINING_MEANING = (
    "Whether the network was trained on the slice, all or a part of it, or validated with it. "
    "Scores on slices that were trained on flatter."
)
COUNT_PADDING = 14
"""Beside the name of a count, whose column need not be wider, px."""
USE_COLORS = {Use.TRAINED.value: "#d55e00", Use.PART.value: "#e69f00"}
"""Of slices whose scores flatter."""
MAIN = "main"
"""The columns that are shown first: what became of the objects, and the main scores."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What an evaluation found, ready to be shown.

    Parameters
    ----------
    inputs : EvaluationInputs
    settings : EvaluateSettings
    report : Report
    columns : mapping of str to ndarray
        Of the table of objects.
    errors : ndarray of uint8, optional
        The error planes of the first image; None for classes.
    border : int, optional
        How many pixels of them are border; None if there are more images.
    splits_merges : mapping of str to ndarray
        Of the table of splits and merges; none if there are no volumes.
    counts : tuple of (ErrorCounts, list of ErrorCounts), optional
        What became of the objects of the whole, and of each slice; None for classes.
    """

    inputs: EvaluationInputs
    settings: EvaluateSettings
    report: Report
    columns: Mapping[str, NDArray[Any]]
    errors: NDArray[np.uint8] | None
    border: int | None
    splits_merges: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    counts: tuple[ErrorCounts, list[ErrorCounts]] | None = None


class ReportView(QWidget):
    """Shows one report.

    Attributes
    ----------
    scores, objects, splits_merges : Table
        A click on a row leads to the slice, to the object, or to the place where a split or a
        merge is.
    group, kind : QComboBox
        Which scores, and which objects are listed.
    summary : Summary
    note : TrainingNote
    news : Messages
        What was hidden beside the compared layers, and that errors are out of date.
    walk : ErrorWalk
    curves : ScoreCurves
    legend : Legend
    hides : QCheckBox
        Whether the compared layers are hidden while errors are shown.
    errors : ErrorOverlay
    marker : ObjectMarker
    """

    def __init__(self, viewer: Viewer):
        super().__init__()
        self._viewer = viewer
        self.outcome: Outcome | None = None
        self._image = 0  # the one that the layer of errors is of
        self._rows: dict[tuple[int, tuple[int, ...]], int] = {}  # number of each slice
        self._frame: Labels | None = None  # of the first image
        self.errors, self.marker = ErrorOverlay(viewer), ObjectMarker(viewer)
        self.summary, self.walk = Summary(), ErrorWalk(viewer)
        self.note = TrainingNote()
        self.legend, self.curves, self.news = Legend(), ScoreCurves(), Messages()
        self.hides = QCheckBox("hide the compared layers")
        self.hides.setChecked(True)
        self.hides.setToolTip(
            "They cover the errors. They are shown again when the errors are removed or the "
            "panel is closed; what you show or hide yourself stays so"
        )
        self.scores, self.objects = Table(USE_COLORS), Table(KIND_COLORS)
        self.splits_merges = Table(
            {"split": KIND_COLORS["split"], "merge": KIND_COLORS["merged"]}
        )
        self.group, self.kind = wide_choice(), wide_choice()
        self.tabs = QTabWidget()
        self.tabs.addTab(_column_of(self.group, self.scores), "Scores")
        self.tabs.addTab(_column_of(self.kind, self.objects), "Objects")
        self.tabs.addTab(self.curves, "Curves")
        self.tabs.addTab(self.splits_merges, "Splits, merges")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (self.summary, self.note, self.news, self.legend, self.hides, self.walk):
            column.addWidget(part)
        column.addWidget(self.tabs, 1)

        self.legend.changed.connect(self._on_legend)
        self.hides.toggled.connect(lambda _: self._hide_compared())
        self.errors.removed.connect(self.walk.unbind)
        self.errors.outdated.connect(self._on_outdated)
        self.walk.chosen.connect(self._go_to_error)
        following(self, self._show_slice_in_view, viewer.dims.events.current_step)
        self.group.activated.connect(lambda _: self._show_group())
        self.kind.activated.connect(lambda _: self._show_kind())
        self.scores.chosen.connect(self._go_to_slice)
        self.objects.chosen.connect(self._go_to_object)
        self.splits_merges.chosen.connect(self._go_to_split_or_merge)

    @property
    def table(self) -> Table:
        """The table that is in view; the scores beside the curves."""
        tables = {1: self.objects, 3: self.splits_merges}
        return tables.get(self.tabs.currentIndex(), self.scores)

    def show_outcome(self, outcome: Outcome) -> None:
        """Show another report in place of the last one.

        In a window the layer of errors comes a moment later.
        """
        self.outcome, self._image = outcome, 0
        places = _slices_of(outcome.report)
        self._rows = {place: number for number, place in enumerate(places)}
        self._frame = _frame_of(outcome, 0)
        self.marker.remove()
        self.news.clear()
        steps = [self._show_words, self._show_errors]
        in_turn(self._viewer, [partial(step, outcome) for step in steps])

    def _show_words(self, outcome: Outcome) -> None:
        """Show all but the layers."""
        self._show_scores(outcome)
        self._show_objects(outcome)
        self.curves.show_report(outcome.report)
        self.tabs.setTabVisible(3, bool(outcome.report.splits_merges))
        self.splits_merges.show_columns(outcome.splits_merges)
        self.splits_merges.set_tips(COLUMN_TIPS)
        self._show_legend(outcome)
        self.summary.show_report(outcome.report, outcome.counts and outcome.counts[0])
        self.summary.show_ranking(outcome.inputs.ranked_by)
        given = outcome.settings.leave_out, outcome.settings.volumetric
        self.note.show_uses(outcome.report, outcome.inputs.uses, *given)
        self._show_slice_in_view()

    def leave(self) -> None:
        """Give keys and layers back: the panel is closed."""
        self.walk.unbind()
        self.errors.hide(())

    def _show_scores(self, outcome: Outcome) -> None:
        report = outcome.report
        *slices, whole = report.rows
        counts: list[dict[str, Any]] = [{}] * len(report.rows)
        if outcome.counts is not None:
            of_whole, of_slices = outcome.counts
            counts = [asdict(each) for each in (of_whole, *of_slices)][: len(report.rows)]
        uses = self._uses_in_words(outcome)
        rows = [
            {"slice": row["slice"]} | use | found | dict(row)
            for row, use, found in zip([whole, *slices], uses, counts, strict=True)
        ]
        self.scores.show_rows(rows, bold={0}, top=1)
        for name in COUNT_MEANINGS if outcome.counts is not None else ():
            room = self.scores.fontMetrics().horizontalAdvance(name) + COUNT_PADDING
            self.scores.setColumnWidth(self.scores.names.index(name), room)
        groups = {score_named(name).group for name in report}
        sets = {MAIN: "main columns", "": "all columns"}
        offer(self.group, sets | {g: GROUPS[g] for g in GROUPS if g in groups})
        meanings = {name: score_named(name).text for name in report}
        self.scores.set_tips(dict(COUNT_MEANINGS) | {TRAINING: TRAINING_MEANING} | meanings)
        self._show_group()

    def _uses_in_words(self, outcome: Outcome) -> list[dict[str, str]]:
        """Return a column of what training did with each slice; none if it saw no slice."""
        uses = outcome.inputs.uses
        found = [
            use.value if image < len(uses) and (use := uses[image].of(index)) else ""
            for image, index in self._rows
        ]
        rows = ["", *found][: len(outcome.report.rows)]
        return [{TRAINING: word} for word in rows] if any(rows) else [{}] * len(rows)

    def _show_group(self) -> None:
        """Show only the columns of the chosen group."""
        group = self.group.currentData()
        shown = {*COUNT_MEANINGS, *MAIN_SCORES}
        for column, name in enumerate(self.scores.names):
            is_wanted = group in ("", _group_of(name))
            if group == MAIN:
                is_wanted = name in shown
            is_wanted |= name in ("slice", TRAINING)
            self.scores.setColumnHidden(column, not is_wanted)

    def _show_objects(self, outcome: Outcome) -> None:
        objects = outcome.report.objects
        self.tabs.setTabVisible(1, objects is not None)
        if objects is None:
            return
        self.objects.show_columns(outcome.columns)
        self.objects.make_room("side", "prediction")
        counts = objects.counts()
        entries = {kind: f"{kind} ({count:,})" for kind, count in counts.items()}
        offer(self.kind, {"": f"all objects ({len(objects):,})"} | entries)
        self._show_kind()

    def _show_kind(self) -> None:
        """Show only the objects of the chosen kind."""
        if self.outcome and self.outcome.report.objects is not None:
            kind = self.kind.currentData()
            self.objects.keep(self.outcome.report.objects.of_kind(kind) if kind else None)

    def _show_legend(self, outcome: Outcome) -> None:
        for part in (self.legend, self.hides):
            part.setVisible(outcome.errors is not None)
        if outcome.errors is None or outcome.counts is None:
            return
        counts = asdict(outcome.counts[0])
        counts["matched"] = counts.pop("found")
        self.legend.show_counts(counts, outcome.border)
        self.hides.setVisible(bool(outcome.inputs.compared))

    def _show_errors(self, outcome: Outcome) -> None:
        if outcome is not self.outcome:  # it is no longer wanted
            return
        if outcome.errors is None or outcome.counts is None:
            self.errors.remove()
            self.walk.show_errors(None, ())
        else:
            self.errors.show(outcome.errors, outcome.inputs.places[0])
            self.errors.follow(outcome.inputs.compared)
            self._hide_compared()
            self.walk.show_errors(outcome.report.objects, self.legend.ticked)

    def _hide_compared(self) -> None:
        """Hide the compared layers if that is ticked, else show them again.

        The preview of a training is hidden in any case: it tints what lies over it.
        """
        tints = [layer for layer in self._viewer.layers if is_training_preview(layer)]
        for layer in tints:
            if layer.visible:
                text = f"'{layer.name}' is hidden while the errors are shown: it tints them."
                self.news.add(text, Tone.NOTE)
        wanted = self.outcome is not None and self.hides.isChecked()
        compared = self.outcome.inputs.compared if self.outcome and wanted else []
        self.errors.hide([*compared, *tints])

    def _on_outdated(self, why: str) -> None:
        self.news.clear()
        self.news.add(why, Tone.WARNING)

    def _on_legend(self) -> None:
        """Show and lead to the kinds that are ticked alone."""
        self.errors.show_kinds(self.legend.ticked)
        if self.outcome and self.outcome.errors is not None:
            self.walk.show_errors(self.outcome.report.objects, self.legend.ticked)

    def _show_slice_in_view(self, _event: Any = None) -> None:
        """Tell what became of the objects of the slice in view, if there are several."""
        if self.outcome is None or self.outcome.counts is None or self._frame is None:
            return
        point = self._frame.world_to_data(self._viewer.dims.point)
        index = tuple(round(float(x)) for x in point[: self._frame.ndim - 2])
        number = self._rows.get((self._image, index))
        if number is None or len(self._rows) == 1:
            self.summary.show_slice("", None)
            return
        name = self.outcome.report.rows[number]["slice"]
        self.summary.show_slice(name, self.outcome.counts[1][number])

    def _go_to_slice(self, row: int) -> None:
        """Go to the slice of a row of scores; the first row is the whole."""
        if row > 0 and self.outcome:
            image, index = [*self._rows][row - 1]
            self._show_image(image)
            frame = _frame_of(self.outcome, image)
            go_to(self._viewer, frame, (*index, 0, 0))

    def _go_to_error(self, row: int) -> None:
        """Go to an object, and to its row in the table."""
        self._go_to_object(row)
        order = self.objects.order
        if row in order:
            self.objects.selectRow(order.index(row))
            self.objects.scrollTo(self.objects.currentIndex())

    def _go_to_object(self, row: int) -> None:
        """Go to an object, zoom in on it, and outline it."""
        if self.outcome is None or (objects := self.outcome.report.objects) is None:
            return
        image = objects.image(row)
        self._show_image(image)
        sides, place = self.outcome.report.sides[image], self.outcome.inputs.places[image]
        first, last = self.marker.show(sides, objects, row, place)
        look_at(self._viewer, _frame_of(self.outcome, image), first, last)

    def _go_to_split_or_merge(self, row: int) -> None:
        """Go to where the parts of a split or merge touch; outline all three objects there."""
        if self.outcome is None:
            return
        found = self.outcome.report.splits_merges[row]
        self._show_image(found.image)
        sides, place = (
            self.outcome.report.sides[found.image],
            self.outcome.inputs.places[found.image],
        )
        self.marker.outline(sides, found.place[:-2], *found.ids, place)
        look_at(self._viewer, _frame_of(self.outcome, found.image), found.place, found.place)

    def _show_image(self, image: int) -> None:
        """Show the errors of another image, if there are several."""
        assert self.outcome is not None
        if image != self._image and (errors := self.outcome.report.error_layer(image)):
            self._image, self._frame = image, _frame_of(self.outcome, image)
            self.marker.remove()
            self.errors.show(np.asarray(errors), self.outcome.inputs.places[image])


def _slices_of(report: Report) -> list[tuple[int, tuple[int, ...]]]:
    """Return image number and index of every slice, in the order of the rows of a report."""
    return [(i, index) for i, sides in enumerate(report.sides) for index in sides.indices]


def _group_of(name: str) -> str:
    """Return the group of a column: of scores, or of counts of objects."""
    return "counts" if name in COUNT_MEANINGS else score_named(name).group


def _frame_of(outcome: Outcome, image: int) -> Labels:
    """Return a layer, in no viewer, that maps pixels of an image to world coordinates."""
    axes = outcome.report.sides[image].truth.ndim
    return Labels(np.zeros((1,) * axes, np.uint8), **outcome.inputs.places[image])


def _column_of(*parts: QWidget) -> QWidget:
    """Return widgets in a column; the last takes the space that is left."""
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 4, 0, 0)
    column.setSpacing(4)
    for part in parts:
        column.addWidget(part)
    column.setStretch(len(parts) - 1, 1)
    return page
