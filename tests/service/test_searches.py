"""Searches over HTTP, with a fake worker."""

from typing import Any

import httpx
import pytest
from redis import Redis

from bakehouse.experiments.supervisors import Supervisors
from bakehouse.runs.keys import Keys
from tests.fake_worker import FakeWorker
from tests.service.test_experiments import RECIPE, UNEVEN, problem

LR = {"type": "log_uniform", "low": 1e-4, "high": 0.1}
SEARCH: dict[str, Any] = {
    "recipe": RECIPE,
    "design": {
        "type": "search",
        "space": {"/optimizer/lr": LR, "/norm": {"type": "choice", "values": ["none", "batch_norm"]}},
        "trials": 24,
        "confirm": {"top": 3, "seeds": 5},
    },
}


def with_space(space: dict[str, Any]) -> dict[str, Any]:
    return {**SEARCH, "design": {**SEARCH["design"], "space": space}}


def with_design(**fields: object) -> dict[str, Any]:
    return {**SEARCH, "design": {**SEARCH["design"], **fields}}


def test_a_search_waits_for_a_supervisor_that_creates_its_trials(api: httpx.Client) -> None:
    preview = api.post("/v1/experiments?validate_only=true", json=SEARCH).json()
    assert (preview["runs"], preview["arms"], preview["metric"]) == (44, [], "validation_accuracy")
    found = api.post("/v1/experiments", json=SEARCH).json()
    assert (found["status"], found["trials"], found["runs"], found["baseline"]) == ("queued", [], [], None)
    [row] = api.get("/v1/experiments").json()["data"]
    assert (row["design"], row["runs"], row["status"]) == ("search", 0, "queued")
    results = api.get(f"/v1/experiments/{found['id']}/results").json()
    assert results["sentence"] == f"No run has a value yet. {found['reason']}"
    assert (results["baseline"], results["arms"]) == (None, [])
    assert results["search"] == {"best_so_far": [], "importances": None}
    what_if = api.post(f"/v1/experiments/{found['id']}/what-if", json={"early_stopping": [3]}).json()
    assert (what_if["runs"], what_if["sentence"]) == (0, "no run has a complete epoch")
    assert api.post(f"/v1/experiments/{found['id']}/what-if", json={"early_stopping": [0]}).status_code == 422
    assert api.get(f"/v1/experiments/{found['id']}/report", params={"format": "html"}).status_code == 200
    stopped = api.post(f"/v1/experiments/{found['id']}/stop").json()
    assert stopped["status"] == "finished"
    assert api.post(f"/v1/experiments/{found['id']}/resume").status_code == 409


def test_the_default_number_of_winners_is_at_most_that_of_the_trials(api: httpx.Client) -> None:
    preview = api.post("/v1/experiments?validate_only=true", json=with_design(trials=2, confirm={"seeds": 4})).json()
    assert preview["runs"] == 2 + (2 + 1) * 4


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        (with_space({"/optimizer/lr": {**LR, "low": 0.3}}), "/design/space/~1optimizer~1lr/low", "range"),
        (with_space({"/optimizer/lr": {**LR, "low": 0}}), "/design/space/~1optimizer~1lr/low", "greater_than"),
        (with_space({"/optimizer/lr": {**LR, "low": -1}}), "/design/space/~1optimizer~1lr/low", "greater_than"),
        (with_space({"/optimizer/rl": LR}), "/design/space/~1optimizer~1rl", "unknown_pointer"),
        (
            with_space({"/norm": {"type": "choice", "values": ["none", UNEVEN]}}),
            "/design/space/~1norm/values/1/num_groups",
            "conflict",
        ),
        (with_space({"/norm": {"type": "choice", "values": ["none"]}}), "/design/space/~1norm/values", "too_short"),
        (with_space({"/norm": {"type": "chose", "values": []}}), "/design/space/~1norm/type", "unknown_variant"),
        (with_space({}), "/design/space", "too_short"),
        (
            with_space({"/dataset/id": {"type": "choice", "values": ["iris", "irises"]}}),
            "/design/space/~1dataset~1id/values/1",
            "unknown_dataset",
        ),
        ({**SEARCH, "recipe": {**RECIPE, "norm": UNEVEN}}, "/recipe/norm/num_groups", "conflict"),
        ({**SEARCH, "metric": "validation_r2"}, "/metric", "not_allowed"),
        ({**SEARCH, "seeds": 50}, "/seeds", "too_many_runs"),
        (with_design(trials=1000), "/design/trials", "too_many_runs"),
        (with_design(trials=0), "/design/trials", "greater_than_equal"),
        (with_design(trials=4, confirm={"top": 5}), "/design/confirm/top", "conflict"),
        (with_design(confirm={"tops": 5}), "/design/confirm/tops", "unknown_field"),
        (with_design(confirm=[]), "/design/confirm", "model_type"),
    ],
)
def test_a_search_that_cannot_be_answered_is_refused_and_nothing_is_stored(
    api: httpx.Client, document: dict[str, Any], pointer: str, code: str
) -> None:
    before = len(api.get("/v1/experiments").json()["data"])
    found = problem(api.post("/v1/experiments", json=document), 422, "invalid_recipe")
    assert [(each["pointer"], each["code"]) for each in found["errors"]] == [(pointer, code)]
    assert len(api.get("/v1/experiments").json()["data"]) == before


def test_trials_with_other_losses_are_ranked_only_by_a_metric_that_is_no_loss(api: httpx.Client) -> None:
    space = {"/objective/loss": {"type": "choice", "values": ["squared_error", "poisson"]}}
    # What a search with numbers as targets compares by default is the loss.
    document = {**with_space(space), "recipe": {"dataset": "diabetes", "architecture": "mlp"}}
    path = "/v1/experiments?validate_only=true"
    [error] = problem(api.post(path, json=document), 422, "invalid_recipe")["errors"]
    assert error["pointer"] == "/design/space/~1objective~1loss/values/1"
    assert "choose another /metric, such as " in error["message"]
    advised = error["message"].rpartition("such as ")[2].strip("'")
    smoothing = {"/objective/label_smoothing": {"type": "choice", "values": [None, 0.1]}}
    # Validation is without smoothing.
    smoothed = {**with_space(smoothing), "metric": "validation_loss"}
    for accepted in ({**document, "metric": advised}, smoothed):
        assert api.post(path, json=accepted).status_code == 200


def test_a_search_that_no_supervisor_can_carry_on_says_so_and_a_new_one_is_refused(
    api: httpx.Client, worker: FakeWorker, redis_server: str
) -> None:
    path = f"/v1/experiments/{api.post('/v1/experiments', json=SEARCH).json()['id']}"
    with Redis.from_url(redis_server) as redis:
        supervisors = Supervisors(redis, Keys(), worker.store)
        supervisors.put("plain", can_search=False)
        reason = api.get(path).json()["reason"]
        assert "`pip install 'bakehouse[search]'`" in reason
        [row] = api.get("/v1/experiments").json()["data"]
        assert row["reason"] == reason
        assert api.get(f"{path}/results").json()["sentence"].endswith(reason)
        for query in ("", "?validate_only=true"):
            # What a supervisor notes about itself holds for seconds.
            supervisors.put("plain", can_search=False)
            found = problem(api.post(f"/v1/experiments{query}", json=SEARCH), 422, "invalid_recipe")
            assert [(each["pointer"], each["code"]) for each in found["errors"]] == [
                ("/design/type", "search_unavailable")
            ]
        supervisors.put("with Optuna", can_search=True)
    assert api.get(path).json()["reason"] is None
    assert api.post("/v1/experiments", json=SEARCH).status_code == 201
    assert api.post(f"{path}/cancel").json()["reason"] is None
