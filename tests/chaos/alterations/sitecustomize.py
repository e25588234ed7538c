"""Alters the product in the processes that the chaos program starts, which find this module on their PYTHONPATH.

Python imports it at its start. CHAOS_HOST is the name that the process takes for its host's; CHAOS_VERSION is another
version of the program. CHAOS_SWITCH names a file that says which guard is taken away at the moment: `fencing`,
`contiguity`, `parent_death_signal`, `saved:NAME` for an item of the resume state, or a place such as
`bakehouse.runs.store:Store.claim:before`: the first process that comes there deletes the file and is killed. The
product itself has no such switch.
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

SWITCH = os.environ.get("CHAOS_SWITCH", "")
SAVED = "saved:"


def switched() -> str:
    """Returns what the file says; empty if there is none."""
    try:
        with open(SWITCH, encoding="utf-8") as file:  # noqa: PTH123 - in every step, and pathlib takes longer
            return file.read()
    except FileNotFoundError:
        return ""


def take_away_fencing(transitions: Any) -> None:
    """A process that has lost its run writes all the same."""
    guarded = transitions.reduce_owned

    def reduce_owned(record: Any, command: Any, now: int) -> Any:
        if switched() != "fencing":
            return guarded(record, command, now)
        from bakehouse.runs.record import Owner  # noqa: PLC0415 - this module is imported before everything else

        owner = record.owner or Owner(nonce="", host="", boot_id="", pid=0, start_time=0)
        impersonated = owner.model_copy(update={"nonce": command.nonce})
        after, events = guarded(record.model_copy(update={"owner": impersonated}), command, now)
        keeps_run = after.owner is not None
        return (after.model_copy(update={"owner": record.owner}) if keeps_run else after), events

    transitions.reduce_owned = reduce_owned


def take_away_contiguity(transitions: Any) -> None:
    """A resumed run logs again what it has logged before."""
    guarded = transitions.unseen_entries
    transitions.unseen_entries = lambda record, entries: (
        iter(entries) if switched() == "contiguity" else guarded(record, entries)
    )


def take_away_parent_death_signal(exec_with_parent: Any) -> None:
    """A child lives on when its parent was killed."""
    guarded = exec_with_parent.die_with_parent

    def die_with_parent(parent: int, number: int) -> None:
        if switched() != "parent_death_signal":
            guarded(parent, number)

    exec_with_parent.die_with_parent = die_with_parent


def change_version(device: Any) -> None:
    """The process has another version of the program."""
    present = device.versions
    device.versions = lambda opened: {**present(opened), "bakehouse": os.environ["CHAOS_VERSION"]}


def leave_out_saved(snapshot: Any) -> None:
    """A resumed training has an item that a new training has, and not the one that was saved."""
    whole = snapshot.restore

    def restore(training: Any, files: Any) -> None:
        item = switched()
        if item.startswith(SAVED):
            new = snapshot.to_files(snapshot.snapshot(training, {}))
            files = with_new_item(snapshot, files, new, item.removeprefix(SAVED))
        whole(training, files)

    snapshot.restore = restore


def with_new_item(snapshot: Any, saved: Any, new: Any, item: str) -> dict[str, bytes]:
    """Returns the files of a saved state, with one item from the state of a new training."""
    from safetensors.torch import load, save  # noqa: PLC0415 - this module is imported before everything else

    position, initial = json.loads(saved[snapshot.POSITION]), json.loads(new[snapshot.POSITION])
    for holder, first in ((position, initial), (position["parts"], initial["parts"])):
        if item in holder:
            holder[item] = first[item]
    # A part's tensors are named `parts.NAME.`, those of the model `model.`.
    groups = (f"{item}.", f"parts.{item}.")
    tensors = {name: tensor for name, tensor in load(saved[snapshot.TENSORS]).items() if not name.startswith(groups)}
    tensors |= {name: tensor for name, tensor in load(new[snapshot.TENSORS]).items() if name.startswith(groups)}
    return {snapshot.POSITION: json.dumps(position).encode(), snapshot.TENSORS: save(tensors)}


PLACES = (
    "bakehouse.runs.artifacts:Artifacts.clean_up_after",
    "bakehouse.runs.artifacts:Artifacts.write_resume",
    "bakehouse.runs.artifacts:move_into_place",
    "bakehouse.runs.async_store:AsyncStore._add_wake_ups",
    "bakehouse.runs.async_store:AsyncStore.create",
    "bakehouse.runs.store:Store.claim",
    "service.routes.runs:respond_with_new_run",
    "worker.attempt.attempt:Attempt.end",
    "worker.attempt.checkpoint_writer:CheckpointWriter.start_resume",
    "worker.attempt.trainer:Trainer.succeed",
    "worker.host.rq_worker:PreforkWorker.fork_work_horse",
    "worker.training.training:Training.update",
)
"""Functions before and after which a process can be killed."""


def make_deadly(place: str) -> Alteration:
    """The process is killed before or after the call of a function, once the file says so."""

    def alter(module: Any) -> None:
        *holders, name = place.partition(":")[2].split(".")
        holder = getattr(module, holders[0]) if holders else module
        function = getattr(holder, name)

        def deadly(*arguments: Any, **named: Any) -> Any:
            die_at(f"{place}:before")
            result = function(*arguments, **named)
            die_at(f"{place}:after")
            return result

        setattr(holder, name, deadly)

    return alter


def die_at(moment: str) -> None:
    """Kills this process if the file names this moment; deletes the file first, so that the next process lives."""
    if switched() == moment:
        os.unlink(SWITCH)  # noqa: PTH108
        os.kill(os.getpid(), signal.SIGKILL)


GUARDS: list[tuple[str, Alteration]] = [
    ("bakehouse.runs.transitions", take_away_fencing),
    ("bakehouse.runs.transitions", take_away_contiguity),
    ("bakehouse.exec_with_parent", take_away_parent_death_signal),
    ("worker.attempt.snapshot", leave_out_saved),
    *((place.partition(":")[0], make_deadly(place)) for place in PLACES),
]


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
    alterations = list(GUARDS) if SWITCH else []
    if os.environ.get("CHAOS_VERSION"):
        alterations.append(("worker.device", change_version))
    if alterations:
        sys.meta_path.insert(0, AlteringFinder(alterations))


alter_this_process()
