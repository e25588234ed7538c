"""Names every Redis key of the runs' records, and the indexes that list a run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from bakehouse.runs.record import Record
from bakehouse.runs.run import Cell
from bakehouse.runs.status import TERMINAL, Status

# A request that is repeated after this time creates a second run.
IDEMPOTENCY_TTL_MS = 24 * 3600 * 1000
# Time for which the events of a deleted data set can still be read.
DELETED_DATASET_TTL_MS = 3600 * 1000
# Number of events of a data set that are kept, which are many while it is uploaded in small parts.
DATASET_EVENTS = 1000
# Number of entries that the change stream keeps; readers that missed more of them read the runs' own logs.
CHANGES_MAX_LENGTH = 100_000

# Placeholders for scores that commit.lua computes: the run's rank in the order of creation, and its turn to be claimed.
IN_ORDER = "order"
BY_TURN = "turn"


def digest(text: str) -> str:
    """Returns a name of fixed length for a text that a client chose."""
    return hashlib.sha256(text.encode()).hexdigest()


# Most runs have one of a few statuses, data sets and architectures.
@lru_cache(maxsize=1024)
def quoted(value: str) -> str:
    """Returns a value without colons, so that it cannot imitate another key."""
    return quote(value, safe="")


@dataclass(frozen=True, slots=True)
class Participant:
    """The waiting runs of one experiment at one priority, or those that were posted alone, or those that lost their
    worker; participants of the same priority take turns."""

    key: str
    """The key of the sorted set of the runs, ordered by creation time."""
    priority: int
    recovered: bool
    """Whether the runs lost their worker: they go ahead of the other runs of their priority."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Names the keys of one tenant."""

    tenant: str = "local"

    def run(self, run_id: str) -> str:
        """Returns the key of the hash with the record's fields as JSON and the fields that commit.lua adds."""
        return f"{self.tenant}:run:{run_id}"

    def experiment(self, experiment_id: str) -> str:
        """Returns the key of the hash of an experiment, whose fields are JSON. No run of it is claimed while its
        `request` is not null, or if as many of its runs are running as its `max_running`, which is null or a number."""
        return f"{self.tenant}:experiment:{experiment_id}"

    def experiments(self) -> str:
        """Returns the key of the sorted set of all experiments, ordered by creation time."""
        return f"{self.tenant}:experiments"

    def incomplete_experiments(self) -> str:
        """Returns the key of the sorted set of experiments that may still create runs, ordered by creation time."""
        return f"{self.tenant}:searches"

    def asked_experiments(self) -> str:
        """Returns the key of the sorted set of experiments whose runs a user has asked to pause, to stop or to
        cancel, ordered by creation time."""
        return f"{self.tenant}:asked_experiments"

    def deleted_experiments(self) -> str:
        """Returns the key of the sorted set of deleted experiments whose runs may still be there."""
        return f"{self.tenant}:deleted_experiments"

    def log(self, run_id: str) -> str:
        """Returns the key of the stream of the run's events, ordered by `seq`."""
        return f"{self.tenant}:log:{run_id}"

    def changes(self) -> str:
        """Returns the key of the change stream: an entry (run, seq) for every event of every run."""
        return f"{self.tenant}:changes"

    def dependants(self, run_id: str) -> str:
        """Returns the key of the sorted set of runs that build on this run's weights, ordered by creation time."""
        return f"{self.tenant}:dependants:{run_id}"

    def idempotency(self, key_digest: str) -> str:
        """Returns the key of the string with the run that an idempotency key created and the digest of the body."""
        return f"{self.tenant}:idempotency:{key_digest}"

    def runs(self) -> str:
        """Returns the key of the sorted set of all runs, ordered by creation time."""
        return f"{self.tenant}:runs"

    def filtered(self, field: str, value: str) -> str:
        """Returns the key of the sorted set of runs whose `field` has this value, ordered by creation time."""
        return f"{self.tenant}:runs:{field}:{quoted(value)}"

    def in_experiment(self, experiment: str, status: Status) -> str:
        """Returns the key of the sorted set of an experiment's runs with a status, ordered by creation time.
        Those that a retry has replaced are not among them."""
        return self.filtered("experiment_status", f"{experiment}:{status}")

    def asked(self, experiment: str) -> str:
        """Returns the key of the sorted set of an experiment's queued runs that were asked to stop, by creation."""
        return self.filtered("experiment_asked", experiment)

    def of_cell(self, cell: Cell) -> dict[str, str]:
        """Returns the keys by which queue.lua learns whether runs of an experiment may be claimed."""
        return {
            "id": cell.id,
            "key": self.experiment(cell.id),
            "queued": self.in_experiment(cell.id, "queued"),
            "running": self.in_experiment(cell.id, "running"),
            "asked": self.asked(cell.id),
        }

    def of_replaced(self, record: Record) -> dict[str, object] | None:
        """Returns what commit.lua changes of the run that a new run replaces in its experiment; None if the new run
        replaces no run there."""
        if record.experiment is None or record.parent_run is None or record.reason != "retried":
            return None
        indexes = [self.in_experiment(record.experiment.id, status) for status in TERMINAL]
        return {"run": record.parent_run, "key": self.run(record.parent_run), "indexes": indexes}

    def labelled(self, name: str, value: str) -> str:
        """Returns the key of the sorted set of runs with this label, ordered by creation time."""
        # A quoted name has no colon, so the colon before the value is unambiguous.
        return self.filtered("label", name) + f":{quoted(value)}"

    def filters(self, fields: Mapping[str, str | None], labels: Mapping[str, str]) -> list[str]:
        """Lists the keys of the sorted sets whose intersection is the runs that match all filters."""
        filtered = [self.filtered(field, value) for field, value in fields.items() if value is not None]
        return filtered + [self.labelled(name, value) for name, value in labels.items()]

    def claimable(self) -> str:
        """Returns the key of the sorted set of queued runs in the order of their turns to be claimed."""
        return f"{self.tenant}:waiting"

    def claimable_before(self) -> str:
        """Returns the key of the sorted set of queued runs of earlier versions, which knew no turns."""
        return f"{self.tenant}:claimable"

    def turns(self) -> str:
        """Returns the key of the hash with the turn of the latest claim at each priority at which runs wait."""
        return f"{self.tenant}:turns"

    def waiting_experiments(self) -> str:
        """Returns the key of the hash with the keys, as JSON, of each experiment that has queued runs."""
        return f"{self.tenant}:waiting_experiments"

    def participant(self, record: Record) -> Participant | None:
        """Returns the participant in whose queue the run waits; None if it does not wait."""
        if record.status != "queued":
            return None
        # A run that its user resumed keeps its place by creation; only a run that lost its worker goes ahead.
        recovered = record.reason in ("preempted", "worker_lost")
        name = "recovered" if recovered else record.experiment.id if record.experiment else "-"
        return Participant(f"{self.tenant}:waiting:{record.priority}:{quoted(name)}", record.priority, recovered)

    def leases(self) -> str:
        """Returns the key of the sorted set of runs with an owner, ordered by the end of their lease."""
        return f"{self.tenant}:leases"

    def replaced(self) -> str:
        """Returns the key of the sorted set of runs with replaced checkpoints, by the first replacement."""
        return f"{self.tenant}:replaced"

    def archivable(self) -> str:
        """Returns the key of the sorted set of finished runs that are not archived, ordered by the time they ended."""
        return f"{self.tenant}:archivable"

    def unclean(self) -> str:
        """Returns the key of the sorted set of runs that are over and may still have resume states on disk."""
        return f"{self.tenant}:unclean"

    def deleted_runs(self) -> str:
        """Returns the key of the sorted set of deleted runs of experiments whose files may still be there."""
        return f"{self.tenant}:deleted_runs"

    def marker(self) -> str:
        """Returns the key of the string with the marker of the folder that holds the runs' files."""
        return f"{self.tenant}:marker"

    def never_written(self) -> str:
        """Returns a key that does not exist, for a write that changes nothing."""
        return f"{self.tenant}:never_written"

    def workers(self) -> str:
        """Returns the key of the sorted set of worker names, ordered by the time at which they expire."""
        return f"{self.tenant}:workers"

    def worker(self, name: str) -> str:
        """Returns the key of the string, which expires, with the status that a worker published last."""
        return f"{self.tenant}:worker:{name}"

    def supervisors(self) -> str:
        """Returns the key of the sorted set of supervisors, ordered by the time at which they expire."""
        return f"{self.tenant}:supervisors"

    def searching_supervisors(self) -> str:
        """Returns the key of the sorted set of the supervisors that can carry on searches, ordered like all."""
        return f"{self.tenant}:searching_supervisors"

    def measurements(self, device: str) -> str:
        """Returns the key of the hash with what workers measured on devices of this class, by slot."""
        return f"{self.tenant}:measurements:{quoted(device)}"

    def task_processes(self) -> str:
        """Returns the key of the sorted set of task processes, ordered by the time at which they expire."""
        return f"{self.tenant}:task_processes"

    def task_process(self, name: str) -> str:
        """Returns the key of the string, which expires, with the status that a task process published last."""
        return f"{self.tenant}:task_process:{name}"

    def task_of(self, name: str) -> str:
        """Returns the key of the string with the task that the task process of this name carries out at the moment."""
        return f"{self.tenant}:task_of:{name}"

    def answer(self, task_id: str) -> str:
        """Returns the key of the list with the answer to a task, which expires if nobody collects it."""
        return f"{self.tenant}:answer:{task_id}"

    def predictions(self) -> str:
        """Returns the key of the list of messages that wait for a predictor, which expires if none takes them."""
        return f"{self.tenant}:predictions"

    def predictor(self) -> str:
        """Returns the key of the string, which expires, that says whether there is a predictor."""
        return f"{self.tenant}:predictor"

    def kept_answer(self, slot: int) -> str:
        """Returns the key of the string with an answer that is kept for repetitions of its task."""
        return f"{self.tenant}:kept_answer:{slot}"

    def process(self, name: str) -> str:
        """Returns the key of the string, which expires, with the process of a worker or a task process."""
        return f"{self.tenant}:process:{name}"

    def dataset(self, dataset_id: str) -> str:
        """Returns the key of the hash with the record of an uploaded data set as JSON, and its token and `seq`."""
        return f"{self.tenant}:dataset:{dataset_id}"

    def dataset_parts(self, dataset_id: str) -> str:
        """Returns the key of the hash of the parts that were uploaded, by their numbers."""
        return f"{self.tenant}:dataset_parts:{dataset_id}"

    def datasets(self) -> str:
        """Returns the key of the sorted set of uploaded data sets, ordered by creation time."""
        return f"{self.tenant}:datasets"

    def dataset_bytes(self) -> str:
        """Returns the key of the hash with the bytes that each uploaded data set counts for."""
        return f"{self.tenant}:dataset_bytes"

    def dataset_versions(self, name: str) -> str:
        """Returns the key of the sorted set of uploaded data sets of this name, ordered by their versions."""
        return f"{self.tenant}:dataset_versions:{quoted(name)}"

    def newest_version(self, name: str) -> str:
        """Returns the key of the string with the number of the latest version of this name, deleted ones included."""
        return f"{self.tenant}:newest_version:{quoted(name)}"

    def dataset_version(self, reference: str) -> str:
        """Returns the key of the string with the id of the version that a recipe names as `NAME@2`."""
        return f"{self.tenant}:dataset_version:{quoted(reference)}"

    def drafts(self) -> str:
        """Returns the key of the sorted set of uploads that are not complete, ordered by the time they expire."""
        return f"{self.tenant}:drafts"

    def inspectable(self) -> str:
        """Returns the key of the sorted set of data sets that wait for an inspection or have one, ordered by time."""
        return f"{self.tenant}:inspectable"

    def fetchable(self) -> str:
        """Returns the key of the sorted set of data sets that wait to be fetched or are being fetched, ordered by
        time."""
        return f"{self.tenant}:fetchable"

    def inspection_lease(self, dataset_id: str) -> str:
        """Returns the key of the string, which expires, with the process that fetches or inspects a
        data set."""
        return f"{self.tenant}:inspection_lease:{dataset_id}"

    def inspection_wake_ups(self) -> str:
        """Returns the key of the list whose items wake the processes that inspect data sets."""
        return f"{self.tenant}:inspection_wake_ups"

    def fetch_wake_ups(self) -> str:
        """Returns the key of the list whose items wake the processes that fetch data sets."""
        return f"{self.tenant}:fetch_wake_ups"

    def api_keys(self) -> str:
        """Returns the key of the hash with the records of all API keys, by id."""
        return f"{self.tenant}:api_keys"

    def api_key_ends(self) -> str:
        """Returns the key of the hash with the times from which on API keys are not accepted, by id."""
        return f"{self.tenant}:api_key_ends"

    def ended_sessions(self) -> str:
        """Returns the key of the sorted set of the sessions that were signed out, ordered by when they expire."""
        return f"{self.tenant}:ended_sessions"

    def deleted_datasets(self) -> str:
        """Returns the key of the sorted set of deleted data sets that may still have files, ordered by time."""
        return f"{self.tenant}:deleted_datasets"

    def of_queue(self) -> list[str]:
        """Returns the keys that queue.lua reads by position, in the order of its header."""
        return [self.claimable(), self.turns(), self.waiting_experiments()]

    def of_script(self, idempotency: str | None) -> list[str]:
        """Returns the keys that commit.lua reads by position, in the order of its header."""
        keys = [*self.of_queue(), self.changes(), self.runs(), self.workers()]
        return keys if idempotency is None else [*keys, self.idempotency(idempotency)]

    def indexes(self, record: Record) -> dict[str, str]:
        """Returns the keys of all sorted sets that list the run, each with the run's score."""
        by_creation = [
            self.runs(),
            self.filtered("status", record.status),
            self.filtered("dataset", record.recipe.dataset.id),
            # A list of the runs on `NAME` has those on each of its versions.
            self.filtered("dataset", record.recipe.dataset.name),
            self.filtered("architecture", record.recipe.architecture.type),
            self.filtered("recipe_sha256", record.recipe_sha256),
            *(self.labelled(name, value) for name, value in record.labels.items()),
            *map(self.dependants, record.depends_on),
            *self.of_experiment(record),
        ]
        return dict.fromkeys(by_creation, IN_ORDER) | self.queues(record)

    def of_experiment(self, record: Record) -> list[str]:
        """Returns the keys of the sorted sets of the runs of one experiment: of all, and of those in each status."""
        if record.experiment is None:
            return []
        experiment = record.experiment.id
        return [self.filtered("experiment", experiment), self.in_experiment(experiment, record.status)]

    def queues(self, record: Record) -> dict[str, str]:
        """Returns the keys of the sorted sets from which workers and supervisors take the run, with its scores."""
        queues: dict[str, str] = {}
        if participant := self.participant(record):
            queues |= {self.claimable(): BY_TURN, participant.key: BY_TURN}
            if record.experiment and record.request:
                queues[self.asked(record.experiment.id)] = IN_ORDER
        if record.lease_until is not None:
            queues[self.leases()] = str(record.lease_until)
        if record.finished_ms is not None and not record.archived:
            queues[self.archivable()] = str(record.finished_ms)
        if record.is_over and record.attempt > 0 and not record.is_cleaned_up:
            queues[self.unclean()] = IN_ORDER
        if record.replaced_ms:
            queues[self.replaced()] = str(min(record.replaced_ms.values()))
        return queues
