"""Every Redis key of the record, its time to live, and the indexes that list a run."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from bakehouse.runs.record import Record

IDEMPOTENCY_TTL_MS = 24 * 3600 * 1000
# A change entry is two short fields; readers that missed more than this read the runs' own logs.
CHANGES_MAX_LENGTH = 100_000

# Scores that the script replaces: the run's rank in the order of creation, and the same rank before all new runs.
IN_ORDER = "order"
BEFORE_NEW = "recovered"


def digest(text: str) -> str:
    """Returns a name of fixed length for text that a client chose."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """Names the keys of one tenant."""

    tenant: str = "local"

    def run(self, run_id: str) -> str:
        """Hash of the record's fields as JSON, with the fields that the script adds."""
        return f"{self.tenant}:run:{run_id}"

    def log(self, run_id: str) -> str:
        """Stream of the run's events by `seq`."""
        return f"{self.tenant}:log:{run_id}"

    def changes(self) -> str:
        """Stream of (run, seq) for every event of every run."""
        return f"{self.tenant}:changes"

    def dependants(self, run_id: str) -> str:
        """Sorted set of the runs that build on the run's weights, by creation."""
        return f"{self.tenant}:dependants:{run_id}"

    def idempotency(self, key_digest: str) -> str:
        """String with the run that a client's key created, and the digest of the request's body."""
        return f"{self.tenant}:idempotency:{key_digest}"

    def runs(self) -> str:
        """Sorted set of all runs by creation."""
        return f"{self.tenant}:runs"

    def filtered(self, field: str, value: str) -> str:
        """Sorted set of the runs whose `field` has that value, by creation."""
        return f"{self.tenant}:runs:{field}:{quote(value, safe='')}"

    def labelled(self, name: str, value: str) -> str:
        """Sorted set of the runs with that label, by creation."""
        return self.filtered("label", name) + f":{quote(value, safe='')}"

    def filters(self, fields: Mapping[str, str | None], labels: Mapping[str, str]) -> list[str]:
        """Lists the sorted sets whose intersection is the runs that match."""
        filtered = [self.filtered(field, value) for field, value in fields.items() if value is not None]
        return filtered + [self.labelled(name, value) for name, value in labels.items()]

    def claimable(self) -> str:
        """Sorted set of the queued runs: recovered ones first, then the oldest."""
        return f"{self.tenant}:claimable"

    def leases(self) -> str:
        """Sorted set of the running runs by the end of their lease."""
        return f"{self.tenant}:leases"

    def replaced(self) -> str:
        """Sorted set of the runs with replaced checkpoints, by when the first was replaced."""
        return f"{self.tenant}:replaced"

    def marker(self) -> str:
        """String with the marker of the folder that holds the runs' files."""
        return f"{self.tenant}:marker"

    def workers(self) -> str:
        """Sorted set of worker names by when they expire."""
        return f"{self.tenant}:workers"

    def worker(self, name: str) -> str:
        """String with the status that a worker published last; it expires."""
        return f"{self.tenant}:worker:{name}"

    def indexes(self, record: Record) -> dict[str, str]:
        """Returns every sorted set that lists the run, with its score there."""
        by_creation = [
            self.runs(),
            self.filtered("status", record.status),
            self.filtered("dataset", record.recipe.dataset.id),
            self.filtered("architecture", record.recipe.architecture.type),
            self.filtered("recipe_sha256", record.recipe_sha256),
            *(self.labelled(name, value) for name, value in record.labels.items()),
            *map(self.dependants, record.depends_on),
        ]
        return dict.fromkeys(by_creation, IN_ORDER) | self.queues(record)

    def queues(self, record: Record) -> dict[str, str]:
        """Returns the sorted sets from which workers and supervisors take runs, with the run's score."""
        queues: dict[str, str] = {}
        if record.status == "queued":
            recovered = record.reason in ("preempted", "worker_lost")
            queues[self.claimable()] = BEFORE_NEW if recovered else IN_ORDER
        if record.lease_until is not None:
            queues[self.leases()] = str(record.lease_until)
        if record.replaced_ms:
            queues[self.replaced()] = str(min(record.replaced_ms.values()))
        return queues
