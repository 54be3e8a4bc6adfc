"""What ids mean comes back after a restart."""

import numpy as np
from napari.components import ViewerModel

from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.kit.memory import remember
from napari_utile.widgets.label import memory
from napari_utile.widgets.label.memory import keep_meaning, recall_meaning
from napari_utile.widgets.label.panel import LabelPanel
from napari_utile.widgets.layers.meaning import said_meaning, say_meaning


def opened(*names):
    """Open a viewer with labels, as after a restart."""
    viewer = ViewerModel()
    viewer.add_image(np.zeros((8, 9)), name="em")
    for name in names:
        viewer.add_labels(np.zeros((8, 9), np.uint8), name=name)
    return viewer


def test_the_panel_shows_what_was_said_of_labels_of_this_name(open_panel):
    viewer = opened("em labels")
    panel = open_panel(LabelPanel, viewer)
    panel.form.set_value("target", "classes")
    panel.form.set_value("sparse", True)
    panel = open_panel(LabelPanel, opened("em labels"))
    assert panel.form.settings() == LabelSettings(target="classes", sparse=True)
    panel = open_panel(LabelPanel, opened("others"))
    assert panel.form.settings() == LabelSettings()


def test_what_is_said_wins_and_what_is_no_meaning_is_left_out(monkeypatch):
    viewer = opened("a", "b")
    remember("label", {"a": {"sparse": True}, "b": {"target": "stars"}})
    say_meaning(viewer.layers["a"], LabelSettings())
    for name in "ab":
        recall_meaning(viewer, viewer.layers[name])
    assert said_meaning(viewer.layers["a"]) == LabelSettings()
    assert said_meaning(viewer.layers["b"]) is None
    monkeypatch.setattr(memory, "MOST_LABELS", 1)
    keep_meaning(viewer, viewer.layers["a"])
    assert memory.remembered("label") == {"a": LabelSettings().model_dump()}
