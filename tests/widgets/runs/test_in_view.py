"""Results that were opened from the list, one alone or several at once."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_utile.folders.job import ShownResult
from napari_utile.widgets.layers.choice import HELPER
from napari_utile.widgets.layers.results import PREVIEW, Result
from napari_utile.widgets.runs.in_view import OpenedTogether
from tests.fixtures.known_job import instances


@pytest.fixture
def heap(qapp):
    """Images of two results, with the preview of a training on top."""
    viewer = ViewerModel()
    for name in ("a", "b"):
        viewer.add_image(np.zeros((3, 64, 64), np.uint8), name=name, scale=(1, 2, 3))
    preview = viewer.add_image(np.zeros((1, 64, 64)), name="preview", scale=(1, 2, 3))
    preview.metadata[HELPER] = PREVIEW
    return viewer


def opened(viewer, folder, *names):
    """Open results as Show does, and return what is said."""
    said = []
    together = OpenedTogether(viewer, len(names), said.append)
    for name in names:
        out = folder / f"{name}.zarr"
        if not out.exists():
            instances(out)
        shown = ShownResult(image=f"{name}.tif", name=name, out=out)
        result = Result(viewer, shown, "instances")
        together.add(result)
        result.end(is_partial=False)
    return said


def shown(viewer):
    return [layer.name for layer in viewer.layers if layer.visible]


def test_several_results_are_counted_and_then_one_is_shown_alone(heap, tmp_path):
    said = opened(heap, tmp_path, "a", "b")
    assert said[0].startswith("2 results were opened, each on its image. To see one alone,")
    assert "'preview'" in said[1] and len(said) == 2
    assert shown(heap) == ["a", "b", "a instances", "b instances"]
    (said,) = opened(heap, tmp_path, "a")
    assert said.startswith("Only 'a' is shown, with its result; hidden, not closed: 2 other")
    assert shown(heap) == ["a", "a instances"]
    opened(heap, tmp_path, "a", "b")
    assert shown(heap) == ["a", "b", "a instances", "b instances"]


def test_a_result_alone_hides_the_labels_and_the_preview_that_cover_it(heap, tmp_path):
    del heap.layers["b"]
    heap.add_labels(np.ones((3, 64, 64), np.uint8), name="a labels", scale=(1, 2, 3))
    (said,) = opened(heap, tmp_path, "a")
    assert "'preview', 'a labels'. The eye" in said
    assert shown(heap) == ["a", "a instances"]
