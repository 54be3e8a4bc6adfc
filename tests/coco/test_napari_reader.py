"""COCO files as napari layers, and Labels layers as COCO files."""

import json
import shutil
import warnings

import numpy as np
import pytest
from napari.components import ViewerModel
from PIL import Image

from napari_utile.coco import napari_reader
from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.napari_reader import read_layers, reader
from napari_utile.coco.napari_writer import write_layers
from napari_utile.errors import UserError

COLORS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
GRAY = np.arange(5 * 3, dtype=np.uint8).reshape(5, 3)


def square(left, top, side):
    right, bottom = left + side, top + side
    return [[left, top, right, top, right, bottom, left, bottom]]


def annotation(id, image, category, segmentation, crowd=0):
    return {
        "id": id,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": crowd,
    }


@pytest.fixture
def file(tmp_path):
    """Two images of different sizes; in the first, one object covers a part of another."""
    folder = tmp_path / "annotations"
    folder.mkdir()
    (tmp_path / "val").mkdir()
    Image.fromarray(COLORS).save(tmp_path / "val" / "a.png")
    Image.fromarray(GRAY).save(tmp_path / "val" / "b.png")
    content = {
        "images": [
            {"id": 40, "file_name": "a.png", "height": 4, "width": 6},
            {"id": 30, "file_name": "b.png", "height": 5, "width": 3},
        ],
        "annotations": [
            annotation(7, 40, 5, square(0, 0, 3)),
            annotation(8, 40, 9, square(2, 2, 2)),
            annotation(9, 30, 9, square(0, 0, 2)),
            annotation(10, 30, 5, {"size": [5, 3], "counts": [13, 2]}, crowd=1),
        ],
        "categories": [{"id": 9, "name": "cell"}, {"id": 5, "name": "dust"}],
    }
    path = folder / "instances_val.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def layers(file):
    with pytest.warns(
        UserWarning, match=r"1 of 3 objects .* by 1 pixels .* layers called behind"
    ):
        return {
            given["name"].removeprefix("instances_val"): layer
            for layer in read_layers(str(file))
            for given in [layer[1]]
        }


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
        image, classes, _, instances = read_layers(str(tmp_path / "annotations" / "val.json"))
    assert (image[0].shape, classes[0].shape, instances[0].shape) == ((4, 6, 3), (4, 6), (4, 6))


def test_gray_images_stay_gray(tmp_path):
    for number, gray in enumerate((np.uint8(9), np.uint16(900))):
        Image.fromarray(np.full((3, 4), gray)).save(tmp_path / f"{number}.png")
    images = [{"id": i, "file_name": f"{i}.png", "height": 3, "width": 4} for i in range(2)]
    content = {"images": images, "annotations": [], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    data, given, _ = read_layers(str(tmp_path / "a.json"))[0]
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
        layers = read_layers(str(file))
    assert {kind for *_, kind in layers} == {"labels"}


def test_an_image_that_cannot_be_read_is_said_and_the_others_are_shown(file):
    folder = file.parent.parent / "val"
    (folder / "b.png").write_bytes((folder / "b.png").read_bytes()[:50])
    Image.fromarray(COLORS[:2]).save(folder / "a.png")
    with warnings.catch_warnings(action="ignore"):
        (data, *_), *_ = read_layers(str(file))
    for number, reason in ((0, r"a\.png is 6 x 2 pixels"), (1, r"b\.png cannot be read")):
        with pytest.warns(UserWarning, match=reason):
            assert not data[number].any()


def test_broken_annotations_are_said(file):
    content = json.loads(file.read_text())
    content["annotations"][0]["category_id"] = 3
    file.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="skipped for 1 fault: annotation 7 "):
        read_layers(str(file))


def test_many_images_are_drawn_as_one_looks_at_them(file, layers, monkeypatch):
    monkeypatch.setattr(napari_reader, "EDITABLE", 59)
    with pytest.warns(UserWarning, match="drawn only as one looks"):
        _, classes, instances = read_layers(str(file))
    for (data, *_), name in ((classes, " classes"), (instances, " instances")):
        assert not isinstance(data, np.ndarray)
        np.testing.assert_array_equal(data, layers[name][0])


def test_json_of_others_is_left_to_them(file, tmp_path):
    assert reader(str(file)) is read_layers
    (tmp_path / "other.json").write_text('{"type": "FeatureCollection"}')
    assert reader(str(tmp_path / "other.json")) is None
    assert reader([str(file), str(tmp_path / "other.json")]) is None
    file.write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(UserError, match="names no images"):
        read_layers(str(file))


# saving


def saved(path, layers):
    assert write_layers(str(path), list(layers)) == [str(path)]
    return read_coco(path)


def test_what_was_read_is_saved_as_it_was(layers, file, tmp_path):
    chosen = [layers[name] for name in (" instances", " behind 1")]
    before, after = read_coco(file), saved(tmp_path / "out.json", chosen)
    assert [i.entry for i in after.images] == [i.entry for i in before.images]
    assert {c.id: c.name for c in after.categories} == {9: "cell", 5: "dust"}
    places = [(a.image_id, a.category_id, a.is_crowd) for a in after.annotations]
    assert places == [(40, 5, False), (40, 9, False), (30, 9, False), (30, 5, True)]
    assert [a.area for a in after.annotations] == [9, 4, 4, 2]


def test_a_new_object_has_the_class_that_is_painted_there(layers, tmp_path):
    (instances, *_), (classes, *_) = layers[" instances"], layers[" classes"]
    instances[1, 3, 0] = 50
    for chosen in ([" instances"], [" instances", " classes"]):
        with pytest.raises(UserError, match=r"Object 50 of b\.png has no category"):
            write_layers(str(tmp_path / "out.json"), [layers[name] for name in chosen])
    classes[1, 3, 0] = 2
    coco = saved(tmp_path / "out.json", [layers[" instances"], layers[" classes"]])
    assert [(a.category_id, a.area) for a in coco.annotations_of(30)][:2] == [(9, 4), (5, 1)]


def test_what_is_painted_outside_of_an_image_is_said(layers, tmp_path):
    layers[" instances"][0][0, 4, 5] = 1
    with pytest.warns(UserWarning, match=r"outside of a\.png is not saved"):
        write_layers(str(tmp_path / "out.json"), [layers[" instances"]])


def test_other_layers_are_categories_named_as_they_are(tmp_path):
    nuclei, cells = np.zeros((2, 2, 4, 5), np.uint32)
    nuclei[0, 0, :2], nuclei[1, 3, 0] = 70_000, 3
    cells[0, :2, :], cells[0, 3, 3] = 3, CROWD  # an object like any other
    layers = [(nuclei, {"name": "nuclei"}, "labels"), (cells, {"name": "cells"}, "labels")]
    coco = saved(tmp_path / "out.json", layers)
    assert {c.id: c.name for c in coco.categories} == {1: "nuclei", 2: "cells"}
    found = [(a.image_id, a.category_id, a.area, a.is_crowd) for a in coco.annotations]
    assert found == [(1, 1, 2, False), (1, 2, 10, False), (1, 2, 1, False), (2, 1, 1, False)]
    assert [image.file_name for image in coco.images] == ["out_0000.tif", "out_0001.tif"]


def test_a_layer_of_one_plane_and_one_of_several_levels_are_saved(tmp_path):
    plane = np.eye(6, dtype=np.uint8)
    alone = [(plane, {"name": "a"}, "labels")]
    levels = [([plane, plane[::2, ::2]], {"name": "a", "multiscale": True}, "labels")]
    for layers in (alone, levels):
        coco = saved(tmp_path / "out.json", layers)
        assert [(i.height, i.width) for i in coco.images] == [(6, 6)]
        assert coco.annotations[0].area == 6


def test_layers_that_do_not_go_together_are_refused(layers, tmp_path):
    path = str(tmp_path / "out.json")
    other = (np.ones((5, 6), int), {"name": "mine"}, "labels")
    with pytest.raises(UserError, match=r"only 'instances_val instances' are of a COCO file"):
        write_layers(path, [other, layers[" instances"]])
    with pytest.raises(UserError, match="Only classes are chosen"):
        write_layers(path, [layers[" classes"]])
    with pytest.raises(UserError, match=r"differ in shape: \(5, 6\) and \(6, 5\)"):
        write_layers(path, [other, (np.ones((6, 5), int), {"name": "b"}, "labels")])
    data, given, kind = layers[" instances"]
    with pytest.raises(UserError, match=r"has 1 slices, and its file has 2 images"):
        write_layers(path, [(data[:1], given, kind)])
    changed = {"coco": given["metadata"]["coco"] | {"images": []}}
    with pytest.raises(UserError, match="of different COCO files"):
        write_layers(path, [layers[" classes"], (data, given | {"metadata": changed}, kind)])
    assert not (tmp_path / "out.json").exists()


@pytest.mark.filterwarnings("ignore:1 of 3 objects")
def test_napari_opens_paints_and_saves_it(file, tmp_path, npe2pm):
    with npe2pm.tmp_plugin(package="napari-utile"):
        viewer = ViewerModel()
        viewer.open(str(file), plugin="napari-utile")
        assert len(viewer.layers) == 4
        instances = viewer.layers["instances_val instances"]
        instances.brush_size = 1
        instances.paint((1, 4, 0), 3)
        chosen = [layer for layer in viewer.layers if "s_val " in layer.name]
        instances.save(str(tmp_path / "one.json"), plugin="napari-utile")
        viewer.layers.selection = set(chosen)
        viewer.layers.save(str(tmp_path / "all.json"), selected=True, plugin="napari-utile")
    areas = [
        [a.area for a in read_coco(tmp_path / name).annotations]
        for name in ("one.json", "all.json")
    ]
    assert areas[0][0] == 8 and areas[1][0] == 9  # with what is behind it
