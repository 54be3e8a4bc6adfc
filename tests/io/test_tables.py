"""CSV text."""

import csv
import io

import pytest

from napari_utile.io.tables import csv_rows, csv_text


def test_what_is_written_is_read_again():
    rows = [{"name": 'a, "b"\nc', "n": "1"}, {"name": "", "n": "2"}]
    assert list(csv.DictReader(io.StringIO(csv_text(["name", "n"], rows)))) == rows


def test_a_value_without_a_column_is_refused():
    with pytest.raises(ValueError, match="more"):
        csv_text(["a"], [{"a": 1, "more": 2}])


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "\uff1d", "'", "'=", ";="])
def test_no_text_begins_a_formula_and_each_is_read_again(sign):
    names = [
        f"{sign}cmd|' /C calc'!A0",
        f"a;{sign}b",
        f"a\n{sign}b",
        f"a\t{sign}b",
        f"a{sign}b",
    ]
    rows = [{"name": name, "n": "-1.5"} for name in names]
    text = csv_text(["name", "n"], rows)
    assert csv_rows(text) == rows
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    for separator in (";", "\t", "\n", "\r"):
        parts = [part for cell in cells if cell != "-1.5" for part in cell.split(separator)]
        assert not [part for part in parts if part.startswith(("=", "+", "-", "@", "\uff1d"))]


def test_numbers_stay_numbers():
    assert csv_text(["a", "b"], [{"a": -1.5, "b": "-2"}]) == "a,b\n-1.5,-2\n"
