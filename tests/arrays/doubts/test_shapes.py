import pytest

from napari_utile.arrays.doubts.shapes import shape_hint


@pytest.mark.parametrize(
    ("image", "labels", "said"),
    [
        ((3, 20, 30), (3, 30, 20), "transpose"),
        ((20, 30, 3), (3, 20, 30), "same order"),
        ((5, 20, 30), (4, 20, 30), "5 and 4 slices"),
        ((5, 20, 30), (20, 30), "image has 5 slices"),
        ((20, 30), (4, 20, 30), "labels have 4 slices"),
        ((200, 300), (199, 300), "differ by 1 px"),
        ((100, 300), (50, 150), "2 times the size"),
        ((50, 150), (200, 601), "4 times the size"),
    ],
)
def test_the_likely_reason_is_told(image, labels, said):
    assert said in shape_hint(image, labels)
    assert shape_hint(image, labels).startswith(" ")


@pytest.mark.parametrize("labels", [(70, 300), (4, 5), (2, 3, 4)])
def test_nothing_is_told_where_there_is_no_reason(labels):
    assert shape_hint((200, 300), labels) == ""
