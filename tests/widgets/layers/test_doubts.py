"""What looks wrong with layers is said beside their fields, before anything starts."""

import numpy as np
import pytest
from napari.components import ViewerModel
from scipy import ndimage

from napari_utile.widgets.layers.doubts import DoubtsNote, place_doubt

MASK = np.zeros((2, 60, 60))
MASK[:, 10:25, 10:25] = MASK[:, 30:50, 20:55] = 255
SOFT = ndimage.gaussian_filter(MASK, (0, 1.5, 1.5)).round().astype(np.uint8)
INSTANCES = ("instances", None, False)


@pytest.fixture
def model():
    return ViewerModel()


def pair(model, image=None, labels=None, pixels=MASK):
    layers = model.add_image(pixels, name="im", **(image or {}))
    return layers, model.add_labels(MASK.astype(int), name="la", **(labels or {}))


@pytest.mark.parametrize(
    ("image", "labels", "said"),
    [
        ({"scale": (1, 0.5, 0.5)}, {"translate": (0, 30, 0)}, "59.5 px apart (in scale and"),
        ({"translate": (0, 0, 3)}, {}, "3 px apart (in translate)"),
        ({"rotate": 90}, {}, "118 px apart (in rotate)"),
        ({"affine": np.diag([1, 1, 2, 1])}, {}, "59 px apart (in affine)"),
        (
            {"scale": (1, 1, 1), "units": 3 * ("um",)},
            {"units": 3 * ("nm",)},
            "px apart (in units",
        ),
    ],
)
def test_labels_that_lie_elsewhere_are_told_with_what_differs(model, image, labels, said):
    sentence = place_doubt(*pair(model, image, labels))
    assert sentence.startswith("Labels 'la' and image 'im' lie up to ")
    assert said in sentence


def test_the_same_place_in_other_words_raises_no_doubt(model):
    assert place_doubt(*pair(model)) == ""
    um, nm = ({"scale": 3 * (s,), "units": 3 * (u,)} for s, u in ((0.5, "um"), (500, "nm")))
    assert place_doubt(*pair(model, um, nm)) == ""
    colors = np.zeros((*MASK.shape, 3), np.uint8)
    assert place_doubt(*pair(model, pixels=colors)) == ""
    channels = np.zeros((2, *MASK.shape), np.uint8)
    assert place_doubt(*pair(model, pixels=channels)) == ""


def test_labels_that_are_no_labels_are_told_and_painting_is_noticed(model, qtbot):
    note = DoubtsNote()
    qtbot.addWidget(note)
    image, layer = model.add_image(MASK, name="im"), model.add_labels(SOFT, name="soft")
    note.show_doubts(layer, INSTANCES, image)
    assert note.text() == ""  # the window does not wait for it
    qtbot.waitUntil(lambda: "'soft' look like a mask with gray edges" in note.text())
    assert note.isVisibleTo(None)
    layer.data[...] = MASK
    note.show_doubts(layer, INSTANCES, image)
    qtbot.waitUntil(lambda: note.text() == "")
    layer.data[...] = SOFT
    note.show_doubts(layer, INSTANCES)
    note.show_doubts(None, INSTANCES)
    assert (note.text(), note.isVisibleTo(None)) == ("", False)


def test_channels_that_were_guessed_and_lost_parts_of_labels_are_told(model, qtbot):
    note, said = DoubtsNote(), "a.zarr has 3 of 4 chunks."
    qtbot.addWidget(note)
    labels = model.add_labels(
        MASK[0].astype(int), name="la", metadata={"utile_doubts": (said,)}
    )
    note.show_doubts(labels, INSTANCES, model.add_image(MASK, name="im"))
    assert said in note.text()
    assert "Image 'im' (2, 60, 60) is taken for one slice of 2 channels" in note.text()
    colors, named = np.zeros((60, 60, 3), np.uint8), {"axis_labels": ("c", "y", "x")}
    for image in (model.add_image(colors), model.add_image(MASK, **named)):
        note.show_doubts(labels, INSTANCES, image)
        assert said in note.text() and "is taken for" not in note.text()


def test_the_same_pixels_are_looked_at_once(model, qtbot, monkeypatch):
    from napari_utile.widgets.layers import doubts

    note, layer = DoubtsNote(), model.add_labels(SOFT)
    qtbot.addWidget(note)
    looks, real = [], doubts.label_doubts
    monkeypatch.setattr(
        doubts, "label_doubts", lambda *given: [looks.append(given), *real(*given)][1:]
    )
    for meaning in (INSTANCES, INSTANCES, ("classes", None, False)):
        note.show_doubts(layer, meaning)
        qtbot.waitUntil(lambda: note._work is None)
    assert len(looks) == 2
