"""The size of a voxel: from the image, from the user, or doubted."""

import numpy as np
import pytest

from napari_utile.engine.training.data.spacing import (
    border_width,
    check_volumes,
    spacing_doubts,
    voxel_spacing,
)
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack
from napari_utile.settings.training import TrainSettings

VOLUMES = TrainSettings(network="unet-3d", steps=1)


def stack(scale=(), units=(), axes="zyx"):
    return Stack(np.zeros((3, 4, 5), np.uint8), axes, "em", scale=scale, units=units)


def test_the_image_says_it():
    nm = stack((-40, 8, 8), 3 * ("nanometer",))
    assert voxel_spacing([nm], VOLUMES) == (40, 8, 8)
    assert [*spacing_doubts([nm], VOLUMES)] == []


def test_what_is_given_wins():
    given = TrainSettings(network="unet-3d", steps=1, spacing=(5, 1, 1))
    assert voxel_spacing([stack((40, 8, 8))], given) == (5, 1, 1)
    assert [*spacing_doubts([stack()], given)] == []


def test_without_a_word_of_it_cubes_are_doubted():
    assert voxel_spacing([stack()], VOLUMES) == (1, 1, 1)
    (doubt,) = spacing_doubts([stack()], VOLUMES)
    assert "takes voxels for cubes" in doubt and "'em'" in doubt


def test_other_proportions_are_refused_and_another_unit_is_none():
    same = stack((0.04, 0.008, 0.008), 3 * ("micrometer",))
    nm = stack((40, 8, 8), 3 * ("nanometer",))
    assert voxel_spacing([nm, same], VOLUMES) == (40, 8, 8)
    with pytest.raises(UserError, match=r"40 x 8 x 8, those of 'em' 8 x 8 x 8: train on"):
        voxel_spacing([nm, stack((8, 8, 8), 3 * ("nanometer",))], VOLUMES)


@pytest.mark.parametrize(("axes", "words"), [("tyx", "time points"), ("cyx", "one slice")])
def test_images_without_slices_are_refused(axes, words):
    with pytest.raises(UserError, match=f"has {words} but no z axis.*choose the network unet"):
        check_volumes([stack(axes=axes)], VOLUMES)
    check_volumes([stack(axes=axes)], TrainSettings(steps=1))


# the border between objects


@pytest.mark.parametrize(
    ("border", "pixels"), [("3", 3), ("2.5 px", 2.5), ("24nm", 3), ("0.04um", 5)]
)
def test_a_border_is_in_pixels_of_x(border, pixels):
    nm = stack((40, 8, 8), 3 * ("nanometer",))
    assert border_width(TrainSettings(border=border), nm) == pytest.approx(pixels)


def test_by_itself_it_is_a_pixel_in_slices_and_left_to_the_labels_in_volumes():
    assert border_width(TrainSettings(), stack()) == 1
    assert border_width(VOLUMES, stack()) is None


def test_a_length_needs_the_size_of_a_pixel():
    with pytest.raises(UserError, match="does not say how long a pixel is"):
        border_width(TrainSettings(border="30nm"), stack())
    with pytest.raises(UserError, match="'wide' is no width; write it like 3, 30nm or auto"):
        TrainSettings(border="wide")
