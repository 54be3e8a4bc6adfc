"""CSV text."""

import csv
import io

import pytest

from napari_utile.io.tables import csv_text


def test_what_is_written_is_read_again():
    rows = [{"name": 'a, "b"\nc', "n": "1"}, {"name": "", "n": "2"}]
    assert list(csv.DictReader(io.StringIO(csv_text(["name", "n"], rows)))) == rows


def test_a_value_without_a_column_is_refused():
    with pytest.raises(ValueError, match="more"):
        csv_text(["a"], [{"a": 1, "more": 2}])
