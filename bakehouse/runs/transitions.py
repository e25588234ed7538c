"""The reducer: applies a command to a record. All functions are pure; `now` is in milliseconds by Redis's clock."""

from typing import assert_never

from bakehouse.model import JsonObject
from bakehouse.runs.commands import (
    Batch,
    Cancel,
    ChangePriority,
    Claim,
    Command,
    Ending,
    EpochEntry,
    Fail,
    LogEvents,
    MarkNonReproducible,
    MarkRestarted,
    NoteCleanedUp,
    NoteVerified,
    Numbers,
    OwnerCommand,
    OwnerLost,
    Pause,
    PublishCheckpoint,
    PublishResume,
    PurgeReplaced,
    Release,
    Rename,
    Renew,
    RequestAction,
    Resume,
    SingleCommand,
    StepEntry,
    Succeed,
)  # fmt: skip
from bakehouse.runs.curve import Curve, at_end, extended
from bakehouse.runs.entries import entry_event, latest_diagnostics, unseen_entries
from bakehouse.runs.errors import IllegalTransition, OwnershipLost
from bakehouse.runs.record import FORMAT, NewEvent, Record, finite, rfc3339
from bakehouse.runs.run import Best, Checkpoint, Failure, Last, Progress, Run, Transition, Verified
from bakehouse.runs.status import TERMINAL, Actor, Reason, Request, Status
from bakehouse.runs.verdicts import plain_verdict
from bakehouse.verdict.verdict import Verdict

MAX_ATTEMPTS_WITHOUT_PROGRESS = 5
# Time that a replaced checkpoint is kept, so that downloads in progress can finish.
KEEP_REPLACED_MS = 600_000

STRENGTH: dict[Request | None, int] = {None: 0, "pause": 1, "prune": 2, "stop": 3, "cancel": 4}
PARTICIPLE: dict[Request, str] = {"pause": "paused", "prune": "pruned", "stop": "stopped", "cancel": "cancelled"}

WITHOUT_OWNER: JsonObject = {"owner": None, "lease_until": None}
"""The changes to a record that take the run from its owner."""

Reduced = tuple[Record, list[NewEvent]]


def reduce(record: Record, command: Command, now: int) -> Reduced:
    """Returns the record after the command, and the events that announce it; the same record if nothing changes.

    Raises IllegalTransition if the run's state forbids the command, and OwnershipLost if the nonce is not the owner's.
    """
    match command:
        case Claim():
            return claim(record, command, now)
        case OwnerLost():
            return release_lost(record, command, now)
        case RequestAction(request="stop", cancels_new=True) if record.attempt == 0:
            return request_action(record, "cancel", now)
        case RequestAction(request=request):
            return request_action(record, request, now)
        case Resume():
            return resume(record, now)
        case Rename():
            return rename(record, command, now), []
        case ChangePriority():
            return change_priority(record, command, now), []
        case NoteVerified(verified=verified):
            return note_verified(record, verified, now), []
        case PurgeReplaced():
            return purge_replaced(record, now), []
        case NoteCleanedUp():
            return note_cleaned_up(record), []
        case _:
            return reduce_owned(record, command, now)


def rename(record: Record, command: Rename, now: int) -> Record:
    # The labels are merged here, so that none is lost if two users add labels at the same time.
    labels = {key: value for key, value in {**record.labels, **command.labels}.items() if value is not None}
    return updated(record, now, name=record.name if command.keep_name else command.name, labels=labels)


def change_priority(record: Record, command: ChangePriority, now: int) -> Record:
    """Gives a run another priority; refuses one that no longer waits."""
    if record.priority == command.priority:
        return record
    if record.is_over or (record.status == "running" and not command.even_if_running):
        raise illegal(record, "given another priority")
    return updated(record, now, priority=command.priority)


def note_verified(record: Record, verified: Verified, now: int) -> Record:
    """Notes the run that verifies this one, or its verdict. The note of the submission may come after the verdict."""
    is_late = verified.verdict is None and record.verified is not None and record.verified.run == verified.run
    return record if is_late else updated(record, now, verified=verified)


def reduce_owned(record: Record, command: OwnerCommand, now: int) -> Reduced:
    """Applies a command of an owner. The owner may repeat the command that ended its attempt."""
    if record.owner is None or record.owner.nonce != command.nonce:
        last = command.commands[-1] if isinstance(command, Batch) else command
        if isinstance(last, Ending) and last.nonce == record.released_by:
            return record, []
        raise OwnershipLost(record.id)
    match command:
        case Batch(commands=commands):
            return reduce_batch(record, commands, now)
        case Renew():
            # Users do not see a renewal as a change, so `updated_at` stays as it is.
            lease = {"lease_until": now + record.lease_ms, "seconds": seconds_after(record, command)}
            return record.model_copy(update=lease), []
        case LogEvents():
            return log(record, command, now)
        case PublishCheckpoint():
            return publish_checkpoint(record, command, now)
        case PublishResume():
            return publish_resume(record, command, now), []
        case MarkNonReproducible():
            return updated(record, now, exact=False), []
        case MarkRestarted():
            return restart(record, now), []
        case _:
            return end_attempt(record, command, now)


def reduce_batch(record: Record, commands: tuple[SingleCommand, ...], now: int) -> Reduced:
    """Applies several commands of an owner, one after the other."""
    events: list[NewEvent] = []
    for command in commands:
        record, added = reduce_owned(record, command, now)
        events += added
    return record, events


def end_attempt(record: Record, command: Ending, now: int) -> Reduced:
    """Takes the run from its owner and puts it into the state that the command names."""
    refuse_unless_requested(record, command)
    ended = {**WITHOUT_OWNER, "seconds": seconds_after(record, command), "released_by": command.nonce}
    match command:
        case Release():
            return transition_to(record, now, "queued", "preempted", "worker", **ended)
        case Pause():
            return transition_to(record, now, "paused", "paused_by_user", "worker", **ended)
        case Succeed(reason=reason, provenance=provenance):
            best = record.best and with_metrics(record.best, command.metrics)
            result = {"provenance": provenance, "best": best, "verification": command.verification}
            verdicts = verdict_fields(command.verdicts)
            return transition_to(record, now, "succeeded", reason, "worker", **ended, **result, **verdicts)
        case Fail(provenance=provenance):
            verdicts = verdict_fields(command.verdicts)
            failure = with_verdict_of_retry(command.failure, record.parent_failure)
            why = {"failure": failure, "provenance": provenance}
            return transition_to(record, now, "failed", failure.code, "worker", **ended, **why, **verdicts)
        case Cancel(actor=actor):
            return transition_to(record, now, "cancelled", "cancelled_by_user", actor, **ended)
        case _:
            assert_never(command)


def refuse_unless_requested(record: Record, command: Ending) -> None:
    """Refuses to obey a request that was withdrawn, and to finish a run that should be cancelled."""
    match command:
        case Pause() if record.request != "pause":
            raise illegal(record, "paused")
        case Cancel() if record.request != "cancel":
            raise illegal(record, "cancelled")
        case Succeed() if record.request == "cancel":
            raise illegal(record, "finished")


def submit(run: Run, *, idempotency: str | None, now: int) -> Reduced:
    """Returns the first record of a run, which is queued, with an event for this state and one for each advice."""
    submitted = {"created_at": rfc3339(now), "idempotency": idempotency, "format": FORMAT}
    record = Record(**{**dict(run), **submitted})
    queued, events = transition_to(record, now, "queued", run.reason, "service")
    advice = [NewEvent("advice", 0, item.model_dump(mode="json")) for item in run.advice]
    return queued, events + advice


def claim(record: Record, command: Claim, now: int) -> Reduced:
    """Gives a queued run an owner, even if the run has a pending request: the owner sees the request and obeys it."""
    # An owner may repeat its claim, because the first reply may have been lost.
    if record.owner is not None and record.owner.nonce == command.owner.nonce:
        return record, []
    if record.status != "queued":
        raise illegal(record, "claimed")
    claimed = {
        "owner": command.owner,
        "lease_ms": command.lease_ms,
        "lease_until": now + command.lease_ms,
        "seconds_before": record.seconds,
        "attempt": record.attempt + 1,
        "started_at": record.started_at or rfc3339(now),
    }
    return transition_to(record, now, "running", "claimed", "worker", **claimed)


def release_lost(record: Record, command: OwnerLost, now: int) -> Reduced:
    """Queues a run whose owner died, or fails it after too many attempts without progress."""
    if not is_lost(record, command):
        return record, []
    count = record.attempts_without_progress + 1
    ended = {**WITHOUT_OWNER, "attempts_without_progress": count}
    if count < MAX_ATTEMPTS_WITHOUT_PROGRESS:
        return transition_to(record, now, "queued", "worker_lost", command.actor, **ended)
    message = (
        f"{count} attempts in a row died before they saved a newer resume state. The log of the last one may say why."
    )
    failure = Failure(code="crash_loop", message=message, retryable=True)
    failure = with_verdict_of_retry(failure, record.parent_failure)
    return transition_to(record, now, "failed", "crash_loop", command.actor, **ended, failure=failure)


def with_verdict_of_retry(failure: Failure, earlier: Failure | None) -> Failure:
    """Returns the failure of a run, not retryable if the run that it retries has failed alike."""
    if earlier is None or not is_alike(failure, earlier):
        return failure
    message = f"{failure.message} The run that this one retries failed alike, so a further retry would fail too."
    return failure.model_copy(update={"retryable": False, "message": message})


def is_alike(failure: Failure, earlier: Failure) -> bool:
    """Returns whether two failures have one cause that does not pass by itself, unlike that of a full disk."""
    if failure.code not in ("internal", "crash_loop") or failure.code != earlier.code:
        return False
    # The text of an exception may name numbers and files that differ each time.
    kinds = [each.exception and each.exception.partition(":")[0] for each in (failure, earlier)]
    return kinds[0] == kinds[1] and failure.frame == earlier.frame


def is_lost(record: Record, command: OwnerLost) -> bool:
    """Returns whether the owner that the command means is lost: it still owns the run and, without a nonce, has not
    renewed the lease."""
    if record.owner is None:
        return False
    if command.nonce is None:
        return record.lease_until == command.lease_until
    return record.owner.nonce == command.nonce


def request_action(record: Record, request: Request, now: int) -> Reduced:
    """Records a request for the owner; a run without an owner is paused or cancelled at once."""
    if is_done(record, request):
        return record, []
    if record.is_over or STRENGTH[request] < STRENGTH[record.request]:
        raise illegal(record, PARTICIPLE[request])
    match record.status, request:
        case "queued" | "paused", "cancel":
            return transition_to(record, now, "cancelled", "cancelled_by_user", "service")
        case "queued", "pause":
            return transition_to(record, now, "paused", "paused_by_user", "service")
        # Only a worker can produce the result, so the run is queued, and its next owner obeys the stop.
        case "paused", "stop":
            return transition_to(record, now, "queued", "resumed", "service", request="stop", requested_ms=now)
        # A repeated request keeps its time, so that it does not delay the kill of an owner that does not obey.
        case _ if record.request == request:
            return record, []
        # Only what trains has epochs that others can be ahead of.
        case "queued" | "paused", "prune":
            raise illegal(record, "pruned")
        case _:
            return with_request(record, now, request)


def is_done(record: Record, request: Request) -> bool:
    """Returns whether the requested change has happened already."""
    match request:
        case "pause":
            return record.status == "paused"
        case "prune":
            return record.reason == "pruned"
        case "stop":
            return record.reason == "stopped_by_user"
        case "cancel":
            return record.status == "cancelled"


def resume(record: Record, now: int) -> Reduced:
    """Queues a paused run again, or withdraws a pause that the worker has not carried out yet."""
    if record.is_over or STRENGTH[record.request] > STRENGTH["pause"]:
        raise illegal(record, "resumed")
    if record.status == "paused":
        return transition_to(record, now, "queued", "resumed", "service")
    if record.request == "pause":
        return with_request(record, now, None)
    return record, []


def with_request(record: Record, now: int, request: Request | None) -> Reduced:
    """Returns the record in the same status with another request."""
    after = updated(record, now, request=request, requested_ms=now if request else None)
    return after, [state_event(after, "supervisor" if request == "prune" else "service")]


def log(record: Record, command: LogEvents, now: int) -> Reduced:
    """Appends the entries that are new: a resumed run repeats steps and epochs that it has already logged."""
    entries = list(unseen_entries(record, command.entries))
    if not entries and command.progress is None:
        return record, []
    epochs = [entry for entry in entries if isinstance(entry, EpochEntry)]
    steps = [entry.step for entry in entries if isinstance(entry, StepEntry)]
    after = updated(
        record,
        now,
        logged_step=max([record.logged_step, *steps]),
        logged_epoch=max([record.logged_epoch, *(entry.epoch for entry in epochs)]),
        curve=with_epochs(record, epochs),
        last=Last(epoch=epochs[-1].epoch, metrics=finite(epochs[-1].metrics)) if epochs else record.last,
        diagnostics={**record.diagnostics, **latest_diagnostics(entries)},
        progress=max_progress(record.progress, command.progress or record.progress),
    )
    return after, [entry_event(entry, record.attempt) for entry in entries]


def with_epochs(record: Record, epochs: list[EpochEntry]) -> Curve | None:
    """Returns the curve of the monitored metric with further epochs."""
    if not epochs:
        return record.curve
    monitor = record.recipe.evaluation.monitor
    return extended(record.curve or Curve(), {entry.epoch: entry.metrics.get(monitor) for entry in epochs}, monitor)


def with_metrics(best: Best, metrics: Numbers) -> Best:
    """Adds the metrics of the best weights on the test split."""
    return best.model_copy(update={"metrics": {**best.metrics, **finite(metrics)}})


def max_progress(old: Progress, new: Progress) -> Progress:
    """Returns the new progress, but never fewer steps or epochs than before: a resumed run repeats steps."""
    return new.model_copy(update={"step": max(old.step, new.step), "epoch": max(old.epoch, new.epoch)})


def publish_checkpoint(record: Record, command: PublishCheckpoint, now: int) -> Reduced:
    """Lists a checkpoint with its roles. Changes nothing if a resumed run reaches an earlier best epoch again."""
    new = command.checkpoint
    best = command.best or record.best
    if command.best and record.best and command.best.epoch < record.best.epoch:
        return record, []
    checkpoints = with_checkpoint(record.checkpoints, new)
    if checkpoints == record.checkpoints and best == record.best:
        return record, []
    # A checkpoint that was replaced earlier keeps its time, or it might never be purged.
    replaced = {item.epoch: record.replaced_ms.get(item.epoch, now) for item in checkpoints if not item.roles}
    published = updated(record, now, checkpoints=checkpoints, best=best, replaced_ms=replaced)
    data = {**new.model_dump(mode="json", exclude={"metrics"}), **new.metrics}
    return published, [NewEvent("checkpoint", record.attempt, data)]


def with_checkpoint(checkpoints: tuple[Checkpoint, ...], new: Checkpoint) -> tuple[Checkpoint, ...]:
    """Adds a checkpoint in order of epochs. It keeps roles that it had, and other checkpoints lose its new roles."""
    # Other weights of the same epoch, as after a restart, do not inherit the roles.
    earlier = [item for item in checkpoints if item.epoch == new.epoch and item.sha256 == new.sha256]
    roles = {*new.roles, *(role for item in earlier for role in item.roles)}
    others = [
        item.model_copy(update={"roles": tuple(role for role in item.roles if role not in new.roles)})
        for item in checkpoints
        if item.epoch != new.epoch
    ]
    # The roles are sorted, so that `publish_checkpoint` finds an unchanged list equal.
    merged = new.model_copy(update={"roles": tuple(sorted(roles))})
    return tuple(sorted([*others, merged], key=lambda item: item.epoch))


def publish_resume(record: Record, command: PublishResume, now: int) -> Record:
    """Records a newer resume state. This counts as progress, so earlier lost attempts no longer count."""
    position = {"resume_step": command.step, "resume_epoch": command.epoch, "resume_units": command.units}
    if tuple(position.values()) <= (record.resume_step, record.resume_epoch, record.resume_units):
        return record
    count = 0 if command.step > record.lost_resume_step else record.attempts_without_progress
    return updated(record, now, **position, attempts_without_progress=count)


def restart(record: Record, now: int) -> Record:
    """Marks the run as restarted, without a resume state. The lost step is kept: only steps beyond it are progress."""
    lost = max(record.lost_resume_step, record.resume_step)
    return updated(record, now, restarted=True, resume_step=-1, lost_resume_step=lost)


def purge_replaced(record: Record, now: int) -> Record:
    """Removes the checkpoints that were replaced long enough ago."""
    expired = {epoch for epoch, since in record.replaced_ms.items() if since + KEEP_REPLACED_MS <= now}
    if not expired:
        return record
    kept = tuple(item for item in record.checkpoints if item.epoch not in expired)
    replaced = {epoch: since for epoch, since in record.replaced_ms.items() if epoch not in expired}
    # Users do not see a purge as a change, so `updated_at` stays as it is.
    return record.model_copy(update={"checkpoints": kept, "replaced_ms": replaced})


def note_cleaned_up(record: Record) -> Record:
    # A run that is not over needs its resume states, and another supervisor may have been faster.
    if not record.is_over or record.is_cleaned_up:
        return record
    return record.model_copy(update={"is_cleaned_up": True})


def updated(record: Record, now: int, **changes: object) -> Record:
    """Copies the record with changes, and sets `updated_at`."""
    return record.model_copy(update={"updated_at": rfc3339(now), **changes})


def transition_to(record: Record, now: int, status: Status, reason: Reason, actor: Actor, **changes: object) -> Reduced:
    """Puts the record into a status and announces it. The request is removed if the run is paused or over."""
    time = rfc3339(now)
    transition = Transition(time=time, status=status, actor=actor, reason=reason)
    # A queued run keeps its request, for example a stop when its worker was lost; the next owner obeys it.
    if status in TERMINAL or status == "paused":
        changes |= {"request": None, "requested_ms": None}
    if status in TERMINAL:
        curve = record.curve and at_end(record.curve, record.recipe.evaluation.monitor)
        changes |= {"finished_at": time, "curve": curve}
    after = updated(record, now, status=status, reason=reason, transitions=(*record.transitions, transition), **changes)
    if not after.is_over:
        return after, [state_event(after, actor)]
    verdict = after.verdict or plain_verdict(after)
    # Clients stop reading at `end`, so nothing may follow it.
    end = {"status": status, "reason": reason, **end_of(verdict)}
    return after.model_copy(update={"verdict": verdict}), [
        state_event(after, actor),
        NewEvent("end", after.attempt, end),
    ]


def end_of(verdict: Verdict) -> JsonObject:
    """Returns what the event `end` says of a verdict."""
    patch = [step.model_dump(mode="json") for step in verdict.patch]
    return {"verdict": verdict.code, "message": verdict.message, "patch": patch}


def verdict_fields(verdicts: tuple[Verdict, ...]) -> JsonObject:
    """Returns the fields of a record for its verdicts, the gravest first."""
    return {"verdict": verdicts[0], "further_verdicts": verdicts[1:]} if verdicts else {}


def seconds_after(record: Record, command: Renew | Ending) -> float:
    """Returns the seconds of all attempts, with those of the present one as its owner reports them."""
    # A supervisor that ends an attempt in place of its owner does not know how long it lasted.
    return max(record.seconds, record.seconds_before + command.seconds)


def state_event(record: Record, actor: Actor) -> NewEvent:
    data = {"status": record.status, "reason": record.reason, "request": record.request, "actor": actor}
    return NewEvent("state", record.attempt, data)


def illegal(record: Record, action: str) -> IllegalTransition:
    return IllegalTransition(record.id, status=record.status, request=record.request, asked=action)
