"""Example runs, owners, checkpoints and provenance, and functions that read the change stream."""

from typing import Any

from bakehouse.advice.advice import Advice
from bakehouse.recipe.read import read_recipe
from bakehouse.runs import stream_entries, wire
from bakehouse.runs.commands import PublishCheckpoint
from bakehouse.runs.record import Owner, new_run
from bakehouse.runs.run import Best, Checkpoint, Provenance, Run, Worker
from bakehouse.runs.store import Store

ADVICE = Advice(
    code="variance_shift", severity="warning", pointer="/dropout/0", message="Shifts.", source="Li 2019", patch=()
)
PROVENANCE = Provenance(
    recipe_sha256="0" * 64, dataset_fingerprint="sha256:0", weights_sha256=None, versions={"torch": "2.13.0"},
    device="cpu", threads=1, seed=0, exact=True, peak_memory_bytes=1, device_seconds=0.5,
)  # fmt: skip


def last_change(store: Store) -> str:
    """The id of the newest entry of the change stream."""
    entries: Any = store._redis.xrevrange(store._keys.changes(), count=1)
    return wire.text(entries[0][0]) if entries else "0-0"


def changes_after(store: Store, entry_id: str = "0-0") -> list[tuple[str, int]]:
    """The run id and the event number of each change after an entry of the change stream."""
    entries: Any = store._redis.xrange(store._keys.changes(), f"({entry_id}")
    return [(change.run_id, change.seq) for change in (stream_entries.parse_change(*entry) for entry in entries)]


def a_run(*, dataset: str = "digits", labels: dict[str, str] | None = None, advice: tuple[Advice, ...] = ()) -> Run:
    recipe = read_recipe({"dataset": dataset, "architecture": "mlp", "labels": labels or {}, "epochs": 8})
    return new_run(recipe, advice=advice, steps=80)


def an_owner(nonce: str = "first") -> Owner:
    return Owner(nonce=nonce, host="here", boot_id="boot", pid=7, start_time=1)


def a_worker(name: str) -> Worker:
    time = "2026-01-01T00:00:00.000Z"
    return Worker(
        name=name, host="here", pid=1, device="cpu", memory_bytes=1, status="idle", started_at=time, seen_at=time
    )


def a_checkpoint(epoch: int, *, nonce: str = "first", content: str = "a") -> PublishCheckpoint:
    metrics: dict[str, float | None] = {"validation_loss": 1 / epoch}
    checkpoint = Checkpoint(epoch=epoch, roles=("best",), metrics=metrics, sha256=f"{content}{epoch}", bytes=9)
    best = Best(epoch=epoch, monitor="validation_loss", value=1 / epoch, metrics=metrics)
    return PublishCheckpoint(nonce, checkpoint, best)
