"""The faults: each chooses its victim, does harm, undoes what does not pass by itself, and names the runs it hit."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bakehouse.runs.record import Record
from tests.chaos.fire import Fire
from tests.chaos.hosts import LEASE_SECONDS
from tests.chaos.machine import FIRST, SECOND, signal_all

PAST_THE_LEASE = LEASE_SECONDS + 1.5

Inject = Callable[[Fire], list[Record]]
"""Does the harm, and returns the runs that must begin another attempt."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault; it is drawn in proportion to its weight."""

    name: str
    weight: int
    inject: Inject
    needs: str = ""
    """What the machine must give for it: `disk` or `clock`."""


FAULTS: dict[str, Fault] = {}


def fault(name: str, *, weight: int, needs: str = "") -> Callable[[Inject], Inject]:
    """Lists a fault under its name."""

    def listed(inject: Inject) -> Inject:
        FAULTS[name] = Fault(name, weight, inject, needs)
        return inject

    return listed


def send(pid: int, number: int) -> None:
    signal_all([pid] if pid > 1 else [], number)


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


# Processes that die


@fault("training process killed", weight=12)
def kill_training(fire: Fire) -> list[Record]:
    """Kills one training process."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    send(victim.owner.pid, signal.SIGKILL)
    return [victim]


@fault("worker killed", weight=5)
def kill_worker(fire: Fire) -> list[Record]:
    """Kills the worker that has started a training process; the training process goes with it."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    send(parent_of(victim.owner.pid), signal.SIGKILL)
    fire.note_survivor(victim.owner.pid)
    return [victim]


@fault("worker and training process killed", weight=4)
def kill_worker_and_training(fire: Fire) -> list[Record]:
    """Kills both in one moment."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    send(parent_of(victim.owner.pid), signal.SIGKILL)
    send(victim.owner.pid, signal.SIGKILL)
    return [victim]


def of_host(fire: Fire, host: str) -> list[Record]:
    return [record for record in fire.spare() if record.owner is not None and record.owner.host == host]


def signal_module(fire: Fire, module: str, number: int) -> None:
    """Sends a signal to one of the two hosts' processes of this kind."""
    host = fire.random.choice([FIRST, SECOND])
    fire.note_ending(host)
    for pid in fire.hosts.of_module(module, host)[:1]:
        send(pid, number)


@fault("parent of the workers killed", weight=3)
def kill_prefork(fire: Fire) -> list[Record]:
    """Kills the process that forks the workers; they save their runs and end."""
    fire.spare()
    signal_module(fire, "worker.host.prefork", signal.SIGKILL)
    return []


@fault("supervisor killed", weight=3)
def kill_supervisor(fire: Fire) -> list[Record]:
    """Kills one of the two supervisors."""
    fire.spare()
    signal_module(fire, "worker.main", signal.SIGKILL)
    return []


@fault("service killed", weight=4)
def kill_service(fire: Fire) -> list[Record]:
    """Kills one of the two services."""
    signal_module(fire, "service", signal.SIGKILL)
    return []


@fault("Redis killed", weight=4)
def kill_redis(fire: Fire) -> list[Record]:
    """Kills Redis, which `up` starts again."""
    send(fire.hosts.redis(), signal.SIGKILL)
    return []


@fault("up killed", weight=1)
def kill_up(fire: Fire) -> list[Record]:
    """Kills `bakehouse up` alone, and starts it again."""
    fire.spare()
    fire.note_ending(FIRST)
    send(fire.hosts.first.process.pid, signal.SIGKILL)
    fire.hosts.first.process.wait()
    fire.hosts.restart_first()
    return []


@fault("first host killed", weight=2)
def kill_first_host(fire: Fire) -> list[Record]:
    """Kills everything on the host of `up`, and starts it again."""
    victims = of_host(fire, FIRST)
    signal_all([found.pid for found in fire.hosts.all(FIRST)], signal.SIGKILL)
    fire.hosts.first.process.wait()
    fire.hosts.restart_first()
    return victims


@fault("second host killed", weight=2)
def kill_second_host(fire: Fire) -> list[Record]:
    """Kills everything on the host without Redis, and starts it again."""
    victims = of_host(fire, SECOND)
    signal_all([found.pid for found in fire.hosts.all(SECOND)], signal.SIGKILL)
    return victims


# Processes that are asked to end


@fault("training process terminated", weight=4)
def terminate_training(fire: Fire) -> list[Record]:
    """Asks a training process to end: it saves its run and gives it back."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    send(victim.owner.pid, signal.SIGTERM)
    return [victim]


@fault("worker terminated", weight=3)
def terminate_worker(fire: Fire) -> list[Record]:
    """Asks a worker to end."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    fire.note_ending(victim.owner.host)
    send(parent_of(victim.owner.pid), signal.SIGTERM)
    return [victim]


@fault("parent of the workers terminated", weight=1)
def terminate_prefork(fire: Fire) -> list[Record]:
    """Asks the process that forks the workers to end."""
    signal_module(fire, "worker.host.prefork", signal.SIGTERM)
    return []


@fault("supervisor terminated", weight=2)
def terminate_supervisor(fire: Fire) -> list[Record]:
    """Asks a supervisor to end with its workers."""
    signal_module(fire, "worker.main", signal.SIGTERM)
    return []


@fault("service terminated", weight=2)
def terminate_service(fire: Fire) -> list[Record]:
    """Asks a service to end."""
    signal_module(fire, "service", signal.SIGTERM)
    return []


@fault("Redis terminated", weight=2)
def terminate_redis(fire: Fire) -> list[Record]:
    """Asks Redis to end."""
    send(fire.hosts.redis(), signal.SIGTERM)
    return []


@fault("up terminated", weight=1)
def terminate_up(fire: Fire) -> list[Record]:
    """Asks `bakehouse up` to end, and starts it again."""
    fire.note_ending(FIRST)
    fire.hosts.first.end()
    fire.hosts.restart_first()
    return []


# Processes that hang


def stop_for(pids: list[int], seconds: float) -> None:
    """Stops processes for a while."""
    signal_all(pids, signal.SIGSTOP)
    time.sleep(seconds)
    signal_all(pids, signal.SIGCONT)


@fault("training process stopped past its lease", weight=2)
def stop_training(fire: Fire) -> list[Record]:
    """Stops a training process until its run has another owner, and continues it."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    send(victim.owner.pid, signal.SIGSTOP)
    try:
        fire.wait_for_recovery([victim])
    finally:
        send(victim.owner.pid, signal.SIGCONT)
    return [victim]


@fault("worker stopped past its lease", weight=1)
def stop_worker(fire: Fire) -> list[Record]:
    """Stops a worker; its training process continues."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    stop_for([pid for pid in [parent_of(victim.owner.pid)] if pid > 1], PAST_THE_LEASE)
    return []


@fault("supervisor stopped past the lease", weight=1)
def stop_supervisor(fire: Fire) -> list[Record]:
    """Stops a supervisor."""
    stop_for(fire.hosts.of_module("worker.main", fire.random.choice([FIRST, SECOND])), PAST_THE_LEASE)
    return []


@fault("second host stopped past its lease", weight=2)
def stop_second_host(fire: Fire) -> list[Record]:
    """Stops all processes of the second host until the first has taken over their runs, and continues them."""
    victims = of_host(fire, SECOND)
    stopped = [found.pid for found in fire.hosts.all(SECOND)]
    signal_all(stopped, signal.SIGSTOP)
    try:
        fire.wait_for_recovery(victims)
    finally:
        signal_all(stopped, signal.SIGCONT)
    return []


@fault("Redis slow", weight=3)
def stop_redis(fire: Fire) -> list[Record]:
    """Stops Redis for about a second."""
    stop_for([pid for pid in [fire.hosts.redis()] if pid], fire.random.uniform(0.5, 1.5))
    return []


# Redis, disk and clock


@fault("Redis out of memory", weight=2)
def fill_redis(fire: Fire) -> list[Record]:
    """Gives Redis no memory for a while. Nothing may end by that."""
    before = set()
    for host in fire.lasting_hosts():
        # A training process may end, because its run may be over.
        before.update(fire.hosts.workers(host))
        for module in ("worker.main", "worker.host.prefork", "service"):
            before.update(fire.hosts.of_module(module, host))
    fire.redis.config_set("maxmemory", 1)
    try:
        time.sleep(fire.random.uniform(1.0, 2.5))
        after = {found.pid for found in fire.hosts.all()}
    finally:
        fire.redis.config_set("maxmemory", 0)
    fire.note_deaths(before - after, "while Redis had no memory")
    return []


@fault("Redis lost the tail of its file", weight=1)
def cut_redis(fire: Fire) -> list[Record]:
    """Kills Redis, and cuts off the end of its file before `up` starts it again.

    Only what was written since this fault began is cut: an accepted run that is not on the disk is lost by right.
    """
    newest = append_only_file(fire)
    size = newest.stat().st_size
    time.sleep(fire.random.uniform(1.0, 2.5))
    up = fire.hosts.first.process.pid
    signal_all([up], signal.SIGSTOP)
    try:
        send(fire.hosts.redis(), signal.SIGKILL)
        fire.wait(lambda: not fire.hosts.redis(), seconds=10)
        grown = newest.stat().st_size - size
        # Anywhere, also in the middle of a command.
        os.truncate(newest, size + fire.random.randrange(max(1, grown)))
    finally:
        signal_all([up], signal.SIGCONT)
    return []


def append_only_file(fire: Fire) -> Path:
    """Returns the file that Redis appends to."""
    return max((fire.hosts.home / "redis" / "appendonlydir").glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)


@fault("disk full", weight=1, needs="disk")
def fill_disk(fire: Fire) -> list[Record]:
    """Fills the disk of the runs' files for a while."""
    assert fire.disk is not None
    before = fire.unfinished()
    fire.disk.fill()
    wait_and_repair(fire, before)
    return []


@fault("folder read-only", weight=1, needs="disk")
def make_read_only(fire: Fire) -> list[Record]:
    """Makes the folder of the runs' files read-only for a while."""
    assert fire.disk is not None
    before = fire.unfinished()
    if fire.wait(fire.disk.make_read_only, seconds=10):
        wait_and_repair(fire, before)
    return []


def wait_and_repair(fire: Fire, before: list[str]) -> None:
    """Waits for a while, repairs the disk, and notes that these runs may have failed: a run can fail at once."""
    assert fire.disk is not None
    try:
        time.sleep(fire.random.uniform(1.0, 2.0))
    finally:
        fire.disk.repair()
    fire.storage_failures |= set(before)


def flip_a_bit(path: Path, place: float) -> bytes:
    """Changes one bit of a file; returns what the file had."""
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(damaged)
    return content


@fault("resume state corrupted", weight=3)
def corrupt_resume_state(fire: Fire) -> list[Record]:
    """Flips a bit of a run's newest resume state, and kills its training process."""
    victim = fire.victim()
    if victim is None or victim.owner is None:
        return []
    states = (fire.hosts.home / "artifacts" / "local" / victim.id / "resume").glob("*/state.safetensors")
    newest = max(states, key=lambda path: int(path.parent.name.partition("-")[0]), default=None)
    try:
        if newest is not None:
            flip_a_bit(newest, fire.random.random())
    except FileNotFoundError:
        pass  # replaced by a newer state meanwhile
    send(victim.owner.pid, signal.SIGKILL)
    return [victim]


@fault("best checkpoint corrupted", weight=2)
def corrupt_best(fire: Fire) -> list[Record]:
    """Flips a bit of the best weights of a run that is over: no service may serve them as if they were sound."""
    # A run that reads the weights of its source meanwhile would fail, as it should.
    over = [run for run in fire.client.all_runs() if run["status"] == "succeeded" and run["id"] != fire.source_id][:20]
    if not over:
        return []
    run_id = fire.random.choice(over)["id"]
    best = fire.client.get(f"/v1/runs/{run_id}/checkpoints/best")
    path = fire.hosts.home / "artifacts" / "local" / run_id / "checkpoints" / best["sha256"] / "model.safetensors"
    sound = flip_a_bit(path, fire.random.random())
    try:
        fire.note_damaged_download(run_id, sound)
    finally:
        path.write_bytes(sound)
    return []


@fault("clock set forward or back", weight=2, needs="clock")
def jump_clock(fire: Fire) -> list[Record]:
    """Sets the clock of all processes an hour forward or back."""
    assert fire.clock is not None
    fire.spare()
    fire.clock.jump(fire.random.choice([3600, -3600]))
    return []


@fault("clock set back when the second host is killed", weight=1, needs="clock")
def jump_clock_at_a_death(fire: Fire) -> list[Record]:
    """Sets the clock back in the moment in which a host dies, so that the leases of its runs lie in the future."""
    assert fire.clock is not None
    victims = of_host(fire, SECOND)
    signal_all([found.pid for found in fire.hosts.all(SECOND)], signal.SIGKILL)
    fire.clock.jump(-3600)
    return victims


# Further changes


@fault("second host restarted with another version", weight=1)
def change_version(fire: Fire) -> list[Record]:
    """Kills the second host and starts it with another version of the workers, or with the first version again."""
    victims = of_host(fire, SECOND)
    fire.other_versions = True
    fire.hosts.second_version = "" if fire.hosts.second_version else "0.0.0+other"
    signal_all([found.pid for found in fire.hosts.all(SECOND)], signal.SIGKILL)
    return victims


@fault("paused and resumed", weight=2)
def pause_and_resume(fire: Fire) -> list[Record]:
    """Pauses a run, and resumes it once it is paused."""
    victim = fire.victim()
    if victim is None or not fire.client.act(victim.id, "pause"):
        return []
    fire.must(lambda: fire.client.run(victim.id)["status"] != "running", f"{victim.id} was not paused")
    fire.client.act(victim.id, "resume")
    return []


@fault("verified", weight=2)
def verify(fire: Fire) -> list[Record]:
    """Has a run that has succeeded trained again, killed and resumed half-way: another run for the faults to hit."""
    over = [item for item in fire.client.all_runs() if item["status"] == "succeeded" and not item["verification"]][:20]
    if over:
        fire.client.verify(fire.random.choice(over)["id"])
    return []


@fault("cancelled", weight=1)
def cancel(fire: Fire) -> list[Record]:
    """Cancels a run."""
    victim = fire.victim()
    if victim is not None and victim.id != fire.source_id:
        fire.client.act(victim.id, "cancel")
    return []
