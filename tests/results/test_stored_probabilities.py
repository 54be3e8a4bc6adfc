"""Objects of a slice that are made of what a result keeps are those of its prediction."""

import numpy as np
import pytest
import torch

from napari_utile.errors import UserError
from napari_utile.io.images import open_image
from napari_utile.results.stored_probabilities import StoredProbabilities, plan_of_instances
from napari_utile.settings.prediction import PredictSettings
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

torch.set_num_threads(1)

PART = ((1, 2), (4, 60), (0, 70))
OTHERS = {"output": "instances", "threshold": 0.6, "min_size": 12, "grow": 2.0}


@pytest.fixture(scope="module")
def result(blob_files, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("stored") / "r.zarr"
    segment(blob_files, out, output="instances")
    return out


@pytest.mark.parametrize("more", [{}, {"instance_method": "components", "fill_holes": 4}])
def test_a_part_of_a_slice_equals_its_prediction_to_the_bit(result, blob_files, tmp_path, more):  # noqa: F811
    region = ",".join(f"{first}:{end}" for first, end in PART)
    segment(blob_files, tmp_path / "part.zarr", region=region, **OTHERS | more)
    stored = StoredProbabilities.of(result)
    found = stored.objects(PredictSettings(**OTHERS | more), PART)
    assert found.max() > 3
    np.testing.assert_array_equal(found, open_image(tmp_path / "part.zarr").read())


def test_what_holds_no_probabilities_is_refused(result, tmp_path):
    assert plan_of_instances(result)["settings"]["output"] == "instances"
    with pytest.raises(UserError, match=r"made again of a result as \.zarr"):
        StoredProbabilities.of(tmp_path / "r.tif")
