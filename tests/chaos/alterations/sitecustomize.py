"""Alters the product in the processes that the chaos program starts, which find this module on their PYTHONPATH.

Python imports it at its start. CHAOS_HOST is the name that the process takes for its host's. CHAOS_ALTER is a list,
separated by commas, of guards that are taken away and of facts that are changed; the product itself has no such switch.
CHAOS_DEATH names a file: a process that comes to the place that the file names, such as
`bakehouse.runs.store:Store.create:before`, deletes the file and is killed.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Alteration = Callable[[Any], None]

SAVED = "saved:"


def take_away_fencing(transitions: Any) -> None:
    """A process that has lost its run writes all the same."""
    guarded = transitions.reduce_owned

    def reduce_owned(record: Any, command: Any, now: int) -> Any:
        from bakehouse.runs.record import Owner  # noqa: PLC0415 - this module is imported before everything else

        owner = record.owner or Owner(nonce="", host="", boot_id="", pid=0, start_time=0)
        impersonated = owner.model_copy(update={"nonce": command.nonce})
        after, events = guarded(record.model_copy(update={"owner": impersonated}), command, now)
        is_same = after.owner is not None and after.owner.nonce == command.nonce
        return (after.model_copy(update={"owner": record.owner}) if is_same else after), events

    transitions.reduce_owned = reduce_owned


def take_away_contiguity(transitions: Any) -> None:
    """A resumed run logs again what it has logged before."""
    transitions.unseen_entries = lambda record, entries: iter(entries)


def take_away_parent_death_signal(exec_with_parent: Any) -> None:
    """A child lives on when its parent was killed."""
    exec_with_parent.die_with_parent = lambda parent, number: None


def change_versions(device: Any) -> None:
    """The process has another version of the program."""
    present = device.versions
    device.versions = lambda opened: {**present(opened), "bakehouse": "0.0.0+other"}


def leave_out(item: str) -> Alteration:
    """An item is missing in every resume state."""

    def alter(snapshot: Any) -> None:
        whole = snapshot.to_files

        def to_files(taken: Any) -> dict[str, bytes]:
            # A part's tensors are named `parts.NAME.`, those of the model `model.`.
            tensors = {
                name: tensor
                for name, tensor in taken.tensors.items()
                if not name.startswith((f"{item}.", f"parts.{item}."))
            }
            position = json.loads(json.dumps(taken.position))
            position.pop(item, None)
            position["parts"].pop(item, None)
            files: dict[str, bytes] = whole(snapshot.Snapshot(taken.step, tensors, position))
            return files

        snapshot.to_files = to_files

    return alter


PLACES = (
    "bakehouse.runs.artifacts:Artifacts.clean_up_after",
    "bakehouse.runs.artifacts:Artifacts.write_resume",
    "bakehouse.runs.artifacts:move_into_place",
    "bakehouse.runs.queue:WakeQueue.wake",
    "bakehouse.runs.store:Store.claim",
    "bakehouse.runs.store:Store.create",
    "worker.attempt.attempt:Attempt.end",
    "worker.attempt.checkpoint_writer:CheckpointWriter.start_resume",
    "worker.attempt.trainer:Trainer.succeed",
    "worker.host.rq_worker:PreforkWorker.fork_work_horse",
    "worker.training.training:Training.update",
)
"""Functions before and after which a process can be killed."""


def make_deadly(place: str, death: str) -> Alteration:
    """The process is killed before or after the call of a function, once the file says so."""

    def alter(module: Any) -> None:
        *holders, name = place.partition(":")[2].split(".")
        holder = getattr(module, holders[0]) if holders else module
        function = getattr(holder, name)

        def deadly(*arguments: Any, **named: Any) -> Any:
            die_at(death, f"{place}:before")
            result = function(*arguments, **named)
            die_at(death, f"{place}:after")
            return result

        setattr(holder, name, deadly)

    return alter


def die_at(death: str, moment: str) -> None:
    """Kills this process if the file names this moment; deletes the file first, so that the next process lives."""
    try:
        with open(death, encoding="utf-8") as file:  # noqa: PTH123 - in every step, and pathlib takes longer
            wanted = file.read()
    except FileNotFoundError:
        return
    if wanted == moment:
        os.unlink(death)  # noqa: PTH108
        os.kill(os.getpid(), signal.SIGKILL)


ALTERATIONS: dict[str, tuple[str, Alteration]] = {
    "fencing": ("bakehouse.runs.transitions", take_away_fencing),
    "contiguity": ("bakehouse.runs.transitions", take_away_contiguity),
    "parent_death_signal": ("bakehouse.exec_with_parent", take_away_parent_death_signal),
    "version": ("worker.device", change_versions),
}


def alteration(name: str) -> tuple[str, Alteration]:
    """Returns the module that is altered, and how."""
    if name.startswith(SAVED):
        return "worker.attempt.snapshot", leave_out(name.removeprefix(SAVED))
    return ALTERATIONS[name]


class AlteringFinder(MetaPathFinder):
    """Finds the modules to be altered, and alters each right after it was imported."""

    def __init__(self, alterations: Sequence[tuple[str, Alteration]]) -> None:
        self.alterations = alterations

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the ordinary spec of a module, whose loader also alters the module."""
        chosen = [alter for name, alter in self.alterations if name == fullname]
        spec = PathFinder.find_spec(fullname, path, target) if chosen else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            for alter in chosen:
                alter(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def alter_this_process() -> None:
    """Does what the environment says."""
    host = os.environ.get("CHAOS_HOST")
    if host:
        socket.gethostname = lambda: host
    alterations = [alteration(name) for name in os.environ.get("CHAOS_ALTER", "").split(",") if name]
    death = os.environ.get("CHAOS_DEATH")
    if death:
        alterations += [(place.partition(":")[0], make_deadly(place, death)) for place in PLACES]
    if alterations:
        sys.meta_path.insert(0, AlteringFinder(alterations))


alter_this_process()
