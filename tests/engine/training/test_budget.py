"""How long a run may take, with a clock of its own."""

import pytest

from napari_utile.engine.training.budget import PAUSE_AFTER, Budget


def test_time_spent_before_the_first_step_counts(clock):
    minute = Budget(None, minutes=1)
    clock.now += 30
    assert minute.progress(0) == 0.5
    assert minute.seconds == 30


def test_time_of_an_earlier_process_counts(clock):
    minute = Budget(None, minutes=1)
    minute.add(45)
    clock.now += 5
    assert (minute.seconds, minute.progress(0)) == (50, 50 / 60)


def test_whichever_is_used_up_first_ends_the_run(clock):
    both = Budget(steps=10, minutes=1)
    assert both.progress(4) == 0.4
    clock.now += 45
    assert both.progress(4) == 0.75
    assert both.progress(9) == 0.9
    clock.now += 45
    assert both.progress(9) == 1


def test_the_time_left_is_known_from_the_first_step_on(clock):
    by_steps, by_clock = Budget(10, None), Budget(None, 1)
    clock.now += 6
    assert by_steps.seconds_left(1) == pytest.approx(6 / 1 * 9)
    assert by_clock.seconds_left(1) == pytest.approx(60 - 6)


@pytest.mark.parametrize(
    ("held", "counted"),
    [(PAUSE_AFTER / 2, 2 + PAUSE_AFTER / 2), (PAUSE_AFTER + 1, 2), (3600, 2)],
)
def test_the_clock_stands_while_an_event_is_held_longer_than_an_instant(clock, held, counted):
    time = Budget(None, minutes=1)
    clock.now += 1
    with time.paused():
        clock.now += held
    clock.now += 1
    assert time.seconds == counted


def test_a_pause_that_ends_in_a_stop_does_not_count_either(clock):
    time = Budget(None, minutes=1)

    def held():
        with time.paused():
            yield

    events = held()
    next(events)
    clock.now += 3600
    events.close()
    assert time.seconds == 0
