"""What is put aside so that a result can be looked at."""

import numpy as np

from napari_utile.io.stack import HOLDS
from napari_utile.widgets.layers.aside import brush_away, uncover
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.results import PREVIEW


def test_the_brush_is_put_away_and_labels_are_hidden_but_those_that_are_painted(viewer):
    labels = viewer.layers["cells"]
    result, other, painted = (
        viewer.add_labels(labels.data.copy(), name=name) for name in ("new", "old", "painted")
    )
    for layer in (result, other):
        layer.metadata[HOLDS] = "instances"
    viewer.layers.selection.active, painted.mode = painted, "paint"
    said = uncover(viewer, [result], of_run=[other])
    assert said.startswith("Hidden, so that the result can be read: 'cells'.")
    assert [layer.visible for layer in (labels, result, other, painted)] == [
        False, True, True, True,
    ]  # fmt: skip
    assert brush_away(viewer).startswith("The brush of 'painted' was put away")
    assert "'old', 'painted'" in uncover(viewer, [result]) and not painted.visible
    assert uncover(viewer, [result]) == brush_away(viewer) == ""


def test_a_result_of_the_same_place_is_hidden_and_none_beside_it(viewer):
    plane = viewer.layers["cells"].data[0].copy()
    viewer.layers.clear()
    result = viewer.add_labels(plane, name="part", translate=(10, 10))
    for name, corner in (("whole", (0, 0)), ("beside", (10, 80))):
        viewer.add_labels(plane, name=name, translate=corner, metadata={HOLDS: "instances"})
    assert "'whole'. " in uncover(viewer, [result])
    assert viewer.layers["beside"].visible


def test_the_preview_of_a_training_is_hidden_and_no_other_helper(viewer):
    result = viewer.add_labels(viewer.layers["cells"].data.copy(), name="new")
    for name, kind in (("preview", PREVIEW), ("map", True)):
        viewer.add_image(np.zeros((4, 4)), name=name, metadata={HELPER: kind})
    assert "'cells', 'preview'" in uncover(viewer, [result])
    assert viewer.layers["map"].visible and not viewer.layers["preview"].visible


def test_earlier_results_of_images_of_other_sizes_in_a_heap_are_hidden(viewer):
    viewer.layers.clear()
    shapes = {"larger": (90, 80), "smaller": (20, 30), "stack": (3, 64, 64)}
    for name, shape in shapes.items():
        viewer.add_image(np.zeros(shape, np.uint8), name=name)
        instances = np.zeros(shape, np.uint8)
        viewer.add_labels(instances, name=f"{name} a", metadata={HOLDS: "instances"})
        likely = np.zeros(shape, np.float32)
        viewer.add_image(likely, name=f"{name} b", metadata={HOLDS: "probabilities"})
    viewer.add_image(np.zeros((64, 64)), name="new")
    result = viewer.add_labels(np.zeros((64, 64), np.uint8), name="new instances")
    uncover(viewer, [result])
    shown = [layer.name for layer in viewer.layers if layer.visible]
    assert shown == [*shapes, "new", "new instances"]
