"""Files that are parts of one image: taken once, and said."""

import numpy as np
import pytest

from napari_utile.errors import UserError
from napari_utile.io.images import expand, open_image, unread_images
from napari_utile.io.pairs import open_pairs
from tests.fixtures.ndtiff import write_ndtiff
from tests.fixtures.ome_tiff import NAMES, PLANES, parts, pixels_of, write_ome, write_parts

SIX = "6 files are the parts of one image, which is read once: z0.ome.tif."


@pytest.mark.parametrize("names", [".", "*.tif", NAMES])
def test_the_files_of_an_image_are_taken_once(tmp_path, monkeypatch, names):
    write_parts(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert [path.name for path in expand(names)] == ["z0.ome.tif"]
    assert unread_images(names) == [SIX]


def test_a_file_that_names_itself_alone_is_a_part_of_another(tmp_path):
    for z, name in enumerate(NAMES):
        inside = parts(NAMES) if z == 3 else parts([name])
        own = f'UUID="urn:uuid:{name}"'
        write_ome(tmp_path, inside, PLANES[z : z + 1], name, attributes=own)
    assert [path.name for path in expand(tmp_path)] == ["z3.ome.tif"]


def test_several_images_of_several_files_and_others(tmp_path):
    write_parts(tmp_path, names=["a0.tif", "a1.tif"])
    write_parts(tmp_path, names=["b0.tif", "b1.tif"])
    write_ome(tmp_path, pixels_of(), name="c.ome.tif")
    (tmp_path / "d.png").touch()
    found = [path.name for path in expand(tmp_path)]
    assert found == ["a0.tif", "b0.tif", "c.ome.tif", "d.png"]
    (said,) = unread_images(tmp_path)
    assert said.startswith("4 files are the parts of 2 images, each of which is read once: a0.")


def test_one_part_alone_or_a_damaged_one_is_left_to_whoever_opens_it(tmp_path):
    write_parts(tmp_path)
    assert expand(tmp_path / "z4.ome.tif") == [tmp_path / "z4.ome.tif"]
    for name in NAMES:
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:60])
    assert len(expand(tmp_path)) == 6


def test_an_image_of_several_files_is_trained_on_once(tmp_path):
    for side in ("images", "labels"):
        (tmp_path / side).mkdir()
        write_parts(tmp_path / side)
    opened = open_pairs(tmp_path / "images", tmp_path / "labels")
    assert [image.shape for image in opened.images] == [(6, 16, 20)]
    assert SIX in opened.images[0].doubts


def test_labels_for_the_parts_of_an_image_are_named(tmp_path):
    write_parts(tmp_path)
    labels = tmp_path / "labels"
    labels.mkdir()
    for name in NAMES:
        write_ome(labels, "", PLANES[:1], name)
    with pytest.raises(UserError, match=r"only a part of the image for z1\.ome\.tif"):
        open_pairs(tmp_path, labels)


def test_the_files_of_micro_manager_are_one_image(tmp_path):
    planes = np.arange(5 * 6 * 7, dtype=np.uint16).reshape(5, 6, 7)
    first, _ = write_ndtiff(tmp_path, [planes[:3], planes[3:]])
    assert expand(tmp_path) == [first]
    stack = open_image(first)
    np.testing.assert_array_equal(stack.read(), planes)
    assert stack.doubts == ()
