"""A campaign: draws faults from a seed, injects them while runs train, waits until all is over, and judges."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random

from redis.exceptions import RedisError

from tests.chaos.client import Accepted
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.fire import Fire, NotRecovered, under_fire
from tests.chaos.judge import (
    STORAGE,
    Permitted,
    Violation,
    judge_files,
    judge_keys,
    judge_list,
    judge_run,
    judge_seconds,
)
from tests.chaos.recipes import ALL_KINDS, SOURCE_KIND, Document, kinds
from tests.chaos.reference import train_all

Say = Callable[[str], None]

MAX_PAUSE_SECONDS = 1.0
# Of each ten faults so many come at once after the one before, whether that has been recovered from or not.
OVERLAPPING = 0.25
END_LIMIT_SECONDS = 180.0


@dataclass(frozen=True)
class Options:
    """What is done; the seed alone decides the faults and their order."""

    seed: int
    faults: int
    runs: int
    """Runs at least."""
    length: float = 4.0
    """Length of each run; see `recipes.kinds`."""
    waiting: int = 2
    """Runs that wait for a worker, besides those that train."""
    kinds: tuple[str, ...] = ALL_KINDS
    """Kinds of runs."""


@dataclass(frozen=True)
class Planned:
    """A fault to be injected: after a pause, and with or without waiting for the recovery."""

    fault: Fault
    pause: float
    is_overlapping: bool
    seed: int
    """Decides the victim and all other choices of the fault."""


@dataclass
class Row:
    """What the report says of one kind of fault."""

    injected: int = 0
    recoveries: list[float] = field(default_factory=list)
    """Seconds until all victims ran again, for faults that came after the recovery from the one before."""


@dataclass
class Report:
    """What was done, and what was wrong."""

    options: Options
    rows: dict[str, Row] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    """Accepted runs by kind."""
    ends: Counter[str] = field(default_factory=Counter)
    """Runs by their status and reason."""
    violations: list[Violation] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    """The event lists of the runs with a violation."""
    seconds: float = 0.0
    seconds_unanswered: float = 0.0


def schedule(seed: int, number: int, faults: dict[str, Fault]) -> list[Planned]:
    """Draws the faults: each kind once in random order, then by weight."""
    random = Random(seed)
    kinds_of_fault = [faults[name] for name in sorted(faults)]
    drawn = random.sample(kinds_of_fault, len(kinds_of_fault))
    drawn += random.choices(kinds_of_fault, [item.weight for item in kinds_of_fault], k=max(0, number - len(drawn)))
    return [
        Planned(item, random.uniform(0, MAX_PAUSE_SECONDS), random.random() < OVERLAPPING, random.getrandbits(32))
        for item in drawn[:number]
    ]


def available(fire: Fire, report: Report) -> dict[str, Fault]:
    """Returns the faults that this machine can have; the report names the others."""
    given = {"": True, "disk": fire.disk is not None, "clock": fire.clock is not None}
    report.left_out += [f"{name} (no {item.needs})" for name, item in FAULTS.items() if not given[item.needs]]
    return {name: item for name, item in FAULTS.items() if given[item.needs]}


def run_campaign(folder: Path, options: Options, *, say: Say = lambda text: None) -> Report:
    """Injects the faults of a seed while runs train, and judges when all runs are over."""
    report = Report(options)
    started = time.monotonic()
    with under_fire(folder, Random(options.seed)) as fire:
        Campaign(fire, options, report, say).run()
    report.seconds = time.monotonic() - started
    return report


class Campaign:
    """The state of a campaign."""

    def __init__(self, fire: Fire, options: Options, report: Report, say: Say) -> None:
        self.fire = fire
        self.client = fire.client
        self.options = options
        self.report = report
        self.say = say
        self.expected = train_all([SOURCE_KIND, *options.kinds], length=options.length)
        self.recipes: dict[str, Document] = {}
        self.submitted = count()
        self.finished: dict[str, float] = {}
        self.is_quiet = True

    def run(self) -> None:
        """Does everything."""
        self.train_source()
        self.say("the source is trained")
        try:
            for planned in schedule(self.options.seed, self.options.faults, available(self.fire, self.report)):
                self.submit_runs()
                time.sleep(planned.pause)
                self.inject(planned)
            self.wait_for_all()
        except NotRecovered as error:
            self.fire.violations.append(Violation("lost", "", str(error)))
        self.judge()

    def train_source(self) -> None:
        """Trains the run that others build on."""
        source = self.fire.train_source()
        recipes = kinds(source, length=self.options.length)
        self.recipes = {name: recipes[name] for name in self.options.kinds}

    def submit_runs(self) -> None:
        """Keeps some runs waiting, so that every worker is busy."""
        names = list(self.recipes)
        while self.waiting() < self.options.waiting:
            name = names[next(self.submitted) % len(names)]
            self.client.submit(name, self.recipes[name])

    def waiting(self) -> int:
        """Returns the number of runs that wait for a worker; many while Redis is away, so that nobody submits more."""
        try:
            return self.fire.store.claimable_count()
        except RedisError:
            return self.options.waiting

    def inject(self, planned: Planned) -> None:
        """Injects one fault, and waits until its victims run again unless the next fault shall come at once."""
        row = self.report.rows.setdefault(planned.fault.name, Row())
        self.fire.random.seed(planned.seed)
        self.fire.must(self.redis_answers, "Redis did not answer")
        self.say(planned.fault.name)
        started = time.monotonic()
        victims = planned.fault.inject(self.fire)
        row.injected += 1
        self.fire.hosts.keep_running()
        if not planned.is_overlapping:
            self.fire.wait_for_recovery(victims)
            if victims and self.is_quiet:
                row.recoveries.append(time.monotonic() - started)
        # A run that an earlier fault has hit as well runs again after the slower of the two.
        self.is_quiet = not planned.is_overlapping
        self.fire.note_orphans()
        self.note_ends()

    def redis_answers(self) -> bool:
        try:
            return bool(self.fire.redis.ping())
        except RedisError:
            return False

    def note_ends(self) -> None:
        """Notes when each run was seen to be over for the first time."""
        try:
            unfinished = set(self.fire.unfinished())
        except RedisError:
            return
        for run_id in self.client.history.keys() - unfinished - self.finished.keys():
            self.finished[run_id] = time.monotonic()

    def wait_for_all(self) -> None:
        """Submits the runs that are still missing, and waits until every run is over and every failed one retried."""
        names = list(self.recipes)
        while len(self.client.history) < self.options.runs:
            name = names[next(self.submitted) % len(names)]
            self.client.submit(name, self.recipes[name])
        deadline = time.monotonic() + END_LIMIT_SECONDS + 3.0 * len(self.client.history)
        while self.unfinished_or_retried():
            if time.monotonic() > deadline:
                raise NotRecovered(f"not over: {self.fire.unfinished()}")
            self.fire.hosts.keep_running()
            self.fire.note_orphans()
            time.sleep(0.2)

    def unfinished_or_retried(self) -> bool:
        """Returns whether something is still to be done; queues the runs again that failed for lack of storage."""
        try:
            unfinished = self.fire.unfinished()
        except RedisError:
            return True
        self.note_ends()
        over = [item for item in self.client.history.values() if item.run_id not in unfinished and not item.retried_as]
        failed = [item for item in over if self.client.run(item.run_id)["reason"] in STORAGE]
        for item in failed:
            self.client.retry(item.run_id)
        return bool(unfinished or failed)

    def judge(self) -> None:
        """Judges all runs, then the files and the keys, and ends the home, which must leave no process."""
        report, fire = self.report, self.fire
        report.violations += fire.violations
        report.violations += judge_list(self.client, self.client.history)
        for accepted in list(self.client.history.values()):
            self.judge_one(accepted)
        # The supervisors delete within a second what a dead process has left.
        fire.wait(lambda: not judge_files(fire.hosts.home), seconds=10)
        report.violations += judge_files(fire.hosts.home)
        report.violations += judge_keys(fire.redis, self.client.history)
        report.seconds_unanswered = self.client.seconds_unanswered
        fire.hosts.end()
        left = [f"process {item.pid} {' '.join(item.command[-2:])} is left" for item in fire.hosts.all()]
        report.violations += [Violation("orphan", "", text) for text in left]

    def judge_one(self, accepted: Accepted) -> None:
        """Judges one run; the report gets its events if something is wrong."""
        run = self.client.run(accepted.run_id)
        self.report.runs[accepted.kind] += 1
        self.report.ends[f"{run['status']} ({run['reason']})"] += 1
        permitted = Permitted(frozenset(self.fire.storage_failures), self.fire.other_versions)
        violations = judge_run(self.client, accepted, self.expected[accepted.kind].result(), permitted)
        if accepted.run_id in self.finished:
            violations += judge_seconds(run, self.finished[accepted.run_id] - accepted.at)
        self.report.violations += violations
        if violations:
            events = [item for item in self.client.events(accepted.run_id) if item["type"] not in ("step", "epoch")]
            lines = [f"{item['seq']} {item['time']} {item['attempt']} {item['type']} {item['data']}" for item in events]
            self.report.logs.append("\n".join([f"events of {accepted.run_id} ({accepted.kind}):", *lines]))
