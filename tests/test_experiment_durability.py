"""Experiments through real Redis, service and workers: nothing is lost or doubled when parts of the home are killed."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisUnreachable

from bakehouse.experiments.experiment import Experiment
from bakehouse.experiments.store import ExperimentStore
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.runs.record import Record
from bakehouse.runs.store import connect
from tests.processes import kill, wait_until
from tests.running_home import RunningHome, redis_pid, run_home

SMALL = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "epochs": 2}
COPIED = {"type": "transfer", "checkpoint": {"arm": "student"}, "layers": "all"}
LONG = {**SMALL, "epochs": 100_000}
# Long enough that runs are in training when a part of the home is killed.
DISTURBED: dict[str, Any] = {
    "recipe": {**SMALL, "dropout": 0.1, "epochs": 150},
    "seeds": 2,
    "design": {"type": "variants", "variants": {"plain": {}, "normalized": {"norm": "batch_norm"}}},
    "reuse": False,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    with run_home(tmp_path_factory.mktemp("experiments") / "home", workers=2) as home:
        yield home


def grid_of(name: str, *, seeds: int = 50, recipe: dict[str, Any] = SMALL) -> dict[str, Any]:
    """An experiment of four arms."""
    axes = {"/dropout": [0, 0.1, 0.2, 0.3]}
    return {"name": name, "recipe": recipe, "seeds": seeds, "design": {"type": "grid", "axes": axes}}


def experiments_in(home: RunningHome) -> ExperimentStore:
    return ExperimentStore(connect(home.redis_url, patient=True), home.store)


def send(home: RunningHome, path: str, document: object = None, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return httpx.post(f"{home.url}{path}", json=document, headers=headers, timeout=60, trust_env=False)


def until_it_answers(request: Callable[[], httpx.Response]) -> dict[str, Any]:
    """Returns the answer to a request that is repeated while the service is down."""

    def look() -> dict[str, Any] | None:
        with suppress(httpx.TransportError):
            answer = request()
            if answer.status_code != 503:
                return answer.raise_for_status().json()  # type: ignore[no-any-return]
        return None

    return wait_until(look)


def rows_named(home: RunningHome, name: str) -> list[str]:
    page = until_it_answers(lambda: httpx.get(f"{home.url}/v1/experiments?limit=100", timeout=60, trust_env=False))
    return [row["id"] for row in page["data"] if row["name"] == name]


def finished(home: RunningHome, experiment_id: str) -> Experiment:
    store = experiments_in(home)

    def look() -> Experiment | None:
        found = store.get(experiment_id)
        return found if found.status in ("finished", "cancelled") else None

    return wait_until(look)


def records_of(home: RunningHome, found: Experiment) -> list[Record]:
    return [home.store.record(each.run) for each in found.runs]


def weights_of(home: RunningHome, experiment_id: str) -> dict[tuple[str, int], str | None]:
    """The digest of the weights at each place; each has one run, which has succeeded once."""
    for run in experiments_in(home).run_ids(experiment_id):
        wait_until(lambda: home.store.record(run).status == "succeeded")  # noqa: B023
    found = finished(home, experiment_id)
    assert Counter(each.status for each in found.runs) == {"succeeded": 4}
    assert len(experiments_in(home).run_ids(experiment_id)) == len(found.runs) == 4
    weights = {}
    for each, record in zip(found.runs, records_of(home, found), strict=True):
        assert record.provenance is not None
        assert (record.exact, record.provenance.seed) == (True, each.seed)
        weights[each.arm, each.seed] = record.provenance.weights_sha256
    return weights


def is_training_or_over(home: RunningHome, experiment_id: str) -> bool:
    # Redis may have been killed just now.
    with suppress(RedisUnreachable):
        return any(home.store.owned()) or experiments_in(home).get(experiment_id).status == "finished"
    return False


def kill_redis(home: RunningHome) -> None:
    kill(redis_pid(home.redis_url))


def kill_a_worker(home: RunningHome) -> None:
    kill(home.pids().workers[0])


def kill_supervisor(home: RunningHome) -> None:
    # `pids` would ask Redis, which may have been killed just now.
    kill(wait_until(lambda: home.child("worker.main")))


def kill_everything(home: RunningHome) -> None:
    kill(*home.all_pids())
    home.wait()
    home.start()


def test_every_place_has_one_result_with_the_same_bits_whatever_is_killed_and_is_used_again(home: RunningHome) -> None:
    undisturbed = home.post("/v1/experiments", DISTURBED)["id"]
    weights = weights_of(home, undisturbed)
    disturbed = home.post("/v1/experiments", DISTURBED)["id"]
    for fault in (kill_everything, kill_a_worker, kill_redis, kill_supervisor):
        wait_until(partial(is_training_or_over, home, disturbed))
        fault(home)
    assert weights_of(home, disturbed) == weights
    assert max(record.attempt for record in records_of(home, experiments_in(home).get(disturbed))) > 1
    # The same values as those that were trained anew, without training.
    wait_until(experiments_in(home).machines)
    linked = until_it_answers(lambda: send(home, "/v1/experiments", {**DISTURBED, "reuse": True}))
    assert (linked["status"], linked["counts"]) == ("finished", {})
    answers = [
        until_it_answers(lambda: httpx.get(f"{home.url}/v1/experiments/{each}/results", timeout=60, trust_env=False))  # noqa: B023
        for each in (undisturbed, disturbed, linked["id"])
    ]
    for arms in zip(*(answer["arms"] for answer in answers), strict=True):
        assert [(arm["values"], arm["test"]) for arm in arms] == [(arms[0]["values"], arms[0]["test"])] * 3
    # Another recipe is not found.
    shorter = {**DISTURBED, "reuse": True, "recipe": {**DISTURBED["recipe"], "epochs": 149}}
    preview = until_it_answers(lambda: send(home, "/v1/experiments?validate_only=true", shorter))
    assert (preview["runs"], preview["reused"]) == (4, 0)


def test_a_submission_that_is_killed_leaves_all_runs_or_nothing_and_can_be_repeated(home: RunningHome) -> None:
    outcomes = []
    for number, seconds in enumerate([0.05, 0.15, 0.4]):
        document = {**grid_of(f"killed {number}", recipe=LONG), "max_running": 1}
        key = f"killed {number}"
        service = wait_until(lambda: home.child("service"))
        killer = threading.Timer(seconds, kill, [service])
        killer.start()
        with suppress(httpx.TransportError):
            send(home, "/v1/experiments", document, key)
        killer.join()
        wait_until(lambda: home.child("service") not in (0, service))  # noqa: B023
        before = rows_named(home, document["name"])
        outcomes.append(len(before))
        for experiment_id in before:
            assert len(experiments_in(home).run_ids(experiment_id)) == 200
        created = until_it_answers(lambda: send(home, "/v1/experiments", document, key))  # noqa: B023
        assert rows_named(home, document["name"]) == [created["id"]]
        assert before in ([], [created["id"]])
        assert len(experiments_in(home).run_ids(created["id"])) == 200
        # Its runs wait for ever, without being in the way of others.
        until_it_answers(lambda: send(home, f"/v1/experiments/{created['id']}/pause"))  # noqa: B023


@pytest.mark.parametrize("action", ["cancel", "stop", "pause"])
def test_a_request_that_was_interrupted_is_carried_out(home: RunningHome, action: str) -> None:
    experiment = home.post("/v1/experiments", grid_of(action, recipe=LONG, seeds=10))
    wait_until(lambda: any(home.store.owned()))
    service = home.child("service")
    path = f"/v1/experiments/{experiment['id']}"
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(send, home, f"{path}/{action}")
        store = experiments_in(home)
        wait_until(lambda: store.record(experiment["id"]).request)
        kill(service)
        with suppress(httpx.TransportError):
            asked.result()
    if action == "pause":
        wait_until(lambda: store.get(experiment["id"]).status == "paused")
        wait_until(lambda: home.child("service") not in (0, service))
        for _ in range(2):
            until_it_answers(lambda: send(home, f"{path}/resume"))
        wait_until(lambda: store.get(experiment["id"]).counts.get("running"))
        until_it_answers(lambda: send(home, f"{path}/cancel"))
    found = finished(home, experiment["id"])
    assert found.status == {"cancel": "cancelled", "stop": "finished", "pause": "cancelled"}[action]
    wait_until(lambda: home.child("service") not in (0, service))
    until_it_answers(lambda: httpx.get(f"{home.url}{path}", timeout=60, trust_env=False))


def test_a_deletion_that_was_interrupted_is_carried_out(home: RunningHome) -> None:
    experiment = home.post("/v1/experiments", grid_of("deleted", recipe=LONG, seeds=20))
    home.post(f"/v1/experiments/{experiment['id']}/cancel")
    # The runs in training end at their next step.
    wait_until(lambda: home.get(f"/v1/experiments/{experiment['id']}").json()["status"] == "cancelled")
    store = experiments_in(home)
    service = home.child("service")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(httpx.delete, f"{home.url}/v1/experiments/{experiment['id']}", trust_env=False, timeout=60)
        wait_until(lambda: not store.exists(experiment["id"]))
        kill(service)
        with suppress(httpx.TransportError):
            asked.result()
    wait_until(lambda: not store.run_ids(experiment["id"]))
    wait_until(lambda: home.child("service") not in (0, service))
    until_it_answers(lambda: httpx.get(f"{home.url}/v1/experiments", timeout=60, trust_env=False))
    gone = [f"experiments/{experiment['id']}", *(f"runs/{each['run']}" for each in experiment["runs"])]
    answers = {httpx.get(f"{home.url}/v1/{each}", timeout=60, trust_env=False).status_code for each in gone}
    assert answers == {404}


def test_a_student_learns_from_the_teacher_of_its_seed(home: RunningHome) -> None:
    student = {"objective": {"distillation": {"teacher": {"arm": "teacher"}}}}
    variants = {"teacher": {}, "student": student, "grandchild": {"pretraining": COPIED}}
    design = {"type": "variants", "variants": variants}
    experiment = home.post("/v1/experiments", {"recipe": SMALL, "seeds": 2, "design": design, "reuse": False})
    found = finished(home, experiment["id"])
    assert (found.status, found.counts, found.missing) == ("finished", {"succeeded": 6}, ())
    runs = {(run.arm, run.seed): home.store.record(run.run) for run in found.runs}
    for (arm, seed), run in runs.items():
        for named in checkpoints_in(run.recipe).values():
            source = runs[{"student": "teacher", "grandchild": "student"}[arm], seed]
            [best] = [each for each in source.checkpoints if "best" in each.roles]
            assert (named.run, named.digest) == (source.id, best.sha256)
    assert len(found.runs) == 6


def test_the_services_log_has_no_unexpected_error(home: RunningHome) -> None:
    assert "Traceback" not in (home.folder / "logs" / "service.log").read_text()
