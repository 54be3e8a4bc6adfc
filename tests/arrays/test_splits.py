"""No pixel is in both parts, whatever there is to divide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_utile.arrays.splits import WHOLE, Region, split

SIDES = st.integers(8, 60)
SHARES = st.floats(0.01, 0.99)


@st.composite
def several_stacks(draw):
    """Planes of one to four images, each a single image or a stack."""
    planes = []
    for image in range(draw(st.integers(1, 4))):
        shape = draw(st.tuples(SIDES, SIDES))
        slices = draw(st.integers(0, 5))
        indices = [(z,) for z in range(slices)] or [()]
        planes += [(image, index, shape) for index in indices]
    return planes


def painted(planes, regions):
    """Count for each pixel of each plane how many regions hold it."""
    counts = {(image, index): np.zeros(shape, int) for image, index, shape in planes}
    for region in regions:
        counts[region.image, region.index][region.window] += 1
    return counts


@given(several_stacks(), SHARES, st.integers(0, 100), st.integers(0, 9))
def test_no_pixel_is_in_both_parts_and_neither_is_empty(planes, share, guard, seed):
    try:
        parts = split(planes, share, guard, seed)
    except ValueError:
        # only a single plane can be too small, and only for a large share
        assert len(planes) == 1 and share > 0.4
        return
    training, validation = (
        painted(planes, regions) for regions in (parts.training, parts.validation)
    )
    assert sum(count.sum() for count in training.values())
    assert sum(count.sum() for count in validation.values())
    for plane in training:
        assert (training[plane] + validation[plane]).max() <= 1


@given(st.tuples(SIDES, SIDES), st.floats(0.05, 0.4), st.integers(0, 100))
def test_a_guard_band_lies_between_the_blocks_of_one_plane(shape, share, guard):
    parts = split([(0, (), shape)], share, guard)
    ((training,), (validation,)) = parts.training, parts.validation
    axis = int(np.argmax(shape))
    assert parts.guard == min(guard, shape[axis] // 4)
    assert validation.window[axis].start - training.window[axis].stop == parts.guard
    assert training.window[axis].start == 0
    assert validation.window[axis].stop == shape[axis]
    assert training.window[1 - axis] == validation.window[1 - axis] == slice(None)


def test_a_single_plane_is_divided_along_its_long_side():
    parts = split([(0, (), (20, 100))], share=0.25, guard=20)
    assert parts.training == (Region(0, (), (slice(None), slice(0, 60))),)
    assert parts.validation == (Region(0, (), (slice(None), slice(80, 100))),)
    assert parts.how == "60 px to train, 20 px to validate, 20 px between, along x"


def test_the_last_slices_of_a_stack_are_for_validation():
    parts = split([(0, (z,), (9, 9)) for z in range(10)], share=0.3)
    assert [region.index[0] for region in parts.training] == [0, 1, 2, 3, 4, 5, 6]
    assert [region.index[0] for region in parts.validation] == [7, 8, 9]
    assert all(region.window == WHOLE for region in parts.training + parts.validation)
    assert parts.guard is None


def test_annotated_slices_only_count():
    parts = split([(0, (z,), (9, 9)) for z in (2, 11, 17)], share=0.2)
    assert [region.index for region in parts.validation] == [(17,)]


@pytest.mark.parametrize("share", [0.01, 0.99])
@pytest.mark.parametrize("count", [2, 3, 10])
def test_neither_part_takes_everything(count, share):
    for planes in (
        [(0, (z,), (9, 9)) for z in range(count)],
        [(i, (), (9, 9)) for i in range(count)],
    ):
        parts = split(planes, share)
        assert len(parts.training) + len(parts.validation) == count
        assert min(len(parts.training), len(parts.validation)) == 1


def test_several_images_are_held_out_whole_by_the_seed():
    planes = [(i, (), (9, 9)) for i in range(10)]
    held = [{r.image for r in split(planes, 0.3, seed=seed).validation} for seed in range(20)]
    assert {len(images) for images in held} == {3}
    assert len({frozenset(images) for images in held}) > 5
    assert held == [
        {r.image for r in split(planes, 0.3, seed=seed).validation} for seed in range(20)
    ]


def test_two_stacks_give_their_last_slices_each():
    planes = [(i, (z,), (9, 9)) for i in range(2) for z in range(5)]
    parts = split(planes, share=0.2)
    assert {(r.image, r.index) for r in parts.validation} == {(0, (4,)), (1, (4,))}


@pytest.mark.parametrize(
    ("planes", "share", "reason"),
    [
        ([], 0.2, "no annotated plane"),
        ([(0, (), (1, 1))], 0.2, r"\(1, 1\) pixels is too small"),
        ([(0, (), (30, 30))], 0.9, "too small"),
    ],
)
def test_what_cannot_be_divided_is_refused(planes, share, reason):
    with pytest.raises(ValueError, match=reason):
        split(planes, share)
