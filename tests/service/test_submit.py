"""Runs that build on other runs: transfer, fork, retry, and deletions that are refused."""

from typing import Any

import httpx
import pytest

from bakehouse.recipe.merge import merge_patch
from bakehouse.runs.commands import RequestAction
from bakehouse.runs.run import Checkpoint
from tests.fake_worker import FakeWorker

RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [8]}, "epochs": 3, "name": "first"}
MISSING = "run_222222222222"


def finished_run(api: httpx.Client, worker: FakeWorker, **fields: object) -> tuple[str, Checkpoint]:
    """A run that is over, and its best checkpoint."""
    run_id: str = api.post("/v1/runs", json={**RECIPE, **fields}).json()["id"]
    worker.claim(run_id)
    worker.log_epoch(run_id, 2)
    best = worker.save_best(run_id, 2, run_id.encode())
    worker.succeed(run_id)
    return run_id, best


def transfer(run_id: str, **fields: object) -> dict[str, Any]:
    return {**RECIPE, "pretraining": {"type": "transfer", "checkpoint": run_id, **fields}}


def test_a_transfer_names_the_weights_by_digest_and_lists_its_source_run(api: httpx.Client, worker: FakeWorker) -> None:
    source, best = finished_run(api, worker)
    answer = api.post("/v1/runs", json=transfer(source))
    run = answer.json()
    assert answer.status_code == 201
    named = {"run": source, "epoch": 2, "sha256": best.sha256}
    assert run["recipe"]["pretraining"] == {"type": "transfer", "checkpoint": named, "layers": None, "freeze": False}
    assert run["depends_on"] == [source]
    assert api.get(f"/v1/runs/{run['id']}").json()["depends_on"] == [source]
    assert api.get(f"/v1/runs/{source}").json()["depends_on"] == []
    again = api.post("/v1/runs", json=run["recipe"]).json()
    assert again["recipe_sha256"] == run["recipe_sha256"]


@pytest.mark.parametrize("query", ["", "?validate_only=true"])
def test_an_unusable_source_run_is_refused_and_nothing_is_stored(
    api: httpx.Client, worker: FakeWorker, query: str
) -> None:
    source, _ = finished_run(api, worker)
    waiting = api.post("/v1/runs", json=RECIPE).json()["id"]
    wider = {**transfer(source), "architecture": {"type": "mlp", "hidden": [9]}}
    for document, pointer, code in (
        (transfer(MISSING), "/pretraining/checkpoint", "unknown_run"),
        (transfer(waiting), "/pretraining/checkpoint", "run_not_over"),
        (wider, "/pretraining/layers", "conflict"),
    ):
        answer = api.post(f"/v1/runs{query}", json=document)
        assert answer.status_code == 422
        [error] = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == (pointer, code)
    assert len(api.get("/v1/runs").json()["data"]) == 2
    assert api.post("/v1/runs?validate_only=true", json=transfer(source)).status_code == 200


def test_a_run_is_deleted_only_after_its_dependants(api: httpx.Client, worker: FakeWorker) -> None:
    source, best = finished_run(api, worker)
    child = api.post("/v1/runs", json=transfer(source)).json()["id"]
    refused = api.delete(f"/v1/runs/{source}")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/run_has_dependants")
    assert refused.json()["dependants"] == [child]
    assert child in refused.json()["detail"]
    assert worker.artifacts.checkpoint_path(source, best.sha256).exists()
    worker.store.command(child, RequestAction("cancel"))
    assert api.delete(f"/v1/runs/{child}").status_code == 200
    assert api.delete(f"/v1/runs/{source}").json()["bytes_freed"] > 0
    assert not worker.artifacts.checkpoint_path(source, best.sha256).exists()


def test_a_second_deletion_removes_the_files_that_a_crash_left(api: httpx.Client, worker: FakeWorker) -> None:
    source, best = finished_run(api, worker)
    worker.store.delete(source)
    assert worker.artifacts.checkpoint_path(source, best.sha256).exists()
    assert api.delete(f"/v1/runs/{source}").json()["bytes_freed"] > 0
    assert api.delete(f"/v1/runs/{source}").status_code == 404


def test_a_retry_uses_the_same_source_weights(api: httpx.Client, worker: FakeWorker) -> None:
    source, _ = finished_run(api, worker)
    child = api.post("/v1/runs", json=transfer(source)).json()
    worker.store.command(child["id"], RequestAction("cancel"))
    again = api.post(f"/v1/runs/{child['id']}/retry").json()
    assert (again["recipe_sha256"], again["depends_on"]) == (child["recipe_sha256"], [source])
    assert (again["parent_run"], again["reason"]) == (child["id"], "retried")


def test_a_fork_starts_with_the_best_weights_and_a_patched_recipe(api: httpx.Client, worker: FakeWorker) -> None:
    source, best = finished_run(api, worker, labels={"study": "a"})
    key = {"Idempotency-Key": "k"}
    answer = api.post(f"/v1/runs/{source}/fork", json={"optimizer": {"lr": 0.5}, "name": "second"}, headers=key)
    fork, before = answer.json(), api.get(f"/v1/runs/{source}").json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"../{fork['id']}")
    assert (fork["parent_run"], fork["reason"], fork["depends_on"]) == (source, "forked", [source])
    assert (fork["name"], fork["labels"]) == ("second", {"study": "a"})
    assert fork["recipe"]["optimizer"] == {**before["recipe"]["optimizer"], "lr": 0.5}
    named = {"run": source, "epoch": 2, "sha256": best.sha256}
    assert fork["recipe"]["pretraining"] == {"type": "transfer", "checkpoint": named, "layers": "all", "freeze": False}
    replayed = api.post(f"/v1/runs/{source}/fork", json={"name": "second", "optimizer": {"lr": 0.5}}, headers=key)
    assert (replayed.json()["id"], replayed.headers["idempotency-replayed"]) == (fork["id"], "true")


def test_a_fork_may_copy_fewer_layers(api: httpx.Client, worker: FakeWorker) -> None:
    source, _ = finished_run(api, worker)
    patch = {"dataset": {"id": "wine"}, "pretraining": {"layers": None, "freeze": True}}
    answer = api.post(f"/v1/runs/{source}/fork", json=patch)
    assert answer.json()["errors"][0]["pointer"] == "/pretraining/checkpoint"  # 13 features, not 4
    patch = {"architecture": {"hidden": [8, 4]}, "pretraining": {"layers": 1, "freeze": True}}
    fork = api.post(f"/v1/runs/{source}/fork", json=patch).json()
    assert (fork["recipe"]["pretraining"]["layers"], fork["recipe"]["pretraining"]["freeze"]) == (1, True)


def test_only_a_run_that_is_over_and_has_weights_is_forked(api: httpx.Client, worker: FakeWorker) -> None:
    waiting = api.post("/v1/runs", json=RECIPE).json()["id"]
    assert api.post(f"/v1/runs/{waiting}/fork", json={}).json()["run_status"] == "queued"
    worker.store.command(waiting, RequestAction("cancel"))
    refused = api.post(f"/v1/runs/{waiting}/fork", json={})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "no_checkpoint")
    assert api.post(f"/v1/runs/{MISSING}/fork", json={}).status_code == 404
    source, _ = finished_run(api, worker)
    assert api.post(f"/v1/runs/{source}/fork", json=[1]).status_code == 422


@pytest.mark.parametrize(
    ("document", "patch", "result"),
    [
        # The examples of RFC 7396.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        # Another variant does not keep fields of the old one.
        ({"o": {"type": "adam", "lr": 1, "eps": 2}}, {"o": {"type": "sgd", "lr": 3}}, {"o": {"type": "sgd", "lr": 3}}),
        ({"o": {"type": "sgd", "lr": 1}}, {"o": {"type": "sgd", "momentum": 3}},
         {"o": {"type": "sgd", "lr": 1, "momentum": 3}}),
    ],
)  # fmt: skip
def test_merge_patch_follows_the_rfc_except_for_another_type(document: object, patch: object, result: object) -> None:
    assert merge_patch(document, patch) == result
