import numpy as np
import pytest

from napari_utile.arrays.doubts.images import (
    Exposure,
    image_doubts,
    looks_like_labels,
    outlier_doubt,
)

RANDOM = np.random.default_rng(0)
OBJECT = np.zeros((20, 20), bool)
OBJECT[5:12, 4:15] = True


def image(name, gain=1.0, offset=0.0, dtype=np.uint8, sign=1):
    pixels = 100 + RANDOM.normal(0, 10, OBJECT.shape) + sign * 50 * OBJECT
    return Exposure.of(name, (gain * pixels + offset).astype(dtype)[None], OBJECT)


def test_gray_values_are_measured_in_each_channel():
    pixels = np.stack([np.full(OBJECT.shape, 7.0), 10 + 4.0 * OBJECT])
    found = Exposure.of("a", pixels, OBJECT)
    assert found.mean == (7.0, pytest.approx(10 + 4 * OBJECT.mean()))
    assert found.std[0] == 0
    assert found.objects == pytest.approx(4 / pixels[1].std())


def test_images_of_two_depths_are_named_with_their_gray_values():
    images = [image(f"p{i}.tif", 200 if i % 2 else 1, dtype=np.uint16) for i in range(6)]
    (said,) = image_doubts(images)
    low, high = said.partition(". ")[0].split(";")
    assert "3 of 6 have about" in low and "3 of 6 have about" in high
    assert all(f"'p{i}.tif'" in (high if i % 2 else low) for i in range(6))
    assert "bit depth and exposure" in said


@pytest.mark.parametrize(
    "odd", [image("odd", 0.05, dtype=float), image("odd", offset=5000, dtype=float)]
)
def test_one_image_far_from_the_others_is_named(odd):
    (said,) = image_doubts([image("a"), odd, image("b"), image("c")])
    assert "1 of 4 has about" in said and ": 'odd'" in said


def test_other_exposures_raise_no_doubt():
    gains = [0.3, 0.5, 1, 1.6, 2.4]
    assert image_doubts([image(f"{g}", g, dtype=float) for g in gains]) == []
    assert image_doubts([]) == image_doubts([image("alone")]) == []


def test_a_negative_among_positives_is_named():
    images = [image(f"{i}") for i in range(7)]
    (said,) = image_doubts([*images, image("negative", sign=-1)])
    assert said.startswith("In 1 of 8 images the objects are darker")
    assert "'negative'" in said
    assert image_doubts([*images[:2], image("negative", sign=-1)]) == []


def test_few_values_in_flat_regions_look_like_labels():
    assert looks_like_labels(3 * OBJECT)
    assert not looks_like_labels(RANDOM.normal(size=(20, 20)))
    assert not looks_like_labels(np.arange(1)[None])


def test_a_few_pixels_without_data_are_told():
    pixels = RANDOM.normal(100, 20, 20_000)
    assert outlier_doubt("a", pixels) is None
    assert outlier_doubt("a", np.where(pixels > 170, 400, pixels)) is None  # bright debris
    spots = pixels.copy()
    spots[:100] = RANDOM.uniform(4000, 9000, 100)  # few, and far brighter
    assert outlier_doubt("a", spots) is None
    lost = pixels.copy()
    lost[:36] = -9999
    said = outlier_doubt("a", lost)
    assert said.startswith("36 of 20,000 pixels of 'a' are -9999 or the like, far from all")
    lost[:36] = np.nan
    assert outlier_doubt("a", lost) is None
    assert outlier_doubt("a", np.full(9, 3.0)) is outlier_doubt("a", lost[:36]) is None


def test_colored_images_are_no_negatives():
    def image(objects, channels):
        return Exposure("a", "uint8", (100,) * channels, (20,) * channels, objects)

    for channels, count in ((1, 1), (3, 0)):
        images = [image(1, channels)] * 7 + [image(-1, channels)]
        assert len(image_doubts(images)) == count
