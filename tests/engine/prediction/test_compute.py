"""Reading, computing and writing at the same time, and what is done about failures."""

from threading import Barrier, Event, get_ident

import pytest

from napari_utile.engine.prediction.compute import (
    AHEAD,
    BEHIND,
    MAX_CONSECUTIVE_FAILURES,
    Failures,
    compute_blocks,
)
from napari_utile.errors import UserError


@pytest.fixture(params=[1, 2], ids="{} at once".format, autouse=True)
def at_once(request, monkeypatch):
    """Run each test with one block after the other, and with two side by side."""
    monkeypatch.setitem(ARGUMENTS, "at_once", request.param)
    return request.param


ARGUMENTS = {}


def run(numbers, read=int, compute=None, write=print, failures=None):
    """Compute blocks; the events are their numbers when they are on disk."""
    failures = Failures() if failures is None else failures
    compute = compute or double
    return compute_blocks(numbers, read, compute, write, lambda n: [n], failures, **ARGUMENTS)


def double(value):
    yield from ()
    return 2 * value


def test_blocks_come_out_in_order_as_they_were_written():
    written = {}
    assert list(run(range(20), lambda n: 10 + n, write=written.__setitem__)) == [*range(20)]
    assert written == {n: 2 * (10 + n) for n in range(20)}


def test_events_of_the_computation_are_passed_on():
    def talkative(value):
        yield f"about {value}"
        return value

    assert list(run([7], compute=talkative)) == ["about 7", 7]


def test_each_of_the_three_has_a_thread_of_its_own(at_once):
    threads = {}

    def compute(value):
        threads["compute"] = get_ident()
        yield from ()
        return value

    list(
        run(
            [0],
            lambda n: threads.update(read=get_ident()),
            compute,
            lambda n, v: threads.update(write=get_ident()),
        )
    )
    assert len(set(threads.values())) == 3
    assert (threads["compute"] == get_ident()) == (at_once == 1)


def test_so_many_are_computed_side_by_side(at_once):
    meeting = Barrier(at_once)

    def compute(value):
        meeting.wait(5)  # nobody goes on before all are there
        yield f"met {value}"
        return value

    events = [*run(range(4), compute=compute)]
    assert [event for event in events if isinstance(event, int)] == [*range(4)]
    assert {*events} == {*range(4), *(f"met {n}" for n in range(4))}


def test_what_was_told_before_an_error_is_passed_on():
    def compute(value):
        yield f"about {value}"
        raise RuntimeError("odd")

    failures = Failures()
    assert list(run([3], compute=compute, failures=failures)) == ["about 3", "about 3"]
    assert [*failures] == [3]


def test_only_a_few_blocks_are_read_ahead_and_wait_to_be_written(at_once):
    read, may_write = [], Event()

    def compute(_value):
        yield from ()

    steps = run(range(100), read.append, compute, lambda n, v: may_write.wait(5))
    may_write.set()
    next(steps)
    assert len(read) <= at_once + AHEAD + BEHIND + at_once
    steps.close()


def test_reading_goes_on_while_a_block_is_computed():
    read_second = Event()

    def read(number):
        if number == 1:
            read_second.set()
        return number

    def compute(value):
        assert read_second.wait(5), "nobody reads while this computes"
        yield from ()
        return value

    assert list(run([0, 1], read, compute)) == [0, 1]


def test_a_block_that_cannot_be_read_or_computed_does_not_stop_the_others():
    def read(number):
        if number == 1:
            raise OSError("torn")
        return number

    def compute(value):
        if value == 2:
            raise RuntimeError("odd")
        yield from ()
        return value

    failures = Failures()
    assert list(run(range(4), read, compute, failures=failures)) == [0, 3]
    assert {n: str(error) for n, error in failures.items()} == {1: "torn", 2: "odd"}


def test_a_block_that_fails_is_tried_once_more_at_the_end():
    tried = []

    def read(number):
        tried.append(number)
        if tried.count(number) == 1 and number in (0, 3):
            raise OSError("a short trouble")
        return number

    failures = Failures()
    assert list(run(range(4), read, failures=failures)) == [1, 2, 0, 3]
    assert tried == [0, 1, 2, 3, 0, 3] and not failures


def test_too_many_failures_in_a_row_end_the_run(at_once):
    def read(number):
        tried.append(number)
        raise OSError(str(number))

    tried = []
    with pytest.raises(OSError, match=str(MAX_CONSECUTIVE_FAILURES - 1)):
        list(run(range(100), read))
    assert len(tried) <= MAX_CONSECUTIVE_FAILURES + AHEAD + at_once


def test_where_one_failure_is_too_many_it_is_raised():
    def compute(value):
        yield from ()
        raise ZeroDivisionError(value)

    with pytest.raises(ZeroDivisionError, match="0"):
        list(run(range(4), compute=compute, failures=Failures(max_consecutive=1)))


@pytest.mark.parametrize("of", ["read", "compute"])
def test_what_the_user_must_change_ends_the_run_unless_it_is_of_one_block(of):
    def fail(_):
        raise UserError("too little memory")

    def compute(value):
        yield from ()
        fail(value)

    failures = Failures()
    if of == "read":
        assert list(run(range(2), fail, failures=failures)) == [] and len(failures) == 2
    else:
        with pytest.raises(UserError, match="too little memory"):
            list(run(range(2), compute=compute, failures=failures))


def test_a_disk_that_is_full_ends_everything():
    def write(number, _value):
        if number == 1:
            raise OSError("full")

    steps = run(range(50), write=write)
    assert next(steps) == 0
    with pytest.raises(OSError, match="full"):
        next(steps)


def test_closing_waits_for_what_is_being_written():
    written = []
    steps = run(range(50), write=lambda n, v: written.append(n))
    next(steps)
    steps.close()
    count = len(written)
    assert 1 <= count <= 1 + BEHIND + 1
    assert written == list(range(count))
