"""A note that says which of the compared slices the model was trained on."""

from collections.abc import Collection, Mapping, Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLabel

from napari_utile.evaluation import Report
from napari_utile.evaluation.left_out import option_of, spans_of
from napari_utile.folders.trained_on import SliceUses, Use
from napari_utile.widgets.kit.colors import Tone, follow_theme
from napari_utile.widgets.kit.messages import colored

SEEN = (Use.TRAINED, Use.PART)
"""Uses after which scores flatter."""


class TrainingNote(QLabel):
    """One or two sentences, and a link that leaves these slices out."""

    leave_out = Signal(object)
    """Value of the option of this name; None compares all slices."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self._option: str | None = None
        self._said, self._offered = "", ""
        self.setTextFormat(Qt.TextFormat.RichText)
        follow_theme(self, self._show)
        self.linkActivated.connect(lambda _: self.leave_out.emit(self._option))
        self.hide()

    def show_uses(
        self, report: Report, uses: Sequence[SliceUses], left_out: str | None, volumetric: bool
    ) -> None:
        """Say what training did with the slices of a report.

        Parameters
        ----------
        report : Report
        uses : sequence of SliceUses
            Of each image.
        left_out : str or None
            The slices that are left out already.
        volumetric : bool
            Whether objects of volumes are compared: then no slice can be left out.
        """
        told, self._option = [], None
        numbers, count = numbers_by_use(report, uses), _slices_of_all(report)
        seen = [n for use in SEEN for n in numbers[use]]
        is_stack = len(report.sides) == 1 and report.sides[0].truth.ndim == 3
        for use, text in (
            (Use.TRAINED, "trained on: scores there flatter"),
            (Use.PART, "trained on in part: scores there flatter"),
            (Use.VALIDATED, "for validation"),
        ):
            if numbers[use]:
                which = _slices_in_words(numbers[use], count, is_stack)
                told.append(f"{which} {text}.")
        if left_out is not None:
            told.append(f"Slices {left_out} are left out.")
        elif not told and (reason := next((x.unknown for x in uses if x.unknown), "")):
            told.append(f"Whether the network was trained on this is not known: {reason}")
        elif not told and uses:
            told.append("The network was trained on other images.")
        self._said, self._offered = " ".join(told), ""
        if left_out is not None:
            self._offered = "Compare all"
        elif seen and len(seen) < count and not volumetric:
            self._option, self._offered = option_of(seen), "Only the others"
        self._show()
        self.setVisible(bool(told))

    def _show(self, _event: object = None) -> None:
        link = colored(self._offered, Tone.NOTE, "offered") if self._offered else ""
        self.setText(f"{colored(self._said, None)} {link}".strip())


def numbers_by_use(report: Report, uses: Sequence[SliceUses]) -> Mapping[Use, list[int]]:
    """Return the numbers of the compared slices by what training did with them.

    Numbers are counted through all slices of all images.
    """
    numbers: dict[Use, list[int]] = {use: [] for use in Use}
    first = 0
    for sides, of_image in zip(report.sides, uses, strict=False):
        for number, index in sides.numbered:
            if use := of_image.of(index):
                numbers[use].append(first + number)
        first += sides.slices
    return numbers


def _slices_of_all(report: Report) -> int:
    return sum(sides.slices for sides in report.sides)


def _slices_in_words(numbers: Collection[int], count: int, is_stack: bool) -> str:
    """Return slices in words, with the verb."""
    if count == 1:
        return "This image was"
    if not is_stack:
        return f"{len(numbers)} of {count} slices {'was' if len(numbers) == 1 else 'were'}"
    spans = [
        f"{span.start}" if len(span) == 1 else f"{span.start}–{span.stop - 1}"
        for span in spans_of(numbers)
    ]
    return f"Slice {spans[0]} was" if len(numbers) == 1 else f"Slices {', '.join(spans)} were"
