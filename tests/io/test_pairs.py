"""Images with their labels, of files or of arrays."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.images import write_tiff
from napari_utile.io.pairs import open_pairs, stack_pairs


def test_folders_pair_by_name(tmp_path):
    for folder, factor in (("images", 1), ("labels", 10)):
        (tmp_path / folder).mkdir()
        for i in (2, 1):
            write_tiff(tmp_path / folder / f"{i}.tif", np.full((8, 9), i * factor, np.uint8))
    images, labels = open_pairs(tmp_path / "images", tmp_path / "labels")
    assert [stack.name for stack in images] == ["1.tif", "2.tif"]
    assert [int(stack.read().max()) for stack in (*images, *labels)] == [1, 2, 10, 20]


@pytest.mark.parametrize(
    ("shape", "axes"), [((3, 20, 30), "cyx"), ((20, 30, 3), "yxc"), ((20, 30), "yx")]
)
def test_the_axis_that_the_labels_lack_holds_the_channels(shape, axes):
    (image,), (labels,) = stack_pairs(np.zeros(shape), np.zeros((20, 30), int))
    assert (image.axes, labels.axes) == (axes, "yx")
    assert (image.name, labels.name) == ("image", "labels")


def test_several_arrays_are_counted_and_pair_up():
    image, labels = np.zeros((20, 30)), np.zeros((20, 30), int)
    images, truths = stack_pairs([image, image], [labels, labels])
    assert [stack.name for stack in images] == ["image 1", "image 2"]
    assert [stack.name for stack in truths] == ["labels 1", "labels 2"]
    with pytest.raises(UserError, match="2 images and 1 labels do not pair up"):
        stack_pairs([image, image], labels)
