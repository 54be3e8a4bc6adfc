"""Mean and standard deviation of values, whatever the blocking."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_utile.arrays.objects.values import CELL, ValueSums

NUMBERS = np.array([[1, 1, 0], [2, 1, 2]], np.int32)
ROWS = np.array([-1, 1, 0])  # number 1 is the second row
COUNTS = np.array([2, 3])


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, ">u2", np.uint32, np.float16, np.float64]
)
def test_mean_and_deviation_of_values_of_any_type(dtype):
    pixels = np.array([[3, 5, 99], [20, 10, 40]]).astype(dtype)
    sums = ValueSums(pixels.dtype)
    sums.add(NUMBERS, ROWS, pixels, 2)
    assert_allclose(sums.mean_and_sd(COUNTS), [[30, 10], [6, np.std([3, 5, 10])]], rtol=1e-12)


def test_a_small_spread_on_a_large_value_is_not_cancelled():
    pixels = np.array([[60000, 60001, 0], [0, 60002, 0]], np.uint16)
    sums = ValueSums(pixels.dtype)
    for _ in range(1000):
        sums.add(NUMBERS, ROWS, pixels, 2)
    mean, deviation = sums.mean_and_sd(COUNTS * 1000)[1]
    assert mean == 60001
    assert deviation == pytest.approx(np.sqrt(2 / 3), rel=1e-12)


def test_fractions_add_up_to_the_same_bits_in_any_order_of_cells():
    random = np.random.default_rng(0)
    pixels = random.normal(1e6, 1, (2 * CELL, 3 * CELL)) * 10.0 ** random.integers(-9, 9)
    numbers = np.ones(pixels.shape, np.int32)
    windows = [(y, x) for y in (0, CELL) for x in (0, CELL, 2 * CELL)]
    found = []
    for order in (windows, windows[::-1]):
        sums = ValueSums(pixels.dtype)
        for y, x in order:
            cell = np.s_[y : y + CELL, x : x + CELL]
            sums.add(numbers[cell], np.array([-1, 0]), pixels[cell], 1)
        found.append(sums.mean_and_sd(np.array([pixels.size])))
    whole = ValueSums(pixels.dtype)
    whole.add(numbers, np.array([-1, 0]), pixels, 1)
    assert_array_equal(found[0], found[1])
    assert_array_equal(found[0], whole.mean_and_sd(np.array([pixels.size])))
    assert_allclose(found[0][0], [pixels.mean(), pixels.std()], rtol=1e-6)


def test_values_that_are_not_finite_make_no_number_of_the_others():
    pixels = np.array([[1, np.inf, 0], [2, np.nan, 4]], np.float32)
    sums = ValueSums(pixels.dtype)
    sums.add(NUMBERS, ROWS, pixels, 2)
    assert_array_equal(sums.mean_and_sd(COUNTS), [[3, 1], [np.nan, np.nan]])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_sums_are_restored(dtype):
    pixels = np.array([[3, 5, 9], [2, np.nan if dtype is np.float32 else 7, 4]]).astype(dtype)
    sums, other = ValueSums(pixels.dtype), ValueSums(pixels.dtype)
    sums.add(NUMBERS, ROWS, pixels, 2)
    other.take_arrays(sums.to_arrays(2))
    for each in (sums, other):
        each.add(NUMBERS, ROWS, pixels + 1, 2)
    assert_array_equal(sums.mean_and_sd(2 * COUNTS), other.mean_and_sd(2 * COUNTS))
