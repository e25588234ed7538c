"""The expected seconds of a training in previews: from what workers measured, and nothing before that."""

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from bakehouse.cli.main import app
from bakehouse.data.catalog import Catalog
from bakehouse.plan.plan import make_plan
from bakehouse.plurals import count_of
from bakehouse.recipe.read import read_recipe
from bakehouse.runs.measurements import Measurement, work_of
from bakehouse.settings import Settings
from tests.fake_worker import FakeWorker
from tests.processes import LIMIT_SECONDS
from tests.running_service import RunningService
from tests.running_worker import start_prefork
from tests.runs.examples import a_worker
from tests.stored_runs import wait_for_status

RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [8]}, "epochs": 40, "early_stopping": "none"}


def measure(document: dict[str, object], run: str, epoch_seconds: float) -> Measurement:
    recipe = read_recipe(document)
    work = work_of(make_plan(recipe, Catalog(Settings()).card(recipe.dataset.id)))
    return Measurement(run=run, device="cpu", work=work, epoch_seconds=epoch_seconds, other_seconds=1.0)


def add_worker(worker: FakeWorker, device: str, *, name: str = "w") -> None:
    described = a_worker(name).model_copy(update={"device": device, "memory_bytes": 1 << 30})
    worker.store.put_worker(described, ttl=60)


def estimate(api: httpx.Client, document: dict[str, object]) -> Any:
    return api.post("/v1/runs?validate_only=true", json=document).json()["estimate"]


def lint(document: dict[str, object]) -> str:
    return CliRunner().invoke(app, ["lint", "-"], input=json.dumps(document)).stdout


def test_a_preview_says_why_it_knows_no_time(api: httpx.Client, worker: FakeWorker) -> None:
    found = estimate(api, RECIPE)
    assert (found["seconds"], found["seconds_reason"]) == (None, "no worker is running")
    worker.store.add_measurement(measure(RECIPE, "run_1", 1.0))
    # What a worker of another device class measured says nothing about this one.
    add_worker(worker, "another")
    found = estimate(api, RECIPE)
    assert (found["seconds"], found["seconds_reason"]) == (None, "nothing was measured yet on these workers")
    add_worker(worker, "cpu")
    found = estimate(api, RECIPE)
    assert found["seconds"]["low"] < 41 < found["seconds"]["high"]
    assert found["seconds_reason"] is None


def test_measurements_of_another_version_are_left_out(api: httpx.Client, worker: FakeWorker) -> None:
    add_worker(worker, "cpu")
    worker.store.add_measurement(measure(RECIPE, "run_1", 1.0))
    key = worker.store._keys.measurements("cpu")
    worker.store._redis.hset(key, "other", '{"seconds": 3}')
    assert estimate(api, RECIPE)["seconds"]["measurements"] == 1


def test_many_runs_of_one_recipe_do_not_replace_the_measurements_of_others(worker: FakeWorker) -> None:
    other = {**RECIPE, "batch_size": 8}
    worker.store.add_measurement(measure(other, "run_0", 1.0))
    for number in range(40):
        worker.store.add_measurement(measure(RECIPE, f"run_{number}", 1.0))
    kept = [json.loads(each) for each in worker.store._redis.hvals(worker.store._keys.measurements("cpu"))]
    assert len(kept) == 1 + Measurement.SLOTS_OF_RUN
    assert [each["run"] for each in kept if each["work"]["batches"] == measure(other, "", 1.0).work.batches] == [
        "run_0"
    ]


def test_the_preview_of_an_experiment_says_how_long_its_runs_take_together(
    api: httpx.Client, worker: FakeWorker
) -> None:
    base = {name: value for name, value in RECIPE.items() if name != "seed"}
    experiment = {
        "recipe": base, "seeds": 3, "design": {"type": "variants", "variants": {"plain": {}, "long": {"epochs": 80}}},
    }  # fmt: skip

    def look(**fields: object) -> Any:
        return api.post("/v1/experiments?validate_only=true", json={**experiment, **fields}).json()

    assert (look()["seconds"], look()["seconds_reason"]) == (None, "no worker is running")
    worker.store.add_measurement(measure(RECIPE, "run_1", 1.0))
    add_worker(worker, "cpu")
    alone = look()["seconds"]
    assert alone["low"] < 3 * (41 + 81) < alone["high"]
    assert alone["text"].endswith(" min on the worker that is here")
    add_worker(worker, "cpu", name="another")
    both = look()["seconds"]
    assert both["workers"] == 2
    assert alone["high"] / 2 <= both["high"] < alone["high"]
    assert both["text"].endswith(" min on the 2 workers that are here")
    assert look(max_running=1)["seconds"]["high"] == alone["high"]


def test_the_preview_of_a_search_says_how_long_the_most_runs_take_that_it_may_need(
    service: RunningService, api: httpx.Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    space = {"/optimizer/lr": {"type": "log_uniform", "low": 1e-4, "high": 0.1}}
    design = {"type": "search", "space": space, "trials": 20, "confirm": {"top": 1, "seeds": 5}}
    search: dict[str, Any] = {"recipe": RECIPE, "design": design}

    def look(**fields: object) -> Any:
        return api.post("/v1/experiments?validate_only=true", json={**search, **fields}).json()

    assert (look()["seconds"], look()["seconds_reason"]) == (None, "no worker is running")
    add_worker(worker, "cpu")
    assert (look()["seconds"], look()["seconds_reason"]) == (None, "nothing was measured yet on these workers")
    worker.store.add_measurement(measure(RECIPE, "run_1", 1.0))
    found = look()
    seconds = found["seconds"]
    one = estimate(api, RECIPE)["seconds"]
    # Its trials may be pruned after the first epoch.
    assert (found["runs"], seconds["low"]) == (30, 0)
    assert seconds["high"] == pytest.approx(30 * one["high"], rel=1e-3)
    assert seconds["text"] == "up to 38 min on the worker that is here, if no trial is larger than the recipe"
    assert f"time        {seconds['text']}" in lint(search)
    add_worker(worker, "cpu", name="another")
    assert look()["seconds"]["high"] == pytest.approx(15 * one["high"], rel=1e-3)
    assert look(max_running=1)["seconds"]["high"] == seconds["high"]


def train(api: httpx.Client, worker: FakeWorker, document: dict[str, object]) -> float:
    """Returns the seconds that a real worker trained."""
    run_id = api.post("/v1/runs", json=document).json()["id"]
    return wait_for_status(worker.store, run_id, "succeeded").seconds


def test_after_a_run_the_time_of_the_next_one_is_known(
    service: RunningService, api: httpx.Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    prefork = start_prefork(Settings(home=service.home, redis_url=service.redis_url, workers=1))
    try:
        first = train(api, worker, RECIPE)
        one = estimate(api, {**RECIPE, "seed": 1})["seconds"]
        assert (one["basis"], one["measurements"], one["workers"]) == ("same_ingredients", 1, 1)
        assert one["low"] < first < one["high"]
        second = train(api, worker, {**RECIPE, "seed": 1})
        # The second run may have the slot of the first one.
        two = estimate(api, {**RECIPE, "seed": 2})["seconds"]
        assert two["low"] < second < two["high"]
        # Twice the epochs take longer.
        assert estimate(api, {**RECIPE, "epochs": 80})["seconds"]["high"] > two["high"]
        assert estimate(api, {**RECIPE, "architecture": "linear"})["seconds"]["basis"] == "other_architectures"
        stopping = estimate(api, {**RECIPE, "early_stopping": {"type": "patience", "patience": 3}})
        assert stopping["seconds"]["text"].endswith("for 40 epochs at most; early stopping may end it sooner")
        assert f"time        {two['text']} (from {count_of(two['measurements'], 'training')} with the same" in lint(
            RECIPE
        )
    finally:
        prefork.terminate()
        prefork.wait(LIMIT_SECONDS)
