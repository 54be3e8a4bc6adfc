"""Instances are built plane by plane while the network computes."""

from threading import Lock
from types import SimpleNamespace

import numpy as np
import pytest

from napari_utile.arrays.blocks import Blocks
from napari_utile.engine.prediction.instance_worker import InstanceWorker
from napari_utile.events import BlockDone

BLOCKS = Blocks((0, 0, 0), (3, 20, 20), (10, 20))
"""Two blocks in each of three planes."""


class Builder:
    """Remembers what was done in which order."""

    reach = 1

    def __init__(self, breaks_at=None, blocks=BLOCKS):
        self.blocks = blocks
        self.found, self.done, self.breaks_at = np.zeros(len(blocks), bool), [], breaks_at
        self.lock = Lock()

    def resume(self):
        return 0

    def find_fragments(self, number):
        with self.lock:
            self.done.append(number)
        if number == self.breaks_at:
            raise RuntimeError("torn")

    def number_plane(self, plane):
        self.done.append(f"plane {plane}")
        yield from self.blocks.of_plane(plane)


def worker(builder, computed=()):
    known = np.isin(np.arange(len(builder.blocks)), list(computed))
    task = SimpleNamespace(blocks=builder.blocks, computed=known, name="em")
    return InstanceWorker(task, builder)


def test_a_plane_is_numbered_when_it_and_those_below_are_complete():
    builder = Builder()
    with worker(builder) as thread:
        for number in (2, 3, 0):
            thread.block_done(number)
        list(thread.drain())
        assert builder.done == []  # plane 1 is complete and waits for plane 0
        thread.block_done(1)
        events = [event for event in thread.drain() if isinstance(event, BlockDone)]
        assert sorted(builder.done[:2]) == [0, 1] and builder.done[2] == "plane 0"
        assert sorted(builder.done[3:5]) == [2, 3] and builder.done[5] == "plane 1"
        assert [event.stage for event in events] == 2 * ["objects", "objects", "numbers"]


def test_what_was_computed_before_is_built_at_once():
    builder = Builder()
    with worker(builder, computed=range(6)) as thread:
        list(thread.drain())
    assert [done for done in builder.done if isinstance(done, str)] == [
        "plane 0",
        "plane 1",
        "plane 2",
    ]


def test_a_fault_is_raised_and_the_planes_after_it_are_skipped():
    builder = Builder(breaks_at=2)
    with (
        worker(builder, computed=range(6)) as thread,
        pytest.raises(RuntimeError, match="torn"),
    ):
        list(thread.drain())
    assert "plane 1" not in builder.done and "plane 2" not in builder.done
    assert not {4, 5} & {*builder.done}


VOLUMES = Blocks((0, 0, 0, 0), (2, 10, 10, 40), (10, 10, 10))
"""Four blocks in a row in each of two volumes."""


def test_fragments_of_a_volume_are_found_when_the_blocks_around_are_computed():
    builder = Builder(blocks=VOLUMES)
    builder.found[0] = True
    with worker(builder, computed=[0, 1, 7]) as thread:
        thread.block_done(2)  # of 0, 1 and 2 all neighbours are computed, but not of 2 and 3
        thread._early[1].result()
        assert builder.done == [1]
        thread.block_done(6)
        thread._early[7].result()
        assert builder.done == [1, 7]
        thread.block_done(3)
        events = [event for event in thread.drain() if isinstance(event, BlockDone)]
        assert sorted(builder.done[:-1]) == [1, 2, 3, 7] and builder.done[-1] == "plane 0"
        stages = [event.stage for event in events]
        assert stages == 3 * ["objects"] + 4 * ["numbers"]  # of a volume, blocks are counted
        assert events[-1].done == 4 and events[-1].total == 8


def test_a_fault_in_fragments_of_a_volume_is_raised_before_the_volume_is_complete():
    builder = Builder(breaks_at=0, blocks=VOLUMES)
    with worker(builder, computed=[0]) as thread:
        thread.block_done(1)
        with pytest.raises(RuntimeError, match="torn"):
            thread._early[0].result()
        with pytest.raises(RuntimeError, match="torn"):
            list(thread.poll())
