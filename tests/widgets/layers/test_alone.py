"""One image is shown alone, with what belongs to it."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.alone import (
    ILLUSTRATES,
    hidden_by_alone,
    hide_beside_alone,
    open_images,
    painted_on,
    show_all,
    show_alone,
)
from napari_utile.widgets.layers.choice import HELPER


@pytest.fixture
def heap():
    """Three images, two of one size, with labels, a result and what belongs to none."""
    viewer = ViewerModel()
    for name, shape in {"a": (8, 9), "b": (8, 9), "c": (3, 20, 30)}.items():
        viewer.add_image(np.zeros(shape, np.uint8), name=name)
    for name, shape in {"b_mask": (8, 9), "x": (3, 20, 30), "a labels": (8, 9)}.items():
        viewer.add_labels(np.zeros(shape, np.uint8), name=name)
    viewer.add_image(
        np.zeros((8, 9), np.float32), name="a probabilities", metadata={HOLDS: "probabilities"}
    )
    viewer.add_labels(np.zeros((8, 9), np.uint8), name="unknown")
    return viewer


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_labels_and_results_belong_to_an_image_by_name_or_by_shape(heap):
    found = {x.name: [layer.name for layer in x.others] for x in open_images(heap.layers)}
    assert found == {"a": ["a labels", "a probabilities"], "b": ["b_mask"], "c": ["x"]}


def test_channels_of_one_file_are_one_image():
    viewer = ViewerModel()
    for channel in ("red", "green"):
        layer = viewer.add_image(np.zeros((8, 9), np.uint8), name=channel)
        layer._source = layer.source.model_copy(update={"path": "cells.tif"})
    (image,) = open_images(viewer.layers)
    assert [layer.name for layer in image.images] == ["red", "green"]


def test_an_image_is_shown_with_what_belongs_to_it_and_then_all_are(heap):
    heap.layers["x"].visible = False  # by the user, who wants the image bare
    before = shown(heap)
    _, b, c = open_images(heap.layers)
    show_alone(heap, b)
    assert shown(heap) == ["b", "b_mask"]
    assert heap.layers.selection.active.name == "b"
    show_alone(heap, c)
    assert shown(heap) == ["c", "x"]  # without labels the click would say nothing of them
    assert heap.scene.camera.center[-2:] == pytest.approx((9.5, 14.5))
    assert len(hidden_by_alone(heap)) == 6
    show_all(heap)
    assert {*shown(heap)} == {*before, "x"} and hidden_by_alone(heap) == []


def test_a_brush_in_the_hand_stays_with_its_labels(heap):
    painted = heap.layers["a labels"]
    heap.layers.selection.active = painted
    painted.mode = "paint"
    a, b, _ = open_images(heap.layers)
    show_alone(heap, b)
    show_alone(heap, b)
    assert heap.layers.selection.active is painted and painted_on(heap) is painted
    assert painted.mode == "pan_zoom"  # napari: nothing is painted unseen
    show_alone(heap, a)
    assert painted.mode == "paint" and shown(heap) == ["a", "a labels", "a probabilities"]


def test_a_slice_of_the_image_comes_into_view(heap):
    heap.add_image(np.zeros((30, 8, 9), np.uint8), name="deep")
    heap.dims.set_point(0, 25)
    show_alone(heap, open_images(heap.layers)[2])
    assert heap.dims.point[0] == 1


def test_a_result_of_an_image_that_is_hidden_comes_with_it_and_bare(heap):
    show_alone(heap, open_images(heap.layers)[1])
    found = [
        heap.add_labels(
            np.zeros((8, 9), np.uint8), name=f"{name} instances", metadata={HOLDS: "instances"}
        )
        for name in "ab"
    ]
    assert hide_beside_alone(heap, [heap.layers["a probabilities"], found[0]])
    assert not hide_beside_alone(heap, found[1:])
    assert shown(heap) == ["b", "b_mask", "b instances"]
    show_alone(heap, open_images(heap.layers)[0])
    assert shown(heap) == ["a", "a instances"]


def test_a_preview_of_an_image_is_hidden_with_it(heap):
    for name, said in (
        ("preview", {ILLUSTRATES: "a", HELPER: "preview"}),
        ("map", {HELPER: 1}),
    ):
        heap.add_image(np.zeros((8, 9)), name=name, metadata=said)
    a, b, _ = open_images(heap.layers)
    show_alone(heap, b)
    assert shown(heap) == ["b", "b_mask", "map"]
    show_alone(heap, a)
    assert "preview" in shown(heap)
