"""A supervisor carries on all experiments in turn, and plans a limited number of runs in a tick."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from redis import Redis

from bakehouse.experiments.store import ExperimentStore
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from worker.host import experiment_driver
from worker.host.experiment_driver import ExperimentDriver

RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "epochs": 2}
STUDENT = {"objective": {"distillation": {"teacher": {"arm": "teacher"}}}}
PAIR = {"type": "variants", "variants": {"teacher": {}, "student": STUDENT}}


@pytest.fixture
def redis(service: RunningService) -> Iterator[Redis]:
    with connect(service.redis_url, patient=True) as client:
        yield client


def call(part: Callable[..., object], *arguments: object) -> None:
    part(*arguments)


def test_a_tick_plans_a_limited_number_of_runs_and_each_experiment_has_its_turn(
    service: RunningService, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiment_driver, "RUNS_PER_TICK", 3)
    settings = Settings(home=service.home, redis_url=service.redis_url, workers=0)
    artifacts = Artifacts(settings.artifacts)
    store = Store(redis, artifacts=artifacts)
    experiments = ExperimentStore(redis, store)
    worker = FakeWorker(store, artifacts)
    asked: list[str] = []
    with httpx.Client(base_url=service.url, timeout=30, trust_env=False) as api:
        for seeds in (5, 2, 2):
            document: dict[str, Any] = {"recipe": RECIPE, "seeds": seeds, "design": PAIR, "reuse": False}
            experiment = api.post("/v1/experiments", json=document).raise_for_status().json()
            asked.append(experiment["id"])
            for each in experiment["runs"]:
                worker.train(each["run"], weights=each["run"].encode())

    def students() -> list[int]:
        return [sum(run.arm == "student" for run in experiments.get(each).runs) for each in asked]

    driver = ExperimentDriver(settings, store, experiments)
    seen = []
    for _ in range(4):
        driver.carry_on(call)
        seen.append(students())
    assert seen == [[3, 0, 0], [3, 2, 1], [5, 2, 2], [5, 2, 2]]
    assert experiments.incomplete() == []


def test_a_record_is_read_once_a_tick(service: RunningService, redis: Redis) -> None:
    settings = Settings(home=service.home, redis_url=service.redis_url, workers=0)
    store = Store(redis)
    driver = ExperimentDriver(settings, store, ExperimentStore(redis, store))
    for _ in range(2):
        document = {"recipe": RECIPE, "design": PAIR}
        httpx.post(f"{service.url}/v1/experiments", json=document, timeout=30, trust_env=False).raise_for_status()
    for _ in range(2):
        redis.config_resetstat()
        driver.carry_on(call)
        # Only the records of the experiments are read as a whole, not those of their runs.
        assert redis.info("commandstats")["cmdstat_hgetall"]["calls"] == 2
