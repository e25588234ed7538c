"""Processes of a real home are killed at chosen places of the program; each run ends once, with the same bits.

The crash points of the design, and the tests that kill there (without a file: in this one):

C1 the service, before it stores a run: before_the_run_is_stored
C2 the service, before it answers: before_the_answer
C3 the service, before it wakes a worker: before_a_worker_is_woken
C4 Redis, while runs are stored: test_a_run_is_stored_with_all_its_keys_or_not_at_all_when_redis_dies
C5 a worker, before it forks: after_a_job_was_taken
C6 a training process, before it claims a run: before_the_run_is_claimed
C7 a training process, before its first state: before_the_first_resume_state
C8 a training process, in a step: in_a_step
C9 a training process, before a file gets its name: before_a_file_gets_its_name
C10 a training process, before the record names a state: before_a_state_is_recorded
C11 a training process, before its last command: before_the_end_is_recorded
C12 a training process, after its last command: after_the_end
C13 a worker alone: kill_worker in tests/test_durability.py
C14 a host: kill_everything in tests/test_durability.py, kill_second_host in tests/chaos/faults.py
C15 a supervisor: kill_supervisor in tests/test_durability.py
C16 Redis: kill_redis in tests/test_durability.py
C17 Redis, which loses its end: cut_redis in tests/chaos/faults.py
C18 a training process, stopped past its lease: freeze in tests/test_durability.py
C19 everything, by SIGTERM: end_and_start in tests/test_durability.py
C20 a training process that obeys a cancel: test_a_process_that_dies_while_it_obeys_a_cancel_leaves_a_cancelled_run
C21 the disk is full or read-only: fill_disk in tests/chaos/faults.py, make_read_only in tests/chaos/faults.py
C22 too little memory: HUNGRY in tests/worker/host/test_jobs.py
C23 the service, while a client follows a run: test_a_reader_misses_nothing_when_the_service_dies
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError

from bakehouse.runs.keys import Keys
from bakehouse.runs.record import Idempotency
from bakehouse.runs.store import Store, connect
from bakehouse.runs.wire import texts
from tests.chaos.client import Client
from tests.chaos.hosts import ALTERATIONS
from tests.chaos.judge import Permitted, judge_files, judge_run
from tests.chaos.recipes import ANY_SOURCE, kinds
from tests.chaos.reference import Results, train_undisturbed
from tests.processes import kill, wait_until
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_home import RunningHome, run_home
from tests.runs.examples import a_run

ROOT = Path(__file__).parents[1]
HERE = Path(__file__)

KIND, LENGTH = "plateau", 2.0
"""It trains for three seconds, and its learning rate depends on all epochs."""
RECIPE = kinds(ANY_SOURCE, length=LENGTH)[KIND]


@dataclass(frozen=True)
class Deadly:
    """A home in which a process can be killed at a place of the program."""

    home: RunningHome
    death: Path
    client: Client

    def await_death(self, place: str) -> None:
        """From now on, the first process that comes to this place is killed."""
        self.death.write_text(place)


@pytest.fixture(scope="module")
def expected() -> Results:
    """The results of the recipe."""
    return train_undisturbed(KIND, LENGTH)


@pytest.fixture(scope="module")
def deadly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deadly]:
    """One home for all places."""
    folder = tmp_path_factory.mktemp("crash")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ALTERATIONS))
        patch.setenv("CHAOS_SWITCH", str(folder / "switch"))
        with run_home(folder / "home", workers=1) as home:
            client = Client(lambda: [home.url])
            yield Deadly(home, folder / "switch", client)
            client.close()


def judge(deadly: Deadly, run_id: str, expected: Results) -> list[str]:
    """Waits for the end of a run and judges it, and the files that it left."""
    deadly.home.wait_for(run_id, "succeeded", "failed", "cancelled")
    violations = judge_run(deadly.client, deadly.client.history[run_id], expected, Permitted())
    # Within a second the supervisor deletes what a dead process has left.
    wait_until(lambda: not judge_files(deadly.home.folder))
    return [str(item) for item in violations]


def test_every_crash_point_names_tests_that_exist() -> None:
    table = re.findall(r"^C(\d+) .*?: (.*)$", __doc__ or "", re.MULTILINE)
    assert [int(number) for number, _ in table] == list(range(1, 24))
    for _, tests in table:
        for test in tests.split(", "):
            name, _, path = test.partition(" in ")
            assert re.search(rf"(def |\"|^){name}[(\":]", (ROOT / (path or HERE)).read_text(), re.MULTILINE), test


# C1 to C3


@pytest.mark.parametrize(
    "place",
    ["bakehouse.runs.async_store:AsyncStore.create:before", "service.routes.runs:respond_with_new_run:before",
     "bakehouse.runs.async_store:AsyncStore._add_wake_ups:before"],
    ids=["before_the_run_is_stored", "before_the_answer", "before_a_worker_is_woken"],
)  # fmt: skip
def test_a_service_that_dies_while_it_accepts_a_run_makes_one_run_of_all_tries(
    deadly: Deadly, expected: Results, place: str
) -> None:
    before = {run["id"] for run in deadly.client.all_runs()}
    deadly.await_death(place)
    run_id = deadly.client.submit(KIND, RECIPE)
    assert not deadly.death.exists()
    assert judge(deadly, run_id, expected) == []
    assert {run["id"] for run in deadly.client.all_runs()} - before == {run_id}


# C5 to C12


@pytest.mark.parametrize(
    ("place", "attempts"),
    [
        pytest.param("worker.host.rq_worker:PreforkWorker.fork_work_horse:before", 1, id="after_a_job_was_taken"),
        pytest.param("bakehouse.runs.store:Store.claim:before", 1, id="before_the_run_is_claimed"),
        pytest.param("bakehouse.runs.store:Store.claim:after", 2, id="after_the_run_was_claimed"),
        pytest.param(
            "worker.attempt.checkpoint_writer:CheckpointWriter.start_resume:before",
            2,
            id="before_the_first_resume_state",
        ),
        pytest.param("worker.training.training:Training.update:after", 2, id="in_a_step"),
        pytest.param("bakehouse.runs.artifacts:move_into_place:before", 2, id="before_a_file_gets_its_name"),
        pytest.param("bakehouse.runs.artifacts:Artifacts.write_resume:after", 2, id="before_a_state_is_recorded"),
        pytest.param("worker.attempt.attempt:Attempt.end:before", 2, id="before_the_end_is_recorded"),
        pytest.param("bakehouse.runs.artifacts:Artifacts.clean_up_after:before", 1, id="after_the_end"),
    ],
)
def test_a_process_that_dies_anywhere_leaves_a_run_that_ends_with_the_same_bits(
    deadly: Deadly, expected: Results, place: str, attempts: int
) -> None:
    deadly.await_death(place)
    run_id = deadly.client.submit(KIND, RECIPE)
    assert judge(deadly, run_id, expected) == []
    assert not deadly.death.exists()
    assert deadly.client.run(run_id)["attempt"] == attempts


# C20


def test_a_process_that_dies_while_it_obeys_a_cancel_leaves_a_cancelled_run(deadly: Deadly, expected: Results) -> None:
    run_id = deadly.client.submit(KIND, RECIPE)
    deadly.home.wait_for(run_id, "running")
    deadly.await_death("worker.attempt.attempt:Attempt.end:before")
    assert deadly.client.act(run_id, "cancel")
    assert judge(deadly, run_id, expected) == []
    assert deadly.client.run(run_id)["status"] == "cancelled"


# C4


def test_a_run_is_stored_with_all_its_keys_or_not_at_all_when_redis_dies(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    store = Store(connect(socket_url(tmp_path), patient=False))
    accepted: list[str] = []

    def submit_until_it_fails() -> None:
        with suppress(RedisError):
            for number in range(100_000):
                key = Idempotency(f"{threading.get_ident()}-{number}", "body")
                accepted.append(store.create(a_run(), idempotency=key).run.id)

    threads = [threading.Thread(target=submit_until_it_fails) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(accepted) > 50)
    stop_redis(server)
    for thread in threads:
        thread.join()
    server = start_redis(tmp_path)
    try:
        assert_all_or_nothing(Redis.from_url(socket_url(tmp_path)), accepted)
    finally:
        stop_redis(server)


def assert_all_or_nothing(redis: Redis, accepted: list[str]) -> None:
    """Every run that is there is there with all its keys, and every accepted run is there."""
    keys = Keys()
    stored = {key.decode().rpartition(":")[2] for key in redis.scan_iter(f"{keys.run('run_*')}")}
    assert set(accepted) <= stored
    # One more may have been stored by each thread, whose answer was lost.
    assert len(stored) <= len(accepted) + 4
    for index in (keys.runs(), keys.claimable(), keys.filtered("status", "queued")):
        assert set(texts(redis.zrange(index, 0, -1))) == stored
    logs = {key.decode().rpartition(":")[2] for key in redis.scan_iter(f"{keys.log('run_*')}")}
    named = {json.loads(redis.get(key) or "")["run_id"] for key in redis.scan_iter(keys.idempotency("*"))}
    assert logs == named == stored


# C23


def test_a_reader_misses_nothing_when_the_service_dies(deadly: Deadly, expected: Results) -> None:
    run_id = deadly.client.submit(KIND, RECIPE)
    seen: list[int] = []
    kills = 0
    while not seen or deadly.client.run(run_id)["status"] not in ("succeeded", "failed") or kills < 2:
        with suppress(httpx.TransportError):
            read_some(deadly.home, run_id, seen, number=40)
        if kills < 2:
            kill(deadly.home.pids().service)
            kills += 1
    read_some(deadly.home, run_id, seen, number=10**6)
    assert seen == list(range(1, len(deadly.client.events(run_id)) + 1))
    assert judge(deadly, run_id, expected) == []


def read_some(home: RunningHome, run_id: str, seen: list[int], *, number: int) -> None:
    """Follows a run, from the last event that was seen, for a number of events or until the stream ends."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(seen[-1])} if seen else {})
    url = f"{home.url}/v1/runs/{run_id}/events"
    with httpx.stream("GET", url, headers=headers, timeout=30, trust_env=False) as response:
        for line in response.iter_lines():
            if line.startswith("id:"):
                seen.append(int(line.partition(":")[2]))
                number -= 1
            if number == 0:
                return
