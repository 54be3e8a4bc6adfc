"""The warping error: worked by hand, and beside a slow one written from its definition."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter
from skimage.measure import label

from napari_utile.arrays.labels import components
from napari_utile.metrics.warping import mismatches, simple_points, warping_error

PAIRS = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*[arrays(bool, shape)] * 3)
)


def drawing(*lines):
    """A mask of objects; dots are background."""
    return np.array([[pixel != "." for pixel in line] for line in lines])


def topology(mask):
    """Numbers of objects (4-connected) and of backgrounds (8-connected, with the outside)."""
    framed = np.pad(mask, 1)
    return label(framed, connectivity=1).max(), label(~framed, connectivity=2).max()


def is_simple(mask, place):
    """Whether the mask has as many objects and backgrounds when a pixel of it is flipped."""
    flipped = mask.copy()
    flipped[place] ^= True
    return topology(flipped) == topology(mask)


def warped(prediction, truth, ignored):
    """Bend the truth, with a look at the whole image for every pixel."""
    prediction, truth = prediction & ~ignored, truth & ~ignored
    waiting = [
        tuple(place)
        for place in np.argwhere(truth != prediction)
        if is_simple(truth, tuple(place))
    ]
    while waiting:
        place = waiting.pop(0)
        if is_simple(truth, place):
            truth[place] ^= True
            around = np.argwhere(truth != prediction)
            near = abs(around - place).max(axis=1) == 1 if len(around) else []
            waiting += [p for p in map(tuple, around[near]) if p not in waiting]
    return truth


# by hand


@pytest.fixture
def two_cells():
    """Two cells with a membrane three pixels wide between them."""
    return drawing(*["aaaa...bbbb"] * 7)


@pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
def test_a_border_moved_by_less_than_its_width_costs_nothing(two_cells, shift):
    moved = drawing(*["a" * (4 + shift) + "..." + "b" * (4 - shift)] * 7)
    assert warping_error(moved, two_cells) == 0
    assert warping_error(moved.T, two_cells.T) == 0


@pytest.mark.parametrize("width", [1, 2, 4, 5])
def test_the_width_of_a_border_costs_nothing(two_cells, width):
    left = 5 - width // 2
    other = drawing(*["a" * left + "." * width + "b" * (11 - left - width)] * 7)
    assert warping_error(other, two_cells) == 0
    assert warping_error(two_cells, other) == 0


def test_a_gap_that_joins_two_cells_costs_its_length(two_cells):
    bridged = two_cells.copy()
    bridged[3] = True  # three pixels, of which two can be had by bending
    assert warping_error(bridged, two_cells) == 1 / 77
    bridged[2:5] = True
    assert warping_error(bridged, two_cells) == 3 / 77
    assert mismatches(bridged, two_cells).sum(axis=1).tolist() == [0, 0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("width", [1, 3])
def test_a_membrane_through_a_cell_costs_a_bridge_across_it_however_long_it_is(width):
    cell = np.ones((9, 9), bool)
    divided = cell.copy()
    divided[:, 4 : 4 + width] = False
    assert mismatches(divided, cell).sum() == width


def test_a_line_that_ends_in_a_cell_costs_nothing():
    cell = np.ones((9, 9), bool)
    cleft = cell.copy()
    cleft[:8, 4] = False
    assert warping_error(cleft, cell) == 0


def test_a_lost_cell_costs_one_pixel():
    cells = drawing(".........", ".aaa.bbb.", ".aaa.bbb.", ".........")
    lost = drawing(".........", ".aaa.....", ".aaa.....", ".........")
    assert mismatches(lost, cells).sum() == 1
    assert mismatches(np.zeros_like(cells), cells).sum() == 2


def test_an_invented_cell_costs_all_its_pixels():
    truth = drawing(".........", ".aaa.....", ".aaa.....", ".........")
    invented = drawing(".........", ".aaa.bbb.", ".aaa.bbb.", ".........")
    assert (mismatches(invented, truth) == (invented & ~truth)).all()


def test_an_invented_hole_costs_its_pixels_and_a_lost_one_costs_one():
    full = np.ones((9, 9), bool)
    with_hole = full.copy()
    with_hole[3:6, 3:6] = False
    assert mismatches(with_hole, full).sum() == 9
    assert mismatches(full, with_hole).sum() == 1


def test_cells_that_meet_at_a_corner_are_two_and_membranes_there_are_one():
    corner = drawing("aa..", "aa..", "..bb", "..bb")
    apart = drawing("a...", "a...", "...b", "..bb")
    joined = drawing("aa..", "aaa.", "..bb", "..bb")
    assert warping_error(apart, corner) == 0
    assert mismatches(joined, corner).sum() == 1


def test_a_cell_elsewhere_is_both_lost_and_invented():
    here, there = drawing("aa......"), drawing(".....aa.")
    assert mismatches(there, here).sum() == 1 + 2


# touching instances


def test_touching_objects_are_two():
    truth = np.repeat([[1, 1, 1, 2, 2, 2]], 4, axis=0)
    assert warping_error(truth, truth) == 0
    moved_by_one = np.repeat([[1, 1, 2, 2, 2, 2]], 4, axis=0)
    assert warping_error(moved_by_one, truth) == 0
    one = np.ones_like(truth)
    assert mismatches(one, truth).sum() == 4  # a gap as long as their border
    assert mismatches(truth, one).sum() == 1
    assert warping_error(one > 0, truth > 0) == 0


def test_ids_do_not_matter():
    truth = np.repeat([[1, 1, 1, 2, 2, 2]], 4, axis=0)
    names = np.array([0, 2**63, 5], np.uint64)
    assert warping_error(names[truth], truth) == 0


# edges


def test_nothing_on_one_side_or_on_both():
    cells = drawing("aa.b", "aa..")
    nothing = np.zeros_like(cells)
    assert warping_error(nothing, nothing) == 0
    assert warping_error(nothing, cells) == 2 / 8
    assert warping_error(cells, nothing) == 5 / 8
    everything = np.ones_like(cells)
    assert warping_error(everything, everything) == 0
    assert warping_error(nothing, everything) == 1 / 8
    assert warping_error(everything, nothing) == 1
    assert warping_error(np.zeros((0, 4), bool), np.zeros((0, 4), bool)) == 0


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(2, 3\)"):
        warping_error(np.zeros((2, 2), bool), np.zeros((2, 3), bool))


def test_ignored_pixels_never_count_and_never_change(two_cells):
    bridged = two_cells.copy()
    bridged[3] = True
    gap = bridged & ~two_cells
    assert warping_error(bridged, two_cells, gap) == 0
    ignored = np.zeros_like(gap)
    ignored[:, :2] = True
    assert warping_error(bridged, two_cells, ignored) == 1 / (77 - 14)
    assert warping_error(bridged, two_cells, np.ones_like(gap)) == 0
    assert not mismatches(~two_cells, two_cells, ignored)[:, :2].any()


def test_each_slice_of_a_stack_is_on_its_own(two_cells):
    bridged = two_cells.copy()
    bridged[3] = True
    stack = np.stack([bridged, two_cells, ~two_cells])
    wrong = mismatches(stack, np.stack([two_cells] * 3))
    assert wrong.sum(axis=(1, 2)).tolist()[:2] == [1, 0]
    np.testing.assert_array_equal(wrong[2], mismatches(~two_cells, two_cells))


# from the definition


def test_simple_points_are_those_that_change_no_number_of_parts():
    simple = simple_points()
    for code in range(256):
        bits = ((code >> np.arange(8)) & 1).astype(bool)
        patch = np.insert(bits, 4, False).reshape(3, 3)
        assert simple[code] == is_simple(patch, (1, 1)) == is_simple(patch | MIDDLE, (1, 1))


MIDDLE = np.arange(9).reshape(3, 3) == 4


@given(PAIRS)
def test_bending_by_the_definition(masks):
    prediction, truth, hidden = masks
    ignored = hidden & np.roll(hidden, 1)
    expected = (warped(prediction, truth, ignored) != prediction) & ~ignored
    np.testing.assert_array_equal(mismatches(prediction, truth, ignored), expected)
    in_columns = [np.asfortranarray(side) for side in (prediction, truth, ignored)]
    np.testing.assert_array_equal(mismatches(*in_columns), expected)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)), st.data())
def test_bending_keeps_every_object_and_hole_and_ends_where_nothing_can_bend(truth, data):
    prediction = data.draw(arrays(bool, truth.shape))
    wrong = mismatches(prediction, truth)
    bent = prediction ^ wrong
    assert topology(bent) == topology(truth)
    assert not (wrong & (prediction == truth)).any()
    assert not any(is_simple(bent, tuple(place)) for place in np.argwhere(wrong))


def test_bending_of_smooth_cells_by_the_definition():
    random = np.random.default_rng(0)
    truth, prediction = gaussian_filter(random.normal(size=(2, 40, 50)), (0, 2, 2)) > -0.05
    prediction |= truth & (random.random(truth.shape) < 0.8)
    none = np.zeros_like(truth)
    expected = warped(prediction, truth, none) != prediction
    assert 0 < expected.sum() < (prediction != truth).sum()
    np.testing.assert_array_equal(mismatches(prediction, truth), expected)


def test_on_real_membranes(shared_data):
    """The topology of the true membranes stays, and the error is far below the pixel error."""
    truth = tifffile.imread(shared_data / "isbi2012" / "labels.tif", key=[0, 1]) > 0
    image = tifffile.imread(shared_data / "isbi2012" / "volume.tif", key=[0, 1])
    prediction = gaussian_filter(image.astype(float), (0, 2, 2)) > 115
    wrong = mismatches(prediction, truth)
    for slice_, mistakes, true in zip(prediction, wrong, truth, strict=True):
        assert topology(slice_ ^ mistakes) == topology(true)
    error = warping_error(prediction, truth)
    assert 0 < 3 * error < (prediction != truth).mean()
    as_instances = components(prediction), components(truth)
    assert warping_error(*as_instances) == error
