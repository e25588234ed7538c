"""Records survive Redis, and runs survive as long as other runs build on them."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from bakehouse.recipe.read import read_recipe
from bakehouse.runs.commands import Claim, LogEvents, Rename, RequestAction, StepEntry
from bakehouse.runs.errors import IllegalTransition, RunHasDependants, RunNotFound, SourceRunDeleted
from bakehouse.runs.keys import Keys
from bakehouse.runs.record import new_run
from bakehouse.runs.run import Run
from bakehouse.runs.store import Store
from bakehouse.runs.stream_entries import parse_change, parse_event
from bakehouse.runs.transitions import reduce, submit
from bakehouse.runs.wire import decode, encode, to_json
from tests.runs.examples import ADVICE, a_checkpoint, a_run, an_owner

RECORD = submit(a_run(advice=(ADVICE,), labels={"ü": "\U0001f35e"}), idempotency="digest", now=0)[0]


def test_a_record_survives_redis() -> None:
    record = reduce(reduce(RECORD, Claim(an_owner(), 10_000), 0)[0], a_checkpoint(1), 0)[0]
    fields = {**encode(None, record), "token": json.dumps("abc"), "seq": "7"}
    stored = {name.encode(): value.encode() for name, value in fields.items()}
    assert decode(stored) == record.model_copy(update={"token": "abc", "seq": 7})


def test_a_run_that_was_stored_without_a_fingerprint_is_read() -> None:
    fields = encode(None, RECORD)
    del fields["dataset_fingerprint"]
    assert decode(fields).dataset_fingerprint is None


def test_fields_that_the_script_adds_are_not_the_records() -> None:
    assert decode({**encode(None, RECORD), "order": "5", "by_worker": "x"}) == RECORD


def test_only_changed_fields_are_written() -> None:
    running = reduce(RECORD, Claim(an_owner(), 10_000), 5)[0]
    assert encode(RECORD, reduce(RECORD, Rename("b", {"x": "y"}), 0)[0]).keys() == {"name", "labels"}
    logged = reduce(running, LogEvents("first", (StepEntry(1, {}),)), 9)[0]
    assert encode(running, logged).keys() == {"logged_step", "updated_at"}


def test_numbers_that_json_does_not_have_are_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_an_entry_becomes_an_event() -> None:
    fields = {b"time": b"1000", b"attempt": b"2", b"type": b"step", b"data": b'{"step":3}'}
    event = parse_event(b"7-0", fields).parse()
    assert (event.seq, event.attempt, event.type, event.data) == (7, 2, "step", {"step": 3})
    assert event.time == "1970-01-01T00:00:01.000Z"


def test_an_entry_becomes_a_change() -> None:
    change = parse_change("12-3", {"run": "run_a", "seq": "4"})
    assert (change.id, change.run_id, change.seq) == ("12-3", "run_a", 4)


def create_cancelled(store: Store, run: Run) -> str:
    """The id of a run that is over."""
    store.create(run)
    store.command(run.id, RequestAction("cancel"))
    return run.id


def built_on(*sources: str) -> Run:
    """A run that takes layers of one and is taught by another."""
    document = {
        "dataset": "digits",
        "architecture": "mlp",
        "pretraining": {"type": "transfer", "checkpoint": sources[0]},
        "objective": {"distillation": {"teacher": sources[-1]}},
    }
    return new_run(read_recipe(document), advice=(), steps=80)


def test_a_run_names_each_run_that_it_builds_on_once(store: Store) -> None:
    one, two = create_cancelled(store, a_run()), create_cancelled(store, a_run())
    assert set(store.create(built_on(one, two)).run.depends_on) == {one, two}
    assert store.create(built_on(one)).run.depends_on == (one,)
    assert store.get(one).depends_on == ()


def test_a_source_stays_until_all_that_build_on_it_are_gone(store: Store, redis: Redis) -> None:
    source = create_cancelled(store, a_run())
    first, second = create_cancelled(store, built_on(source)), create_cancelled(store, built_on(source))
    with pytest.raises(RunHasDependants) as needed:
        store.delete(source)
    assert needed.value.dependants == (first, second)
    assert first in str(needed.value)
    store.delete(first)
    with pytest.raises(RunHasDependants) as needed:
        store.delete(source)
    assert needed.value.dependants == (second,)
    store.command(second, Rename("b", {}))
    store.delete(second)
    store.delete(source)
    assert redis.keys() == [Keys().changes().encode()]


def test_nothing_is_built_on_a_run_that_was_deleted_meanwhile(store: Store, redis: Redis) -> None:
    kept, gone = create_cancelled(store, a_run()), create_cancelled(store, a_run())
    store.delete(gone)
    before = set(redis.keys())
    run = built_on(kept, gone)
    with pytest.raises(SourceRunDeleted, match=gone):
        store.create(run)
    assert set(redis.keys()) == before
    with pytest.raises(RunNotFound):
        store.get(run.id)
    store.delete(kept)


def test_a_run_that_is_not_over_is_not_deleted_whoever_builds_on_it(store: Store) -> None:
    source = store.create(a_run()).run.id
    store.create(built_on(source))
    with pytest.raises(IllegalTransition):
        store.delete(source)


def test_many_dependants_are_counted(store: Store) -> None:
    source = create_cancelled(store, a_run())
    for _ in range(8):
        store.create(built_on(source))
    with pytest.raises(RunHasDependants, match="and 3 more") as needed:
        store.delete(source)
    assert len(needed.value.dependants) == 8


def test_of_a_deletion_and_a_dependant_at_the_same_time_one_is_refused(store: Store) -> None:
    def build(source: str) -> bool:
        try:
            return bool(store.create(built_on(source)))
        except SourceRunDeleted:
            return False

    def delete(source: str) -> bool:
        try:
            store.delete(source)
        except RunHasDependants:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        for _ in range(40):
            source = create_cancelled(store, a_run())
            building, deleting = threads.submit(build, source), threads.submit(delete, source)
            assert building.result() != deleting.result()
