"""The reducer: what each command makes of a record. Pure; `now` is milliseconds by Redis's clock."""

from typing import Any, assert_never

from bakehouse.runs.commands import (
    Ask,
    Cancel,
    Claim,
    Command,
    Ending,
    EpochEntry,
    Fail,
    Forget,
    LogEvents,
    Lost,
    MarkNonReproducible,
    MarkRestarted,
    OwnerCommand,
    Pause,
    PublishCheckpoint,
    PublishResume,
    Release,
    Rename,
    Renew,
    Resume,
    StepEntry,
    Succeed,
)  # fmt: skip
from bakehouse.runs.entries import entry_event, found, fresh
from bakehouse.runs.errors import IllegalTransition, OwnershipLost
from bakehouse.runs.record import NewEvent, Record, finite, rfc3339
from bakehouse.runs.run import TERMINAL, Actor, Checkpoint, Failure, Progress, Reason, Request, Run, Status, Transition

MAX_ATTEMPTS_WITHOUT_PROGRESS = 5
# Downloads of a checkpoint that was replaced may take so long.
KEEP_REPLACED_MS = 600_000

STRENGTH: dict[Request | None, int] = {None: 0, "pause": 1, "stop": 2, "cancel": 3}
PARTICIPLE: dict[Request, str] = {"pause": "paused", "stop": "stopped", "cancel": "cancelled"}

Reduced = tuple[Record, list[NewEvent]]


def reduce(record: Record, command: Command, now: int) -> Reduced:
    """The record after the command, and the events that tell of it; the same record if nothing changes.

    Raises IllegalTransition where the state forbids it, OwnershipLost where the nonce is not the owner's.
    """
    match command:
        case Claim():
            return claim(record, command, now)
        case Lost():
            return lose(record, command, now)
        case Ask(request=request):
            return ask(record, request, now)
        case Resume():
            return resume(record, now)
        case Rename():
            return rename(record, command, now), []
        case Forget():
            return forget(record, now), []
        case _:
            return reduce_owned(record, command, now)


def rename(record: Record, command: Rename, now: int) -> Record:
    """Name and labels are merged here, so that two who change them at once lose nothing."""
    labels = {key: value for key, value in {**record.labels, **command.labels}.items() if value is not None}
    return changed(record, now, name=record.name if command.keep_name else command.name, labels=labels)


def reduce_owned(record: Record, command: OwnerCommand, now: int) -> Reduced:
    """What an owner's command makes of its record."""
    if record.owner is None or record.owner.nonce != command.nonce:
        if isinstance(command, Ending) and command.nonce == record.released_by:
            return record, []
        raise OwnershipLost(record.id)
    match command:
        case Renew():
            return record.model_copy(update={"lease_until": now + record.lease_ms}), []
        case LogEvents():
            return log(record, command, now)
        case PublishCheckpoint():
            return publish_checkpoint(record, command, now)
        case PublishResume(step=step):
            return publish_resume(record, step, now), []
        case MarkNonReproducible():
            return changed(record, now, exact=False), []
        case MarkRestarted():
            return restart(record, now), []
        case _:
            return end_attempt(record, command, now)


def end_attempt(record: Record, command: Ending, now: int) -> Reduced:
    """The owner gives the run away, in the state that the command says."""
    refuse_unless_asked(record, command)
    left = {**without_owner(record, now), "released_by": command.nonce}
    match command:
        case Release():
            return moved(record, now, "queued", "preempted", "worker", **left)
        case Pause():
            return moved(record, now, "paused", "paused_by_user", "worker", **left)
        case Succeed(reason=reason, provenance=provenance):
            metrics = {**record.metrics, **finite(command.metrics)}
            return moved(record, now, "succeeded", reason, "worker", **left, provenance=provenance, metrics=metrics)
        case Fail(failure=failure, provenance=provenance):
            return moved(record, now, "failed", failure.code, "worker", **left, failure=failure, provenance=provenance)
        case Cancel(actor=actor):
            return moved(record, now, "cancelled", "cancelled_by_user", actor, **left)
        case _:
            assert_never(command)


def refuse_unless_asked(record: Record, command: Ending) -> None:
    """Obeys only what is still asked for; a run that was asked to be cancelled does not succeed."""
    match command:
        case Pause() if record.request != "pause":
            raise illegal(record, "paused")
        case Cancel() if record.request != "cancel":
            raise illegal(record, "cancelled")
        case Succeed() if record.request == "cancel":
            raise illegal(record, "finished")


def submit(run: Run, *, idempotency: str | None, now: int) -> Reduced:
    """The first record of a run: queued, with an event for itself and one for each piece of advice."""
    record = Record(**dict(run), idempotency=idempotency).model_copy(update={"created_at": rfc3339(now)})
    queued, events = moved(record, now, "queued", run.reason, "service")
    advice = [NewEvent("advice", 0, item.model_dump(mode="json")) for item in run.advice]
    return queued, events + advice


def claim(record: Record, command: Claim, now: int) -> Reduced:
    """A queued run gets an owner, whatever is asked of it: the owner sees the request and honours it."""
    if record.owner is not None and record.owner.nonce == command.owner.nonce:
        return record, []
    if record.status != "queued":
        raise illegal(record, "claimed")
    taken = {
        "owner": command.owner,
        "lease_ms": command.lease_ms,
        "lease_until": now + command.lease_ms,
        "claimed_ms": now,
        "attempt": record.attempt + 1,
        "started_at": record.started_at or rfc3339(now),
    }
    return moved(record, now, "running", "claimed", "worker", **taken)


def lose(record: Record, command: Lost, now: int) -> Reduced:
    """A run whose owner died waits for another, until too many attempts made no progress."""
    if not is_lost(record, command, now):
        return record, []
    count = record.attempts_without_progress + 1
    left = {**without_owner(record, min(now, record.lease_until or now)), "attempts_without_progress": count}
    if count < MAX_ATTEMPTS_WITHOUT_PROGRESS:
        return moved(record, now, "queued", "worker_lost", command.actor, **left)
    message = f"{count} attempts in a row died without a newer resume state."
    failure = Failure(code="crash_loop", message=message, retryable=True)
    return moved(record, now, "failed", "crash_loop", command.actor, **left, failure=failure)


def is_lost(record: Record, command: Lost, now: int) -> bool:
    """Whether the owner that the command means is gone; a renewed lease and another owner are not."""
    if record.owner is None or record.lease_until is None:
        return False
    if command.nonce is None:
        return record.lease_until < now
    return record.owner.nonce == command.nonce


def ask(record: Record, request: Request, now: int) -> Reduced:
    """Notes a request for the owner; what nobody owns is paused or cancelled at once."""
    if is_done(record, request):
        return record, []
    if record.is_over or STRENGTH[request] < STRENGTH[record.request]:
        raise illegal(record, PARTICIPLE[request])
    match record.status, request:
        case "queued" | "paused", "cancel":
            return moved(record, now, "cancelled", "cancelled_by_user", "service")
        case "queued", "pause":
            return moved(record, now, "paused", "paused_by_user", "service")
        case "paused", "stop":
            return moved(record, now, "queued", "resumed", "service", request="stop", requested_ms=now)
        case _ if record.request == request:
            return record, []
        case _:
            return requested(record, now, request)


def is_done(record: Record, request: Request) -> bool:
    """Whether what is asked for has happened."""
    match request:
        case "pause":
            return record.status == "paused"
        case "stop":
            return record.reason == "stopped_by_user"
        case "cancel":
            return record.status == "cancelled"


def resume(record: Record, now: int) -> Reduced:
    """A paused run waits for a worker again; a pause that has not happened is withdrawn."""
    if record.is_over or STRENGTH[record.request] > STRENGTH["pause"]:
        raise illegal(record, "resumed")
    if record.status == "paused":
        return moved(record, now, "queued", "resumed", "service")
    if record.request == "pause":
        return requested(record, now, None)
    return record, []


def requested(record: Record, now: int, request: Request | None) -> Reduced:
    """The same status with another request."""
    asked = changed(record, now, request=request, requested_ms=now if request else None)
    return asked, [state_event(asked, "service")]


def log(record: Record, command: LogEvents, now: int) -> Reduced:
    """Appends what is new; repeated steps and epochs of a resumed run are dropped."""
    entries = list(fresh(record, command.entries))
    if not entries and command.progress is None:
        return record, []
    epochs = [entry for entry in entries if isinstance(entry, EpochEntry)]
    steps = [entry.step for entry in entries if isinstance(entry, StepEntry)]
    logged = changed(
        record,
        now,
        logged_step=max([record.logged_step, *steps]),
        logged_epoch=max([record.logged_epoch, *(entry.epoch for entry in epochs)]),
        metrics=finite(epochs[-1].metrics) if epochs else record.metrics,
        diagnostics={**record.diagnostics, **found(entries)},
        progress=furthest(record.progress, command.progress or record.progress),
    )
    return logged, [entry_event(entry, record.attempt) for entry in entries]


def furthest(old: Progress, new: Progress) -> Progress:
    """The new progress; a resumed run that repeats steps does not show less than before."""
    return new.model_copy(update={"step": max(old.step, new.step), "epoch": max(old.epoch, new.epoch)})


def publish_checkpoint(record: Record, command: PublishCheckpoint, now: int) -> Reduced:
    """Moves roles to the checkpoint. A resumed run that comes by an older best again changes nothing."""
    new, best = command.checkpoint, command.best or record.best
    if command.best and record.best and command.best.epoch < record.best.epoch:
        return record, []
    checkpoints = with_checkpoint(record.checkpoints, new)
    if checkpoints == record.checkpoints and best == record.best:
        return record, []
    replaced = {item.epoch: record.replaced_ms.get(item.epoch, now) for item in checkpoints if not item.roles}
    published = changed(record, now, checkpoints=checkpoints, best=best, replaced_ms=replaced)
    data = {**new.model_dump(mode="json", exclude={"metrics"}), **new.metrics}
    return published, [NewEvent("checkpoint", record.attempt, data)]


def with_checkpoint(checkpoints: tuple[Checkpoint, ...], new: Checkpoint) -> tuple[Checkpoint, ...]:
    """By epoch; the new one takes its roles from the others and keeps those that it had."""
    held = tuple(role for item in checkpoints if item.sha256 == new.sha256 and item.epoch == new.epoch
                 for role in item.roles if role not in new.roles)  # fmt: skip
    others = [
        item.model_copy(update={"roles": tuple(role for role in item.roles if role not in new.roles)})
        for item in checkpoints
        if item.epoch != new.epoch
    ]
    whole = new.model_copy(update={"roles": tuple(sorted(held + new.roles))})
    return tuple(sorted([*others, whole], key=lambda item: item.epoch))


def publish_resume(record: Record, step: int, now: int) -> Record:
    """A newer resume state is progress: lost attempts are forgiven."""
    if step <= record.resume_step:
        return record
    count = 0 if step > record.lost_resume_step else record.attempts_without_progress
    return changed(record, now, resume_step=step, attempts_without_progress=count)


def restart(record: Record, now: int) -> Record:
    """Without a resume state, as at first; a run that loses its states again and again makes no progress."""
    lost = max(record.lost_resume_step, record.resume_step)
    return changed(record, now, restarted=True, resume_step=-1, lost_resume_step=lost)


def forget(record: Record, now: int) -> Record:
    """Without the checkpoints that were replaced long enough ago."""
    old = {epoch for epoch, since in record.replaced_ms.items() if since + KEEP_REPLACED_MS <= now}
    if not old:
        return record
    kept = tuple(item for item in record.checkpoints if item.epoch not in old)
    replaced = {epoch: since for epoch, since in record.replaced_ms.items() if epoch not in old}
    return record.model_copy(update={"checkpoints": kept, "replaced_ms": replaced})


def changed(record: Record, now: int, **changes: Any) -> Record:
    """A copy with changes that users may notice."""
    return record.model_copy(update={"updated_at": rfc3339(now), **changes})


def moved(record: Record, now: int, status: Status, reason: Reason, actor: Actor, **changes: Any) -> Reduced:
    """The record in another status, with the events that say so. A request outlives only a wait for an owner."""
    time = rfc3339(now)
    transition = Transition(time=time, status=status, actor=actor, reason=reason)
    if status in TERMINAL or status == "paused":
        changes |= {"request": None, "requested_ms": None}
    if status in TERMINAL:
        changes |= {"finished_at": time}
    after = changed(record, now, status=status, reason=reason, transitions=(*record.transitions, transition), **changes)
    end = [NewEvent("end", after.attempt, {"status": status, "reason": reason})] if after.is_over else []
    return after, [state_event(after, actor), *end]


def without_owner(record: Record, now: int) -> dict[str, Any]:
    """The changes when an attempt ends."""
    spent = record.seconds_until(now)
    return {"owner": None, "lease_until": None, "claimed_ms": None, "seconds": spent}


def state_event(record: Record, actor: Actor) -> NewEvent:
    """Tells of a status or a request."""
    data = {"status": record.status, "reason": record.reason, "request": record.request, "actor": actor}
    return NewEvent("state", record.attempt, data)


def illegal(record: Record, asked: str) -> IllegalTransition:
    """The error with the state."""
    return IllegalTransition(record.id, status=record.status, request=record.request, asked=asked)
