"""COCO files of instances: read, chosen from, and written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_utile.coco.annotations import Category, bare_doubts
from napari_utile.errors import UserError
from napari_utile.events import Warned
from tests.fixtures.coco_file import CATEGORIES, annotation, box


def test_categories_are_found_by_name_supercategory_and_id(coco):
    file = coco()
    assert file.category_ids(["yeast"]) == [7]
    assert file.category_ids(["living", "Cell"]) == [0, 7]
    assert file.category_ids([9, "7"]) == [9, 7]
    assert file.category_ids(["cell, yeast", "dust"]) == [0, 7, 9]
    whole = replace(
        file, categories=(*file.categories, Category(11, "Cell, yeast", "living", {}))
    )
    assert whole.category_ids(["cell, yeast"]) == [11]
    with pytest.raises(UserError, match=r"no category 'cat'; it has cell, Yeast, dust"):
        file.category_ids(["cat"])


def test_a_part_is_written_as_it_was(coco, tmp_path):
    entries = [annotation(1, box(0, 0, 2, 2), area=3.5), annotation(2, box(4, 0, 6, 2), 7)]
    entries += [annotation(3, box(4, 0, 6, 2), image=2)]
    file = coco(*entries, n_images=2)
    file.part(images=[1], categories=[0, 9]).write(tmp_path / "part.json")
    written = json.loads((tmp_path / "part.json").read_text())
    assert written["annotations"] == entries[:1]
    assert written["categories"] == [CATEGORIES[0], CATEGORIES[2]]
    assert [image["license"] for image in written["images"]] == [3]
    assert written["info"] == {"year": 2026}
    with pytest.raises(UserError, match="exists"):
        file.write(tmp_path / "part.json")


def test_what_json_does_not_know_is_written_as_null(coco, tmp_path):
    entry = annotation(1, box(0, 0, 2, 2), area=float("nan"), bbox=[0, float("inf"), 2, 2])
    coco(entry).write(tmp_path / "part.json")
    (written,) = json.loads((tmp_path / "part.json").read_text())["annotations"]
    assert written == entry | {"area": None, "bbox": [0, None, 2, 2]}


def test_crowds_may_be_taken_as_objects(coco):
    crowd = annotation(1, box(0, 0, 2, 2), iscrowd=1)
    file = coco(crowd, crowds_as_objects=True)
    assert not file.annotations[0].is_crowd and file.annotations[0].entry["iscrowd"] == 0
    assert file.doubts == ()


def test_more_crowds_than_coco_has_are_doubtful(coco):
    crowds = [annotation(i, box(i, 0, i + 2, 2), i % 2 * 7, iscrowd=1) for i in range(3)]
    objects = [annotation(i, box(i, 0, i + 2, 2)) for i in range(3, 6)]
    assert coco(*objects).doubts == coco(*crowds[:2], *objects).doubts == ()
    assert "3 of 6 annotations are crowds" in coco(*crowds, *objects).doubts[0]
    assert "1 of 1 annotations are crowds" in coco(crowds[0]).doubts[0]
    file = coco(*crowds, *objects)
    assert [*file.reported(strict=False)] == [Warned(message=file.doubts[0])]
    with pytest.raises(UserError, match="crowds"):
        list(file.reported(strict=True))


def test_images_that_were_not_annotated_are_counted_if_they_are_most(coco):
    file = coco(annotation(1, box(0, 0, 2, 2)), n_images=3)
    (said,) = bare_doubts(Path("a.json"), file.images, file.annotations)
    assert said.startswith("a.json: 2 of 3 images have no annotation of any category (such as")
    assert bare_doubts(Path("a.json"), file.images[:2], file.annotations) == []


def test_images_are_found_in_their_folder_or_below(coco, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((4, 8, 3), np.uint8)).save(folder / "1.png")
    assert coco(images=folder).open(1).shape == (4, 8)
    with pytest.raises(UserError, match=r"1\.png is needed; name its folder"):
        coco().open(1)
    Image.fromarray(np.zeros((8, 4), np.uint8)).save(folder / "1.png")
    with pytest.raises(
        UserError, match=r"1\.png is 4 x 8 pixels, but .* says 8 x 4 of image 1"
    ):
        coco(images=folder).open(1)


def test_photos_are_upright_unless_they_were_annotated_lying(coco, tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    file = coco()
    image = file.images[0]
    lying = np.arange(image.height * image.width, dtype=np.uint8)
    lying = lying.reshape(image.height, image.width)
    path = tmp_path / "photo.png"
    Image.fromarray(lying).save(path, exif=exif)
    annotated = replace(file, images=(replace(image, path=path),))
    np.testing.assert_array_equal(annotated.open(image.id).read(), lying)
    upright = replace(image, path=path, height=image.width, width=image.height)
    annotated = replace(file, images=(upright,))
    np.testing.assert_array_equal(annotated.open(image.id).read(), np.rot90(lying, -1))
