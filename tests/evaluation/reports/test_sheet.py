"""The report as one picture."""

from PIL import Image

from napari_utile.evaluation.reports.write import write_report


def test_a_sheet_is_a_picture(tmp_path, report):
    write_report(tmp_path / "r.png", report, "cells", facts={"truth": "t.tif"})
    with Image.open(tmp_path / "r.png") as picture:
        assert picture.width >= 1200
        assert picture.height > picture.width / 2
