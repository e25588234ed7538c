"""The words for where a run stands: its status, the reason for it, and what a user has asked for."""

from typing import Literal

Status = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
TERMINAL: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})

Request = Literal["pause", "prune", "stop", "cancel"]
"""What a user can ask a worker to do, or, with `prune`, a search. Ordered by strength: a stronger request replaces a
weaker one."""

Actor = Literal["service", "worker", "supervisor"]

# Stored records contain these texts, so renaming one needs a migration.
Reason = Literal[
    "submitted", "retried", "forked", "verification", "claimed", "preempted", "worker_lost", "paused_by_user",
    "resumed",
    "early_stopped", "epochs_done", "time_budget", "pruned", "stopped_by_user", "cancelled_by_user",
    "out_of_memory", "non_finite", "dataset", "dataset_changed", "checkpoint", "storage_full", "storage_unavailable",
    "crash_loop", "internal",
]  # fmt: skip
