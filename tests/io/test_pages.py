import numpy as np

from napari_utile.io.lazy_arrays import Pages

PICTURES = [np.full((2, 3, 3), 1), np.full((4, 1, 3), 2), np.full((3, 3, 3), 3)]
WHOLE = np.zeros((3, 4, 3, 3), np.uint8)
for page, picture in zip(WHOLE, PICTURES, strict=True):
    page[: picture.shape[0], : picture.shape[1]] = picture


def pages(read=PICTURES.__getitem__):
    return Pages(read, WHOLE.shape, np.uint8)


def test_pages_are_indexed_as_an_array_is():
    found = pages()
    assert (found.shape, found.ndim, found.size, found.dtype) == (
        (3, 4, 3, 3),
        4,
        108,
        np.uint8,
    )
    for where in (
        0, -1, np.int64(1), slice(None), slice(2, None, -2), slice(1, 1), (1, 2), (..., 0),
        (slice(0, 2), 0, slice(1), 2), ([0, 2], slice(2)),
    ):  # fmt: skip
        np.testing.assert_array_equal(found[where], WHOLE[where])
        assert found[where].dtype == np.uint8
    np.testing.assert_array_equal(np.asarray(found), WHOLE)


def test_a_page_is_read_when_it_is_looked_at_and_no_other():
    read = []

    def page(number):
        read.append(number)
        return PICTURES[number]

    found = pages(page)
    assert read == []
    for _ in range(3):
        found[1, :2, :2]
    assert read == [1]
