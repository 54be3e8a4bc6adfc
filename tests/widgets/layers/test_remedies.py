"""The links below the fields of layers mend what they say."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels

from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.layers.meaning import label_meaning
from napari_utile.widgets.layers.painted import watch_of
from napari_utile.widgets.layers.readiness import Need, Remedy
from napari_utile.widgets.layers.remedies import (
    ConvertNote,
    NeedsNote,
    Readiness,
    convert_to_labels,
    raise_ids,
)
from napari_utile.widgets.objects.panel import ObjectsPanel
from napari_utile.widgets.weight_map.panel import WeightMapPanel

NOISE = np.random.default_rng(0).integers(0, 200, (2, 40, 40)).astype(np.uint8)
IDS = np.zeros((2, 40, 40), np.uint8)
IDS[:, 5:20, 5:20], IDS[:, 25:35, 20:35] = 1, 2


@pytest.fixture
def viewer():
    return ViewerModel()


def test_ids_opened_as_an_image_are_found_and_converted(viewer, qtbot):
    place = {"scale": (5, 2, 2), "translate": (1, 2, 3), "units": ("nm",) * 3}
    wrong = viewer.add_image(IDS, name="labels", metadata={"key": 1}, **place)
    image = viewer.add_image(NOISE, name="em", **place)
    readiness, told = Readiness(viewer), []
    readiness.changed.connect(lambda: told.append(readiness.of(image, None, TrainSettings())))
    assert readiness.of(image, None, TrainSettings()) == []
    qtbot.waitUntil(lambda: len(told) > 0)
    assert [need.text for need in told[0]] == [
        "'labels' was opened as an image, but looks like labels."
    ]

    viewer.layers.selection.active = image
    readiness.mend("convert ")
    layer = viewer.layers[-1]
    assert wrong not in viewer.layers and viewer.layers.selection.active is image
    assert (layer.name, layer.data is IDS, layer.metadata) == ("labels", True, {"key": 1})
    for name in ("scale", "translate", "units"):
        assert list(getattr(layer, name)) == list(getattr(image, name))
    assert readiness.of(image, layer, TrainSettings()) == []


@pytest.mark.parametrize(
    ("pixels", "dtype"), [(IDS > 0, np.uint8), (IDS.astype(np.float32), np.int32)]
)
def test_masks_and_whole_numbers_in_floating_point_become_ids(viewer, pixels, dtype):
    layer = convert_to_labels(viewer, viewer.add_image(pixels, name="mask"))
    assert (layer.data == pixels).all() and layer.data.dtype == dtype
    assert viewer.layers.selection.active is layer


def test_strokes_are_told_when_the_brush_rests_and_sparse_is_one_click(viewer, qtbot):
    image, layer = viewer.add_image(NOISE), viewer.add_labels(0 * IDS, name="mine")
    readiness, settings = Readiness(viewer), TrainSettings(target="classes")

    def said():
        return [need.text for need in readiness.of(image, layer, settings)]

    qtbot.waitUntil(lambda: any("'mine' is empty" in text for text in said()))
    readiness.mend("select 1")
    assert (layer.mode, layer.selected_label) == ("paint", 1)
    layer.data_setitem((np.zeros(20, int), np.full(20, 7), np.arange(20)), 1)
    assert not any("empty" in text for text in said())
    qtbot.waitUntil(lambda: any("Only 1.2%" in text for text in said()))
    layer.data_setitem((np.zeros(2, int), np.full(2, 9), np.arange(2)), 1)
    assert any("Only 1.4%" in text for text in said())  # it does not flicker
    readiness.mend("sparse")
    assert label_meaning(layer).sparse and label_meaning(layer).target == "classes"


def test_ids_are_raised_as_one_stroke(viewer, qtbot):
    layer = viewer.add_labels(IDS.copy())
    watch = watch_of(layer)
    qtbot.waitUntil(lambda: watch.pixels.is_complete)
    raise_ids(layer, watch.pixels.painted)
    np.testing.assert_array_equal(layer.data, np.where(IDS, IDS + 1, 0))
    assert watch.pixels.totals == {2: 450, 3: 300}
    layer.undo()
    np.testing.assert_array_equal(layer.data, IDS)
    raise_ids(layer, [])


def test_each_need_is_a_line_with_its_links(qtbot):
    note, clicked = NeedsNote(), []
    qtbot.addWidget(note)
    note.linkActivated.connect(clicked.append)
    note.show_needs([Need("Wrong <here>", True, (Remedy("Mend", "convert", "my 'a' b"),))])
    assert "Wrong &lt;here&gt;" in note.text() and note.isVisibleTo(None)
    assert ">Mend</a>" in note.text() and 'href="convert my ' in note.text()
    note.show_needs([])
    assert not note.isVisibleTo(None)


@pytest.mark.parametrize("kind", [EvaluatePanel, WeightMapPanel, ObjectsPanel])
def test_panels_that_lack_labels_offer_to_convert_them(open_panel, viewer, qtbot, kind):
    viewer.add_image(NOISE, name="em")
    viewer.add_image(IDS, name="opened")
    if kind is EvaluatePanel:  # it takes the prediction for the truth, too
        viewer.add_labels(IDS, name="mine")
    panel = open_panel(kind, viewer)  # kept, or it is garbage
    note = panel.findChild(ConvertNote)
    qtbot.waitUntil(lambda: "'opened' was opened as an image" in note.text())
    note.linkActivated.emit("convert ")
    assert isinstance(viewer.layers["opened"], Labels)
    assert note.isHidden()
