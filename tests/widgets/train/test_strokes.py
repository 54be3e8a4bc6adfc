"""Strokes on one of several layers are told before a training, with their cure."""

import numpy as np
from napari.components import ViewerModel

from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.train.source import What
from tests.fixtures.tiny_training import cells


def test_strokes_on_one_of_several_layers_are_told_with_their_cure(open_panel, qtbot):
    viewer = ViewerModel()
    for name in "AB":
        image, labels = cells((80, 96))
        if name == "B":
            labels = np.zeros_like(labels)
            labels[2:12:4, 2:10], labels[4:12:4, 2:10] = 1, 2  # in a corner
        viewer.add_image(image, name=name)
        viewer.add_labels(labels, name=f"labels of {name}")
    panel = open_panel(TrainPanel, viewer)
    panel.source.choose(What.LAYERS)
    strokes = panel.source.strokes
    qtbot.waitUntil(lambda: "'labels of B': Only 0.5% of the image" in strokes.text())
    # the other has objects and background, so that these need not lie apart
    assert "If you painted a few strokes:" in strokes.text()
    assert panel.controls.button.isEnabled()
    strokes.linkActivated.emit("sparse ")
    assert panel.form.settings().sparse and strokes.text() == ""
    panel.form.set_value("sparse", False)
    panel.source.choose(What.LAYER)
    assert strokes.text() == ""
