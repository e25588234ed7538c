"""Experiments over HTTP, with a fake worker."""

from typing import Any

import httpx
import pytest
from redis import Redis

from bakehouse.runs.commands import Pause
from bakehouse.runs.keys import Keys
from bakehouse.runs.store import connect
from bakehouse.runs.wire import text
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.runs.examples import PROVENANCE, a_worker
from tests.service import requests

RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "norm": "batch_norm", "dropout": 0.1}
# Four hidden units are not divisible into three groups.
UNEVEN = {"type": "group_norm", "num_groups": 3}
ABLATION = {"recipe": {**RECIPE, "epochs": 2}, "seeds": 2, "design": {"type": "ablation"}}

SPACE = {"/optimizer/lr": {"type": "log_uniform", "low": 1e-4, "high": 0.1}}
SMALL_SEARCH = {"recipe": RECIPE, "design": {"type": "search", "space": SPACE, "trials": 2}}


def post(api: httpx.Client, document: object = ABLATION, **arguments: object) -> dict[str, Any]:
    answer = api.post("/v1/experiments", json=document, **arguments)  # type: ignore[arg-type]
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem document of a response that must have this status and type."""
    document = requests.problem(response, status)
    assert str(document["type"]).endswith(f"/{name}")
    return document


def test_an_experiment_queues_all_its_runs(api: httpx.Client) -> None:
    experiment = post(api)
    assert [arm["name"] for arm in experiment["arms"]] == [
        "recipe", "without batch_norm", "without dropout", "without all of them",
    ]  # fmt: skip
    assert (experiment["status"], experiment["counts"], experiment["metric"]) == (
        "queued", {"queued": 8}, "validation_accuracy",
    )  # fmt: skip
    run = api.get(f"/v1/runs/{experiment['runs'][3]['run']}").json()
    assert run["experiment"] == {"id": experiment["id"], "arm": "without batch_norm", "seed": 1, "fold": None}
    assert run["recipe"]["norm"] == {"type": "none"}
    assert run["recipe"]["seed"] == 1
    listed = api.get("/v1/runs", params={"experiment": str(experiment["id"])}).json()["data"]
    assert {each["id"] for each in listed} == {each["run"] for each in experiment["runs"]}
    [row] = api.get("/v1/experiments").json()["data"]
    assert (row["id"], row["runs"], row["arms"], row["seeds"]) == (experiment["id"], 8, 4, 2)


def test_the_same_request_gives_the_same_experiment(api: httpx.Client) -> None:
    headers = {"Idempotency-Key": "once"}
    first = post(api, headers=headers)
    assert post(api, headers=headers)["id"] == first["id"]
    assert len(api.get("/v1/runs").json()["data"]) == 8
    other = api.post("/v1/experiments", json={**ABLATION, "seeds": 3}, headers=headers)
    assert other.json()["type"].endswith("idempotency_mismatch")


def test_a_write_of_an_experiment_may_take_redis_longer_than_others(api: httpx.Client, service: RunningService) -> None:
    experiment = post(api)
    with connect(service.redis_url, patient=True) as redis:
        redis.client_pause(2000, all=False)
    changed = api.patch(f"/v1/experiments/{experiment['id']}", json={"name": "second"})
    assert changed.json()["name"] == "second"


def test_a_preview_stores_nothing(api: httpx.Client) -> None:
    preview = api.post("/v1/experiments?validate_only=true", json=ABLATION).json()
    assert (preview["runs"], preview["reused"], preview["baseline"]) == (8, 0, "recipe")
    assert preview["arms"][1]["differs"] == {"/norm": {"type": "none"}}
    assert api.get("/v1/runs").json()["data"] == []
    assert api.get("/v1/experiments").json()["data"] == []


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ({"design": {"type": "variants", "variants": {"a": {}, "b": {"norm": UNEVEN}}}},
         "/design/variants/b/norm/num_groups"),
        ({"design": {"type": "variants", "variants": {"a": {}, "b": {"dropout": 0.1}}}}, "/design/variants/b"),
        ({"design": {"type": "grid", "axes": {"/norm": ["none", UNEVEN]}}},
         "/design/axes/~1norm/1/num_groups"),
        ({"recipe": {**RECIPE, "dataset": "irs"}}, "/recipe/dataset"),
        ({"design": {"type": "variants", "variants": {
            "teacher": {"dataset": "wine"}, "student": {"objective": {"distillation": {"teacher": {"arm": "teacher"}}}},
        }}}, "/design/variants/student/objective/distillation/teacher"),
        ({"design": {"type": "variants", "variants": {
            "a": {"norm": UNEVEN}, "b": {"pretraining": {"type": "transfer", "checkpoint": {"arm": "a"}}},
        }}}, "/design/variants/a/norm/num_groups"),
        ({"design": {"type": "variants", "variants": {
            "a": {"architecture": {"hidden": [5, 5]}},
            "b": {"pretraining": {"type": "transfer", "layers": 2, "checkpoint": {"arm": "a"}}},
        }}}, "/design/variants/b/pretraining/layers"),
        ({"metric": "validation_r2"}, "/metric"),
        ({"metric": "validation_f1"}, "/metric"),
        # An arm that lacks the metric could never be compared.
        ({"design": {"type": "variants", "variants": {"a": {}, "b": {"dataset": "diabetes"}}}},
         "/design/variants/b/dataset"),
        ({"design": {"type": "grid", "axes": {"/dataset/id": ["iris", "diabetes"]}}}, "/design/axes/~1dataset~1id/1"),
        ({"recipe": {**RECIPE, "evaluation": {"metrics": ["f1"]}}, "metric": "validation_f1",
          "design": {"type": "variants", "variants": {"a": {}, "b": {"evaluation": {"metrics": []}}}}},
         "/design/variants/b/evaluation/metrics"),
        ({"design": {"type": "variants", "variants": {"a": {}, "  ": {"epochs": 3}}}}, "/design/variants/  "),
        ({"design": {"type": "variants", "variants": {"a": {}, "b\n": {"epochs": 3}}}}, "/design/variants/b\n"),
        ({"design": {"type": "ablation", "ingredients": []}}, "/design/ingredients"),
        ({"design": {"type": None}}, "/design/type"),
        ({"design": {"type": 3}}, "/design/type"),
        ({"seeds": [2**32]}, "/seeds/0"),
    ],
)  # fmt: skip
def test_one_arm_that_cannot_be_trained_refuses_all(api: httpx.Client, document: dict[str, Any], pointer: str) -> None:
    answer = problem(api.post("/v1/experiments", json={**ABLATION, **document}), 422, "invalid_recipe")
    assert answer["errors"][0]["pointer"] == pointer
    assert api.get("/v1/runs").json()["data"] == []
    assert api.get("/v1/experiments").json()["data"] == []


def test_an_arm_on_which_others_build_need_not_have_the_metric(api: httpx.Client) -> None:
    transfer = {"pretraining": {"type": "transfer", "checkpoint": {"arm": "source"}}}
    variants: dict[str, Any] = {"plain": {}, "source": {"evaluation": {"metrics": []}}}
    measured = {**ABLATION, "recipe": {**RECIPE, "evaluation": {"metrics": ["f1"]}}, "metric": "validation_f1"}
    found = post(api, {**measured, "design": {"type": "variants", "variants": {**variants, "b": transfer}}})
    assert found["arms"][2]["builds_on"] == ["source"]


def test_messages_about_wrong_types_are_plain(api: httpx.Client) -> None:
    def message(document: dict[str, Any]) -> str:
        refused = problem(api.post("/v1/experiments", json={**ABLATION, **document}), 422, "invalid_recipe")
        text: str = refused["errors"][0]["message"]
        return text

    assert message({"design": {"type": None}}) == message({"design": {"type": 3}}) == "needs a type"
    search = {"type": "search", "space": SPACE, "trials": 3, "confirm": []}
    assert message({"design": search}) == "should be an object"
    refused = problem(api.post("/v1/experiments", json={**ABLATION, "seeds": [2**32]}), 422, "invalid_recipe")
    assert refused["errors"][0]["allowed"] == ["< 4294967296"]
    path = f"/v1/experiments/{post(api)['id']}"
    assert api.patch(path, json=[]).json()["errors"][0]["message"] == "should be an object"
    asked = api.post(f"{path}/what-if", json={"early_stopping": 3}).json()
    assert asked["errors"][0]["message"] == "should be a list"


def test_an_experiment_is_extended_by_what_is_new(api: httpx.Client) -> None:
    experiment = post(api)
    path = f"/v1/experiments/{experiment['id']}/extend"
    longer = api.post(path, json={"seeds": [1, 5]}).json()
    assert (longer["seeds"], longer["counts"]) == ([0, 1, 5], {"queued": 12})
    before = {each["run"] for each in experiment["runs"]}
    assert before < {each["run"] for each in longer["runs"]}
    assert api.post(path, json={"seeds": 2}).json()["counts"] == {"queued": 12}
    refused = problem(api.post(path, json={"axes": {"/norm": ["none"]}}), 422, "invalid_recipe")
    assert refused["errors"][0]["pointer"] == "/axes"


def test_a_grid_and_variants_get_further_arms(api: httpx.Client) -> None:
    grid = post(api, {**ABLATION, "design": {"type": "grid", "axes": {"/norm": ["none", "layer_norm"]}}})
    longer = api.post(f"/v1/experiments/{grid['id']}/extend", json={"axes": {"/norm": ["rms_norm"]}}).json()
    assert [arm["name"] for arm in longer["arms"]] == ["norm=none", "norm=layer_norm", "norm=rms_norm"]
    variants = {"plain": {"norm": None}, "bn": {}}
    named = post(api, {**ABLATION, "design": {"type": "variants", "variants": variants}})
    path = f"/v1/experiments/{named['id']}/extend"
    assert len(api.post(path, json={"variants": {"wet": {"dropout": 0.5}}}).json()["runs"]) == 6
    refused = problem(api.post(path, json={"variants": {"bn": {}}}), 422, "invalid_recipe")
    assert refused["errors"][0]["pointer"] == "/variants/bn"


def test_a_preview_of_an_extension_says_what_is_new_and_stores_nothing(api: httpx.Client, worker: FakeWorker) -> None:
    named = post(api, NAMED)
    path = f"/v1/experiments/{named['id']}"
    asked = {"seeds": [1, 2], "variants": {"wet": {"dropout": 0.5}}}
    preview = api.post(f"{path}/extend?validate_only=true", json=asked).json()
    # Two arms get the seed 2, and the new one has three seeds.
    assert (preview["arms"], preview["seeds"], preview["runs"], preview["reused"]) == (["wet"], [2], 5, 0)
    assert api.get(path).json() == named
    refused = problem(
        api.post(f"{path}/extend?validate_only=true", json={"variants": {"wet": {"norm": UNEVEN}}}),
        422,
        "invalid_recipe",
    )
    assert refused["errors"][0]["pointer"] == "/variants/wet/norm/num_groups"
    alone = {**named["document"], "seeds": [7], "design": {"type": "variants", "variants": {"bn": {}}}}
    [run] = post(api, alone)["runs"]
    finish(worker, run["run"], 0.5)
    like = a_worker("same").model_copy(update={"versions": PROVENANCE.versions, "memory_bytes": 10**10})
    worker.store.put_worker(like, ttl=60)
    assert api.post(f"{path}/extend?validate_only=true", json={"seeds": [7]}).json()["reused"] == 1


GRID = {**ABLATION, "design": {"type": "grid", "axes": {"/norm": ["none", "batch_norm"], "/dropout": [0, 0.1]}}}
NAMED = {**ABLATION, "design": {"type": "variants", "variants": {"plain": {"norm": None}, "bn": {}}}}


@pytest.mark.parametrize(
    ("document", "posted", "pointer", "code"),
    [
        (NAMED, {"variants": {"ok": {"dropout": 0.5}, "a/b": {"norm": UNEVEN}}}, "/variants/a~1b/norm/num_groups",
         "conflict"),
        (NAMED, {"variants": {"5": {"norm": UNEVEN}}}, "/variants/5/norm/num_groups", "conflict"),
        (NAMED, {"variants": {"again": {}}, "seeds": [7]}, "/variants/again", "equal_arms"),
        (GRID, {"axes": {"/norm": ["layer_norm", UNEVEN]}}, "/axes/~1norm/1/num_groups", "conflict"),
        (GRID, {"axes": {"/norm": ["layer_norm", "none"]}}, "/axes/~1norm/1", "conflict"),
        (GRID, {"axes": {"/dropout": [1 / 1000 * n + 0.2 for n in range(600)]}}, "/axes", "too_many_runs"),
        (GRID, {"axes": {"/dropout": [[{"type": "dropout", "rate": 0.1}]]}}, "/axes", "equal_arms"),
        (NAMED, {"variants": {f"p{n}": {"dropout": n / 1000} for n in range(600)}}, "/variants", "too_many_runs"),
        (NAMED, {"seeds": 600}, "/seeds", "too_many_runs"),
        (SMALL_SEARCH, {"seeds": 3}, "", "conflict"),
        (NAMED, {"variants": {}}, "/variants", "too_short"),
        (NAMED, {"variants": None, "seeds": None}, "", "object_type"),
        (NAMED, {"variants": {"b": {"dataset": "diabetes"}}}, "/variants/b/dataset", "not_allowed"),
        (GRID, {"axes": {}}, "/axes", "too_short"),
        (GRID, {"axes": {"/norm": []}}, "/axes/~1norm", "too_short"),
    ],
)  # fmt: skip
def test_a_problem_of_an_extension_is_pointed_out_in_what_was_posted(
    api: httpx.Client, document: dict[str, Any], posted: dict[str, Any], pointer: str, code: str
) -> None:
    path = f"/v1/experiments/{post(api, document)['id']}"
    refused = problem(api.post(f"{path}/extend", json=posted), 422, "invalid_recipe")
    assert {(each["pointer"], each["code"]) for each in refused["errors"]} == {(pointer, code)}


def test_an_extension_is_told_what_has_become_wrong_with_the_experiment_itself(
    api: httpx.Client, service: RunningService
) -> None:
    path = f"/v1/experiments/{post(api)['id']}"
    with connect(service.redis_url, patient=True) as redis:
        key = Keys().experiment(path.rpartition("/")[2])
        record = redis.hget(key, "record")
        assert record is not None
        redis.hset(key, "record", text(record).replace('"dataset":"iris"', '"dataset":"irises"'))
    refused = problem(api.post(f"{path}/extend", json={"seeds": 3}), 422, "invalid_recipe")
    assert {(each["pointer"], each["code"]) for each in refused["errors"]} == {("", "unknown_dataset")}
    assert refused["errors"][0]["message"].startswith("/recipe/dataset of the experiment's document: in the arm ")


def test_cancel_ends_all_runs_and_delete_removes_them(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    runs = [each["run"] for each in experiment["runs"]]
    path = f"/v1/experiments/{experiment['id']}"
    assert problem(api.delete(path), 409, "illegal_action")
    assert api.post(f"{path}/cancel").json()["status"] == "cancelled"
    assert api.get(f"/v1/runs/{runs[0]}").json()["status"] == "cancelled"
    assert problem(api.post(f"{path}/resume"), 409, "illegal_action")
    assert problem(api.delete(f"/v1/runs/{runs[0]}"), 409, "run_in_experiment")
    preview = api.delete(path, params={"validate_only": True}).json()
    assert sorted(preview["runs"]) == sorted(runs)
    assert api.delete(path).json()["kept"] == []
    assert api.get("/v1/runs").json()["data"] == []
    assert problem(api.get(path), 404, "experiment_not_found")


def test_requests_for_hundreds_of_runs_and_their_deletion_are_a_write_each(
    api: httpx.Client, worker: FakeWorker, service: RunningService
) -> None:
    experiment = post(api, {**ABLATION, "seeds": 75})
    path = f"/v1/experiments/{experiment['id']}"
    for each in experiment["runs"][:40]:
        worker.claim(each["run"])
    with connect(service.redis_url, patient=True) as redis:
        for action, counts in (
            ("pause", {"queued": 260, "running": 40}),
            ("resume", {"queued": 260, "running": 40}),
            ("stop", {"running": 40, "cancelled": 260}),
            ("cancel", {"running": 40, "cancelled": 260}),
        ):
            redis.config_resetstat()
            assert api.post(f"{path}/{action}").json()["counts"] == counts
            # One for the record of the experiment, and one for its runs.
            assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 2
        for each in experiment["runs"][:40]:
            worker.cancel(each["run"])
        redis.config_resetstat()
        assert len(api.delete(path, timeout=60).json()["runs"]) == 300
        assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] == 2
        assert not redis.exists(Keys().deleted_runs())
    assert api.get("/v1/runs").json()["data"] == []


def test_a_damaged_run_does_not_keep_others_from_being_cancelled(api: httpx.Client, service: RunningService) -> None:
    experiment = post(api)
    damaged = experiment["runs"][-1]["run"]
    with connect(service.redis_url, patient=True) as redis:
        redis.hset(Keys().run(damaged), "recipe", "{}")
    assert api.post(f"/v1/experiments/{experiment['id']}/cancel").json()["counts"] == {"queued": 1, "cancelled": 7}


def test_stop_keeps_what_is_in_training_and_drops_what_waits(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    running = experiment["runs"][0]["run"]
    worker.claim(running)
    stopped = api.post(f"/v1/experiments/{experiment['id']}/stop").json()
    assert (stopped["status"], stopped["counts"]) == ("running", {"running": 1, "cancelled": 7})
    assert api.get(f"/v1/runs/{running}").json()["request"] == "stop"


def test_name_and_limits_can_be_changed(api: httpx.Client) -> None:
    experiment = post(api, {**ABLATION, "name": "first"})
    path = f"/v1/experiments/{experiment['id']}"
    changed = api.patch(path, json={"name": "second", "max_running": 2}).json()
    assert (changed["name"], changed["max_running"]) == ("second", 2)
    assert problem(api.patch(path, json={"max_running": 0}), 422, "invalid_request")
    assert problem(api.get("/v1/experiments/nothing"), 404, "experiment_not_found")


def finish(worker: FakeWorker, run_id: str, accuracy: float) -> None:
    worker.claim(run_id)
    metrics = {"train_loss": 0.1, "validation_loss": 1 - accuracy, "validation_accuracy": accuracy}
    worker.log_epoch(run_id, 1, seconds=0.5, **metrics)
    worker.save_best(run_id, 1, run_id.encode(), loss=1 - accuracy, validation_accuracy=accuracy)
    worker.succeed(run_id)


def test_results_compare_the_arms_seed_by_seed(api: httpx.Client, worker: FakeWorker) -> None:
    variants = {"plain": {"norm": None}, "normalized": {}}
    experiment = post(api, {**ABLATION, "seeds": 3, "design": {"type": "variants", "variants": variants}})
    path = f"/v1/experiments/{experiment['id']}/results"
    assert api.get(path).json()["finished"] == 0
    for each in experiment["runs"]:
        base = {"plain": 0.5, "normalized": 0.7}[each["arm"]]
        finish(worker, each["run"], base + 0.01 * each["seed"] * (1 if each["arm"] == "plain" else 2))
    results = api.get(path).json()
    for each in experiment["runs"][::2]:
        assert worker.store.archive(each["run"], seq=worker.store.head(each["run"]))
    assert api.get(path).json() == results
    plain, normalized = results["arms"]
    assert (results["status"], results["finished"], plain["n"]) == ("finished", 6, 3)
    assert plain["values"] == pytest.approx({"0": 0.5, "1": 0.51, "2": 0.52})
    assert normalized["difference"]["mean"] == pytest.approx(0.21)
    assert normalized["difference"]["verdict"] == "better"
    assert normalized["differs"] == {"/norm": experiment["arms"][1]["differs"]["/norm"]}


def test_each_arm_is_judged_by_its_own_recipe(api: httpx.Client) -> None:
    axes = {"/optimizer/lr": [0.1, 0.01], "/epochs": [1, 2], "/dataset/split_seed": [0, 1]}
    experiment = post(api, {"recipe": {**RECIPE, "epochs": 1}, "design": {"type": "grid", "axes": axes}})
    warnings = api.get(f"/v1/experiments/{experiment['id']}/results").json()["warnings"]
    unequal = {each["code"]: each["arms"] for each in warnings}
    names = [arm["name"] for arm in experiment["arms"]]
    assert unequal["different_budgets"] == [name for name in names if "epochs=2" in name]
    assert unequal["different_splits"] == [name for name in names if "split_seed=1" in name]


def test_a_retry_takes_the_place_of_the_run_that_failed(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    failed = experiment["runs"][0]["run"]
    worker.claim(failed)
    worker.fail(failed)
    path = f"/v1/experiments/{experiment['id']}"
    [reason] = api.get(f"{path}/results").json()["arms"][0]["failed"]
    assert reason["run"] == failed
    again = api.post(f"/v1/runs/{failed}/retry").json()["id"]
    experiment = api.get(path).json()
    runs = experiment["runs"]
    assert (runs[0]["run"], runs[0]["status"], len(runs)) == (again, "queued", 8)
    assert experiment["counts"] == {"queued": 8}
    [row] = api.get("/v1/experiments").json()["data"]
    assert row["counts"] == {"queued": 8}
    assert api.get(f"{path}/results").json()["arms"][0]["failed"] == []


def test_a_retry_in_an_experiment_that_was_cancelled_is_trained(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    path = f"/v1/experiments/{experiment['id']}"
    api.post(f"{path}/cancel")
    again = api.post(f"/v1/runs/{experiment['runs'][0]['run']}/retry").json()
    assert (again["queue"]["position"], again["experiment"]["id"]) == (1, experiment["id"])
    found = api.get(path).json()
    assert (found["request"], found["counts"]) == (None, {"queued": 1, "cancelled": 7})
    worker.train(again["id"])
    assert api.get(path).json()["status"] == "finished"


def test_a_run_is_replaced_once_and_then_its_replacement(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    path = f"/v1/experiments/{experiment['id']}"
    failed = experiment["runs"][0]["run"]
    worker.claim(failed)
    worker.fail(failed)
    again = api.post(f"/v1/runs/{failed}/retry").json()["id"]
    assert problem(api.delete(path), 409, "illegal_action")
    assert api.patch(path, json={"priority": 3}).json()["counts"] == {"queued": 8}
    waiting = worker.store.waiting()
    assert {worker.store.record(run_id).priority for run_id in waiting} == {3}
    assert api.post(f"{path}/cancel").json()["counts"] == {"cancelled": 8}
    refused = problem(api.post(f"/v1/runs/{failed}/retry"), 409, "run_replaced")
    assert again in refused["detail"]
    assert api.get(path).json()["status"] == "cancelled"
    assert api.post(f"/v1/runs/{again}/retry").status_code == 201
    [row] = api.get("/v1/experiments").json()["data"]
    assert row["counts"] == {"cancelled": 7, "queued": 1}
    api.post(f"{path}/cancel")
    assert len(api.delete(path).json()["runs"]) == 10


def test_a_replaced_run_that_outlives_its_experiment_can_be_retried(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    path = f"/v1/experiments/{experiment['id']}"
    run_id = experiment["runs"][0]["run"]
    finish(worker, run_id, 0.5)
    api.post(f"/v1/runs/{run_id}/fork", json={}).raise_for_status()
    api.post(f"/v1/runs/{run_id}/retry").raise_for_status()
    api.post(f"{path}/cancel")
    assert run_id in api.delete(path).json()["kept"]
    again = api.post(f"/v1/runs/{run_id}/retry")
    assert (again.status_code, again.json()["experiment"]) == (201, None)


def test_the_key_of_a_deleted_experiment_makes_a_new_one(api: httpx.Client, worker: FakeWorker) -> None:
    headers = {"Idempotency-Key": "once more"}
    first = post(api, headers=headers)["id"]
    api.post(f"/v1/experiments/{first}/cancel")
    api.delete(f"/v1/experiments/{first}")
    assert post(api, headers=headers)["id"] != first


def test_a_run_that_another_experiment_uses_again_outlives_its_own(api: httpx.Client, worker: FakeWorker) -> None:
    first = post(api)
    for each in first["runs"]:
        finish(worker, each["run"], 0.5)
    like = a_worker("same").model_copy(update={"versions": PROVENANCE.versions, "memory_bytes": 10**10})
    worker.store.put_worker(like, ttl=60)
    second = post(api, {**ABLATION, "design": {"type": "ablation", "ingredients": ["norm"]}})
    used = {each["run"] for each in second["runs"]}
    assert all(each["reused"] for each in second["runs"])
    deleted = api.delete(f"/v1/experiments/{first['id']}").json()
    assert (set(deleted["kept"]), len(deleted["runs"])) == (used, 4)
    again = api.post(f"/v1/runs/{min(used)}/retry").json()
    assert again["experiment"] is None
    assert api.get(f"/v1/experiments/{second['id']}/results").json()["finished"] == 4
    assert set(api.delete(f"/v1/experiments/{second['id']}").json()["kept"]) == used
    assert api.delete(f"/v1/runs/{min(used)}").status_code == 200


def test_a_run_can_be_ablated(api: httpx.Client, worker: FakeWorker) -> None:
    run = requests.create(api, norm="batch_norm", architecture={"type": "mlp", "hidden": [4]})
    experiment = api.post(f"/v1/runs/{run}/ablate", json={"seeds": 2}).json()
    assert [arm["name"] for arm in experiment["arms"]] == ["recipe", "without batch_norm"]
    assert len(experiment["runs"]) == 4
    assert api.post(f"/v1/runs/{run}/ablate").json()["seeds"] == [0, 1, 2, 3, 4]
    plain = requests.create(api)
    refused = problem(api.post(f"/v1/runs/{plain}/ablate"), 422, "invalid_recipe")
    assert refused["errors"][0]["code"] == "nothing_to_ablate"


def test_folds_are_runs_of_their_own(api: httpx.Client) -> None:
    experiment = post(api, {**ABLATION, "folds": 3, "design": {"type": "ablation", "ingredients": ["norm"]}})
    assert [each["fold"] for each in experiment["runs"][:6]] == [0, 1, 2, 0, 1, 2]
    run = api.get(f"/v1/runs/{experiment['runs'][4]['run']}").json()
    assert (run["recipe"]["dataset"]["folds"], run["recipe"]["dataset"]["fold"]) == (3, 1)
    assert run["experiment"]["fold"] == 1


def test_the_report_and_what_if_of_an_experiment(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api, {**ABLATION, "name": "<b>bold</b>", "seeds": 1})
    path = f"/v1/experiments/{experiment['id']}"
    nothing = api.post(f"{path}/what-if", json={"early_stopping": [2]}).json()
    assert (nothing["runs"], nothing["sentence"]) == (0, "no run has a complete epoch")
    for number, each in enumerate(experiment["runs"]):
        finish(worker, each["run"], 0.5 + number / 10)
    markdown = api.get(f"{path}/report")
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert "## Answer" in markdown.text
    html = api.get(f"{path}/report", params={"format": "html"})
    assert html.text.count("<svg") == 2, "the means and the curves"
    assert html.text.count('class="mean" stroke-dasharray') == 2 * len(experiment["arms"])
    assert "## Curves" not in markdown.text
    assert "<b>bold" not in html.text
    assert "sandbox" in html.headers["content-security-policy"]
    answers = api.post(f"{path}/what-if", json={"early_stopping": [1, "none"]}).json()
    assert [len(answers["answers"]), answers["runs"], len(answers["arms"])] == [2, 4, 4]
    refused = problem(api.post(f"{path}/what-if", json={"early_stopping": [0]}), 422, "invalid_request")
    assert refused["errors"][0]["pointer"] == "/early_stopping/0"


def test_a_stop_that_is_repeated_lets_paused_runs_end_with_what_they_have(
    api: httpx.Client, worker: FakeWorker
) -> None:
    experiment = post(api)
    paused, waiting = (each["run"] for each in experiment["runs"][:2])
    worker.claim(paused)
    api.post(f"/v1/runs/{paused}/pause")
    worker.store.command(paused, Pause(paused))
    for _ in range(2):
        assert api.post(f"/v1/experiments/{experiment['id']}/stop").status_code == 202
    run = api.get(f"/v1/runs/{paused}").json()
    assert (run["status"], run["request"]) == ("queued", "stop")
    assert api.get(f"/v1/runs/{waiting}").json()["status"] == "cancelled"


def test_a_run_with_a_long_list_of_values_can_be_claimed(api: httpx.Client, worker: FakeWorker) -> None:
    axes = {
        "/architecture": [{"type": "mlp", "hidden": [4, 4], "activation": "relu", "embed_from": 16}],
        "/optimizer": [{"type": "adam", "lr": 0.001, "betas": [0.8, 0.99], "eps": 1e-07}],
        "/early_stopping": [{"type": "patience", "patience": 10, "min_delta": 0.1, "min_epochs": 3}],
        "/schedule": [{"type": "constant", "warmup_epochs": 1.0}],
        "/dataset": [{"id": "iris", "validation_fraction": 0.25, "split_seed": 3}],
    }
    experiment = post(api, {**ABLATION, "seeds": 1, "design": {"type": "grid", "axes": axes}})
    [run] = experiment["runs"]
    assert len(run["arm"]) > 200
    worker.claim(run["run"])


def test_an_experiment_of_another_version_breaks_no_list(api: httpx.Client, redis_server: str) -> None:
    ids = [post(api)["id"] for _ in range(2)]
    with Redis.from_url(redis_server) as redis:
        redis.hset(f"local:experiment:{ids[0]}", "record", '{"of": "the future"}')
    assert [row["id"] for row in api.get("/v1/experiments").json()["data"]] == [ids[1]]
    problem(api.get(f"/v1/experiments/{ids[0]}"), 409, "experiment_unreadable")


def test_an_ablation_of_one_fold_is_a_cross_validation(api: httpx.Client) -> None:
    dataset = {"id": "iris", "folds": 3, "fold": 1}
    run = requests.create(api, norm="batch_norm", architecture={"type": "mlp", "hidden": [4]}, dataset=dataset)
    experiment = api.post(f"/v1/runs/{run}/ablate", json={"seeds": 1}).json()
    assert [each["fold"] for each in experiment["runs"]] == [0, 1, 2] * 2


def test_a_paused_experiment_is_resumed(api: httpx.Client, worker: FakeWorker) -> None:
    experiment = post(api)
    path = f"/v1/experiments/{experiment['id']}"
    worker.claim(experiment["runs"][0]["run"])
    assert api.post(f"{path}/pause").json()["request"] == "pause"
    assert api.get(f"/v1/runs/{experiment['runs'][0]['run']}").json()["request"] == "pause"
    resumed = api.post(f"{path}/resume").json()
    assert (resumed["request"], resumed["status"]) == (None, "running")
    assert api.get(f"/v1/runs/{experiment['runs'][0]['run']}").json()["request"] is None


def test_a_new_experiment_wakes_as_many_workers_as_there_are(
    api: httpx.Client, worker: FakeWorker, redis_server: str
) -> None:
    for name in ("w1", "w2", "w3"):
        worker.store.put_worker(a_worker(name).model_copy(update={"memory_bytes": 1 << 40}), ttl=60)
    with Redis.from_url(redis_server) as redis:
        redis.delete("rq:queue:bakehouse")
        post(api)
        assert redis.llen("rq:queue:bakehouse") == 3
    for name in ("w1", "w2", "w3"):
        worker.store.remove_process(name)


def test_an_arm_that_is_named_twice_has_a_place(api: httpx.Client) -> None:
    body = '{"recipe": {"dataset": "iris"}, "seeds": 2, "design": {"type": "variants", "variants": {"a": {}, "a": {}}}}'
    answer = api.post("/v1/experiments", content=body, headers={"content-type": "application/json"})
    [error] = problem(answer, 422, "invalid_recipe")["errors"]
    assert (error["pointer"], error["code"]) == ("/design/variants/a", "duplicate_key")
