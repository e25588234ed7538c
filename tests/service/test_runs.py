"""Runs over HTTP, with a fake worker."""

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from bakehouse.runs.attempt_logs import open_attempt_log
from bakehouse.runs.run import Worker
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.service.requests import RECIPE, create, problem


def test_a_recipe_becomes_a_queued_run_and_one_job(api: httpx.Client, redis_server: str) -> None:
    # The very first run of a Redis is sent twice, because Redis does not know the script yet, and may wake twice.
    api.post(f"/v1/runs/{create(api)}/cancel")
    with Redis.from_url(redis_server) as redis:
        redis.delete("rq:queue:bakehouse")
    answer = api.post("/v1/runs", json=RECIPE)
    run = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"runs/{run['id']}"
    assert (run["status"], run["reason"], run["queue"]["position"]) == ("queued", "submitted", 1)
    assert run["recipe"]["batch_size"] == 64
    assert (
        run["dataset_fingerprint"]
        == api.get(f"/v1/datasets/{run['recipe']['dataset']['id']}").json()["card"]["fingerprint"]
    )
    assert api.get(answer.url.join(answer.headers["location"])).json() == run
    with Redis.from_url(redis_server) as redis:
        (job,) = Queue("bakehouse", connection=redis, serializer=JSONSerializer).jobs
    assert (job.func_name, job.args, job.kwargs) == ("worker.host.jobs.train_next", [], {})


def test_the_canonical_recipe_gives_the_same_run_again(api: httpx.Client) -> None:
    first = api.get(f"/v1/runs/{create(api)}").json()
    recipe = api.get(f"/v1/runs/{first['id']}/recipe").json()
    again = api.post("/v1/runs", json=recipe).json()
    assert again["recipe_sha256"] == first["recipe_sha256"]
    assert again["recipe"] == first["recipe"] == recipe


def test_validate_only_stores_nothing(api: httpx.Client) -> None:
    preview = api.post("/v1/runs?validate_only=true", json=RECIPE)
    assert preview.status_code == 200
    assert preview.json()["layers"][-1]["output"] == [3]
    with_norm = {**RECIPE, "architecture": {"type": "mlp", "hidden": [4]}, "norm": "layer_norm", "dropout": 0.5}
    layers = api.post("/v1/runs?validate_only=true", json=with_norm).json()["layers"]
    shown = [(row["type"], row["variant"]) for row in layers if row["name"].startswith("hidden1")]
    assert shown == [("linear", None), ("norm", "layer_norm"), ("activation", "relu"), ("dropout", "dropout")]
    assert preview.json()["estimate"]["parameters"] == sum(row["parameters"] for row in preview.json()["layers"])
    assert api.get("/v1/runs").json()["data"] == []


def test_a_recipe_too_large_for_every_worker_is_refused(api: httpx.Client, worker: FakeWorker) -> None:
    now = "2026-01-31T12:00:00.000Z"
    small = Worker(
        name="w", host="h", pid=1, device="cpu", memory_bytes=1000, status="idle", started_at=now, seen_at=now
    )
    worker.store.put_worker(small, ttl=60)
    answer = api.post("/v1/runs", json={**RECIPE, "architecture": {"type": "mlp", "hidden": 4096}})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "too_large"
    (listed,) = api.get("/v1/workers").json()["data"]
    assert listed["name"] == "w"


def test_the_same_idempotency_key_returns_the_first_run(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "k" * 40}
    first = api.post("/v1/runs", json=RECIPE, headers=key)
    again = api.post(
        "/v1/runs", content=json.dumps(RECIPE, indent=3), headers={**key, "content-type": "application/json"}
    )
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    other = api.post("/v1/runs", json={**RECIPE, "seed": 1}, headers=key)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency_mismatch")
    assert len(api.get("/v1/runs").json()["data"]) == 1


def test_the_list_is_filtered_and_paged(api: httpx.Client) -> None:
    runs = [create(api, seed=seed, labels={"group": str(seed % 2), "all": "x"}) for seed in range(7)][::-1]
    api.post(f"/v1/runs/{runs[0]}/cancel")
    first = api.get("/v1/runs?limit=3").json()
    assert [run["id"] for run in first["data"]] == runs[:3]
    assert (first["has_more"], first["first_id"], first["last_id"]) == (True, runs[0], runs[2])
    rest = api.get(f"/v1/runs?limit=5&after={first['last_id']}").json()
    assert ([run["id"] for run in rest["data"]], rest["has_more"]) == (runs[3:], False)
    back = api.get(f"/v1/runs?limit=2&before={runs[3]}").json()
    assert [run["id"] for run in back["data"]] == runs[1:3]
    for query, wanted in [
        ("label=group:1", runs[1::2]), ("label=group:1&label=all:x", runs[1::2]), ("label=group:2", []),
        ("status=cancelled", runs[:1]), ("status=queued&label=group:0", runs[2::2]), ("dataset=iris", runs),
        ("dataset=digits", []), ("architecture=linear&limit=1", runs[:1]),
    ]:  # fmt: skip
        assert [run["id"] for run in api.get(f"/v1/runs?{query}").json()["data"]] == wanted, query


def test_a_list_of_chosen_runs_leaves_out_those_that_do_not_exist_or_match(api: httpx.Client) -> None:
    runs = [create(api, seed=seed, labels={"group": str(seed % 2)}) for seed in range(4)][::-1]
    query = "&".join(f"run={run}" for run in [runs[3], runs[0], runs[1], "run_222222222222", runs[0]])
    for view in ("full", "brief"):
        answer = api.get(f"/v1/runs?{query}&view={view}").json()
        assert ([run["id"] for run in answer["data"]], answer["has_more"]) == ([runs[0], runs[1], runs[3]], False)
    assert [run["id"] for run in api.get(f"/v1/runs?{query}&label=group:0").json()["data"]] == [runs[1], runs[3]]
    assert api.get(f"/v1/runs?{query}&after={runs[0]}").status_code == 422


def test_the_brief_list_has_the_same_runs_in_few_bytes(api: httpx.Client, worker: FakeWorker) -> None:
    runs = [create(api, seed=seed, name="n" * 200) for seed in range(3)][::-1]
    worker.train(runs[1], [0.5, 0.4])
    answer = api.get("/v1/runs?view=brief&limit=2&status=queued")
    assert [row["id"] for row in answer.json()["data"]] == runs[::2]
    row = api.get("/v1/runs?view=brief").json()["data"][1]
    whole = api.get(f"/v1/runs/{runs[1]}").json()
    assert row["best"] == {name: whole["best"][name] for name in ("epoch", "monitor", "value")}
    assert row["sparkline"] == [99, 0]
    same = ("status", "request", "reason", "created_at")
    assert {name: row[name] for name in same} == {name: whole[name] for name in same}
    # A row takes at most 600 bytes, whatever else the page says.
    everything = api.get("/v1/runs?view=brief")
    around = json.dumps({**everything.json(), "data": []}, separators=(",", ":"))
    assert len(everything.content) <= len(around) + 3 * 600 + len(",,")
    assert all(
        len(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()) <= 600
        for row in everything.json()["data"]
    )
    for wrong in ("view=short", "limit=101", "view=brief&limit=501"):
        assert api.get(f"/v1/runs?{wrong}").status_code == 422
    assert api.get("/v1/runs?view=brief&limit=500").json()["data"][1] == row


def test_a_request_is_noted_and_a_weaker_one_is_409(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    assert api.post(f"/v1/runs/{run}/pause").json()["status"] == "paused"
    assert api.post(f"/v1/runs/{run}/pause").status_code == 202
    assert api.post(f"/v1/runs/{run}/resume").json()["status"] == "queued"
    worker.claim(run)
    for name in ("pause", "stop", "cancel", "cancel"):
        answer = api.post(f"/v1/runs/{run}/{name}")
        assert (answer.status_code, answer.json()["request"]) == (202, name)
    weaker = api.post(f"/v1/runs/{run}/pause")
    assert (weaker.status_code, weaker.json()["run_status"], weaker.json()["run_request"]) == (409, "running", "cancel")
    assert api.post(f"/v1/runs/{run}/retry").status_code == 409


def test_only_a_run_that_is_over_is_deleted_with_its_files(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    worker.save_best(run, 1, b"w" * 1000)
    refused = api.delete(f"/v1/runs/{run}")
    assert (refused.status_code, refused.json()["run_status"]) == (409, "running")
    worker.succeed(run)
    assert api.delete(f"/v1/runs/{run}").json()["bytes_freed"] > 1000
    assert api.get(f"/v1/runs/{run}").status_code == 404
    assert api.delete(f"/v1/runs/{run}").status_code == 404


def test_a_retry_names_its_parent_run_and_keeps_the_recipe(api: httpx.Client) -> None:
    run = api.post(f"/v1/runs/{create(api, name='a')}/cancel").json()
    api.patch(f"/v1/runs/{run['id']}", json={"name": "b"})
    again = api.post(f"/v1/runs/{run['id']}/retry", headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["parent_run"], again.json()["reason"]) == (201, run["id"], "retried")
    assert (again.json()["recipe_sha256"], again.json()["name"]) == (run["recipe_sha256"], "b")
    replayed = api.post(f"/v1/runs/{run['id']}/retry", headers={"Idempotency-Key": "k"})
    assert replayed.json()["id"] == again.json()["id"]


def test_a_verification_names_its_run_and_has_neither_name_nor_labels(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api, name="a", labels={"x": "1"})
    assert api.post(f"/v1/runs/{run}/verify").status_code == 409
    worker.train(run)
    answer = api.post(f"/v1/runs/{run}/verify")
    repeated = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (202, f"../{repeated['id']}")
    assert api.get(f"/v1/runs/{run}").json()["verified"]["run"] == repeated["id"]
    assert (repeated["parent_run"], repeated["reason"]) == (run, "verification")
    assert (repeated["name"], repeated["labels"]) == (None, {})
    assert (repeated["verification"]["run"], repeated["verification"]["verdict"]) == (run, None)
    worker.train(repeated["id"])
    assert api.get(f"/v1/runs/{repeated['id']}").json()["verification"]["verdict"] == "identical"


def test_only_name_and_labels_can_be_changed(api: httpx.Client) -> None:
    run = create(api, name="a", labels={"x": "1", "y": "2"})
    changed = api.patch(f"/v1/runs/{run}", json={"labels": {"y": None, "z": "3"}}).json()
    assert (changed["name"], changed["labels"]) == ("a", {"x": "1", "z": "3"})
    assert api.patch(f"/v1/runs/{run}", json={"name": None}).json()["name"] is None
    assert [each["id"] for each in api.get("/v1/runs?label=z:3").json()["data"]] == [run]
    for wrong, where in [
        ({"status": "failed"}, "/status"),
        ({"name": ""}, "/name"),
        ({"labels": {"a:b": "c"}}, "/labels/a:b"),
    ]:
        answer = api.patch(f"/v1/runs/{run}", json=wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == where


def test_the_etag_ignores_progress_only(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    tag = api.get(f"/v1/runs/{run}").headers["etag"]
    assert tag.startswith('W/"')
    worker.log_steps(run, 1, 5)
    unchanged = api.get(f"/v1/runs/{run}", headers={"If-None-Match": f'"x", {tag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    worker.log_epoch(run, 1)
    assert api.get(f"/v1/runs/{run}", headers={"If-None-Match": tag}).headers["etag"] != tag


def test_a_long_poll_ends_when_the_run_changes(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    tag = api.get(f"/v1/runs/{run}").headers["etag"]
    later = threading.Timer(0.3, worker.log_epoch, (run, 1))
    later.start()
    begun = time.monotonic()
    answer = api.get(f"/v1/runs/{run}", headers={"If-None-Match": tag, "Prefer": "wait=9"})
    assert answer.json()["last"] == {"epoch": 1, "metrics": {"validation_loss": 1.0}}
    assert answer.headers["preference-applied"] == "wait=9"
    assert time.monotonic() - begun < 8
    later.join()
    same = api.get(f"/v1/runs/{run}", headers={"If-None-Match": answer.headers["etag"], "Prefer": "wait=1"})
    assert same.status_code == 304


def test_the_log_of_an_attempt_names_no_path_outside_the_home(
    api: httpx.Client, service: RunningService, worker: FakeWorker
) -> None:
    run = create(api)
    assert problem(api.get(f"/v1/runs/{run}/log"), 404)["type"] == "/problems/log_not_found"
    folder = worker.artifacts.attempts_folder(run)
    for attempt, text in [(1, "first\n"), (2, f'File "/opt/venv/torch.py", line 1\n{service.home}/datasets/x\n')]:
        log = open_attempt_log(folder, attempt)
        os.write(log, text.encode())
        os.close(log)
    answer = api.get(f"/v1/runs/{run}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["bakehouse-attempt"] == "2"
    assert answer.text == f'File "torch.py", line 1\n{service.home}/datasets/x\n'
    assert api.get(f"/v1/runs/{run}/log?attempt=1").text == "first\n"
    assert "no log of an attempt 3" in str(problem(api.get(f"/v1/runs/{run}/log?attempt=3"), 404)["detail"])
    problem(api.get(f"/v1/runs/{run}/log?attempt=0"), 422)
    missing = problem(api.get("/v1/runs/run_222222222222/log"), 404)
    assert missing["type"] == "/problems/run_not_found"


def test_a_retry_knows_why_its_parent_run_failed(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    worker.fail(run)
    again = api.post(f"/v1/runs/{run}/retry").json()
    assert again["parent_failure"] == api.get(f"/v1/runs/{run}").json()["failure"]
    assert api.get(f"/v1/runs/{again['id']}").json()["parent_failure"]["code"] == "non_finite"


def test_metrics_are_returned_as_columns_or_as_a_csv_table(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    worker.claim(run)
    worker.log_steps(run, 1, 3)
    worker.log_epoch(run, 1, validation_loss=2.0, validation_accuracy=float("nan"))
    worker.log_epoch(run, 2, validation_loss=1.0, validation_accuracy=0.5)
    metrics = api.get(f"/v1/runs/{run}/metrics").json()
    assert metrics["steps"] == {"step": [1, 2, 3], "train_loss": [1.0, 0.5, pytest.approx(1 / 3)]}
    assert metrics["epochs"]["validation_accuracy"] == [None, 0.5]
    named = api.get(f"/v1/runs/{run}/metrics?names=validation_loss,lr").json()["epochs"]
    assert named == {"epoch": [1, 2], "step": [10, 20], "validation_loss": [2.0, 1.0], "lr": [0.1, 0.1]}
    table = api.get(f"/v1/runs/{run}/metrics?format=csv&names=validation_loss")
    assert table.headers["content-type"].startswith("text/csv")
    lines = table.text.splitlines()
    assert lines[:2] == ["by,epoch,step,validation_loss", "epoch,1,10,2.0"]
    assert lines[-1] == "step,,3,"


def test_data_sets_ingredients_and_the_schema_are_listed(api: httpx.Client) -> None:
    families = {family["name"]: family for family in api.get("/v1/recipes/ingredients").json()["families"]}
    norms = {variant["type"]: variant for variant in families["norm"]["variants"]}
    assert {"none", "batch_norm", "layer_norm", "group_norm"} <= norms.keys()
    groups = {field["name"]: field for field in norms["group_norm"]["fields"]}["num_groups"]
    assert (groups["default"], groups["json_schema"]["minimum"], bool(groups["description"])) == (8, 1, True)
    assert norms["batch_norm"]["sources"] == ["Ioffe & Szegedy 2015, arXiv 1502.03167"]
    assert "batch_norm_small_batch" in [rule["code"] for rule in norms["batch_norm"]["advice"]]
    assert families["dropout"]["several"]
    assert families["dataset"]["required"]
    assert "norm" in api.get("/v1/recipes/schema").json()["properties"]
    names = [listing["id"] for listing in api.get("/v1/datasets").json()["data"]]
    assert "iris" in names
    assert api.get("/v1/datasets/iris").json()["card"]["classes"]


def test_the_queue_lists_waiting_runs_and_why(api: httpx.Client) -> None:
    runs = [create(api, seed=seed) for seed in range(3)]
    (line,) = api.get("/v1/queues").json()["data"]
    assert (line["name"], line["length"]) == ("bakehouse", 3)
    assert [(waiting["position"], waiting["run_id"]) for waiting in line["data"]] == list(enumerate(runs, start=1))
    assert line["data"][0]["reason"] == "no worker is running"
    assert api.get("/v1/workers").json() == {"data": [], "task_processes": []}


def test_runs_wait_by_priority_which_can_be_changed_while_they_wait(api: httpx.Client, worker: FakeWorker) -> None:
    normal = create(api)
    key = {"Idempotency-Key": "key"}
    urgent = api.post("/v1/runs?priority=5", json=RECIPE, headers=key).json()
    assert (urgent["priority"], urgent["queue"]["position"]) == (5, 1)
    # The priority is part of what a repetition has to repeat.
    assert api.post("/v1/runs?priority=5", json=RECIPE, headers=key).json()["id"] == urgent["id"]
    assert api.post("/v1/runs", json=RECIPE, headers=key).status_code == 422
    changed = api.patch(f"/v1/runs/{normal}", json={"priority": 6, "name": "n"}).json()
    assert (changed["priority"], changed["name"], changed["queue"]["position"]) == (6, "n", 1)
    assert [waiting["run_id"] for waiting in api.get("/v1/queues").json()["data"][0]["data"]] == [normal, urgent["id"]]
    worker.train(normal)
    refused = api.patch(f"/v1/runs/{normal}", json={"priority": 7, "name": "other"})
    assert refused.status_code == 409
    assert "succeeded" in refused.json()["detail"]
    assert api.get(f"/v1/runs/{normal}").json() == api.patch(f"/v1/runs/{normal}", json={"priority": 6}).json()
    again = api.post(f"/v1/runs/{normal}/retry").json()
    fork = api.post(f"/v1/runs/{normal}/fork", json={"norm": None}).json()
    assert (again["priority"], fork["priority"]) == (6, 6)


@pytest.mark.parametrize("priority", ["1001", "-1001", "1.5", "high"])
def test_a_priority_out_of_range_is_refused(api: httpx.Client, priority: str) -> None:
    refused = api.post(f"/v1/runs?priority={priority}", json=RECIPE)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["parameter"] == "priority"
    value = float(priority) if priority != "high" else priority
    refused = api.patch(f"/v1/runs/{create(api)}", json={"priority": value})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/priority"


def test_simultaneous_changes_lose_nothing(api: httpx.Client) -> None:
    run = create(api)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: api.patch(f"/v1/runs/{run}", json={"labels": {f"k{n}": "v"}}), range(24)))
        list(threads.map(lambda change: api.patch(f"/v1/runs/{run}", json=change), [{"name": "n"}, {"labels": {}}] * 8))
    changed = api.get(f"/v1/runs/{run}").json()
    assert (changed["name"], len(changed["labels"])) == ("n", 24)
    assert api.patch(f"/v1/runs/{run}", json={"labels": {f"more{n}": "v" for n in range(9)}}).status_code == 422


def test_simultaneous_requests_with_one_key_create_one_run(api: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(lambda _: api.post("/v1/runs", json=RECIPE, headers={"Idempotency-Key": "k"}), range(20))
        )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotency-replayed" in answer.headers for answer in answers) == 19


def test_a_repeated_key_returns_its_run_even_if_the_recipe_would_be_refused_now(
    api: httpx.Client, worker: FakeWorker
) -> None:
    recipe, key = {**RECIPE, "architecture": {"type": "mlp", "hidden": 4096}}, {"Idempotency-Key": "k"}
    run = api.post("/v1/runs", json=recipe, headers=key).json()["id"]
    now = "2026-01-31T12:00:00.000Z"
    small = Worker(
        name="w", host="h", pid=1, device="cpu", memory_bytes=1000, status="idle", started_at=now, seen_at=now
    )
    worker.store.put_worker(small, ttl=60)
    assert api.post("/v1/runs", json=recipe).status_code == 422
    assert api.post("/v1/runs", json=recipe, headers=key).json()["id"] == run
    api.post(f"/v1/runs/{run}/cancel")
    for wrong in ("/v1/runs?validate_only=true", f"/v1/runs/{run}/retry"):
        assert api.post(wrong, json=recipe, headers=key).status_code == 422


def test_labels_may_contain_any_characters(api: httpx.Client) -> None:
    odd = {"ä/ö%2f?#&": "x:y\u2028\0 \U0001f35e", "none": ""}
    run = create(api, labels=odd)
    for key, value in odd.items():
        assert [each["id"] for each in api.get("/v1/runs", params={"label": f"{key}:{value}"}).json()["data"]] == [run]
