"""Measures how long single faults interrupt a run, with nothing else to wait for: one run, free workers, and the
default lease."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from bakehouse.runs.record import Record
from bakehouse.settings import Settings
from tests.chaos.fire import Fire, under_fire
from tests.chaos.machine import FIRST, SECOND, signal_all
from tests.processes import parent_of

KILLS = 10
HOST_KILLS = 4
# It ends only when it is cancelled.
ENDLESS = {
    "dataset": "digits",
    "architecture": {"type": "mlp", "hidden": [64]},
    "epochs": 100_000,
    "early_stopping": "none",
    "evaluation": {"monitor": "validation_loss"},
}

Kill = Callable[[Fire, Record], None]


def measure_recovery(folder: Path) -> dict[str, list[float]]:
    """Returns the seconds from each kill until the run was running again, by what was killed."""
    lease = {"BAKEHOUSE_LEASE_SECONDS": str(Settings.model_fields["lease_seconds"].default)}
    with under_fire(folder, Random(0), further=lease) as fire:
        run_id = fire.client.submit("endless", ENDLESS)
        measured = {
            "training process": [measure(fire, run_id, kill_training) for _ in range(KILLS)],
            "worker and training process": [measure(fire, run_id, kill_worker) for _ in range(KILLS)],
            "host of the run": [measure(fire, run_id, kill_host) for _ in range(HOST_KILLS)],
            "everything": [measure(fire, run_id, kill_everything) for _ in range(HOST_KILLS)],
        }
        fire.client.act(run_id, "cancel")
    return measured


def measure(fire: Fire, run_id: str, kill: Kill) -> float:
    """Kills something and returns the seconds until the run is running again."""
    fire.must(lambda: is_settled(fire, run_id), f"{run_id} did not train")
    victim = fire.store.record(run_id)
    started = time.monotonic()
    kill(fire, victim)
    fire.hosts.keep_running()
    fire.wait_for_recovery([victim])
    return time.monotonic() - started


def is_settled(fire: Fire, run_id: str) -> bool:
    """Returns whether the run trains, has saved its progress since its last loss, and all workers are there."""
    record = fire.store.record(run_id)
    workers: list[Any] = fire.client.get("/v1/workers")["data"]
    is_safe = record.status == "running" and record.attempts_without_progress == 0 and record.resume_step > 0
    # One of the workers trains the run.
    idle = sum(worker["status"] == "idle" for worker in workers)
    return is_safe and idle >= len(fire.hosts.workers()) - 1 > 0


def kill_training(fire: Fire, victim: Record) -> None:
    """Kills the training process."""
    signal_all([pid_of(victim)], signal.SIGKILL)


def kill_worker(fire: Fire, victim: Record) -> None:
    """Kills the worker, and with it its training process."""
    signal_all([parent_of(pid_of(victim)), pid_of(victim)], signal.SIGKILL)


def kill_host(fire: Fire, victim: Record) -> None:
    """Kills all workers, the supervisor and the service of the run's host; the other host takes the run."""
    assert victim.owner is not None
    signal_all([found.pid for found in fire.hosts.all(victim.owner.host) if found.module], signal.SIGKILL)


def kill_everything(fire: Fire, victim: Record) -> None:
    """Kills all processes of both hosts, Redis too, and starts them again."""
    for host in (FIRST, SECOND):
        signal_all([found.pid for found in fire.hosts.all(host)], signal.SIGKILL)
    fire.hosts.first.process.wait()
    for process in (fire.hosts.second_service, fire.hosts.second_workers):
        assert process is not None
        process.wait()
    fire.hosts.restart_first()


def pid_of(victim: Record) -> int:
    assert victim.owner is not None
    return victim.owner.pid
