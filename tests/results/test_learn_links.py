"""Costs are learnt from corrected labels of a result."""

import numpy as np
import pytest
import torch

from napari_utile.arrays.instances.link_costs import DEFAULT_COSTS
from napari_utile.errors import UserError
from napari_utile.events import RunDone, Warned, drain
from napari_utile.io.images import open_image, write_tiff
from napari_utile.results.learn_links import learn_links
from tests.fixtures.segmented import blob_files, segment  # noqa: F401

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def result(blob_files, tmp_path_factory):  # noqa: F811
    out = tmp_path_factory.mktemp("learn") / "r.zarr"
    segment(blob_files, out, output="instances")
    return out


def learnt(result, corrected):
    events = []
    return drain(learn_links(result, corrected, DEFAULT_COSTS), events.append), events


def test_labels_that_never_join_make_edges_repel(result, tmp_path):
    labels = open_image(result).read()
    alone = labels + labels.max() * np.arange(len(labels))[:, None, None] * (labels > 0)
    write_tiff(tmp_path / "alone.tif", alone.astype(np.uint32))
    with pytest.raises(UserError, match="too few to learn from: correct more slices"):
        learnt(result, tmp_path / "alone.tif")  # all of one kind


def test_labels_of_the_result_are_learnt(result, tmp_path):
    write_tiff(tmp_path / "as_is.tif", open_image(result).read())
    costs, events = learnt(result, tmp_path / "as_is.tif")
    assert costs != DEFAULT_COSTS
    # what overlaps most was joined, and what has a better partner was not
    assert costs.next_bias + costs.next_larger > 0 > costs.next_rank
    assert isinstance(events[-1], RunDone)
    assert any("too few pairs of objects" in e.message for e in events if isinstance(e, Warned))


def test_labels_of_another_shape_are_refused(result, tmp_path):
    write_tiff(tmp_path / "part.tif", open_image(result).read()[:2])
    with pytest.raises(UserError, match="give the corrected labels of the whole result"):
        learnt(result, tmp_path / "part.tif")
