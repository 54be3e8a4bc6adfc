"""No pixel is in both parts, whatever there is to divide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_utile.arrays.doubts.wording import count_of
from napari_utile.arrays.labels import IGNORE
from napari_utile.arrays.splits import (
    TRAINING,
    VALIDATION,
    Region,
    slices_between,
    split,
    split_map,
)

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
    assert all(region.is_whole for region in parts.training + parts.validation)
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


def test_named_images_are_held_out_whole_whatever_the_share():
    planes = [(i, (z,), (9 + i, 9)) for i in range(4) for z in range(2)]
    parts = split(planes, 0.2, held={1, 3})
    assert {r.plane for r in parts.validation} == {(i, (z,)) for i in (1, 3) for z in (0, 1)}
    assert {r.image for r in parts.training} == {0, 2}
    for held, missing in (({0, 1, 2, 3}, "train on"), ({9}, "validate with")):
        with pytest.raises(ValueError, match=f"no annotated image is left to {missing}"):
            split(planes, held=held)


def test_two_stacks_give_their_last_slices_each():
    planes = [(i, (z,), (9, 9)) for i in range(2) for z in range(5)]
    parts = split(planes, share=0.2)
    assert {(r.image, r.index) for r in parts.validation} == {(0, (4,)), (1, (4,))}


@pytest.mark.parametrize(
    ("planes", "share", "reason"),
    [
        ([], 0.2, "no annotated plane"),
        ([(0, (), (1, 1))], 0.2, r"\(1, 1\) pixels is too small"),
        ([(0, (), (1, 1))], 0.9, r"\(1, 1\) pixels is too small"),
        ([(0, (), (1024, 1024))], 0.51, "less than half .* lower validation, which is 0.51"),
    ],
)
def test_what_cannot_be_divided_is_refused(planes, share, reason):
    with pytest.raises(ValueError, match=reason):
        split(planes, share)


# by what the user asks for


@given(
    several_stacks(), SHARES, st.integers(0, 100), st.sampled_from(["image", "slice", "block"])
)
def test_whatever_is_kept_whole_no_pixel_is_in_both(planes, share, guard, by):
    try:
        parts = split(planes, share, guard, by=by)
    except ValueError:
        images = {image for image, _, _ in planes}
        possible = {
            "image": len(images) > 1,
            "slice": len(planes) > len(images),
            "block": share <= 0.4,
        }
        assert not possible[by]
        return
    assert parts.training and parts.validation
    training, validation = (
        painted(planes, regions) for regions in (parts.training, parts.validation)
    )
    for plane in training:
        assert (training[plane] + validation[plane]).max() <= 1


@pytest.mark.parametrize("by", ["image", "slice", "block"])
def test_the_same_planes_can_be_divided_in_three_ways(by):
    planes = [(i, (z,), (60, 90)) for i in range(3) for z in range(4)]
    parts = split(planes, 0.25, guard=10, by=by)
    kept = {region.image for region in parts.validation}
    match by:
        case "image":
            assert len(kept) == 1 and len(parts.validation) == 4
        case "slice":
            assert [region.index for region in parts.validation] == [(3,)] * 3
        case "block":
            assert len(parts.validation) == len(parts.training) == 12
            block = (slice(None), slice(70, 90))
            assert {str(region.window) for region in parts.validation} == {str(block)}
            assert parts.guard == 10


def test_a_block_is_the_same_in_every_slice_of_a_stack():
    planes = [(0, (z,), (40, 20)) for z in range(3)]
    parts = split(planes, 0.25, guard=4, by="block")
    assert [r.window for r in parts.training] == [(slice(0, 27), slice(None))] * 3
    assert [r.window for r in parts.validation] == [(slice(31, 40), slice(None))] * 3
    assert parts.how == (
        "27 px to train, 9 px to validate, 4 px between, along y, the same in every slice"
    )


def test_an_image_too_small_for_a_block_is_for_training():
    parts = split([(0, (), (1, 1)), (1, (), (40, 20))], by="block")
    assert Region(0, ()) in parts.training
    assert {region.image for region in parts.validation} == {1}


def test_the_narrowest_guard_is_told():
    parts = split([(0, (), (20, 20)), (1, (), (80, 80))], guard=15, by="block")
    assert parts.guard == 5


@pytest.mark.parametrize(
    ("planes", "by", "reason"),
    [
        ([(4, (z,), (9, 9)) for z in range(5)], "image", "2 annotated images, and there is 1"),
        (
            [(0, (), (9, 9))],
            "slice",
            r"2 annotated slices of one image \(annotated slices: 1, images: 1",
        ),
        ([(i, (0,), (9, 9)) for i in range(3)], "slice", "annotated slices: 3, images: 3"),
        ([(0, (z,), (1, 1)) for z in range(3)], "block", r"\(1, 1\) pixels is too small"),
    ],
)
def test_what_is_impossible_is_said_with_counts(planes, by, reason):
    with pytest.raises(ValueError, match=reason):
        split(planes, by=by)


# by what the pixels are


def disc(shape, centre, radius=6):
    y, x = np.indices(shape)
    inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    return inside.astype(np.uint8)


def found(regions, classes):
    """The classes that regions of one plane, or of planes numbered from 0, hold."""
    parts = [classes[r.index[0] if r.index else 0][r.window].ravel() for r in regions]
    return set(np.unique(np.concatenate(parts)).tolist()) - {IGNORE}


@pytest.mark.parametrize(
    "centres", [[(20, 20), (20, 80)], [(20, 10), (60, 10)], [(20, 50), (60, 50)]]
)
def test_a_block_lies_where_both_parts_show_every_class(centres):
    classes = [np.maximum(*(disc((80, 100), centre) for centre in centres))]
    parts = split([(0, (), (80, 100))], 0.2, guard=5, classes=classes)
    assert found(parts.training, classes) == found(parts.validation, classes) == {0, 1}


def test_a_block_in_the_middle_has_a_guard_on_both_sides():
    discs = (disc((80, 400), (40, x), 15) for x in (100, 200))
    classes = [np.maximum(*discs)]  # nothing at the ends
    parts = split([(0, (), (80, 400))], 0.2, guard=20, classes=classes)
    (mask,) = split_map(parts, [(80, 400)])
    (line,) = np.unique(mask, axis=0)
    changes = np.flatnonzero(np.diff(line.astype(int)))
    assert line[[0, -1]].tolist() == [TRAINING, TRAINING]
    assert np.diff(changes).tolist() == [20, 76, 20]
    assert parts.how.startswith("284 px to train, 76 px to validate, 20 px between, along x")


def test_without_need_the_last_slices_and_the_far_end_stay():
    random = np.random.default_rng(0)
    classes = [random.integers(0, 3, (20, 30)).astype(np.uint8) for _ in range(5)]
    stack = [(0, (z,), (20, 30)) for z in range(5)]
    assert split(stack, classes=classes) == split(stack)
    assert split(stack, classes=classes, by="block") == split(stack, by="block")
    several = [(z, (), (20, 30)) for z in range(5)]
    for seed in range(5):
        assert split(several, seed=seed, classes=classes) == split(several, seed=seed)


@pytest.mark.parametrize("by", ["slice", "image"])
def test_planes_without_objects_are_not_all_that_is_judged_by(by):
    classes = [np.full((10, 10), 0, np.uint8) for _ in range(6)]
    classes[1][:5] = classes[3][:5] = 1
    planes = [(i, (), (10, 10)) if by == "image" else (0, (i,), (10, 10)) for i in range(6)]
    for seed in range(4):
        parts = split(planes, 0.2, seed=seed, by=by, classes=classes)
        key = "image" if by == "image" else "index"
        held = [getattr(region, key) for region in parts.validation]
        assert held[0] in ([1, 3] if by == "image" else [(1,), (3,)])
        assert len(parts.training) == 5


def test_a_large_image_is_not_judged_by_with_a_small_one_to_learn_from():
    sizes = [(100, 100), (20, 20)]
    classes = [np.indices(size).sum(0).astype(np.uint8) % 2 for size in sizes]
    planes = [(i, (), size) for i, size in enumerate(sizes)]
    for seed in range(4):
        parts = split(planes, 0.05, seed=seed, classes=classes)
        assert [region.image for region in parts.validation] == [1]


def test_a_block_is_a_share_of_what_is_annotated():
    classes = np.full((200, 300), IGNORE, np.uint8)
    classes[20:60, 100:150] = 0
    classes[30:50, 105:145] = 1
    parts = split([(0, (), classes.shape)], 0.2, guard=5, classes=[classes])
    # 50 annotated columns: (50 - 5) * 0.2 = 9 to validate
    assert parts.validation == (Region(0, (), (slice(None), slice(141, 300))),)
    assert parts.training == (Region(0, (), (slice(None), slice(0, 136))),)
    assert parts.how == "36 px to train, 9 px to validate, 5 px between, along x"


def test_blocks_that_nobody_annotated_are_in_no_part():
    classes = [np.zeros((20, 40), np.uint8) for _ in range(3)]
    for plane in classes:
        plane[:, ::2] = 1
    classes[1][:, 15:] = IGNORE
    classes[2][:, :28] = IGNORE
    parts = split([(0, (z,), (20, 40)) for z in range(3)], by="block", classes=classes)
    assert [region.index for region in parts.training] == [(0,), (1,), (2,)]
    assert [region.index for region in parts.validation] == [(0,), (2,)]


def test_volumes_are_divided_along_their_longest_axis():
    parts = split([(0, (), (6, 40, 20))], 0.25, guard=8, by="block")
    # (40 - 8) * 0.25 = 8 to validate, 24 to train
    whole = slice(None)
    assert parts.validation == (Region(0, (), (whole, slice(32, 40), whole)),)
    assert parts.training == (Region(0, (), (whole, slice(0, 24), whole)),)
    assert parts.how == "24 px to train, 8 px to validate, 8 px between, along y"


# shown as a layer


def test_the_map_shows_both_parts_and_neither():
    planes = [(0, (), (10, 40)), (1, (2,), (4, 8))]
    parts = split(planes, 0.25, guard=8, by="block")
    first, second = split_map(parts, [(10, 40), (5, 4, 8)])
    assert first.dtype == np.uint8
    assert first.shape == (10, 40) and second.shape == (5, 4, 8)
    assert np.bincount(first[0]).tolist() == [8, 24, 8]
    assert not second[[0, 1, 3, 4]].any()
    for number, region in enumerate(parts.training):
        assert (region.of((first, second)[number]) == TRAINING).all()
    for number, region in enumerate(parts.validation):
        assert (region.of((first, second)[number]) == VALIDATION).all()


# more than a slice


@st.composite
def thick_stacks(draw):
    """Annotated slices of one to three stacks, some with gaps in between or time points."""
    planes = []
    for image in range(draw(st.integers(1, 3))):
        slices = sorted(draw(st.sets(st.integers(0, 30), min_size=1, max_size=20)))
        times = [()] if draw(st.booleans()) else [(0,), (1,)]
        planes += [(image, (*t, z), (30, 40)) for t in times for z in slices]
    return planes


@given(thick_stacks(), st.floats(0.05, 0.6), st.integers(1, 2))
def test_no_slice_to_validate_is_seen_in_training(planes, share, context):
    try:
        parts = split(planes, share, by="slice", context=context)
    except ValueError:  # in no stack there are enough
        most = max(sum(p[0] == image for p in planes) for image, *_ in planes)
        assert most < context + 2 or share > 0.2
        return
    assert parts.training and parts.validation
    held = {region.plane for region in parts.validation}
    for image, index in (region.plane for region in parts.training):
        for step in range(-context, context + 1):
            assert (image, (*index[:-1], index[-1] + step)) not in held


@pytest.mark.parametrize(
    ("slices", "context", "taught", "between"),
    [(30, 1, 22, 2), (30, 2, 20, 4), (5, 1, 3, 1), (4, 1, 2, 1), (3, 1, 1, 1), (12, 2, 8, 2)],
)
def test_as_many_slices_lie_between_as_there_are_enough(slices, context, taught, between):
    planes = [(0, (z,), (9, 9)) for z in range(slices)]
    parts = split(planes, 0.2, context=context)
    held = max(1, round(0.2 * slices))
    assert [r.index[0] for r in parts.training] == list(range(taught))
    assert [r.index[0] for r in parts.validation] == list(range(slices - held, slices))
    assert slices_between(parts) == between == slices - held - taught
    assert parts.how == (
        f"{count_of(taught, 'slice')} to train, {held} to validate, at least {between} between"
    )


def test_slices_far_apart_are_all_used():
    parts = split([(0, (z,), (9, 9)) for z in (2, 9, 17)], context=2)
    assert [r.index[0] for r in parts.training] == [2, 9]
    assert slices_between(parts) == 7


@pytest.mark.parametrize("slices", [2, 3])
def test_too_few_slices_are_divided_by_blocks_unless_slices_are_asked_for(slices):
    planes = [(0, (z,), (60, 40)) for z in range(slices)]
    assert split(planes, guard=10, context=2).guard == 10
    with pytest.raises(ValueError, match=r"takes 4 annotated slices of one image with context"):
        split(planes, by="slice", context=2)
