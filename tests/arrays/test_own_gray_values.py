"""What is measured part by part is what NumPy measures of the whole."""

import numpy as np
import pytest

from napari_utile.arrays.intensity import Normalization
from napari_utile.arrays.own_gray_values import (
    normalization_in_parts,
    own_normalization,
    percentiles_in_parts,
)
from napari_utile.events import drain

RNG = np.random.default_rng(0)
AT = (0, 1, 50, 99.8, 100)


def pixels_of(dtype):
    """Two channels of numbers from all over the range of a dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        exponents = RNG.uniform(-4, 4, (2, 37, 29))
        return (RNG.choice([-1, 1], exponents.shape) * 10**exponents).astype(dtype)
    bits = RNG.bytes(2 * 37 * 29 * dtype.itemsize)
    return np.frombuffer(bits, dtype).reshape(2, 37, 29) >> np.asarray(1, dtype)


def cut(pixels):
    return lambda: np.array_split(pixels, 7, axis=1)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "f2", "i4", "u4", "f4", "i8", "f8"])
def test_percentiles_in_parts_are_those_of_the_whole(dtype):
    pixels = pixels_of(dtype)
    found = drain(percentiles_in_parts(cut(pixels), AT))
    whole = np.percentile(pixels.astype(np.float64), AT, axis=(1, 2)).T
    np.testing.assert_allclose(found, whole, rtol=1e-13)


@pytest.mark.parametrize("dtype", [bool, "u1", "f4", "f8"])
def test_mean_and_deviation_in_parts_are_those_of_the_whole(dtype):
    pixels = pixels_of(dtype) if dtype is not bool else pixels_of("u1") > 40
    found = drain(normalization_in_parts(cut(pixels), "image"))
    assert found.mean == pytest.approx(pixels.mean((1, 2), dtype=float), rel=1e-13)
    assert found.std == pytest.approx(pixels.std((1, 2), dtype=float), rel=1e-13)


def test_a_large_offset_costs_no_digits():
    pixels = 4e9 + np.arange(4.0).reshape(1, 4, 1)
    found = drain(normalization_in_parts(lambda: np.split(pixels, 4, axis=1), "image"))
    assert found == Normalization(mean=(4e9 + 1.5,), std=(1.25**0.5,))


def test_percentiles_become_those_of_a_normal_distribution():
    pixels = np.arange(1001.0).reshape(1, 7, 143)
    normal = own_normalization(pixels, "percentiles")
    np.testing.assert_allclose(normal.apply([[10.0, 998.0]] * np.ones((1, 1, 1))), [[[-2, 3]]])


@pytest.mark.parametrize("by", ["image", "percentiles"])
@pytest.mark.parametrize(("gain", "dtype"), [(257, np.uint16), (1 / 255, np.float32)])
def test_number_format_and_gain_do_not_matter(by, gain, dtype):
    pixels = pixels_of("u1")
    other = (pixels.astype(float) * gain).astype(dtype)
    normal, its = own_normalization(pixels, by), own_normalization(other, by)
    np.testing.assert_allclose(its.apply(other), normal.apply(pixels), atol=2e-6)


@pytest.mark.parametrize("by", ["image", "percentiles"])
def test_what_is_not_finite_is_left_out(by):
    pixels = pixels_of("f4")
    holes = np.concatenate([pixels, np.full((2, 5, 29), np.nan, "f4")], axis=1)
    holes[:, -1] = np.inf
    found = drain(normalization_in_parts(cut(holes), by))
    expected = own_normalization(pixels, by)
    assert found.mean == pytest.approx(expected.mean, rel=1e-12)
    assert found.std == pytest.approx(expected.std, rel=1e-12)


@pytest.mark.parametrize("by", ["image", "percentiles"])
@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        ([[[np.nan, np.inf]], [[1.0, 2.0]]], "no pixel is finite"),
        ([[[-1e308, 1e308]]], "too large to calculate with"),
    ],
)
def test_what_cannot_be_measured_is_said(by, pixels, reason):
    with pytest.raises(ValueError, match=reason):
        own_normalization(np.array(pixels), by)


def test_without_contrast_nothing_is_multiplied():
    assert own_normalization(np.full((1, 3, 3), 7), "image").std == (1,)
    assert own_normalization(np.full((1, 3, 3), 7), "percentiles").apply(
        np.full((1, 1, 1), 7)
    ) == pytest.approx(0)
    few = np.zeros((1, 30, 30))
    few[0, 0, 0] = 10  # beyond the 99.8th percentile
    assert own_normalization(few, "percentiles") == Normalization(mean=(4,), std=(2,))
