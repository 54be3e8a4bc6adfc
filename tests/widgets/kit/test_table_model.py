"""Cells of a table as text."""

import pytest

from napari_utile.widgets.kit.table_model import cell_text


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.500"), (0.00012345, "0.000123"), (None, "–")]
)
def test_small_errors_keep_their_digits(value, text):
    assert cell_text("warping_error", value) == text
