"""Negative controls: with a guard taken away, the judge must see that something is wrong; with it, nothing."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bakehouse.runs.record import Record
from tests.chaos.fire import Fire, under_fire
from tests.chaos.judge import Permitted, Violation, judge_run
from tests.chaos.machine import signal_all
from tests.chaos.recipes import Document, kinds
from tests.chaos.reference import Results, train_all
from tests.processes import parent_of

LENGTH = 4.0
TRIES = 3
SAVED = {
    "model": "adam",
    "optimizer": "adam",
    "best": "plateau",
    "last": "adam",
    "step": "adam",
    "metrics": "adam",
    "stopper": "plateau",
    "schedule": "plateau",
    "curriculum": "self_paced",
    "cross_iteration_batch_norm": "cross_iteration",
    "hints": "hints",
    "drift": "diagnostics",
}
"""The items of a resume state, each with a kind of run that needs it."""

Disturb = Callable[[Fire, str], None]
"""Does to a run what a guard makes harmless."""


@dataclass(frozen=True)
class Control:
    """A guard, a disturbance that it makes harmless, and the kind of run that is disturbed."""

    guard: str
    disturb: Disturb
    kind: str = "adam"


def kill_the_training_process(fire: Fire, run_id: str) -> None:
    """The run resumes at an earlier step than the last that it has logged."""
    fire.must(lambda: has_logged_more_than_saved(fire.store.record(run_id)), f"{run_id} did not save and log")
    signal_all([owner_pid(fire, run_id)], signal.SIGKILL)


def terminate_the_training_process(fire: Fire, run_id: str) -> None:
    """The run resumes where it was."""
    wait_for_resume_state(fire, run_id)
    signal_all([owner_pid(fire, run_id)], signal.SIGTERM)


def kill_the_worker(fire: Fire, run_id: str) -> None:
    """The training process must go with its worker."""
    wait_for_resume_state(fire, run_id)
    pid = owner_pid(fire, run_id)
    signal_all([parent_of(pid)], signal.SIGKILL)
    fire.note_survivor(pid)


def stop_the_workers(fire: Fire, run_id: str) -> None:
    """All workers of a host stop, the other host takes over the run, and the first owner wakes up after that."""
    wait_for_resume_state(fire, run_id)
    record = fire.store.record(run_id)
    assert record.owner is not None
    stopped = [found.pid for found in fire.hosts.all(record.owner.host) if found.module.startswith("worker.")]
    signal_all(stopped, signal.SIGSTOP)
    try:
        fire.wait_for_recovery([record])
    finally:
        signal_all(stopped, signal.SIGCONT)


CONTROLS = [
    Control("contiguity", kill_the_training_process),
    Control("parent_death_signal", kill_the_worker),
    Control("fencing", stop_the_workers),
    *(Control(f"saved:{item}", terminate_the_training_process, kind) for item, kind in SAVED.items()),
]


def wait_for_resume_state(fire: Fire, run_id: str) -> None:
    fire.must(lambda: fire.store.record(run_id).resume_step > 0, f"{run_id} did not save a resume state")


def has_logged_more_than_saved(record: Record) -> bool:
    return 0 < record.resume_step < record.logged_step


def owner_pid(fire: Fire, run_id: str) -> int:
    owner = fire.store.record(run_id).owner
    assert owner is not None, f"{run_id} is over already"
    return owner.pid


def run_controls(folder: Path, *, say: Callable[[str], None]) -> list[str]:
    """Tries every control, and every disturbance with all guards in place; returns what was not as it should be."""
    expected = train_all(sorted({control.kind for control in CONTROLS}), length=LENGTH)
    sound = [Control("", disturb) for disturb in dict.fromkeys(control.disturb for control in CONTROLS)]
    wrong = []
    with under_fire(folder, Random(0)) as fire:
        recipes = kinds(fire.train_source(), length=LENGTH)
        for control in [*sound, *CONTROLS]:
            seen: list[Violation] = []
            # A state that happens to be saved at the end of an epoch does not need all items.
            for _ in range(TRIES if control.guard else 1):
                seen = seen or try_control(fire, control, recipes[control.kind], expected[control.kind].result())
            verdict = f"{control.guard or 'all guards'}, {control.disturb.__name__}: {len(seen)} violations"
            say(verdict)
            if bool(seen) is not bool(control.guard):
                wrong += [verdict, *map(str, seen)]
    return wrong


def try_control(fire: Fire, control: Control, recipe: Document, expected: Results) -> list[Violation]:
    """Trains one run, disturbs it with the guard taken away, and judges it."""
    fire.violations.clear()
    run_id = fire.client.submit(control.kind, recipe)
    fire.switch.write_text(control.guard)
    try:
        control.disturb(fire, run_id)
        fire.must(lambda: fire.store.record(run_id).is_over, f"{run_id} did not end")
        # A process that has lost the run may still write to it.
        fire.wait(lambda: not fire.hosts.trainings(), seconds=30)
    finally:
        fire.switch.unlink(missing_ok=True)
    judged = judge_run(fire.client, fire.client.history[run_id], expected, Permitted())
    return [*fire.violations, *judged]
