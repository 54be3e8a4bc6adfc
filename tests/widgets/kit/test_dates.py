"""Dates in lists."""

from datetime import datetime

from napari_utile.widgets.kit.dates import when_text


def test_the_last_day_of_a_year_is_yesterday_on_new_year():
    new_year = datetime(2027, 1, 1, 8)
    assert when_text(datetime(2026, 12, 31, 23, 59), new_year) == "yesterday 23:59"
    assert when_text(datetime(2026, 12, 30, 23, 59), new_year) == "30 Dec 2026"
