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

    def __init__(self, breaks_at=None):
        self.found, self.done, self.breaks_at = np.zeros(len(BLOCKS), bool), [], breaks_at
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
        yield from BLOCKS.of_plane(plane)


def worker(builder, computed=()):
    known = np.isin(np.arange(len(BLOCKS)), list(computed))
    task = SimpleNamespace(blocks=BLOCKS, computed=known, name="em")
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
