"""The stages after the network."""

import torch

from napari_utile.events import BlockDone
from tests.fixtures.segmented import segment

torch.set_num_threads(1)


def test_the_stages_are_told_in_their_order(blob_files, tmp_path):
    events = segment(blob_files, tmp_path / "out.zarr", output="instances")
    stages = [e.stage for e in events if isinstance(e, BlockDone)]
    assert stages.count("objects") == 3 * 3 * 3
    assert stages.count("numbers") == 2 * 3  # found, and final once all of the graph is known
    assert stages[-1] == "pyramid"
    last = {e.stage: e for e in events if isinstance(e, BlockDone)}
    assert all(event.done == event.total for event in last.values())
