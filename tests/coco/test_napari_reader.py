"""COCO files as napari layers."""

import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from napari_utile.coco import napari_reader
from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.napari_reader import coco_reader, read_coco_layers
from napari_utile.errors import UserError
from tests.fixtures.coco_layers import COLORS, GRAY


def test_images_of_several_sizes_are_a_stack(layers):
    data, given, kind = layers[""]
    assert (kind, given["rgb"], data.shape, data.dtype) == (
        "image",
        True,
        (2, 5, 6, 3),
        np.uint8,
    )
    np.testing.assert_array_equal(data[0, :4], COLORS)
    np.testing.assert_array_equal(data[1, :, :3], np.stack([GRAY] * 3, axis=-1))
    assert not data[0, 4].any() and not data[1, :, 3:].any()


def test_an_id_is_one_object_in_all_of_the_stack(layers):
    data, given, kind = layers[" instances"]
    assert (kind, data.shape, data.dtype, given["visible"]) == (
        "labels",
        (2, 5, 6),
        np.uint16,
        True,
    )
    np.testing.assert_array_equal(np.unique(data[0]), [0, 1, 2])
    np.testing.assert_array_equal(np.unique(data[1]), [0, 3, CROWD])
    assert (data == CROWD).sum() == 2
    assert {name: list(column) for name, column in given["features"].items()} == {
        "index": [1, 2, 3],
        "category": ["dust", "cell", "cell"],
        "annotation": [7, 8, 9],
        "image": ["a.png", "a.png", "b.png"],
    }


def test_the_covered_object_is_whole_behind(layers):
    data, given, _ = layers[" behind 1"]
    assert not given["visible"]
    assert np.unique(data).tolist() == [0, 1]
    assert (data[0, :3, :3] == 1).all()


def test_classes_have_names_and_colors(layers):
    data, given, _ = layers[" classes"]
    instances = layers[" instances"][0]
    for id, number in ((1, 2), (2, 1), (3, 1), (CROWD, CROWD)):
        assert (data[instances == id] == number).all()
    assert given["features"] == {"index": [1, 2, CROWD], "category": ["cell", "dust", "crowd"]}
    assert len(set(given["colormap"].values())) == 4  # none is like another; 0 is seen through


def test_a_file_of_one_image_is_an_image(tmp_path, file):
    part = read_coco(file).part(images=[40])
    part.write(tmp_path / "annotations" / "val.json")
    with pytest.warns(UserWarning, match="partly covered"):
        image, classes, _, instances = read_coco_layers(
            str(tmp_path / "annotations" / "val.json")
        )
    assert (image[0].shape, classes[0].shape, instances[0].shape) == ((4, 6, 3), (4, 6), (4, 6))


def test_gray_images_stay_gray(tmp_path):
    for number, gray in enumerate((np.uint8(9), np.uint16(900))):
        Image.fromarray(np.full((3, 4), gray)).save(tmp_path / f"{number}.png")
    images = [{"id": i, "file_name": f"{i}.png", "height": 3, "width": 4} for i in range(2)]
    content = {"images": images, "annotations": [], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    data, given, _ = read_coco_layers(str(tmp_path / "a.json"))[0]
    assert (data.shape, data.dtype, given["rgb"]) == ((2, 3, 4), np.uint16, False)
    assert [data[0].max(), data[1].max()] == [9, 900]


@pytest.mark.parametrize(
    "place", ["annotations", "annotations/val", "annotations/images", ".", "images"]
)
def test_images_are_found_near_the_file(place, file):
    top = file.parent.parent
    (top / place).mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        shutil.move(top / "val" / name, top / place / name)
    assert read_coco(file, look_around=True).folder.resolve() == (top / place).resolve()


def test_without_images_the_labels_are_shown_and_it_is_said(file):
    shutil.rmtree(file.parent.parent / "val")
    wanted = r"such as a\.png, were not found near it"
    with pytest.warns(UserWarning, match="1 of 3"), pytest.warns(UserWarning, match=wanted):
        layers = read_coco_layers(str(file))
    assert {kind for *_, kind in layers} == {"labels"}


def test_an_image_that_cannot_be_read_is_said_and_the_others_are_shown(file):
    folder = file.parent.parent / "val"
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:50])
    Image.fromarray(COLORS[:2]).save(folder / "a.png")
    with warnings.catch_warnings(action="ignore"):
        (data, *_), *_ = read_coco_layers(str(file))
    for number, reason in ((0, r"a\.png is 6 x 2 pixels"), (1, r"b\.png is cut off")):
        with pytest.warns(UserWarning, match=reason):
            assert not data[number].any()


def test_broken_annotations_are_said(file):
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 3
    file.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="skipped for 1 fault: annotation 7 "):
        read_coco_layers(str(file))


def test_many_images_are_drawn_as_one_looks_at_them(file, layers, monkeypatch):
    monkeypatch.setattr(napari_reader, "EDITABLE", 59)
    with pytest.warns(UserWarning, match="drawn only when a slice"):
        _, classes, instances = read_coco_layers(str(file))
    for (data, *_), name in ((classes, " classes"), (instances, " instances")):
        assert not isinstance(data, np.ndarray)
        np.testing.assert_array_equal(data, layers[name][0])


@pytest.mark.parametrize("size", [(46_340, 46_340), (2**31 - 1, 1), (1, 2**31 - 1)])
@pytest.mark.parametrize("is_there", [True, False])
def test_an_image_said_to_be_huge_is_refused_in_a_sentence(file, monkeypatch, size, is_there):
    monkeypatch.setattr("napari_utile.coco.napari_reader.memory_budget", lambda: 2**30)
    content = json.loads(file.read_text())
    content["images"][0] |= {"width": size[0], "height": size[1]}
    content["annotations"] = content["annotations"][1:]
    if not is_there:
        content["images"][0]["file_name"] = content["images"][1]["file_name"] = "no.png"
    file.write_text(json.dumps(content))
    reason = "a.png is 6 x 4 pixels" if is_there else "may be used. Correct height and width"
    with pytest.raises(UserError, match=reason):
        read_coco_layers(str(file))


def test_json_of_others_is_left_to_them(file, tmp_path):
    assert coco_reader(str(file)) is read_coco_layers
    (tmp_path / "other.json").write_text('{"type": "FeatureCollection"}')
    assert coco_reader(str(tmp_path / "other.json")) is None
    assert coco_reader([str(file), str(tmp_path / "other.json")]) is None
    file.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(UserError, match="lists no images"):
        read_coco_layers(str(file))
