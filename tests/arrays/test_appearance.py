"""What training images look like, and when another image is far from that."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_utile.arrays.appearance import Appearance, GrayValues, whole_areas

DATA = Path(os.environ.get("UTILE_DATA", "../shared/data"))


def normal(mean, std, seed=0, size=20_000):
    return np.random.default_rng(seed).normal(mean, std, size)


def skewed(seed=0, size=20_000):
    return 40 + np.random.default_rng(seed).exponential(20, size)


def test_the_distance_of_two_normal_distributions_is_that_of_their_means():
    # Wasserstein-1 of a shifted copy is the shift
    learnt = GrayValues.of([normal(100, 20)])
    assert learnt.distance_to(normal(100, 20) + 30) == pytest.approx(30 / learnt.std)


def test_the_spread_of_the_training_planes_is_remembered():
    learnt = GrayValues.of([normal(90, 20), normal(110, 10)])
    assert learnt.contrast == pytest.approx((10, 20), rel=0.02)
    planes = (normal(90, 20), normal(110, 10))
    assert learnt.distance == pytest.approx(
        np.percentile([*map(learnt.distance_to, planes)], 90)
    )


@pytest.mark.parametrize(
    "pixels", [normal(100, 20, seed=1), normal(110, 25), normal(85, 10), np.full(9, 101.0)]
)
def test_what_is_a_little_darker_or_flatter_is_near(pixels):
    assert GrayValues.of([normal(100, 20)]).doubt(pixels) is None


@pytest.mark.parametrize(
    "pixels", [normal(140, 20), normal(100, 20) * 257, normal(100, 20) / 255, normal(100, 3)]
)
def test_what_is_far_is_told_with_a_cure(pixels):
    doubt = GrayValues.of([normal(100, 20)]).doubt(pixels)
    assert "the model was trained on 100.1 ± 20" in doubt
    assert "set normalize to image" in doubt


def test_what_looks_inverted_is_told():
    assert "It looks inverted" in GrayValues.of([skewed()]).doubt(140 - skewed(seed=1))


def test_what_looks_inverted_is_told_though_it_is_normalized_by_itself():
    learnt = GrayValues.of([skewed()])
    assert "It looks inverted" in learnt.doubt(140 - skewed(seed=1), is_normalized=True)
    assert learnt.doubt(257 * skewed(seed=1), is_normalized=True) is None


def test_background_alone_may_show_no_object():
    cells = np.concatenate([normal(60, 5), normal(160, 5)])
    assert "Perhaps it shows no object" in GrayValues.of([cells]).doubt(normal(60, 5))


def test_a_varied_training_set_makes_less_far():
    assert GrayValues.of([normal(60, 20), normal(180, 20)]).doubt(normal(40, 20)) is None


def test_the_first_channel_that_is_far_is_told():
    planes = [np.stack([normal(100, 20), normal(50, 5)])]
    here = np.stack([normal(100, 20), normal(90, 5)])
    assert "90.02 ± 5" in Appearance.of(planes).gray_value_doubt(here)
    assert Appearance.of(planes).gray_value_doubt(planes[0]) is None
    assert Appearance.of(planes).gray_value_doubt(np.full((2, 3), np.nan)) is None


def test_channels_in_another_order_are_told_if_that_of_training_fits_better():
    planes = [np.stack([normal(100, 20, i), normal(60, 20, i), skewed(i)]) for i in range(3)]
    learnt, here = (
        Appearance.of(planes),
        np.stack([normal(60, 20, 9), normal(100, 20, 9), skewed(9)]),
    )
    assert learnt.gray_value_doubt(here[[1, 0, 2]]) is None
    assert "in the order 2, 1, 3 alone" in learnt.gray_value_doubt(here)
    assert learnt.gray_value_doubt(here, is_normalized=True) is None
    alike = Appearance.of([np.stack([normal(100, 20), normal(103, 20)])])
    assert alike.gray_value_doubt(np.stack([normal(103, 20, 1), normal(100, 20, 1)])) is None


def test_photos_may_be_dark_above_or_below():
    skewed = np.random.default_rng(0).gamma(2, 20, (64, 64))
    for channels, word in ((1, "inverted"), (3, "")):
        learnt = Appearance.of([np.stack([skewed] * channels)])
        said = learnt.gray_value_doubt(np.stack([200 - skewed] * channels), True) or ""
        assert ("inverted" in said) == bool(word)


def test_a_pixel_of_another_size_is_told_with_the_factor():
    learnt = Appearance.of([normal(0, 1)[None]], pixel_um=[0.004, 0.004])
    assert "Resize the image by 2," in learnt.pixel_size_doubt(0.008)
    for near in (None, 0.004, 0.0055, 0.003):
        assert learnt.pixel_size_doubt(near) is None
    assert Appearance.of([normal(0, 1)[None]]).pixel_size_doubt(1.0) is None


def test_objects_of_another_size_are_told_with_the_factor():
    learnt = Appearance.of([normal(0, 1)[None]], object_px=[100] * 20)
    assert "resize it by 0.5" in learnt.object_size_doubt([400] * 9)
    assert "look like noise" in learnt.object_size_doubt([1] * 9)
    assert learnt.object_size_doubt([400] * 4) is None  # too few to tell
    assert learnt.object_size_doubt([150] * 9) is None
    assert learnt.object_size_doubt([150] * 9 + [2] * 90) is None  # beside specks
    assert "resize it by 0.5" in learnt.object_size_doubt([400] * 9 + [2] * 90)


def test_objects_at_the_border_have_no_whole_area():
    objects = np.array([[1, 1, 0, 0], [0, 2, 2, 0], [0, 2, 0, 3], [0, 0, 0, 3]])
    assert whole_areas(objects) == [3]


def test_it_survives_being_written():
    learnt = Appearance.of([normal(100, 20)[None]], [0.1], [9] * 5, ["DAPI", "GFP"])
    assert Appearance.model_validate_json(learnt.model_dump_json()) == learnt


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data")
def test_real_images_are_near_those_of_their_own_set_and_far_from_another():
    stack = tifffile.imread(DATA / "isbi2012" / "volume.tif")
    nuclei = {
        part: [np.array(Image.open(p)) for p in (DATA / "dsb2018" / part / "images").iterdir()]
        for part in ("train", "val")
    }
    em = GrayValues.of([*stack[:12]])
    cells = GrayValues.of(nuclei["train"])
    assert not any(em.doubt(plane.ravel()) for plane in stack[12:])
    assert not any(cells.doubt(image.ravel()) for image in nuclei["val"])
    assert all(cells.doubt(plane.ravel()) for plane in stack[12:15])
    assert all(cells.doubt(255 - image.ravel()) for image in nuclei["val"])
