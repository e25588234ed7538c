"""Judges the runs by the public API, the files and the keys: what is not as if nothing had ever been disturbed.

Only the last two functions look into the folder and into Redis; all others see what a client sees.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from redis import Redis

from bakehouse.runs.wire import texts
from tests.chaos.client import Accepted, Client
from tests.chaos.reference import Results, read_weights

Fault = Literal["lost", "doubled", "log", "not identical", "status", "seconds", "orphan", "death", "file", "key"]
STORAGE = ("storage_full", "storage_unavailable")
# A second for the answers in which a run's begin and end are seen.
SECONDS_TOLERANCE = 2.0


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    fault: Fault
    run_id: str
    text: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.run_id} {self.text}"


@dataclass(frozen=True)
class Permitted:
    """What may differ from an undisturbed run, because faults were injected that may cause it."""

    storage_failures: frozenset[str] = frozenset()
    """Runs that were not over while their disk could not be written."""
    other_versions: bool = False
    """Whether a host had another version for a while, so that runs may be marked as not exact."""


def judge_list(client: Client, history: Mapping[str, Accepted]) -> list[Violation]:
    """Compares the runs that the service lists with the accepted ones."""
    listed = [run["id"] for run in client.all_runs()]
    lost = [Violation("lost", run_id, "was accepted and is not listed") for run_id in history.keys() - set(listed)]
    doubled = [
        Violation("doubled", run_id, "is listed and no answer named it, or is listed twice")
        for run_id in listed
        if run_id not in history or listed.count(run_id) > 1
    ]
    return lost + doubled


def judge_run(client: Client, accepted: Accepted, expected: Results, permitted: Permitted) -> list[Violation]:
    """Judges one run, its log and its weights."""
    run_id = accepted.run_id
    run, events = client.run(run_id), client.events(run_id)
    texts: list[tuple[Fault, str]] = [("log", text) for text in judge_log(run, events)]
    if run["status"] == "succeeded":
        texts += [("not identical", text) for text in judge_numbers(run, events, expected)]
        texts += [("not identical", text) for text in judge_weights(client, run_id, expected)]
    else:
        texts += [("not identical", text) for text in judge_beginning(events, expected)]
    texts += [("status", text) for text in judge_status(run, events, accepted, permitted)]
    return [Violation(fault, run_id, f"({accepted.kind}) {text}") for fault, text in texts]


def judge_log(run: Any, events: list[Any]) -> Iterable[str]:
    """Yields what is wrong with the order of a log: gaps, repetitions, a missing or a second end."""
    if [event["seq"] for event in events] != list(range(1, len(events) + 1)):
        yield "its log has a gap or a repeated number"
    ends = [event["data"]["status"] for event in events if event["type"] == "end"]
    if ends != [run["status"]] or events[-1]["type"] != "end":
        yield f"its log has the ends {ends} and ends with {events[-1]['type']}, its status is {run['status']}"
    for kind, field in (("step", "step"), ("epoch", "epoch")):
        numbers = [event["data"][field] for event in events if event["type"] == kind]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            yield f"its {kind}s do not rise"
    attempts = [event["attempt"] for event in events]
    if attempts != sorted(attempts):
        yield "an earlier attempt wrote after a later one"


def judge_numbers(run: Any, events: list[Any], expected: Results) -> Iterable[str]:
    """Yields which metrics are not those of the undisturbed run."""
    for kind, wanted in (("step", expected.steps), ("epoch", expected.epochs), ("diagnostic", expected.diagnostics)):
        found = data_of(events, kind)
        if found != wanted:
            yield f"{kind}: {first_difference(found, wanted)}"
    metrics = {**run["best"]["metrics"], **run["last"]["metrics"]}
    if metrics != expected.metrics:
        yield f"its final metrics are {metrics}, not {expected.metrics}"
    if run["verification"] and run["verification"]["verdict"] != "identical":
        yield f"its verification says {run['verification']}"
    if run["reason"] != expected.reason:
        yield f"it ended by {run['reason']}, not by {expected.reason}"


def judge_beginning(events: list[Any], expected: Results) -> Iterable[str]:
    """Yields what is wrong with the log of a run that did not train to its end."""
    for kind, wanted in (("step", expected.steps), ("epoch", expected.epochs)):
        found = data_of(events, kind)
        if found != wanted[: len(found)]:
            yield f"{kind}: {first_difference(found, wanted)}"


def data_of(events: list[Any], kind: str) -> list[Any]:
    """Returns the data of the events of a kind, without what depends on the clock."""
    return [
        {name: value for name, value in event["data"].items() if name != "seconds"}
        for event in events
        if event["type"] == kind
    ]


def first_difference(found: list[Any], wanted: list[Any]) -> str:
    for place, (left, right) in enumerate(zip(found, wanted, strict=False)):
        if left != right:
            return f"number {place + 1} is {left}, not {right}"
    return f"{len(found)} of {len(wanted)} are logged"


def judge_weights(client: Client, run_id: str, expected: Results) -> Iterable[str]:
    """Yields which checkpoints are damaged, or hold other bits than those of the undisturbed run."""
    for role, wanted in (("best", expected.best), ("last", expected.last)):
        path = f"/v1/runs/{run_id}/checkpoints/{role}"
        response = client.call("GET", f"{path}/model.safetensors")
        if not response.is_success:
            yield f"its {role} checkpoint is answered with {response.status_code}"
            continue
        if hashlib.sha256(response.content).hexdigest() != client.get(path)["sha256"]:
            yield f"its {role} checkpoint has not the digest that is recorded"
        elif read_weights(response.content) != wanted:
            yield f"its {role} weights have other bits"


def judge_status(run: Any, events: list[Any], accepted: Accepted, permitted: Permitted) -> Iterable[str]:
    """Yields what is wrong with the end of a run and with what it says about itself."""
    match run["status"]:
        case "succeeded" | "cancelled" if accepted.cancelled is (run["status"] == "cancelled"):
            pass
        case "failed" if run["reason"] in STORAGE and run["id"] in permitted.storage_failures:
            pass
        case status:
            yield f"is {status} ({run['reason']}), its failure is {run['failure']}, cancelled: {accepted.cancelled}"
    codes = {event["data"]["code"] for event in events if event["type"] == "log"}
    if run["exact"] is ("inexact" in codes) or (not run["exact"] and not permitted.other_versions):
        yield f"says exact: {run['exact']}, and its log has {sorted(codes)}"
    if run["restarted"] is not ("restarted" in codes):
        yield f"says restarted: {run['restarted']}, and its log has {sorted(codes)}"


def judge_seconds(run: Any, elapsed: float) -> list[Violation]:
    """Judges the time that a run says it took, given the time that passed since it was accepted."""
    if 0 <= run["seconds"] <= elapsed + SECONDS_TOLERANCE:
        return []
    text = f"says that it ran for {run['seconds']:.1f} s, and was accepted {elapsed:.1f} s ago"
    return [Violation("seconds", run["id"], text)]


# Files and keys

FILES = [
    r"lock", r"logs/\w+\.log(\.\d+)?", r"redis/(lock|redis\.conf|redis\.sock)",
    r"redis/appendonlydir/appendonly\.aof(\.manifest|\.\d+\.(base|incr)\.(aof|rdb))",
    r"artifacts/local/marker/(id|manifest\.json)",
    r"artifacts/local/run_\w{12}/checkpoints/[0-9a-f]{64}/(model\.safetensors|manifest\.json)",
    r"artifacts/local/run_\w{12}/attempts/\d+\.log",
    r"artifacts/local/run_\w{12}/log/(log\.jsonl\.zst|manifest\.json)",
    r"datasets/.*",
]  # fmt: skip
RUN = r"run_\w{12}"
KEYS = [
    rf"local:(run|log|dependants):{RUN}",
    r"local:(api_keys|api_key_ends|ended_sessions)",
    r"local:(changes|runs|replaced|archivable|marker|workers|task_processes|(searching_)?supervisors)",
    r"local:runs:\w+:.*", r"local:measurements:.*",
    r"local:idempotency:[0-9a-f]{64}", r"local:worker:.*",
    r"rq:(workers|queues|workers:(bakehouse|tasks)|queue:bakehouse)", r"rq:worker:.*",
    # Lists of jobs, from which RQ removes what is old once a minute.
    r"rq:(finished|failed|wip|canceled):bakehouse", r"rq:queue:bakehouse:intermediate",
]  # fmt: skip


def judge_files(home: Path) -> list[Violation]:
    """Lists the files that nothing needs once all runs are over."""
    names = [str(path.relative_to(home)) for path in home.rglob("*") if not path.is_dir()]
    return [Violation("file", "", name) for name in names if not any(re.fullmatch(form, name) for form in FILES)]


def judge_keys(redis: "Redis", known: Iterable[str]) -> list[Violation]:
    """Lists the keys that nothing needs once all runs are over, and those of runs that were never accepted.

    A key that expires by itself may be there for a while.
    """
    runs = set(known)
    listed = listed_jobs(redis)
    violations = []
    for key in redis.scan_iter(count=1000):
        name = key.decode()
        unknown = set(re.findall(rf"^local:(?:run|log):({RUN})$", name)) - runs
        is_expected = (any(re.fullmatch(form, name) for form in KEYS) and not unknown) or name in listed
        if not is_expected and redis.ttl(key) == -1:
            violations.append(Violation("key", "", name))
    return violations


def listed_jobs(redis: "Redis") -> set[str]:
    """Returns the keys of the jobs in RQ's lists, from which RQ removes those of dead workers once a minute."""
    lists = ("rq:queue:bakehouse", "rq:queue:bakehouse:intermediate")
    sets = ("rq:wip:bakehouse", "rq:finished:bakehouse", "rq:failed:bakehouse")
    members: list[Any] = [item for name in lists for item in redis.lrange(name, 0, -1)]
    members += [item for name in sets for item in redis.zrange(name, 0, -1)]
    # A job that was begun is listed with the id of its execution.
    return {f"rq:job:{text.partition(':')[0]}" for text in texts(members)}
