"""Labels layers as COCO files."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.coco.annotations import read_coco
from napari_utile.coco.drawing import CROWD
from napari_utile.coco.napari_writer import SavingError, write_layers


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
        with pytest.raises(SavingError, match=r"Object 50 of b\.png has no category"):
            write_layers(str(tmp_path / "out.json"), [layers[name] for name in chosen])
    classes[1, 3, 0] = 2
    coco = saved(tmp_path / "out.json", [layers[" instances"], layers[" classes"]])
    assert [(a.category_id, a.area) for a in coco.annotations_of(30)][:2] == [(9, 4), (5, 1)]


def test_what_is_painted_outside_of_an_image_is_said(layers, tmp_path):
    layers[" instances"][0][0, 4, 5] = 1
    with pytest.warns(UserWarning, match=r"outside of a\.png are not saved"):
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
    with pytest.raises(SavingError, match=r"only 'instances_val instances' are of a COCO file"):
        write_layers(path, [other, layers[" instances"]])
    with pytest.raises(SavingError, match="Only classes are selected"):
        write_layers(path, [layers[" classes"]])
    with pytest.raises(SavingError, match=r"differ in shape: \(5, 6\) and \(6, 5\)"):
        write_layers(path, [other, (np.ones((6, 5), int), {"name": "b"}, "labels")])
    unset = (np.full((5, 6), -1), {"name": "b"}, "labels")
    with pytest.raises(SavingError, match=r"labels of 'b' \(int64\) have the negative id -1"):
        write_layers(path, [other, unset])
    data, given, kind = layers[" instances"]
    with pytest.raises(SavingError, match=r"instances' \(int64\) have the negative id -1"):
        write_layers(path, [(np.full(data.shape, -1), given, kind)])
    with pytest.raises(SavingError, match=r"has 1 slice, and its file has 2 images"):
        write_layers(path, [(data[:1], given, kind)])
    changed = {"coco": given["metadata"]["coco"] | {"images": []}}
    with pytest.raises(SavingError, match="of different COCO files"):
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
        viewer.layers.selection = {viewer.layers["instances_val classes"]}
        with pytest.raises(SavingError, match="select the instances, too"):
            viewer.layers.save(str(tmp_path / "none.json"), selected=True)
    areas = [
        [a.area for a in read_coco(tmp_path / name).annotations]
        for name in ("one.json", "all.json")
    ]
    assert areas[0][0] == 8 and areas[1][0] == 9  # with what is behind it
