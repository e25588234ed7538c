"""The watchdog, with a clock that the test sets."""

from collections.abc import Callable

import pytest

from worker.attempt.watchdog import EXIT_CODE, MAX_SLOWDOWN, MIN_SECONDS, Watchdog

Pass = Callable[..., None]


class GaveUp(Exception):
    """Raised where the process would exit."""


@pytest.fixture
def watchdog(monkeypatch: pytest.MonkeyPatch) -> tuple[Watchdog, Pass]:
    """A watchdog, and a function that lets seconds pass, with a tick after each second."""
    now = [1000.0]

    def exit_with(code: int) -> None:
        assert code == EXIT_CODE
        raise GaveUp

    monkeypatch.setattr("worker.attempt.watchdog.monotonic", lambda: now[0])
    monkeypatch.setattr("worker.attempt.watchdog.os._exit", exit_with)
    watchdog = Watchdog()

    def let_pass(seconds: float, *, at_once: bool = False) -> None:
        for _ in range(1 if at_once else round(seconds)):
            now[0] += seconds if at_once else 1
            watchdog.tick()

    return watchdog, let_pass


def test_the_first_unit_has_no_limit(watchdog: tuple[Watchdog, Pass]) -> None:
    watchdog[1](100 * MIN_SECONDS)


def test_it_gives_up_a_minute_after_the_last_unit(watchdog: tuple[Watchdog, Pass]) -> None:
    dog, let_pass = watchdog
    dog.units = 1
    let_pass(1)
    let_pass(MIN_SECONDS)
    with pytest.raises(GaveUp):
        let_pass(1)


def test_slow_units_are_allowed_ten_times_as_long(watchdog: tuple[Watchdog, Pass]) -> None:
    dog, let_pass = watchdog
    dog.units = 1
    let_pass(1)
    let_pass(29)
    dog.units = 2
    let_pass(1)
    let_pass(30 * MAX_SLOWDOWN)
    with pytest.raises(GaveUp):
        let_pass(1)


def test_time_of_waiting_for_redis_and_of_a_suspended_machine_does_not_count(watchdog: tuple[Watchdog, Pass]) -> None:
    dog, let_pass = watchdog
    dog.units = 1
    let_pass(1)
    let_pass(8 * 3600, at_once=True)
    let_pass(MIN_SECONDS)
    dog.is_waiting = True
    let_pass(10 * MIN_SECONDS)
    dog.is_waiting = False
    let_pass(MIN_SECONDS)
    with pytest.raises(GaveUp):
        let_pass(1)
