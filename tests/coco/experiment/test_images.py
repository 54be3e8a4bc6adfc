"""Images of a COCO file as networks see them: small, in color, beside their labels."""

import json

import numpy as np
import pytest
from PIL import Image

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.experiment.images import (
    Chosen,
    nearest,
    size_within,
    small_images,
    small_labels,
)
from napari_utile.errors import UserError
from tests.fixtures.coco_sample import write_coco_sample


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return write_coco_sample(tmp_path_factory.mktemp("coco"))


def chosen(sample, *names):
    return Chosen.of(read_coco(*sample), names)


def test_the_longest_side_gets_that_length_and_the_other_follows(sample):
    coco = read_coco(*sample)  # 40 x 32, 48 x 36, 32 x 40 (width x height), ...
    shapes = [image.shape for image in small_images(coco, coco.images[:3], 20)]
    assert shapes == [(16, 20), (15, 20), (20, 16)]


def test_facts_count_what_is_used_of_what_there_is(sample):
    cats = chosen(sample, "cat")
    images = [image for image in cats.coco.images if cats.shown_in(image)]
    one_pixel = small_labels(cats, images, 1, kinds=False)
    assert cats.counts(images, small_labels(cats, images, 0, kinds=False)) == {
        "images": "4 of 6",
        "objects": 4,
        "crowds": "1 of 5 annotations, ignored",
        "categories": "1 of 3",
    }
    seen = sum(int(0 < stack.data.max() < CROWD) for stack in one_pixel)
    assert seen < 4
    assert cats.counts(images, one_pixel)["objects"] == f"{seen} of 4 with a pixel at this size"


@pytest.mark.parametrize("side", [0, 48, 1000])
def test_no_image_is_made_larger(sample, side):
    coco = read_coco(*sample)
    assert size_within(coco.image[12], side) == (36, 48)


def test_a_pixel_is_the_mean_of_those_it_stands_for(sample):
    coco = read_coco(*sample)
    (small,) = small_images(coco, [coco.image[14]], 10)  # 40 x 40
    pixels = np.asarray(Image.open(sample[1] / "000014.png")).astype(float)
    means = pixels.reshape(10, 4, 10, 4, 3).mean((1, 3)).transpose(2, 0, 1)
    assert np.abs(small.plane() - means).max() <= 1
    assert small.channels == 3


def test_a_gray_image_gets_three_channels(tmp_path):
    path, folder = write_coco_sample(tmp_path / "gray")
    picture = Image.open(folder / "000011.png").convert("L")
    picture.save(folder / "000011.png")
    coco = read_coco(path, folder)
    (small,) = small_images(coco, [coco.image[11]], 0)
    assert (small.plane() == np.asarray(picture)).all()
    assert small.channels == 3


def test_labels_are_as_small_as_their_image_and_crowds_are_marked(sample):
    both = chosen(sample, "cat")
    images = both.coco.images
    labels = small_labels(both, images, 24, kinds=False)
    assert [each.shape for each in labels] == [
        each.shape for each in small_images(both.coco, images, 24)
    ]
    second = labels[1].plane()[0]  # image 12 at half its size: a cat, and a crowd
    assert np.unique(second).tolist() == [0, 1, CROWD]
    assert (second[:5, 20:] == CROWD).all()
    assert (second == 1).sum() == 8 * 8


def test_kinds_are_numbered_in_the_order_of_the_file(sample):
    animals = chosen(sample, "animal")
    (labels,) = small_labels(animals, animals.coco.images[:1], 0, kinds=True)
    assert animals.names == ("cat", "dog")
    assert labels.plane()[0][10, 10] == 1
    assert labels.plane()[0][10, 30] == 2


def test_an_id_is_that_at_the_middle_of_the_new_pixel():
    labels = np.arange(36).reshape(6, 6)
    assert nearest(labels, (2, 2)).tolist() == [[7, 10], [25, 28]]
    assert (nearest(labels, (6, 6)) == labels).all()


def test_an_image_of_another_size_than_its_annotations_is_refused(tmp_path):
    path, folder = write_coco_sample(tmp_path / "other")
    content = json.loads(path.read_text())
    content["images"][0]["width"] = 50
    path.write_text(json.dumps(content))
    coco = read_coco(path, folder)
    with pytest.raises(UserError, match=r"000011\.png is 40 x 32 pixels"):
        small_images(coco, coco.images, 20)
