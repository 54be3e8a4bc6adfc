"""Slices with those around them as channels: in order, mirrored at the ends, read once."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io import slice_context as module
from napari_utile.io.slice_context import (
    check_slices,
    planes_seen,
    slices_around,
    slices_problem,
    with_context,
)
from napari_utile.io.stack import Stack


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


@pytest.mark.parametrize("context", [1, 2])
@pytest.mark.parametrize("slices", [2, 3, 5])
def test_channels_are_those_of_the_slices_as_numpy_mirrors_them(slices, context):
    image = pixels(2, slices, 6, 7)
    padded = np.pad(image, [(0, 0), (context, context), (0, 0), (0, 0)], mode="reflect")
    seen = with_context(Stack(image, "czyx", channel_names=("a", "b")), context)
    assert (seen.channels, seen.shape) == (2 * (2 * context + 1), (slices, 6, 7))
    assert seen.channel_names == ()
    for z in range(slices):
        around = padded[:, z : z + 2 * context + 1]  # offset outside, channel inside
        expected = around.swapaxes(0, 1).reshape(-1, 6, 7)
        np.testing.assert_array_equal(seen.plane((z,)), expected)
        part = seen.plane((z,), slice(1, 4), slice(2, 7))
        np.testing.assert_array_equal(part, expected[:, 1:4, 2:7])
    np.testing.assert_array_equal(
        seen.read(), np.stack([seen.plane(i) for i in seen.indices], 1)
    )


def test_slices_of_other_time_points_and_opacity_are_not_seen():
    image = pixels(3, 4, 5, 6, 4)
    seen = with_context(Stack(image, "tzyxc", alpha=True), 1)
    expected = np.concatenate([image[1, z, ..., :3] for z in (2, 3, 2)], axis=-1)
    np.testing.assert_array_equal(seen.plane((1, 3)), np.moveaxis(expected, -1, 0))


def test_no_context_changes_nothing():
    stack = Stack(pixels(4, 5), "yx")
    assert with_context(stack, 0) is stack
    assert slices_around(stack, (), 0) == [()]
    check_slices(stack, 0)


class Counted:
    """Counts how often each plane is read."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.reads = array, array.shape, array.dtype, []

    def __getitem__(self, where):
        self.reads.append(where[0])
        return self.array[where]


def test_a_slice_is_read_once_unless_it_does_not_fit(monkeypatch):
    data = Counted(pixels(6, 8, 8))
    seen = with_context(Stack(data, "zyx"), 2)
    for index in seen.indices:
        seen.plane(index)
    assert sorted(data.reads) == list(range(6))

    monkeypatch.setattr(module, "CACHE_BYTES", 2 * 64)
    seen = with_context(Stack(data, "zyx"), 2)
    found = [seen.plane(index) for index in seen.indices]
    assert seen.data._kept.bytes <= 2 * 64 and len(data.reads) > 12
    np.testing.assert_array_equal(np.stack(found)[:, 2], data.array)


@pytest.mark.parametrize(
    ("shape", "axes", "words"),
    [
        ((8, 9), "yx", "'em' (8, 9) has no other slices: give a stack"),
        ((1, 8, 9), "zyx", "'em' (1, 8, 9) has no other slices: give a stack"),
        ((3, 8, 9), "cyx", "'em' (8, 9) has no other slices: give a stack"),
        ((3, 8, 9), "tyx", "has time points and no slices: name the axis z if it is one"),
    ],
)
def test_an_image_without_slices_is_refused_in_one_sentence(shape, axes, words):
    stack = Stack(pixels(*shape), axes, name="em")
    with pytest.raises(UserError) as refused:
        check_slices(stack, 1)
    message = str(refused.value)
    assert message.startswith("3 slices are to be seen at once (context 1), and ")
    assert words in message and message.count(". ") == 0
    assert slices_problem(stack, 0) == ""


def test_a_slice_that_cannot_be_read_is_named(tmp_path):
    class Damaged(Counted):
        def __getitem__(self, where):
            if where[0] == 2:
                raise OSError("bad block")
            return self.array[where]

    stack = Stack(Damaged(pixels(5, 4, 4)), "zyx", path=tmp_path / "em.tif")
    with pytest.raises(UserError, match=r"em.tif, slice \(2,\): cannot be read \(bad block"):
        with_context(stack, 1).plane((1,))


def test_planes_are_listed_with_those_around_them():
    stacks = [Stack(pixels(4, 3, 3), "zyx"), Stack(pixels(2, 5, 3, 3), "tzyx")]
    found = planes_seen(stacks, [(0, (0,)), (0, (1,)), (1, (1, 4))], 1)
    assert found == [(0, (0,)), (0, (1,)), (0, (2,)), (1, (1, 3)), (1, (1, 4))]
