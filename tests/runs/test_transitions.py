"""The reducer against its promises, over all sequences of commands."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.runs.commands import (
    Batch,
    Cancel,
    Claim,
    Command,
    DiagnosticEntry,
    EpochEntry,
    Fail,
    LogEntry,
    LogEvents,
    MarkNonReproducible,
    MarkRestarted,
    NoteVerified,
    OwnerLost,
    Pause,
    PublishResume,
    PurgeReplaced,
    Release,
    Rename,
    Renew,
    RequestAction,
    Resume,
    StepEntry,
    Succeed,
)
from bakehouse.runs.errors import IllegalTransition, OwnershipLost
from bakehouse.runs.record import NewEvent, Record
from bakehouse.runs.run import Best, Checkpoint, Failure, Last, Progress, Run, Verified
from bakehouse.runs.status import TERMINAL, Request, Status
from bakehouse.runs.transitions import KEEP_REPLACED_MS, MAX_ATTEMPTS_WITHOUT_PROGRESS, reduce, submit
from tests.runs.examples import ADVICE, PROVENANCE, a_checkpoint, a_run, an_owner

NOW = 1_790_000_000_000
LEASE_MS = 10_000
RUN = a_run()
FAILURE = Failure(code="internal", message="It broke.", retryable=True)

nonces = st.sampled_from(["first", "first", "first", "second"])
entries = st.lists(
    st.one_of(
        st.builds(StepEntry, st.integers(1, 20), st.just({"train_loss": 0.5})),
        st.builds(EpochEntry, st.integers(1, 5), st.integers(1, 20), st.just({"validation_loss": 0.5})),
        st.builds(DiagnosticEntry, st.just("sparsity"), st.integers(1, 5), st.integers(1, 20), st.just({"a": [0.5]})),
        st.builds(LogEntry, st.just("note"), st.just("Something.")),
    ),
    max_size=4,
).map(tuple)
reasons = st.sampled_from(["early_stopped", "epochs_done", "time_budget", "pruned", "stopped_by_user"])
frequent: st.SearchStrategy[Command] = st.one_of(
    st.builds(Claim, nonces.map(an_owner), st.just(LEASE_MS)),
    st.builds(RequestAction, st.just("pause")),
    st.builds(Resume),
    st.builds(Renew, nonces),
    st.builds(LogEvents, nonces, entries),
    st.builds(lambda nonce, epoch: a_checkpoint(epoch, nonce=nonce), nonces, st.integers(1, 5)),
    st.builds(PublishResume, nonces, st.integers(0, 20)),
    st.builds(MarkNonReproducible, nonces),
    st.builds(MarkRestarted, nonces),
    st.builds(Release, nonces),
    st.builds(OwnerLost, nonce=st.none() | nonces, lease_until=st.just(NOW + LEASE_MS)),
    st.builds(Pause, nonces),
    st.builds(Rename, st.just("other"), st.just({"study": "b"})),
    st.just(NoteVerified(Verified(run="run_222222222222", verdict="identical"), actor="worker")),
    st.builds(PurgeReplaced),
)
rare: st.SearchStrategy[Command] = st.one_of(
    st.builds(RequestAction, st.sampled_from(["stop", "cancel"])),
    st.builds(Succeed, nonces, reasons, st.just(PROVENANCE)),
    st.builds(Fail, nonces, st.just(FAILURE)),
    st.builds(Cancel, nonces),
)
# One in ten, so that most runs live for long.
commands = st.integers(0, 9).flatmap(lambda draw: rare if draw == 9 else frequent)
# Some pauses are longer than a lease, so that leases end; the first command is a claim, so that most sequences get far.
first_claim = (Claim(an_owner(), LEASE_MS), 1)
sequences = st.lists(st.tuples(commands, st.sampled_from([1, 500, 12_000])), max_size=60).map(
    lambda sequence: [first_claim, *sequence]
)


def queued(run: Run = RUN) -> Record:
    return submit(run, idempotency=None, now=NOW)[0]


def after(record: Record, *commands: Command, now: int = NOW) -> Record:
    for command in commands:
        record = reduce(record, command, now)[0]
    return record


def running(nonce: str = "first") -> Record:
    return after(queued(), Claim(an_owner(nonce), LEASE_MS))


def paused() -> Record:
    return after(running(), RequestAction("pause"), Pause("first"))


def over(status: Status) -> Record:
    match status:
        case "succeeded":
            return after(running(), Succeed("first", "epochs_done", PROVENANCE))
        case "failed":
            return after(running(), Fail("first", FAILURE))
        case _:
            return after(queued(), RequestAction("cancel"))


def play(sequence: list[tuple[Command, int]]) -> tuple[list[Record], list[NewEvent]]:
    """Returns every record on the way and the whole log; a refused command changes nothing."""
    record, log = submit(RUN, idempotency=None, now=NOW)
    records, now = [record], NOW
    for command, elapsed in sequence:
        now += elapsed
        try:
            record, events = reduce(record, command, now)
        except (IllegalTransition, OwnershipLost):
            continue
        records.append(record)
        log = log + events
    return records, log


@given(sequences)
def test_a_run_ends_at_most_once_and_nothing_follows_its_end(sequence: list[tuple[Command, int]]) -> None:
    records, log = play(sequence)
    types = [event.type for event in log]
    assert types.count("end") == (1 if records[-1].is_over else 0)
    assert "end" not in types[:-1]
    ended = [record.status for record in records if record.is_over]
    assert len(set(ended)) <= 1
    assert [transition.status in TERMINAL for transition in records[-1].transitions[:-1]].count(True) == 0


@given(sequences)
def test_steps_and_epochs_are_logged_once_and_in_order(sequence: list[tuple[Command, int]]) -> None:
    _, log = play(sequence)
    for kind in ("step", "epoch"):
        logged = [event.data[kind] for event in log if event.type == kind]
        assert logged == sorted(set(logged))


@given(sequences)
def test_every_change_of_status_has_an_event(sequence: list[tuple[Command, int]]) -> None:
    records, log = play(sequence)
    announced = [event.data["status"] for event in log if event.type == "state"]
    for before, now in pairwise(records):
        assert now.status == before.status or now.status in announced
    assert announced[-1] == records[-1].status
    assert {"status": records[-1].status, "request": records[-1].request}.items() <= [
        event.data for event in log if event.type == "state"
    ][-1].items()


@given(sequences)
def test_owner_lease_and_status_agree(sequence: list[tuple[Command, int]]) -> None:
    for record in play(sequence)[0]:
        owned = record.status == "running"
        assert (record.owner is not None) == owned
        assert (record.lease_until is not None) == owned
        assert record.seconds >= record.seconds_before
        assert (record.finished_at is not None) == record.is_over
        assert record.request is None or record.status in ("queued", "running")
        assert Record.model_validate_json(record.model_dump_json()) == record


@given(sequences, commands)
def test_only_the_owner_writes_as_the_owner(sequence: list[tuple[Command, int]], command: Command) -> None:
    record = play(sequence)[0][-1]
    if not isinstance(command, Renew | LogEvents | PublishResume | MarkNonReproducible | MarkRestarted):
        return
    if record.owner is None or record.owner.nonce != command.nonce:
        with pytest.raises(OwnershipLost):
            reduce(record, command, NOW)


@given(sequences, commands)
def test_a_command_again_changes_nothing_more(sequence: list[tuple[Command, int]], command: Command) -> None:
    record = play(sequence)[0][-1]
    # Free text has no position: two entries are two.
    if isinstance(command, LogEvents):
        command = LogEvents(command.nonce, tuple(e for e in command.entries if not isinstance(e, LogEntry)))
    try:
        once, _ = reduce(record, command, NOW)
        twice, events = reduce(once, command, NOW)
    except (IllegalTransition, OwnershipLost):
        return
    assert events == []
    assert twice.status == once.status
    assert twice.transitions == once.transitions


@given(sequences)
def test_at_most_one_checkpoint_has_a_role_and_best_names_it(sequence: list[tuple[Command, int]]) -> None:
    for record in play(sequence)[0]:
        best = [item for item in record.checkpoints if "best" in item.roles]
        assert [item.epoch for item in best] == ([record.best.epoch] if record.best else [])
        assert {item.epoch for item in record.checkpoints if not item.roles} == record.replaced_ms.keys()


def test_a_submitted_run_has_an_event_for_itself_and_one_for_each_piece_of_advice() -> None:
    record, events = submit(a_run(advice=(ADVICE, ADVICE)), idempotency="digest", now=NOW)
    assert [event.type for event in events] == ["state", "advice", "advice"]
    assert record.created_at == record.updated_at == record.transitions[0].time == "2026-09-21T14:13:20.000Z"
    assert (record.status, record.attempt, record.idempotency) == ("queued", 0, "digest")


@pytest.mark.parametrize(
    ("record", "request_", "status", "pending"),
    [
        (queued(), "pause", "paused", None),
        (queued(), "stop", "queued", "stop"),
        (queued(), "cancel", "cancelled", None),
        (running(), "pause", "running", "pause"),
        (running(), "stop", "running", "stop"),
        (running(), "cancel", "running", "cancel"),
        (running(), "prune", "running", "prune"),
        (after(running(), RequestAction("pause")), "prune", "running", "prune"),
        (after(running(), RequestAction("prune")), "stop", "running", "stop"),
        (paused(), "pause", "paused", None),
        (paused(), "stop", "queued", "stop"),
        (paused(), "cancel", "cancelled", None),
        (over("cancelled"), "cancel", "cancelled", None),
        (after(running(), RequestAction("pause")), "cancel", "running", "cancel"),
        (after(running(), RequestAction("cancel"), Release("first")), "cancel", "cancelled", None),
        (after(running(), RequestAction("pause"), Release("first")), "pause", "paused", None),
    ],
)
def test_a_request_is_obeyed_at_once_or_waits_for_the_owner(
    record: Record, request_: Request, status: Status, pending: Request | None
) -> None:
    asked = after(record, RequestAction(request_))
    assert (asked.status, asked.request) == (status, pending)
    again, events = reduce(asked, RequestAction(request_), NOW + 5)
    assert (again, events) == (asked, [])


@pytest.mark.parametrize(
    ("record", "command"),
    [
        (over("succeeded"), RequestAction("pause")),
        (over("succeeded"), RequestAction("cancel")),
        (over("failed"), RequestAction("stop")),
        (over("cancelled"), Resume()),
        (over("cancelled"), Claim(an_owner(), LEASE_MS)),
        (after(running(), RequestAction("cancel")), RequestAction("pause")),
        (after(running(), RequestAction("stop")), Resume()),
        (queued(), RequestAction("prune")),
        (paused(), RequestAction("prune")),
        (after(running(), RequestAction("prune")), RequestAction("pause")),
        (after(running(), RequestAction("stop")), RequestAction("prune")),
        (over("failed"), RequestAction("prune")),
        (running(), Claim(an_owner("second"), LEASE_MS)),
        (paused(), Claim(an_owner("second"), LEASE_MS)),
        (running(), Pause("first")),
        (running(), Cancel("first")),
        (after(running(), RequestAction("cancel")), Succeed("first", "epochs_done", PROVENANCE)),
    ],
)
def test_commands_that_the_status_forbids_are_refused(record: Record, command: Command) -> None:
    with pytest.raises(IllegalTransition) as refused:
        reduce(record, command, NOW)
    assert refused.value.status == record.status
    assert record.status in str(refused.value)


def test_a_resumed_run_waits_and_a_withdrawn_pause_does_not_happen() -> None:
    assert after(paused(), Resume()).status == "queued"
    withdrawn, events = reduce(after(running(), RequestAction("pause")), Resume(), NOW)
    assert (withdrawn.status, withdrawn.request) == ("running", None)
    assert [event.type for event in events] == ["state"]
    assert reduce(withdrawn, Resume(), NOW) == (withdrawn, [])


def test_a_request_stays_with_a_lost_run_and_the_next_owner_honours_it() -> None:
    lost = after(running(), RequestAction("stop"), OwnerLost(nonce="first"))
    assert (lost.status, lost.request, lost.reason) == ("queued", "stop", "worker_lost")
    stopped = after(lost, Claim(an_owner("second"), LEASE_MS), Succeed("second", "stopped_by_user", PROVENANCE))
    assert (stopped.status, stopped.request, stopped.attempt) == ("succeeded", None, 2)


def test_only_an_owner_that_is_gone_is_lost() -> None:
    record = running()
    silent = OwnerLost(lease_until=record.lease_until)
    assert reduce(record, OwnerLost(nonce="second"), NOW) == (record, [])
    # Redis's clock decides nothing, because it may have been set.
    assert reduce(record, silent, NOW - 3_600_000)[0].status == "queued"
    assert reduce(queued(), silent, NOW)[1] == []
    renewed = after(record, Renew("first"), now=NOW + 9_000)
    assert reduce(renewed, silent, NOW + 3_600_000) == (renewed, [])


def test_too_many_attempts_without_progress_fail_the_run() -> None:
    record = queued()
    for attempt in range(1, MAX_ATTEMPTS_WITHOUT_PROGRESS + 1):
        assert record.status == "queued"
        record = after(record, Claim(an_owner(str(attempt)), LEASE_MS), OwnerLost("worker", str(attempt)))
    assert (record.status, record.reason, record.attempt) == ("failed", "crash_loop", 5)
    assert record.failure is not None


@pytest.mark.parametrize(
    ("earlier", "later", "retryable"),
    [
        (None, {}, True),
        ({}, {}, False),
        ({}, {"exception": "KeyError: 'other'"}, False),
        ({}, {"exception": "KeyErrors"}, True),
        ({}, {"frame": "worker/train.py, line 2, in main"}, True),
        ({"code": "storage_full"}, {"code": "storage_full"}, True),
        ({"code": "crash_loop"}, {}, True),
    ],
)
def test_a_retry_that_fails_as_its_parent_did_is_not_retryable(
    earlier: dict[str, str] | None, later: dict[str, str], retryable: bool
) -> None:
    usual = {"exception": "KeyError: 'norm'", "frame": "worker/train.py, line 1, in main"}
    parent = None if earlier is None else FAILURE.model_copy(update={**usual, **earlier})
    retried = queued(RUN.model_copy(update={"parent_failure": parent}))
    fail = Fail("first", FAILURE.model_copy(update={**usual, **later}))
    failure = after(retried, Claim(an_owner("first"), LEASE_MS), fail).failure
    assert failure is not None
    assert failure.retryable is retryable
    assert ("failed alike" in failure.message) is not retryable


def test_a_retry_whose_attempts_die_as_those_of_its_parent_is_not_retryable() -> None:
    lost = FAILURE.model_copy(update={"code": "crash_loop"})
    record = queued(RUN.model_copy(update={"parent_failure": lost}))
    for attempt in range(1, MAX_ATTEMPTS_WITHOUT_PROGRESS + 1):
        record = after(record, Claim(an_owner(str(attempt)), LEASE_MS), OwnerLost("worker", str(attempt)))
    assert record.failure is not None
    assert (record.failure.code, record.failure.retryable) == ("crash_loop", False)


def test_progress_and_preemption_spare_the_budget() -> None:
    record = queued()
    for attempt in range(3 * MAX_ATTEMPTS_WITHOUT_PROGRESS):
        nonce = str(attempt)
        newer = (PublishResume(nonce, attempt),) if attempt % 4 == 0 else ()
        record = after(record, Claim(an_owner(nonce), LEASE_MS), *newer, OwnerLost("worker", nonce))
        record = after(record, Claim(an_owner("preempted"), LEASE_MS), Release("preempted"))
    assert record.status == "queued"
    same = after(record, Claim(an_owner(), LEASE_MS), PublishResume("first", record.resume_step))
    assert same.attempts_without_progress == record.attempts_without_progress


def test_a_restarted_run_makes_progress_only_beyond_the_state_that_it_lost() -> None:
    record = after(queued(), Claim(an_owner("0"), LEASE_MS), PublishResume("0", 20), OwnerLost("worker", "0"))
    restarted = after(record, Claim(an_owner("1"), LEASE_MS), MarkRestarted("1"))
    assert (restarted.restarted, restarted.resume_step, restarted.exact) == (True, -1, True)
    before = after(restarted, PublishResume("1", 10))
    assert (before.resume_step, before.attempts_without_progress) == (10, 1)
    beyond = after(before, PublishResume("1", 21))
    assert (beyond.resume_step, beyond.attempts_without_progress) == (21, 0)


def test_a_run_that_loses_its_resume_state_in_every_attempt_fails() -> None:
    record = after(running(), PublishResume("first", 9), OwnerLost("worker", "first"))
    for attempt in range(1, MAX_ATTEMPTS_WITHOUT_PROGRESS):
        nonce = str(attempt)
        taken = after(record, Claim(an_owner(nonce), LEASE_MS), MarkRestarted(nonce), PublishResume(nonce, 9))
        record = after(taken, OwnerLost("worker", nonce))
    assert (record.status, record.reason) == ("failed", "crash_loop")


def test_an_owner_may_repeat_the_command_that_ended_its_attempt() -> None:
    ended = over("succeeded")
    assert reduce(ended, Succeed("first", "epochs_done", PROVENANCE), NOW) == (ended, [])
    with pytest.raises(OwnershipLost):
        reduce(ended, Renew("first"), NOW)
    with pytest.raises(OwnershipLost):
        reduce(ended, Succeed("second", "epochs_done", PROVENANCE), NOW)


def test_entries_that_are_logged_already_are_dropped() -> None:
    record = after(running(), LogEvents("first", (StepEntry(1, {}), StepEntry(4, {}), EpochEntry(1, 4, {}))))
    repeated = (StepEntry(3, {}), StepEntry(4, {}), EpochEntry(1, 4, {}), StepEntry(5, {}), EpochEntry(2, 8, {}))
    resumed, events = reduce(record, LogEvents("first", repeated), NOW)
    assert [event.data for event in events] == [{"step": 5}, {"epoch": 2, "step": 8}]
    assert (resumed.logged_step, resumed.logged_epoch) == (5, 2)
    assert reduce(resumed, LogEvents("first", repeated), NOW) == (resumed, [])


def test_numbers_that_are_not_finite_are_named() -> None:
    entries = (EpochEntry(1, 10, {"train_loss": float("nan"), "validation_loss": float("inf")}, {"seconds": 0.5}),)
    record, (event,) = reduce(running(), LogEvents("first", entries), NOW)
    assert record.last is not None
    assert record.last.metrics == {"train_loss": None, "validation_loss": None}
    assert event.data == {
        "epoch": 1, "step": 10, "train_loss": None, "validation_loss": None, "seconds": 0.5,
        "non_finite": ["train_loss", "validation_loss"],
    }  # fmt: skip


def test_progress_never_goes_back() -> None:
    far = Progress(epoch=3, epochs=8, step=30, steps=80, eta_seconds=5.0)
    near = Progress(epoch=2, epochs=8, step=25, steps=80, eta_seconds=6.0)
    record = after(running(), LogEvents("first", (), far), LogEvents("first", (), near))
    assert record.progress == far.model_copy(update={"eta_seconds": 6.0})


def test_a_replaced_best_stays_for_downloads_and_is_purged_later() -> None:
    record = after(running(), a_checkpoint(1), a_checkpoint(3))
    assert [(item.epoch, item.roles) for item in record.checkpoints] == [(1, ()), (3, ("best",))]
    assert after(record, PurgeReplaced(), now=NOW + KEEP_REPLACED_MS - 1) == record
    kept = after(record, PurgeReplaced(), now=NOW + KEEP_REPLACED_MS)
    assert record.digests() - kept.digests() == {"a1"}
    assert kept.replaced_ms == {}


def test_a_resumed_run_that_reaches_an_older_best_again_changes_nothing() -> None:
    record = after(running(), a_checkpoint(1), a_checkpoint(3))
    assert reduce(record, a_checkpoint(1), NOW) == (record, [])
    assert reduce(record, a_checkpoint(3), NOW) == (record, [])


def test_the_metrics_of_the_test_split_belong_to_the_best_epoch() -> None:
    record = after(running(), a_checkpoint(2), LogEvents("first", (EpochEntry(3, 30, {"validation_loss": 0.9}),)))
    ended = after(record, Succeed("first", "epochs_done", PROVENANCE, {"test_loss": 0.25}))
    assert (ended.best, ended.last) == (
        Best(epoch=2, monitor="validation_loss", value=0.5, metrics={"validation_loss": 0.5, "test_loss": 0.25}),
        Last(epoch=3, metrics={"validation_loss": 0.9}),
    )


def test_the_last_checkpoint_may_be_the_best_too() -> None:
    best = a_checkpoint(3)
    last = Checkpoint(**{**dict(best.checkpoint), "roles": ("last",)})
    record = after(running(), best)
    published, (event,) = reduce(record, type(best)("first", last), NOW)
    assert [item.roles for item in published.checkpoints] == [("best", "last")]
    assert event.type == "checkpoint"
    assert published.best == record.best


def test_seconds_are_those_that_the_owners_report_and_not_those_of_a_clock() -> None:
    record = after(running(), Release("first", 2.0), now=NOW + 3_600_000)
    again = after(record, Claim(an_owner("second"), LEASE_MS), Renew("second", 1.5), now=NOW - 3_600_000)
    assert (record.seconds, again.public().seconds) == (2.0, 3.5)
    # A dead owner counts until its last report.
    lost = after(again, OwnerLost(nonce="second"), now=NOW + 60_000)
    assert lost.seconds == 3.5
    assert [item.status for item in lost.transitions] == ["queued", "running", "queued", "running", "queued"]


def test_a_supervisor_that_ends_an_attempt_keeps_the_seconds_that_its_owner_reported() -> None:
    record = after(running(), Renew("first", 4.0), RequestAction("cancel"), Cancel("first", actor="supervisor"))
    assert (record.status, record.seconds) == ("cancelled", 4.0)


def test_a_batch_is_carried_out_as_a_whole_or_not_at_all() -> None:
    entries = LogEvents("first", (StepEntry(1, {}),))
    record, events = reduce(running(), Batch("first", (entries, a_checkpoint(1), Release("first", 2.0))), NOW)
    assert (record.status, record.logged_step, record.seconds) == ("queued", 1, 2.0)
    assert [event.type for event in events] == ["step", "checkpoint", "state"]
    with pytest.raises(IllegalTransition):
        reduce(running(), Batch("first", (entries, Cancel("first"))), NOW)


def test_a_batch_that_ended_the_attempt_may_be_repeated() -> None:
    batch = Batch("first", (LogEvents("first", (StepEntry(1, {}),)), Release("first")))
    record = after(running(), batch)
    assert reduce(record, batch, NOW) == (record, [])
    with pytest.raises(OwnershipLost):
        reduce(record, Batch("first", batch.commands[:1]), NOW)


def test_a_run_keeps_its_first_start() -> None:
    record = after(running(), Release("first"))
    again = reduce(record, Claim(an_owner("second"), LEASE_MS), NOW + 5_000)[0]
    assert again.started_at == record.started_at


@pytest.mark.parametrize("record", [queued(), running(), over("failed")])
def test_a_run_is_renamed_in_any_state(record: Record) -> None:
    renamed, events = reduce(record, Rename("b", {"x": "y"}), NOW)
    assert (renamed.name, renamed.labels, renamed.status, events) == ("b", {"x": "y"}, record.status, [])
    again, _ = reduce(renamed, Rename(None, {"x": None, "z": "1"}, keep_name=True), NOW)
    assert (again.name, again.labels) == ("b", {"z": "1"})


def test_clients_see_the_fields_of_a_run() -> None:
    shown = running().public()
    document: dict[str, Any] = shown.model_dump(mode="json")
    assert document.keys() == Run.model_fields.keys()
    assert Run.model_validate_json(shown.model_dump_json()) == shown
