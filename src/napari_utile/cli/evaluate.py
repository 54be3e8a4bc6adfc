"""The command `utile evaluate`: a prediction and its truth in, a report out."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator
from pydantic_settings import CliPositionalArg

from napari_utile.cli.display import follow_run, print_warning, report
from napari_utile.errors import UserError, printable
from napari_utile.settings.evaluation import EvaluateSettings

if TYPE_CHECKING:
    from napari_utile.evaluation import Report
    from napari_utile.evaluation.files import OpenedPair
    from napari_utile.io.stack import Stack


class Evaluate(EvaluateSettings):
    """Compare predictions with the truth: scores, tables, curves, and the errors."""

    prediction: CliPositionalArg[str] = Field(
        description="Labels or probabilities; a folder or glob of them"
    )
    truth: CliPositionalArg[str] = Field(
        description="Labels; in a folder those of the same name"
    )
    image: str | None = Field(
        None,
        description="Image to show under the errors in the report; a folder or glob of them",
    )
    out: tuple[Path, ...] = Field(
        (),
        description="Report to write: .html, .png, .json or .csv; several: give it again, or "
        "with commas between",
    )
    objects_csv: Path | None = Field(
        None, description="CSV table of all objects: kind of error and place of each"
    )
    splits_merges_csv: Path | None = Field(
        None,
        description="CSV table of splits and merges of a volume (with --volumetric): which "
        "objects, how many voxels, and where",
    )
    error_layer: Path | None = Field(
        None,
        description="TIFF of labels to write: 1 matched, 2 missed, 3 invented, 4 merged, "
        "5 split, 6 border; a folder for several images",
    )
    overwrite: bool = Field(False, description="Overwrite existing output")
    events: bool = Field(
        False, description="Print one JSON line per event; `stop` on stdin stops"
    )
    json_: bool = Field(False, alias="json", description="Print JSON")

    @field_validator("out", mode="before")
    @classmethod
    def _split_at_reports(cls, out: Sequence[str]) -> list[str]:
        return [path for name in out for path in split_reports(name)]

    def run(self) -> int:
        from napari_utile.evaluation.files import evaluate_files, open_evaluation

        opened, left_out = open_evaluation(self.prediction, self.truth, self.skip_broken)
        shown = _images_of(self.image, opened)
        self._check(opened, shown)
        names = EvaluateSettings.model_fields
        settings = EvaluateSettings(**{name: getattr(self, name) for name in names})
        reports: list[Report] = []

        def write(report: "Report") -> None:
            reports.append(report)
            self._write(report, opened, shown)

        run = evaluate_files(opened, settings, write, left_out)
        try:
            if self.json_ and not self.events:
                return follow_run(run, print_warning).status
            return report(run, self.events, only_json=False)
        finally:  # also if a report could not be written
            if reports and not self.events:
                print(reports[0].to_json() if self.json_ else reports[0], flush=True)

    def _check(self, opened: Sequence["OpenedPair"], shown: Sequence["Stack"]) -> None:
        """Refuse outputs that cannot be written, before there is any work."""
        from napari_utile.evaluation.reports.write import check_suffix
        from napari_utile.io.disk import check_file_output

        stacks = [stack for each in opened for stack in (each.prediction, each.truth)]
        inputs = [stack.path for stack in (*stacks, *shown)]
        for path in self.out:
            check_suffix(path)
        if self.target == "classes" and (self.objects_csv or self.error_layer):
            raise UserError("Classes have no objects: no table of objects, no error layer.")
        if self.splits_merges_csv and (self.target == "classes" or not self.volumetric):
            raise UserError(
                "Splits and merges are listed of instances in volumes: give volumetric, too."
            )
        if self.error_layer and len(opened) > 1 and self.error_layer.suffix:
            raise UserError(f"{self.error_layer}: give a folder for {len(opened)} images.")
        if self.error_layer and self.error_layer.suffix not in ("", ".tif", ".tiff"):
            raise UserError(f"{self.error_layer}: the layer of errors is a .tif.")
        layers = _layer_paths(self.error_layer, opened) if self.error_layer else []
        tables = filter(None, [self.objects_csv, self.splits_merges_csv])
        outputs = [*self.out, *tables, *layers]
        for path in outputs:
            if outputs.count(path) > 1:
                raise UserError(f"{path} is named for two outputs; choose another for one.")
            if path.exists() and any(p and path.samefile(p) for p in inputs):
                raise UserError(f"{path} is what is evaluated; choose another output.")
            check_file_output(path, self.overwrite)

    def _write(
        self, report: "Report", opened: Sequence["OpenedPair"], shown: Sequence["Stack"]
    ) -> None:
        from napari_utile.evaluation.reports.write import write_report
        from napari_utile.io.disk import all_or_none, atomic_write

        title = f"{Path(self.prediction).name} against {Path(self.truth).name}"
        with all_or_none():
            for path in self.out:
                write_report(path, report, title, shown, self._facts())
            if self.objects_csv:
                atomic_write(self.objects_csv, report.objects_csv().encode())
            if self.splits_merges_csv:
                atomic_write(self.splits_merges_csv, report.splits_merges_csv().encode())
            if self.error_layer:
                _write_error_layers(self.error_layer, report, opened)
        tables = self.objects_csv, self.splits_merges_csv
        for path in filter(None, (*self.out, *tables, self.error_layer)):
            print(printable(str(path)), file=sys.stderr)

    def _facts(self) -> dict[str, Any]:
        """Return what was compared, and with which options."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        options = {
            name.replace("_", "-"): "yes" if value is True else value
            for name, value in given.items()
            if name in EvaluateSettings.model_fields
        }
        return {"prediction": self.prediction, "truth": self.truth, **options}


def split_reports(names: str) -> list[str]:
    """Split names of reports at the commas between them, not at those in a name.

    Parameters
    ----------
    names : str
        A comma in a name is one before which no report ends, or one in an existing folder.

    Examples
    --------
    >>> split_reports("wt, day 1/r.html,wt, day 1/r.json")
    ['wt, day 1/r.html', 'wt, day 1/r.json']
    """
    from napari_utile.evaluation.reports.write import SUFFIXES

    if "," in os.path.dirname(names) and os.path.isdir(os.path.dirname(names)):
        return [names]
    ends = "|".join(rf"(?<={re.escape(suffix)})" for suffix in SUFFIXES)
    found = re.split(f"(?:{ends}) *, *", names, flags=re.IGNORECASE)
    return found if len(found) > 1 and all(found) else [names]


def _images_of(names: str | None, opened: Sequence["OpenedPair"]) -> list["Stack"]:
    """Open the image of each truth, paired by name, for the pictures of the report.

    Raises
    ------
    UserError
        If one is missing, or has another shape than its truth.
    """
    from napari_utile.evaluation.files import shape_of
    from napari_utile.io.images import expand, open_image, stem_of
    from napari_utile.io.pair_names import pair_names
    from napari_utile.io.pairs import is_file_name

    if names is None:
        return []
    files = expand(names)
    if len(files) == len(opened) == 1 and is_file_name(names):
        found = [open_image(files[0])]
    else:
        truths = [each.name for each in opened]
        of = pair_names(truths, [*map(stem_of, files)], ("truth", "image")).pairs
        if lonely := [name for i, name in enumerate(truths) if i not in of]:
            raise UserError(f"{names}: there is no image {lonely[0]}, or more than one.")
        found = [open_image(files[i]) for i in of.values()]
    for stack, each in zip(found, opened, strict=True):
        if shape_of(stack) != shape_of(each.truth):
            raise UserError(
                f"Image {stack.source} {shape_of(stack)} and truth {each.truth.source} "
                f"{shape_of(each.truth)} differ in shape."
            )
    return found


def _layer_paths(path: Path, opened: Sequence["OpenedPair"]) -> list[Path]:
    """Name the error layer of each image: the path itself, or files in it."""
    return [path / f"{each.name}.tif" for each in opened] if len(opened) > 1 else [path]


def _write_error_layers(path: Path, report: "Report", opened: Sequence["OpenedPair"]) -> None:
    """Write what is wrong as labels, with the scale of the truth."""
    import numpy as np

    from napari_utile.io.tiff import write_tiff

    for number, (here, each) in enumerate(zip(_layer_paths(path, opened), opened, strict=True)):
        here.parent.mkdir(parents=True, exist_ok=True)
        layer = np.asarray(report.error_layer(number))
        write_tiff(here, layer.reshape(each.truth.shape), like=each.truth)
