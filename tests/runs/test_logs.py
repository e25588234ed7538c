"""Many logs and the change stream in one round trip."""

import pytest
from redis import Redis

from bakehouse.runs.keys import Keys
from bakehouse.runs.logs import START, Bounds, ChangeRange, Head, LogRange, Logs
from bakehouse.runs.store import Store
from bakehouse.runs.stream_entries import stream_position
from tests.runs.examples import a_run, last_change


@pytest.fixture
def logs(store: Store) -> Logs:
    return store.logs


def test_each_range_has_its_events_as_json(store: Store, logs: Logs) -> None:
    first, second = store.create(a_run()).run.id, store.create(a_run()).run.id
    whole, rest, none = logs.events([LogRange(first, 0), LogRange(second, 0, last=1), LogRange("run_absent", 0)])
    assert [event.parse() for event in whole] == store.events(first)
    assert [event.seq for event in rest] == [1]
    assert none == []


def test_a_head_is_the_number_of_the_latest_event(store: Store, logs: Logs) -> None:
    run = store.create(a_run()).run.id
    assert logs.heads([run, "run_absent"]) == [Head(store.head(run), is_over=False), None]


def test_a_page_of_changes_ends_at_its_last_id_and_at_its_limit(store: Store, logs: Logs) -> None:
    runs = [store.create(a_run()).run.id for _ in range(3)]
    [page] = logs.changes([ChangeRange(START, last_change(store))], 100)
    assert list(dict.fromkeys(change.run_id for change in page.changes)) == runs
    first, second, *_ = [change.id for change in page.changes]
    ends = [ChangeRange(START, first), ChangeRange(first, second), ChangeRange(second, first)]
    assert [[change.id for change in page.changes] for page in logs.changes(ends, 100)] == [[first], [second], []]
    [page] = logs.changes([ChangeRange(START, "+")], 2)
    assert [change.id for change in page.changes] == [first, second]


def test_bounds_tell_whether_changes_are_missing(redis: Redis, store: Store, logs: Logs) -> None:
    assert bounds(logs) == Bounds(START, START, is_trimmed=False)
    for _ in range(4):
        store.create(a_run())
    ids = [change.id for change in logs.changes([ChangeRange(START, "+")], 100)[0].changes]
    assert not bounds(logs).lack_changes_after(START)
    assert not bounds(logs).lack_changes_after(ids[-1])
    assert bounds(logs).lack_changes_after(f"{stream_position(ids[-1])[0] + 1}-0")
    redis.xtrim("local:changes", maxlen=2, approximate=False)
    assert bounds(logs).lack_changes_after(ids[-4])
    assert not bounds(logs).lack_changes_after(ids[-2])
    redis.xtrim("local:changes", maxlen=0, approximate=False)
    assert bounds(logs).lack_changes_after(ids[-2])
    assert not bounds(logs).lack_changes_after(ids[-1])


def bounds(logs: Logs) -> Bounds:
    [page] = logs.changes([ChangeRange(START, START)], 1)
    return page.bounds


def test_labels_are_looked_up_for_many_runs(store: Store, logs: Logs) -> None:
    runs = [store.create(a_run(labels={"class": name})).run.id for name in "abb"]
    found = logs.listed([Keys().labelled("class", each) for each in "abc"], runs)
    assert found == [frozenset(runs[:1]), frozenset(runs[1:]), frozenset()]
