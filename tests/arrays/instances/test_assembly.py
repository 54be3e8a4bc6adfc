"""Objects of a plane in blocks: the same as in one piece, and as found by plain Python."""

import io
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, label

from napari_utile.arrays.instances.assembly import assemble
from napari_utile.arrays.instances.fragments import fragments
from napari_utile.arrays.instances.growth import gaps
from napari_utile.arrays.instances.heights import FINENESS, landscape
from napari_utile.arrays.instances.merging import RISE, SPECK, surely_one
from napari_utile.arrays.instances.object_rule import ObjectRule
from napari_utile.arrays.instances.watershed import REACH
from napari_utile.arrays.labels import components
from tests.fixtures.planes_in_blocks import in_one_piece, objects_of, random_plane

SIZES = [(1, 512), (512, 1), (7, 11), (13, 40), (16, 16), (37, 53), (64, 30)]
RULES = [
    ObjectRule(),
    ObjectRule(method="components"),
    ObjectRule(fill_holes=12, min_size=20),
    ObjectRule(threshold=0.4, method="components", fill_holes=30, min_size=6),
    ObjectRule(fill_holes=7, growth=(1.2, 2.5, 2.0)),
]


# --- blocks


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_blocks_of_any_size_give_the_same_ids_as_one_piece(size, rule):
    for seed, smoothing in enumerate((0.5, 1.5, 3.0)):
        plane = random_plane(seed, smoothing=smoothing)
        found, _ = objects_of(plane, size, rule)
        np.testing.assert_array_equal(found, in_one_piece(plane, rule))


@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.sampled_from([0.0, 0.7, 1.5]),
    st.sampled_from(RULES),
)
@settings(max_examples=60)
def test_random_planes_in_random_blocks(seed, shape, block, smoothing, rule):
    plane = random_plane(seed, shape, smoothing)
    found, _ = objects_of(plane, block, rule)
    np.testing.assert_array_equal(found, in_one_piece(plane, rule))


@pytest.mark.parametrize("block", [(4, 9, 5), (1, 20, 7), (12, 6, 17)])
def test_a_volume_in_blocks_has_the_components_and_holes_of_one_piece(block):
    volume = random_plane(3, (12, 20, 17), smoothing=1.0)
    volume[2:10, 3:16, 2:14] = 255
    hole = np.s_[5:8, 8:10, 4:6]
    volume[hole] = 0
    rule = ObjectRule(method="components")
    found, _ = objects_of(volume, block, rule, reach=0)
    np.testing.assert_array_equal(found, components(volume > 127, volumetric=True))
    rule = ObjectRule(method="components", fill_holes=15, min_size=8)
    found, _ = objects_of(volume, block, rule, reach=0)
    np.testing.assert_array_equal(found, in_one_piece(volume, rule))
    assert found[4, 8, 4] > 0
    assert (found[hole] == found[4, 8, 4]).all()


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("block", [(30, 36, 1), (1, 50, 60), (13, 17, 40), (8, 9, 10)], ids=str)
def test_a_volume_in_blocks_of_any_size_has_the_ids_of_one_piece(block, rule):
    volume = random_plane(2, (30, 36, 40), smoothing=2.5, contrast=70)
    volume -= np.minimum(volume, 50)  # fewer voxels are foreground, or all would be connected
    whole = in_one_piece(volume, rule)
    assert whole.max() > 3
    np.testing.assert_array_equal(objects_of(volume, block, rule)[0], whole)


@given(
    st.integers(0, 2**32),
    st.tuples(*[st.integers(1, 14)] * 3),
    st.tuples(*[st.integers(1, 14)] * 3),
    st.sampled_from([(0.0, 0.0, 0.0), (0.7, 1.0, 0.7), (0.3, 1.5, 1.5)]),
    st.sampled_from(RULES),
)
@settings(max_examples=40)
def test_random_volumes_in_random_blocks(seed, shape, block, smoothing, rule):
    volume = random_plane(seed, shape, smoothing)
    found, _ = objects_of(volume, block, rule)
    np.testing.assert_array_equal(found, in_one_piece(volume, rule))


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_planes_of_nothing_and_of_one_object(value, rule):
    found, plane = objects_of(np.full((50, 70), value, np.uint8), (20, 30), rule)
    assert (found == (value > 0)).all()
    assert plane.count == (value > 0)


def test_a_plateau_deeper_than_the_halo_is_one_object():
    plane = np.full((230, 210), 255, np.uint8)
    plane[:, 0] = plane[115:, 100:140] = 0
    found, _ = objects_of(plane, (50, 60), ObjectRule())
    np.testing.assert_array_equal(found, in_one_piece(plane, ObjectRule()))
    assert found.max() == 1


def test_components_need_no_pixels_around_a_block():
    plane, rule = random_plane(1), ObjectRule(method="components", fill_holes=9)
    found, _ = objects_of(plane, (16, 16), rule, reach=0)
    np.testing.assert_array_equal(found, in_one_piece(plane, rule))


def test_tables_survive_a_file_and_are_small():
    plane = random_plane(0, (400, 400), smoothing=6, contrast=5000)
    whole = fragments(plane, np.s_[0:400, 0:400], (0, 0), plane.shape, RULES[2])
    file = io.BytesIO()
    np.savez(file, **whole.tables)
    file.seek(0)
    read = dict(np.load(file, allow_pickle=False))
    again = assemble([read], (1, 1), RULES[2])
    once = assemble([whole.tables], (1, 1), RULES[2])
    assert (again.maps[0] == once.maps[0]).all()
    assert sum(table.nbytes for table in read.values()) < plane.nbytes / 2


def test_real_cells_in_blocks(shared_data):
    gray = tifffile.imread(shared_data / "isbi2012" / "volume.tif", key=0)
    cells = gaussian_filter(gray.astype(float), 1.5)
    plane = np.clip(3 * (cells - 80), 0, 255).astype(np.uint8)
    for rule in (ObjectRule(fill_holes=40, min_size=30), ObjectRule(method="components")):
        whole = in_one_piece(plane, rule)
        assert whole.max() > 50
        for size in ((128, 128), (100, 200), (509, 67)):
            np.testing.assert_array_equal(objects_of(plane, size, rule)[0], whole)


# --- against plain Python


def neighbours(pixel, shape):
    for axis, side in enumerate(pixel):
        if side > 0:
            yield (*pixel[:axis], side - 1, *pixel[axis + 1 :])
    for axis, side in reversed([*enumerate(pixel)]):
        if side + 1 < shape[axis]:
            yield (*pixel[:axis], side + 1, *pixel[axis + 1 :])


def parts_by_walking(plane, mask, heights):
    """Give each pixel the top that it comes to, and the pixel of the mask that it leads to."""
    shape = plane.shape
    steps = {p: 0 for p in np.ndindex(shape) if mask[p]}
    best = {}
    for pixel in steps:
        ways = [p for p in neighbours(pixel, shape) if mask[p]] + [pixel]
        best[pixel] = min(ways, key=lambda p: (-int(heights[p]), p))
    for step in range(1, REACH + 1):
        ring = {}
        for pixel in np.ndindex(shape):
            ways = [p for p in neighbours(pixel, shape) if steps.get(p) == step - 1]
            if pixel not in steps and ways:
                ring[pixel] = min(ways, key=lambda p: (-int(plane[p]), p))
        best |= ring
        steps |= dict.fromkeys(ring, step)

    def top(pixel):
        return pixel if best[pixel] == pixel else top(best[pixel])

    def lead(pixel):
        return pixel if mask[pixel] else lead(best[pixel])

    return {pixel: top(pixel) for pixel in best}, {pixel: lead(pixel) for pixel in best}


def is_between(p, q, leads):
    """Whether the pixels of the mask are seen from between p and q at an obtuse angle."""
    middle = (np.array(p) + q) / 2
    return np.dot(leads[p] - middle, leads[q] - middle) < 0


def borders_by_looking(part, leads, plane, mask, heights):
    """Measure borders pixel pair by pixel pair: {(part, part): [n, sum, n, sum, saddle]}."""
    found = {}
    for p in part:
        for q in neighbours(p, plane.shape):
            if q > p and q in part and part[p] != part[q]:
                border = found.setdefault(tuple(sorted((part[p], part[q]))), [0, 0, 0, 0, 0])
                at = 0 if mask[p] and mask[q] else 2
                if at == 2 and plane.ndim == 3 and not is_between(p, q, leads):
                    continue
                border[at] += 1
                border[at + 1] += int(plane[p]) + int(plane[q])
                if at == 0:
                    border[4] = max(border[4], min(int(heights[p]), int(heights[q])))
    counts = slice(1) if plane.ndim == 2 else slice(3)  # in a volume also those across a gap
    return {pair: border for pair, border in sorted(found.items()) if any(border[counts])}


def likelihood(border, ndim):
    ends = 4 * REACH if ndim == 2 else 0  # two ends, two pairs for each pixel on a diagonal
    counted = max(0, border[2] - ends)
    share = counted / border[2] if border[2] else 0
    return (border[1] + share * border[3]) / (border[0] + counted) / 510


def objects_by_hand(plane, rule):
    """Separate the objects of a plane in the simplest way, one decision after the other."""
    mask, ndim = plane > rule.threshold * 255, plane.ndim
    heights = landscape(mask, plane)
    part, leads = parts_by_walking(plane, mask, heights)
    height = {top: int(heights[top]) for top in set(part.values())}
    one = {top: top for top in height}

    def renamed(a, b):
        for top in one:
            one[top] = min(a, b) if one[top] in (a, b) else one[top]

    saddles = borders_by_looking(part, leads, plane, mask, heights)
    for (p, q), border in sorted(saddles.items(), key=lambda item: (-item[1][4], item[0])):
        if not border[0]:
            continue
        a, b = one[p], one[q]
        tops = [max(height[t] for t in one if one[t] == end) for end in (a, b)]
        if a != b and min(tops) - border[4] < RISE[ndim] * FINENESS[ndim]:
            renamed(a, b)

    part = {pixel: one[top] for pixel, top in part.items()}
    one = {top: top for top in set(part.values())}
    borders = borders_by_looking(part, leads, plane, mask, heights)
    rank = {pair: i for i, pair in enumerate(borders)}
    size = {top: sum(mask[p] for p in part if part[p] == top) for top in one}
    while True:
        sure = [
            (-round(likelihood(border, plane.ndim), 12), rank[pair], pair)
            for pair, border in borders.items()
            if likelihood(border, plane.ndim) > surely_one(rule.threshold, plane.ndim)
            or (min(size[pair[0]], size[pair[1]]) < SPECK[plane.ndim] and border[0])
        ]
        if not sure:
            break
        _, _, (a, b) = min(sure)
        renamed(a, b)
        size[min(a, b)] = size[a] + size[b]
        before, borders, ranks_before, rank = borders, {}, rank, {}
        for pair, border in before.items():
            ends = tuple(sorted(min(a, b) if end in (a, b) else end for end in pair))
            if ends[0] != ends[1]:
                old = borders.get(ends, [0] * 5)
                borders[ends] = [x + y for x, y in zip(old, border, strict=True)]
                rank[ends] = min(rank.get(ends, 10**9), ranks_before[pair])
    objects = np.zeros(plane.shape, int)
    numbers = {}
    grown = mask | gaps(mask, rule.growth)
    for pixel in np.ndindex(plane.shape):
        if grown[pixel] and pixel in part:
            objects[pixel] = numbers.setdefault(one[part[pixel]], len(numbers) + 1)
    return objects


@pytest.mark.parametrize(
    ("seed", "smoothing", "contrast"),
    [(0, 4, 60), (1, 4, 90), (2, 5, 120), (3, 3, 60), (4, 6, 60), (5, 2, 100)],
)
def test_watershed_is_what_plain_python_finds(seed, smoothing, contrast):
    plane, rule = random_plane(seed, (72, 66), smoothing, contrast), ObjectRule()
    by_hand = objects_by_hand(plane, rule)
    np.testing.assert_array_equal(objects_of(plane, (31, 29), rule)[0], by_hand)


@pytest.mark.parametrize(
    ("seed", "smoothing", "growth"), [(0, 2.5, ()), (1, (1.5, 3, 3), (1, 2, 2))]
)
def test_watershed_of_a_volume_is_what_plain_python_finds(seed, smoothing, growth):
    volume = random_plane(seed, (12, 22, 20), smoothing, 60)
    rule = ObjectRule(growth=growth)
    by_hand = objects_by_hand(volume, rule)
    assert (by_hand[volume > 127] != label(volume > 127)[0][volume > 127]).any()
    assert bool(by_hand[volume <= 127].any()) == (len(growth) > 0)
    np.testing.assert_array_equal(objects_of(volume, (7, 13, 9), rule)[0], by_hand)


def test_plain_python_is_asked_about_planes_that_are_taken_apart():
    planes = [random_plane(seed, (72, 66), 4, 60) for seed in range(4)]
    apart = [in_one_piece(plane, ObjectRule()).max() for plane in planes]
    joined = [label(plane > 127)[1] for plane in planes]
    assert sum(apart) > sum(joined)


def test_components_are_those_of_scipy_in_raster_order():
    plane = random_plane(7, smoothing=1)
    found, assembled_ = objects_of(plane, (13, 17), ObjectRule(method="components"))
    expected, count = label(plane > 127)
    np.testing.assert_array_equal(found, expected)
    assert assembled_.count == count


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_objects_are_numbered_in_raster_order_and_their_sizes_told(rule):
    found, plane = objects_of(random_plane(3), (16, 16), rule)
    ids, first = np.unique(found, return_index=True)
    assert ids.tolist() == list(range(plane.count + 1))
    assert (np.diff(first[ids > 0]) > 0).all()
    assert plane.sizes[0] == 0
    assert plane.sizes[1:].tolist() == np.bincount(found.ravel())[1:].tolist()


# --- the threshold, holes, small objects


def drawn(*rows):
    return np.array([[255 * (c != ".") for c in row] for row in rows], np.uint8)


HOLES = drawn(
    "##########..",
    "#...##..##.#",
    "#...##..##..",
    "######.###..",
    "..####.##.#.",
    ".#.####.#...",
    "..##########",
)


@pytest.mark.parametrize("method", ["components", "watershed"])
@pytest.mark.parametrize("block", [(7, 12), (1, 12), (7, 1), (2, 3), (3, 2), (1, 1)])
@pytest.mark.parametrize(("most", "filled"), [(0, 0), (1, 1), (5, 1), (6, 13), (99, 13)])
def test_holes_are_filled_up_to_their_size(most, filled, block, method):
    # of 1 (row 5), 6 and 6 pixels; that on the left is open to the border of the plane
    rule = ObjectRule(fill_holes=most, method=method)
    found, plane = objects_of(HOLES, block, rule)
    mask = found > 0
    assert mask.sum() - (HOLES > 0).sum() == filled
    assert mask[5, 7] == (most >= 1)
    assert mask[1, 2] == mask[4, 6] == (most >= 6)
    assert not mask[5, 0]
    assert not mask[1, 10]
    assert plane.sizes.sum() == mask.sum()


@pytest.mark.parametrize("notch", [(0, 2), (2, 0), (2, 4), (4, 2)])
@pytest.mark.parametrize("block", [(5, 5), (2, 3), (1, 1)])
def test_a_notch_in_any_border_of_the_plane_is_no_hole(notch, block):
    plane = np.full((5, 5), 255, np.uint8)
    plane[notch] = 0
    found, _ = objects_of(plane, block, ObjectRule(fill_holes=9))
    assert ((found > 0) == (plane > 0)).all()


@pytest.mark.parametrize("block", [(5, 7), (2, 2), (1, 1)])
def test_a_hole_with_another_object_in_it_stays(block):
    ring = drawn("#######", "#.....#", "#..#..#", "#.....#", "#######")
    rule = ObjectRule(fill_holes=99, method="components")
    found, plane = objects_of(ring, block, rule)
    assert plane.count == 2
    assert ((found > 0) == (ring > 0)).all()


def test_a_hole_between_two_objects_stays():
    y, x = np.mgrid[:41, :60]
    cells = np.hypot(y - 20, abs(x - 29.5) - 12) < 14
    weak = np.where(cells, 255, 0).astype(np.uint8)
    weak[cells & (abs(x - 29.5) < 3)] = 130
    weak[20, 29:31] = 0
    for method, count, filled in (("components", 1, True), ("watershed", 2, False)):
        rule = ObjectRule(fill_holes=2, method=method)
        found, plane = objects_of(weak, (11, 13), rule)
        assert (plane.count, bool(found[20, 29:31].all())) == (count, filled)


def test_small_objects_are_dropped_after_their_holes_were_filled():
    rings = drawn("###.##.", "#.#.##.", "###....", "......#")
    rule = ObjectRule(min_size=9, fill_holes=1, method="components")
    found, plane = objects_of(rings, (2, 3), rule)
    assert plane.sizes.tolist() == [0, 9]
    assert np.argwhere(found).max() == 2
    assert objects_of(rings, (2, 3), replace(rule, min_size=10))[1].count == 0
    assert objects_of(rings, (2, 3), replace(rule, linking="touch"))[1].count == 3
