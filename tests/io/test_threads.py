"""Work of several threads, in order."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from napari_utile.io.threads import run_in_order, usable_cores


def test_what_is_done_comes_in_order_and_an_error_is_raised_in_its_place():
    may_end = Event()

    def work(item):
        if item == 0:
            may_end.wait(5)
        if item == 1:
            may_end.set()
        if item == 3:
            raise OSError("full")

    done = []
    with ThreadPoolExecutor(2) as pool, pytest.raises(OSError, match="full"):
        done.extend(run_in_order(pool, work, range(5)))
    assert done == [0, 1, 2]


def test_closing_cancels_what_has_not_started():
    begun, may_end = [], Event()

    def work(item):
        begun.append(item)
        if item:
            may_end.wait(5)

    with ThreadPoolExecutor(1) as pool:
        running = run_in_order(pool, work, range(100))
        assert next(running) == 0
        running.close()
        may_end.set()
    assert len(begun) <= 2


def test_no_more_cores_are_used_than_there_are():
    assert 1 <= usable_cores() <= 8
