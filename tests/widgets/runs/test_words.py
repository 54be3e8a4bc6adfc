"""What is said of a run."""

from datetime import datetime

import pytest

from napari_utile.folders.job import JobRecord
from napari_utile.widgets.runs.words import second_line


@pytest.mark.parametrize(
    ("arguments", "model", "words"),
    [
        (("train", "i", "l"), "", "9 Nov 2020 · training"),
        (("compare", "i", "l"), "", "9 Nov 2020 · comparison"),
        (("predict", "runs/mine/model", "i"), "", "9 Nov 2020 · mine"),
        (("predict", "runs/mine/model", "i"), "Mito", "9 Nov 2020 · Mito"),
        (("predict", "zoo", "i"), "", "9 Nov 2020 · zoo"),
        (
            ("predict", "runs/2019-02-03_04-05-06_em/model", "i"),
            "",
            "9 Nov 2020 · em",
        ),
    ],
)
def test_date_kind_and_model(arguments, model, words):
    record = JobRecord(
        title="em", arguments=arguments, output="", out="out", created=datetime(2020, 11, 9)
    )
    assert second_line(record, model) == words
