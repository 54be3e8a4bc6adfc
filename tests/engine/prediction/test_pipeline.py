"""Reading, computing and writing at the same time."""

from threading import Event, get_ident

import pytest

from napari_utile.engine.prediction.pipeline import AHEAD, BEHIND, Failed, Written, pipelined


def double(_number, value):
    yield from ()
    return 2 * value


def test_blocks_come_out_in_order_as_they_were_written():
    written = {}
    events = list(pipelined(range(20), lambda n: 10 + n, double, written.__setitem__))
    assert events == [Written(n) for n in range(20)]
    assert written == {n: 2 * (10 + n) for n in range(20)}


def test_what_the_computing_says_is_passed_on():
    def talkative(number, value):
        yield f"about {number}"
        return value

    assert list(pipelined([7], int, talkative, print)) == ["about 7", Written(7)]


def test_each_of_the_three_has_a_thread_of_its_own():
    threads = {}

    def compute(_number, value):
        threads["compute"] = get_ident()
        yield from ()
        return value

    for _ in pipelined(
        [0],
        lambda n: threads.update(read=get_ident()),
        compute,
        lambda n, v: threads.update(write=get_ident()),
    ):
        pass
    assert len(set(threads.values())) == 3
    assert threads["compute"] == get_ident()


def test_only_a_few_blocks_are_read_ahead_and_wait_to_be_written():
    read, may_write = [], Event()
    steps = pipelined(
        range(100), read.append, double_of_nothing, lambda n, v: may_write.wait(5)
    )
    may_write.set()
    next(steps)
    assert len(read) <= 1 + AHEAD + BEHIND + 1
    steps.close()


def double_of_nothing(_number, _value):
    yield from ()


def test_reading_goes_on_while_a_block_is_computed():
    read_second = Event()

    def read(number):
        if number == 1:
            read_second.set()
        return number

    def compute(number, value):
        assert read_second.wait(5), "nobody reads while this computes"
        yield from ()
        return value

    assert list(pipelined([0, 1], read, compute, print)) == [Written(0), Written(1)]


def test_a_block_that_cannot_be_read_or_computed_does_not_stop_the_others():
    def read(number):
        if number == 1:
            raise OSError("torn")
        return number

    def compute(number, value):
        if number == 2:
            raise RuntimeError("odd")
        yield from ()
        return value

    events = list(pipelined(range(4), read, compute, lambda n, v: None))
    failed = {event.number: event for event in events if isinstance(event, Failed)}
    assert [event.number for event in events if isinstance(event, Written)] == [0, 3]
    assert str(failed[1].error) == "torn" and not failed[1].was_read
    assert str(failed[2].error) == "odd" and failed[2].was_read


def test_a_disk_that_is_full_ends_everything():
    def write(number, _value):
        if number == 1:
            raise OSError("full")

    steps = pipelined(range(50), int, double, write)
    assert next(steps) == Written(0)
    with pytest.raises(OSError, match="full"):
        next(steps)


def test_closing_waits_for_what_is_being_written():
    written = []
    steps = pipelined(range(50), int, double, lambda n, v: written.append(n))
    next(steps)
    steps.close()
    count = len(written)
    assert 1 <= count <= 1 + BEHIND + 1
    assert written == list(range(count))
