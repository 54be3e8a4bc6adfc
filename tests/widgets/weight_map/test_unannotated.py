"""What is not annotated is said once for a labels layer, in whichever panel."""

import numpy as np
import pytest
from napari.layers import Labels

from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.labels import LabelSettings
from napari_utile.widgets.kit.form import Form
from napari_utile.widgets.layers.choice import LayerChoice
from napari_utile.widgets.layers.meaning import label_meaning, said_meaning, say_meaning
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.weight_map.panel import WeightMapPanel
from napari_utile.widgets.weight_map.unannotated import UnannotatedOfLabels


@pytest.fixture
def form(qtbot, viewer):
    form = Form(WeightSettings)
    qtbot.addWidget(form)
    viewer.add_labels(np.zeros((4, 4), np.uint8), name="other")
    form.labels = LayerChoice(viewer, Labels)
    return form


def test_train_and_weight_map_say_the_same(open_panel, viewer):
    train, weights = open_panel(TrainPanel, viewer), open_panel(WeightMapPanel, viewer)
    train.form.set_value("sparse", True)
    train.form.set_value("ignore", "9")
    assert weights.form.settings().sparse and weights.form.settings().ignore == 9
    weights.form.set_value("ignore", None)
    assert train.form.settings().sparse and train.form.settings().ignore is None


def test_what_was_said_before_wins_and_is_not_true_of_other_labels(form, viewer):
    say_meaning(viewer.layers["cells"], LabelSettings(target="classes", sparse=True))
    UnannotatedOfLabels(form, form.labels)
    assert form.value("sparse")
    form.labels.choose(viewer.layers["other"])
    assert not form.value("sparse") and said_meaning(viewer.layers["other"]) is None
    form.set_value("sparse", True)
    assert label_meaning(viewer.layers["other"]) == LabelSettings(sparse=True)
    form.labels.choose(viewer.layers["cells"])
    form.set_value("w0", "3")
    assert label_meaning(viewer.layers["cells"]).target == "classes"
