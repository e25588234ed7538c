"""An experiment and its runs are stored together or not at all."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bakehouse.runs import wire, writes
from bakehouse.runs.errors import DatasetDeleted, ExperimentChanged, IdempotencyMismatch, SourceRunDeleted
from bakehouse.runs.keys import Keys
from bakehouse.runs.operations import NewRun
from bakehouse.runs.record import CreatedExperiment, Idempotency
from bakehouse.runs.run import Cell
from bakehouse.runs.store import Store
from tests.runs.examples import a_run
from tests.runs.test_store import Lossy

KEYS = Keys()
KEY = Idempotency("key", "body")


def runs_of(experiment: str, count: int, **fields: Any) -> list[NewRun]:
    cells = (Cell(id=experiment, arm="recipe", seed=seed) for seed in range(count))
    return [(a_run().model_copy(update={"experiment": cell, **fields}), {}) for cell in cells]


def an_experiment(experiment_id: str, fields: Mapping[str, str], token: str = "") -> writes.Write:
    return writes.experiment_write(KEYS, experiment_id, fields, add=[KEYS.experiments()], token=token)


def stored(redis: Redis, experiment_id: str) -> dict[str, str]:
    return {wire.text(name): wire.text(value) for name, value in redis.hgetall(KEYS.experiment(experiment_id)).items()}


def test_an_experiment_and_its_runs_are_stored_in_their_order_with_all_indexes(store: Store, redis: Redis) -> None:
    runs = runs_of("exp_a", 5)
    store.create_many(runs, experiment=an_experiment("exp_a", {"name": '"a"'}))
    ids = [run.id for run, _ in runs]
    assert store.waiting() == ids
    for index in (KEYS.runs(), KEYS.filtered("experiment", "exp_a"), KEYS.in_experiment("exp_a", "queued")):
        assert wire.texts(redis.zrange(index, 0, -1)) == ids
    assert redis.zrange(KEYS.experiments(), 0, -1) == [b"exp_a"]
    assert stored(redis, "exp_a")["name"] == '"a"'
    assert [store.get(run_id).experiment for run_id in ids] == [run.experiment for run, _ in runs]
    assert [event.type for event in store.events(ids[4])] == ["state"]


@pytest.mark.parametrize("missing", ["run", "dataset"])
def test_nothing_is_stored_if_one_source_is_missing(store: Store, redis: Redis, missing: str) -> None:
    runs = runs_of("exp_a", 5)
    last = runs[-1][0]
    if missing == "run":
        gone = last.model_copy(update={"depends_on": ("run_gone",)})
    else:
        dataset = last.recipe.dataset.model_copy(update={"id": "mine@2"})
        gone = last.model_copy(update={"recipe": last.recipe.model_copy(update={"dataset": dataset})})
    with pytest.raises(SourceRunDeleted if missing == "run" else DatasetDeleted):
        store.create_many([*runs[:-1], (gone, {})], experiment=an_experiment("exp_a", {}), idempotency=KEY)
    assert redis.keys() == []


def test_the_same_key_and_body_make_one_experiment(store: Store, redis: Redis) -> None:
    first = store.create_many(runs_of("exp_a", 2), experiment=an_experiment("exp_a", {}), idempotency=KEY)
    again = store.create_many(runs_of("exp_b", 2), experiment=an_experiment("exp_b", {}), idempotency=KEY)
    assert first == CreatedExperiment("exp_a", replayed=False)
    assert again == store.first_experiment(KEY) == CreatedExperiment("exp_a", replayed=True)
    with pytest.raises(IdempotencyMismatch):
        store.first_experiment(Idempotency("key", "other"))
    assert store.first_experiment(Idempotency("other", "body")) is None
    assert redis.zcard(KEYS.runs()) == 2


def test_runs_are_added_only_to_the_experiment_that_was_read(store: Store, redis: Redis) -> None:
    store.create_many([], experiment=an_experiment("exp_a", {"seeds": "1"}))
    token = json.loads(stored(redis, "exp_a")["token"])
    store.create_many(runs_of("exp_a", 2), experiment=an_experiment("exp_a", {"seeds": "2"}, token))
    with pytest.raises(ExperimentChanged):
        store.create_many(runs_of("exp_a", 2), experiment=an_experiment("exp_a", {"seeds": "3"}, token))
    with pytest.raises(ExperimentChanged):
        store.create_many(runs_of("exp_b", 2), experiment=an_experiment("exp_b", {}, token))
    assert stored(redis, "exp_a")["seeds"] == "2"
    assert redis.zcard(KEYS.runs()) == 2


def test_a_lost_reply_makes_no_second_experiment(redis_url: str, store: Store, redis: Redis) -> None:
    store.create_many([], experiment=an_experiment("exp_a", {}))
    Lossy.calls_until_loss, Lossy.lost = 0, 0
    pool = ConnectionPool(
        connection_class=Lossy, path=redis_url.removeprefix("unix://"), retry=Retry(NoBackoff(), retries=2)
    )
    with Redis(connection_pool=pool) as lossy:
        created = Store(lossy).create_many(runs_of("exp_b", 3), experiment=an_experiment("exp_b", {}), idempotency=KEY)
    pool.disconnect()
    assert (Lossy.lost, created) == (1, CreatedExperiment("exp_b", replayed=False))
    assert len(store.waiting()) == 3
