"""Which entries of a log are new, and the events that they become."""

from typing import Any

from bakehouse.runs.commands import Claim, DiagnosticEntry, EpochEntry, LogEvents
from bakehouse.runs.entries import entry_event
from bakehouse.runs.record import NewEvent, Record
from bakehouse.runs.run import Diagnostic
from bakehouse.runs.transitions import reduce, submit
from tests.runs.examples import a_run, an_owner


def running() -> Record:
    """A run with an owner."""
    record, _ = submit(a_run(), idempotency=None, now=0)
    return reduce(record, Claim(an_owner(), 10**9), 0)[0]


def entry(name: str, step: int, **values: Any) -> DiagnosticEntry:
    """An entry at the end of an epoch of ten steps."""
    return DiagnosticEntry(name, step // 10, step, values or {"share": 0.5})


def logged(record: Record, *entries: Any) -> tuple[Record, list[NewEvent]]:
    return reduce(record, LogEvents("first", entries), 1)


def test_a_diagnostic_is_an_event_and_the_latest_of_its_name_is_the_runs() -> None:
    record, events = logged(running(), entry("sparsity", 10), entry("drift", 10), entry("sparsity", 20, share=0.25))
    assert [(event.type, event.data["name"], event.data["step"]) for event in events] == [
        ("diagnostic", "sparsity", 10),
        ("diagnostic", "drift", 10),
        ("diagnostic", "sparsity", 20),
    ]
    assert record.diagnostics["sparsity"] == Diagnostic(epoch=2, step=20, values={"share": 0.25})
    assert set(record.diagnostics) == {"sparsity", "drift"}


def test_results_that_a_resumed_run_repeats_are_dropped() -> None:
    record, _ = logged(running(), entry("sparsity", 10), EpochEntry(1, 10, {}), entry("sparsity", 20))
    again, events = logged(record, entry("sparsity", 10), entry("drift", 20), entry("sparsity", 20))
    assert [event.data["name"] for event in events] == ["drift"]
    assert again.diagnostics["sparsity"] == record.diagnostics["sparsity"]


def test_a_diagnostic_that_comes_after_its_epoch_is_still_new() -> None:
    _, events = logged(running(), EpochEntry(1, 10, {}), entry("sparsity", 10))
    assert [event.type for event in events] == ["epoch", "diagnostic"]


def test_numbers_that_are_not_finite_are_null_in_lists_too() -> None:
    values = {"layers": ["a", "b"], "norms": [1.0, float("inf")], "ratio": float("nan"), "rows": 3}
    event = entry_event(entry("gradient_norms", 10, **values), 1)
    assert event.data["norms"] == [1.0, None]
    assert event.data["layers"] == ["a", "b"]
    assert event.data["non_finite"] == ["norms", "ratio"]
    record, _ = logged(running(), entry("gradient_norms", 10, **values))
    assert record.diagnostics["gradient_norms"].values == {**values, "norms": [1.0, None], "ratio": None}
    assert Record.model_validate_json(record.model_dump_json()) == record
