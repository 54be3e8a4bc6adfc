"""Why a result has no objects, from the probabilities that it holds."""

import numpy as np
import pytest

from napari_utile.io.ome_zarr import mark_complete, reopen
from napari_utile.results import no_objects
from napari_utile.results.no_objects import why_no_objects
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.result_store import SHAPE, make_result


@pytest.mark.parametrize(
    ("largest", "options", "why"),
    [
        (79, {}, "0.5; the largest probability is 0.31: lower the threshold with the slider."),
        (5, {}, "the largest probability is 0.02: the model knows nothing in this image."),
        (200, {"min_size": 900}, "above the threshold of 0.5, but no object of 900 px: lower"),
        (200, {}, "above the threshold of 0.5, but they make no object"),
    ],
)
def test_what_helps_is_said(tmp_path, monkeypatch, largest, options, why):
    monkeypatch.setattr(no_objects, "READ_AT_ONCE", SHAPE[1] * SHAPE[2])  # a slice
    path = make_result(tmp_path / "r.zarr", np.zeros(SHAPE, np.uint32))
    reopen(path)[2, 3, 4] = largest
    settings = PredictSettings(output="instances", **options)
    plan = {"settings": settings.model_dump(mode="json"), "tile": [8, 8]}
    mark_complete(path, plan=plan)
    assert why in why_no_objects(path)
