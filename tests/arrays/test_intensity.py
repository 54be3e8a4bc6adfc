import numpy as np
import pytest

from napari_utile.arrays.intensity import Normalization, finite


def noise(mean, std, dtype, shape=(1, 64, 64), seed=0):
    return np.random.default_rng(seed).normal(mean, std, shape).astype(dtype)


def test_images_are_measured_as_if_they_were_one():
    images = [noise(100, 20, np.uint8), noise(50, 5, np.uint8, shape=(1, 10, 33))]
    pixels = np.concatenate([image.ravel() for image in images])
    measured = Normalization.of(images)
    assert measured.mean == pytest.approx((pixels.mean(),))
    assert measured.std == pytest.approx((pixels.std(),))


def test_each_channel_has_its_own_numbers():
    image = np.stack([np.array([[0, 2]]), np.array([[10, 30]])])
    assert Normalization.of([image]) == Normalization(mean=(1, 20), std=(1, 10))


def test_measuring_survives_large_offsets():
    image = np.uint32(4_000_000_000) + np.arange(4, dtype=np.uint32).reshape(1, 2, 2)
    normalized = Normalization.of([image]).apply(image)
    np.testing.assert_allclose(
        normalized.ravel(), np.array([-1.5, -0.5, 0.5, 1.5]) / 1.25**0.5, rtol=1e-6
    )


@pytest.mark.parametrize("value", [0, 7, 0.1, 1e30])
def test_a_constant_channel_becomes_zero(value):
    image = np.full((1, 5, 5), value)
    normalized = Normalization.of([image]).apply(image)
    np.testing.assert_allclose(normalized, 0, atol=1e-15 * max(value, 1))


def test_nan_cannot_be_measured():
    with pytest.raises(ValueError, match="finite"):
        Normalization.of([np.array([[[1, np.nan]]])])


def test_nothing_cannot_be_measured():
    with pytest.raises(ValueError, match="no pixels"):
        Normalization.of([np.zeros((1, 0, 5))])


@pytest.mark.parametrize("std", [0, -1, np.nan, np.inf])
def test_a_standard_deviation_is_positive(std):
    with pytest.raises(ValueError, match="positive"):
        Normalization(mean=(0,), std=(std,))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int32, np.float16, np.float64])
def test_any_number_becomes_float32(dtype):
    pixels = np.array([[[0, 1]]], dtype)
    applied = Normalization(mean=(1,), std=(2,)).apply(pixels)
    assert applied.dtype == np.float32
    assert applied.tolist() == [[[-0.5, 0]]]


def test_it_outlives_a_file():
    measured = Normalization.of([noise(100, 20, np.float64)])
    assert Normalization.model_validate_json(measured.model_dump_json()) == measured


def test_accidents_become_finite_and_are_pointed_at():
    pixels = np.array([[[np.nan, np.inf, -1e20, 3]], [[0, 0, 0, 0]]], np.float32)
    assert finite(pixels).tolist() == [[True, True, True, False]]
    assert pixels[0].tolist() == [[0, 0, 0, 3]]


def test_16_bit_is_far_from_8_bit_and_the_reverse():
    bits_8 = Normalization.of([noise(120, 40, np.uint8)])
    bits_16 = Normalization.of([noise(30_000, 10_000, np.uint16)])
    assert "3" in bits_8.far_from(noise(30_000, 10_000, np.uint16))
    assert "trained on" in bits_16.far_from(noise(120, 40, np.uint8))


def test_a_darker_or_flatter_section_is_not_far():
    model = Normalization.of([noise(120, 40, np.uint8)])
    assert model.far_from(noise(40, 10, np.uint8)) is None
    assert model.far_from(np.zeros((1, 8, 8))) is None
    assert model.far_from(np.full((1, 8, 8), np.nan)) is None
