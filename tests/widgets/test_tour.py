"""From a stack with three annotated slices to a table of objects in 3D, in the real window."""

import numpy as np
import pytest

from napari_utile.widgets.objects.panel import ObjectsPanel
from napari_utile.widgets.segment.panel import SegmentPanel
from napari_utile.widgets.train.panel import TrainPanel

CENTRES = [(4, 10, 10), (8, 10, 26), (5, 10, 42), (9, 26, 10), (6, 26, 26), (8, 26, 42)]
RADIUS = 4
ANNOTATED = [3, 6, 9]


@pytest.fixture
def balls():
    """Six bright balls in a noisy stack, and their ids."""
    places, ids = np.indices((14, 36, 52)), np.zeros((14, 36, 52), np.uint8)
    for number, centre in enumerate(CENTRES, start=1):
        far = sum((axis - c) ** 2 for axis, c in zip(places, centre, strict=True))
        ids[far <= RADIUS**2] = number
    noise = np.random.default_rng(0).normal(0, 8, ids.shape)
    return (90 + 80 * (ids > 0) + noise).clip(0, 255).astype(np.uint8), ids


def test_three_slices_are_painted_and_six_objects_are_found(
    make_napari_viewer_proxy, open_panel, press, qtbot, balls, errors, warm
):
    image, truth = balls
    viewer = make_napari_viewer_proxy()
    place = {"scale": (0.2, 0.1, 0.1), "units": ("um",) * 3}
    viewer.add_image(image, name="balls", **place)
    painted = viewer.add_labels(np.zeros_like(truth), name="painted", **place)
    for z in ANNOTATED:
        painted.data[z] = truth[z]
    painted.refresh()

    def run(panel):
        press(panel.controls.button)
        qtbot.waitUntil(lambda: not panel.controls.is_running, timeout=120_000)
        assert not errors

    train = open_panel(TrainPanel, viewer)
    options = {"depth": "1", "width": "8", "tile": "32", "steps": "60", "batch": "2"}
    for name, value in options.items():
        train.form.set_value(name, value)
    segment = open_panel(SegmentPanel, viewer)
    run(train)
    assert "have no label and are taken for unannotated" in train.controls.messages.text()

    segment.form.set_value("output", "instances")
    run(segment)
    qtbot.waitUntil(lambda: any(x.name.endswith("instances") for x in viewer.layers))
    (result,) = [layer for layer in viewer.layers if layer.name.endswith("instances")]

    objects = open_panel(ObjectsPanel, viewer)
    objects.labels_layer.choose(result)
    run(objects)
    qtbot.waitUntil(lambda: "id" in objects.columns, timeout=10_000)
    assert len(objects.columns["id"]) == len(CENTRES)
    ball = 4 / 3 * np.pi * RADIUS**3 * 0.2 * 0.1 * 0.1
    np.testing.assert_allclose(objects.columns["volume_um3"], ball, rtol=0.3)

    objects.table.chosen.emit(4)
    z = objects.columns["centroid_z_um"][4]
    assert viewer.dims.point[0] == pytest.approx(z, abs=0.2)
    assert result.selected_label == objects.columns["id"][4]
