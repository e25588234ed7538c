"""What is written is what is read."""

import json

import pytest

from bakehouse.runs.commands import Claim, LogEvents, Rename, StepEntry
from bakehouse.runs.transitions import reduce, submit
from bakehouse.runs.wire import decode, encode, parse_change, parse_event, to_json
from tests.runs.examples import ADVICE, a_checkpoint, a_run, an_owner

RECORD = submit(a_run(advice=(ADVICE,), labels={"ü": "\U0001f35e"}), idempotency="digest", now=0)[0]


def test_a_record_survives_redis() -> None:
    record = reduce(reduce(RECORD, Claim(an_owner(), 10_000), 0)[0], a_checkpoint(1), 0)[0]
    fields = {**encode(None, record), "token": json.dumps("abc"), "seq": "7"}
    stored = {name.encode(): value.encode() for name, value in fields.items()}
    assert decode(stored) == record.model_copy(update={"token": "abc", "seq": 7})


def test_fields_of_the_script_are_not_the_records() -> None:
    assert decode({**encode(None, RECORD), "order": "5", "by_worker": "x"}) == RECORD


def test_only_what_changed_is_written() -> None:
    running = reduce(RECORD, Claim(an_owner(), 10_000), 5)[0]
    assert encode(RECORD, reduce(RECORD, Rename("b", {"x": "y"}), 0)[0]).keys() == {"name", "labels"}
    logged = reduce(running, LogEvents("first", (StepEntry(1, {}),)), 9)[0]
    assert encode(running, logged).keys() == {"logged_step", "updated_at"}


def test_what_json_cannot_say_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(float("nan"))


def test_an_entry_becomes_an_event() -> None:
    fields = {b"time": b"1000", b"attempt": b"2", b"type": b"step", b"data": b'{"step":3}'}
    event = parse_event(b"7-0", fields)
    assert (event.seq, event.attempt, event.type, event.data) == (7, 2, "step", {"step": 3})
    assert event.time == "1970-01-01T00:00:01.000Z"


def test_an_entry_becomes_a_change() -> None:
    change = parse_change("12-3", {"run": "run_a", "seq": "4"})
    assert (change.id, change.run_id, change.seq) == ("12-3", "run_a", 4)
