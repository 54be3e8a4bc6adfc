"""Stacks: windows of any number of axes, axes that are guessed, labels and predictions."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.stack import Stack, guess_axes, read_labels, read_prediction


class Counting:
    """An array that says how many of its values were asked for."""

    def __init__(self, array):
        self.array, self.asked = array, 0
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, where):
        self.asked += self.array[where].size
        return self.array[where]


def test_a_part_of_a_plane_reads_only_that():
    data = Counting(np.arange(4 * 50 * 60).reshape(4, 50, 60))
    plane = Stack(data, "zyx").plane((2,), slice(10, 15), slice(20, 27))
    assert data.asked == 5 * 7
    np.testing.assert_array_equal(plane, data.array[2:3, 10:15, 20:27])


@pytest.mark.parametrize("axes", ["tzcyx", "cyx", "yxc", "zyxc", "czyx", "xcy", "zxy", "tyx"])
def test_planes_are_channel_row_column_whatever_the_order(axes):
    lengths = dict(zip("tzcyx", (2, 3, 4, 5, 6), strict=True))
    data = np.random.default_rng(0).random([lengths[axis] for axis in axes])
    stack = Stack(data, axes)
    spatial = [axis for axis in "tzyx" if axis in axes]
    assert stack.shape == tuple(lengths[axis] for axis in spatial)
    order = [axes.index(axis) for axis in [*spatial[:-2], *"cyx"] if axis in axes]
    expected = data.transpose(order)
    for index in stack.indices:
        np.testing.assert_array_equal(stack.plane(index).squeeze(), expected[index])
    assert stack.read().shape == (4,) * ("c" in axes) + stack.shape


def test_indices_are_those_of_the_leading_axes():
    assert Stack(np.zeros((5, 6)), "yx").indices == [()]
    assert Stack(np.zeros((2, 5, 6)), "zyx").indices == [(0,), (1,)]
    assert len(Stack(np.zeros((2, 3, 5, 6)), "tzyx").indices) == 6


@pytest.mark.parametrize("axes", ["zyx", "xczy", "tzyxc"])
def test_a_window_may_have_any_number_of_axes(axes):
    lengths = dict(zip("tzcyx", (2, 3, 4, 5, 6), strict=True))
    data = np.random.default_rng(0).random([lengths[axis] for axis in axes])
    stack, slices = Stack(data, axes), (slice(1, 3), slice(0, 4), slice(2, 5))
    whole = stack.read() if "c" in axes else stack.read()[None]
    for index in stack.indices_of(3):
        window = stack.window(index, slices)
        np.testing.assert_array_equal(window, whole[(slice(None), *index, *slices)])
    assert len(stack.indices_of(3)) == (2 if "t" in axes else 1)


def test_alpha_is_no_channel():
    stack = Stack(np.arange(4 * 6).reshape(2, 3, 4), "yxc", alpha=True)
    assert stack.channels == 3
    assert stack.plane().shape == (3, 2, 3)
    assert 3 not in stack.plane()[:, 0, 0]


@pytest.mark.parametrize(
    ("axes", "shape", "alpha"),
    [
        ("zyx", (3, 4, 5), False),
        ("tczyx", (1, 1, 3, 4, 5), False),
        ("ctzyx", (1, 1, 3, 4, 5), False),
        ("zyxc", (3, 4, 5, 1), False),
        ("zyxc", (3, 4, 5, 2), True),
    ],
)
def test_labels_of_one_channel_at_one_time_are_planes(axes, shape, alpha):
    ids = np.arange(60).reshape(3, 4, 5)
    data = np.stack([ids, 7 * ids], -1) if alpha else ids.reshape(shape)
    np.testing.assert_array_equal(read_labels(Stack(data, axes, alpha=alpha)), ids)


def test_labels_keep_the_axes_of_space_and_a_course_of_time():
    assert read_labels(Stack(np.zeros((1, 4, 5), int), "zyx")).shape == (1, 4, 5)
    assert read_labels(Stack(np.zeros((2, 1, 4, 5), int), "tcyx")).shape == (2, 4, 5)
    assert read_labels(Stack(np.zeros((1, 1, 1, 5), int), "tzyx")).shape == (1, 1, 5)


@pytest.mark.parametrize(("axes", "shape"), [("yxc", (4, 5, 3)), ("tczyx", (1, 2, 3, 4, 5))])
def test_labels_of_several_channels_are_refused_with_the_way_out(axes, shape):
    labels = Stack(np.zeros(shape, int), axes, name="ids.png")
    with pytest.raises(
        UserError, match=r"^Labels 'ids.png' have . channels.* give one channel"
    ):
        read_labels(labels)


@pytest.mark.parametrize(
    ("axes", "shape", "dtype", "found"),
    [
        ("zyx", (3, 4, 5), "u2", (3, 4, 5)),
        ("tczyx", (1, 1, 3, 4, 5), "u2", (3, 4, 5)),
        ("tczyx", (1, 1, 3, 4, 5), "f4", (1, 3, 4, 5)),
        ("tczyx", (1, 2, 3, 4, 5), "f4", (2, 3, 4, 5)),
        ("ctzyx", (2, 1, 3, 4, 5), "u1", (2, 3, 4, 5)),
        ("yxc", (4, 5, 3), "f4", (3, 4, 5)),
    ],
)
def test_a_prediction_is_labels_or_has_its_channels_first(axes, shape, dtype, found):
    assert read_prediction(Stack(np.zeros(shape, dtype), axes)).shape == found


def test_colors_are_no_prediction():
    with pytest.raises(UserError, match=r"^Prediction 'ids.png' is a color picture: give"):
        read_prediction(Stack(np.zeros((4, 5, 3), np.uint8), "yxc", name="ids.png"))


def test_foreign_byte_order_becomes_native():
    stack = Stack(np.arange(6, dtype=">u2").reshape(2, 3), "yx")
    assert stack.dtype == stack.plane().dtype == np.uint16
    assert stack.plane().dtype.isnative
    assert stack.plane()[0, 1, 2] == 5


def test_what_is_not_a_number_is_refused():
    with pytest.raises(UserError, match="cells holds complex64"):
        Stack(np.zeros((4, 4), np.complex64), "yx", name="cells")
    with pytest.raises(UserError, match=r"cells is empty: its shape is \(0, 4\)"):
        Stack(np.zeros((0, 4)), "yx", name="cells")


def test_damage_found_while_reading_names_file_and_slice(tmp_path):
    class Damaged(Counting):
        def __getitem__(self, where):
            raise RuntimeError("bad chunk")

    stack = Stack(Damaged(np.zeros((3, 4, 4))), "zyx", path=tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif, slice \(1,\): cannot be read \(bad chunk\)"):
        stack.plane((1,))


@pytest.mark.parametrize(
    ("shape", "channels", "like", "axes"),
    [
        ((9, 9), None, None, "yx"),
        ((30, 99, 99), None, None, "zyx"),
        ((99, 99, 3), None, None, "yxc"),
        ((99, 99, 3), 1, None, "yxc"),
        ((30, 99, 99, 4), None, None, "zyxc"),
        ((9, 3, 3), None, None, "zyx"),
        ((3, 99, 99), 3, None, "cyx"),
        ((99, 99, 5), 5, None, "yxc"),
        ((99, 99, 5), 2, None, "zyx"),
        ((2, 30, 99, 99), 2, None, "czyx"),
        ((2, 30, 99, 99), None, None, "tzyx"),
        ((2, 4, 30, 99, 99), 2, None, "ctzyx"),
        ((30, 99, 99), None, (99, 99), "cyx"),
        ((99, 99, 30), None, (99, 99), "yxc"),
        ((30, 99, 99), None, (30, 99, 99), "zyx"),
        ((3, 3, 3), 3, (3, 3), "cyx"),
        ((99, 99, 3), None, (99, 99, 3), "zyx"),
    ],
)
def test_axes_are_guessed_from_channels_and_labels(shape, channels, like, axes):
    assert guess_axes(shape, channels, like) == axes


@pytest.mark.parametrize("shape", [(5,), (2,) * 6])
def test_too_few_or_too_many_axes_cannot_be_named(shape):
    with pytest.raises(ValueError, match="shape"):
        guess_axes(shape)


@pytest.mark.parametrize("shape", [(2, 9, 8), (2, 4, 9, 8)])
def test_more_slices_than_those_of_labels_are_no_channels_in_silence(shape):
    with pytest.raises(ValueError, match="shape"):
        guess_axes(shape, like=(1, *shape[1:]))
    assert guess_axes(shape, like=shape[1:])[0] == "c"
    assert guess_axes(shape, 2, like=(1, *shape[1:]))[0] == "c"


@pytest.mark.parametrize(
    ("shape", "like", "axes"),
    [
        ((64, 48, 1), None, "yxc"),
        ((64, 48, 3), (1, 64, 48), "yxc"),
        ((5, 64, 48, 1), None, "zyxc"),
        ((1, 64, 48), None, "zyx"),
        ((1, 64, 48), (64, 48), "cyx"),
        ((64, 48), (1, 64, 48), "yx"),
        ((1, 64, 48), (1, 1, 64, 48), "zyx"),
        ((64, 48, 1), (64, 48, 1), "zyx"),
    ],
)
def test_axes_of_length_one_are_no_others(shape, like, axes):
    assert guess_axes(shape, like=like) == axes


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IndexError("list index"), r"cannot be read \(list index\)"),
        (MemoryError(), "there is too little memory"),
        (UserError("a.tif was cut off."), r"^a\.tif was cut off\.$"),
    ],
)
def test_whatever_a_file_raises_is_one_sentence(error, said):
    class Broken:
        shape, dtype = (4, 5), np.uint8

        def __getitem__(self, where):
            raise error

    with pytest.raises(UserError, match=said):
        Stack(Broken(), "yx", source="a.tif").plane()


def test_slices_that_were_saved_as_colors_are_told_how_to_be_saved():
    labels = Stack(np.zeros((3, 8, 9), np.uint16), "cyx")
    with pytest.raises(UserError, match="photometric='minisblack'"):
        read_labels(labels)
