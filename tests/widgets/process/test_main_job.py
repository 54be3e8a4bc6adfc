"""The main job in one real window, by pressing the buttons, with the real engine.

Train on layers and stop; segment, whole and stopped; evaluate; show the weight map.
"""

import numpy as np
import pytest

from napari_utile.io.images import open_image
from napari_utile.samples.samples import synthetic_stack
from napari_utile.settings.training import TrainSettings
from napari_utile.widgets.evaluate.panel import EvaluatePanel
from napari_utile.widgets.segment.panel import SegmentPanel
from napari_utile.widgets.train.panel import TrainPanel
from napari_utile.widgets.weight_map.panel import WeightMapPanel

SMALL = {"depth": 2, "width": 4, "tile": 64, "batch": 1, "validations_per_run": 2, "seed": 1}
SCALE = (50, 4, 4)
SLOW = 60_000  # torch alone takes seconds to load on a busy machine


@pytest.fixture
def em(make_napari_viewer_proxy):
    """Return a window with the synthetic stack and its labels."""
    viewer = make_napari_viewer_proxy()
    sample = synthetic_stack((3, 96, 96), seed=0)
    viewer.add_image(sample[0], name="em", scale=SCALE, units=("nm",) * 3)
    viewer.add_labels(sample[1], name="truth", scale=SCALE, units=("nm",) * 3)
    return viewer


@pytest.mark.timeout(240)
def test_trains_stops_segments_evaluates_and_shows_the_weight_map(
    em, open_panel, press, qtbot, errors, home
):
    train, segment, evaluate, weights = (
        open_panel(panel, em)
        for panel in (TrainPanel, SegmentPanel, EvaluatePanel, WeightMapPanel)
    )

    def run(panel, until=None):
        press(panel.controls.button)
        if until:
            qtbot.waitUntil(lambda: bool(errors) or until(), timeout=SLOW)
            press(panel.controls.button)
        qtbot.waitUntil(lambda: not panel.controls.is_running, timeout=SLOW)
        assert errors == []
        assert panel.controls.button.isEnabled()

    # train, and stop after the first validation
    train.form.show_settings(
        TrainSettings(steps=100_000, **SMALL | {"validations_per_run": 10_000})
    )
    run(train, until=lambda: bool(train.curves.epochs))
    (folder,) = (home / "runs").iterdir()
    assert "Stopped after" in train.controls.messages.text()
    assert (folder / "settings.json").read_text() == train.form.settings().text()
    assert "training preview" in em.layers

    # segment with that model
    assert segment.model.path == folder / "model"
    segment.form.set_value("tile", "64")
    segment.form.set_value("output", "probabilities")
    run(segment)
    layer = em.layers["em probabilities"]
    on_disk = open_image(segment.result.out).read()
    np.testing.assert_array_equal(np.asarray(layer.data), on_disk[1])
    np.testing.assert_array_equal(layer.scale, SCALE)
    np.testing.assert_allclose(on_disk.sum(0), 255, atol=1)

    # again at once, as instances, and stop after the first tile
    segment.form.set_value("output", "instances")
    segment.form.set_value("tile", "16")
    run(segment, until=lambda: any("instances" in layer.name for layer in em.layers))
    segment.form.set_value("tile", "96")
    run(segment)
    objects = em.layers["em instances"]
    assert objects.data.shape == (3, 96, 96)

    # evaluate
    evaluate.prediction.choose(objects)
    evaluate.truth.choose(em.layers["truth"])
    press(evaluate.button)
    qtbot.waitUntil(lambda: evaluate.report is not None or bool(errors), timeout=SLOW)
    assert [row[0] for row in evaluate.view.scores.cells()] == ["all", "0", "1", "2"]
    assert 0 <= evaluate.report["iou"] <= 1
    assert "trained on" in evaluate.view.note.text()  # its run has recorded the image
    assert ".zarr" in evaluate.view.summary.ranking.text()

    # show the weight map
    weights.labels_layer.choose(em.layers["truth"])
    press(weights.controls.button)
    qtbot.waitUntil(lambda: weights.overlay is not None or bool(errors), timeout=SLOW)
    assert em.layers["weight map"].data.dtype == np.float32
    assert errors == []
