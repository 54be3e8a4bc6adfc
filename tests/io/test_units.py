import pytest

from napari_utile.io.units import duration_text, size_text, unit_name


def test_units_are_spelled_in_full():
    spelled = ["nm", "µm", "micron", "Micrometer", "\\u00B5m", "pixel", "", None, "furlong"]
    assert [unit_name(name) for name in spelled] == [
        "nanometer", *["micrometer"] * 4, *["pixel"] * 4
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (119.7, "2 min 0 s"),
        (605, "10 min"),
        (3661, "1 h 1 min"),
        (172_800, "2 days 0 h"),
    ],
)
def test_a_duration_has_the_two_units_that_matter(seconds, words):
    assert duration_text(seconds) == words


def test_a_size_is_written_with_one_digit_behind_the_point():
    assert [size_text(n) for n in (0, 999, 1000, 2.5e6)] == [
        "0 bytes", "999 bytes", "1.0 kB", "2.5 MB"
    ]  # fmt: skip
