"""Previews over HTTP, drawn by a real task process, which is killed, stopped and overrun."""

import asyncio
import base64
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from redis import Redis

from bakehouse import AsyncClient, Client
from bakehouse.client import RecipeRefused, Unavailable
from tests.processes import children_of, kill, task_processes_of, wait_until
from tests.running_home import RunningHome, run_home
from tests.service.requests import problem

PATH = "/v1/recipes/preview"
RECIPE = {
    "dataset": "digits",
    "architecture": "cnn",
    "augmentation": ["random_crop", {"type": "affine", "degrees": 15}, "cutout", "mixup"],
}
# To whiten its 2,304 pixels takes several seconds.
SLOW = {"dataset": {"id": "large", "normalization": "whiten"}, "architecture": "mlp"}
SIGNATURE = b"\x89PNG\r\n\x1a\n"
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    folder = tmp_path_factory.mktemp("data")
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 48, 48)).astype(np.uint8)
    np.savez(folder / "large.npz", x=images, y=np.arange(200) % 2)
    with run_home(tmp_path_factory.mktemp("home"), data=folder) as home:
        wait_until(home.store.task_processes)
        yield home


@pytest.fixture
def http(home: RunningHome) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=home.url, timeout=30, trust_env=False) as client:
        # The test before may have killed a process.
        wait_until(lambda: client.get("/healthz/ready").status_code == 200)
        task_process(home)
        yield client


def task_process(home: RunningHome) -> int:
    """The pid of the running task process."""
    return wait_until(lambda: task_processes_of(home.pids().prefork))[0]


@contextmanager
def stopped(home: RunningHome) -> Iterator[None]:
    """Keeps the task process from taking tasks for a few seconds."""
    pid = task_process(home)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def begin_slow_task(home: RunningHome, http: httpx.Client, threads: ThreadPoolExecutor) -> "Future[httpx.Response]":
    """Requests a preview that takes long; returns when its process runs."""
    # Once the data set is packed, the request does not wait for that.
    wait_until(lambda: http.get("/v1/datasets/large").json()["status"] == "ready")
    answer = threads.submit(http.post, PATH, json=SLOW)
    wait_until(lambda: children_of(task_process(home)))
    return answer


def test_a_preview_is_drawn_once(http: httpx.Client) -> None:
    first, second = (http.post(PATH, json=RECIPE) for _ in range(2))
    for answer in (first, second):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(SIGNATURE)
    assert first.headers["cache-status"] == "bakehouse; fwd=miss"
    assert second.headers["cache-status"] == "bakehouse; hit"
    assert first.headers["etag"] == second.headers["etag"]
    assert first.content == second.content


def test_only_what_happens_to_inputs_makes_another_preview(http: httpx.Client) -> None:
    etag = http.post(PATH, json=RECIPE).headers["etag"]
    same = {**RECIPE, "name": "other", "optimizer": "adamw", "dropout": 0.5, "epochs": 7}
    assert http.post(PATH, json=same).headers["etag"] == etag
    for changed in ({"seed": 1}, {"augmentation": ["cutout"]}, {"batch_size": 17}, {"architecture": "mlp"}):
        assert http.post(PATH, json={**RECIPE, **changed}).headers["etag"] != etag


def test_json_has_the_picture_and_says_what_is_where(http: httpx.Client) -> None:
    png = http.post(PATH, json=RECIPE).content
    shown = http.post(PATH, json=RECIPE, headers=JSON).json()
    assert base64.b64decode(shown["png"]) == png
    assert (shown["draws"], len(shown["labels"]), shown["shows"]) == (8, 4, "pixels")
    assert shown["transforms"] == ["random_crop", "affine", "cutout", "mixup"]


@pytest.mark.parametrize(
    "document",
    [
        {"dataset": "digits"},
        {**RECIPE, "augmentation": ["random_crops"]},
        {**RECIPE, "augmentation": ["mixup", "cutmix"]},
        {**RECIPE, "dataset": "digit"},
        {**RECIPE, "batch_size": 0},
        {**RECIPE, "dataset": "iris", "architecture": "mlp"},
        [],
    ],
)
def test_a_recipe_is_refused_as_a_run_would_be(http: httpx.Client, document: Any) -> None:
    refused = problem(http.post(PATH, json=document), 422)
    assert refused["errors"] == problem(http.post("/v1/runs", json=document), 422)["errors"]


def test_a_problem_that_only_the_data_show_points_into_the_posted_recipe(home: RunningHome, http: httpx.Client) -> None:
    # The card does not show negative targets.
    folder = Path(home.environment["BAKEHOUSE_DATA"])
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(folder / "negative.npz", x=rows, y=rows[:, 0])
    wait_until(lambda: http.get("/v1/datasets/negative").json()["status"] == "ready")
    document = {"dataset": "negative", "architecture": "mlp", "objective": "poisson"}
    answer = http.post(PATH, json=document)
    problem(answer, 422)
    [error] = answer.json()["errors"]
    assert error["pointer"] in ("/objective", "/objective/loss")
    assert "smallest target" in error["message"]


def test_a_task_process_is_no_worker(home: RunningHome, http: httpx.Client) -> None:
    listed = http.get("/v1/workers").json()
    assert len(listed["data"]) == 1
    assert task_process(home) in [process["pid"] for process in listed["task_processes"]]
    assert http.get("/healthz/ready").json()["workers"] == 1
    rows = {row["name"]: row for row in http.get("/v1/system").json()["data"]}
    assert rows["workers"]["found"].startswith("1 worker ")
    assert rows["task_processes"]["status"] == "ok"


def test_a_preview_does_not_wait_for_training(home: RunningHome, http: httpx.Client) -> None:
    run = home.submit({"dataset": "digits", "architecture": "mlp", "epochs": 100_000})
    home.wait_for(run, "running")
    assert http.post(PATH, json={**RECIPE, "seed": 20}).status_code == 200
    assert home.store.record(run).status == "running"
    home.post(f"/v1/runs/{run}/cancel")
    home.wait_for(run, "cancelled")


def test_a_task_process_that_was_killed_is_replaced(home: RunningHome, http: httpx.Client) -> None:
    for seed in (30, 31):
        kill(task_process(home))
        assert http.post(PATH, json={**RECIPE, "seed": seed}).status_code == 200


def test_a_task_whose_task_process_is_killed_is_interrupted(home: RunningHome, http: httpx.Client) -> None:
    with ThreadPoolExecutor() as threads:
        answer = begin_slow_task(home, http, threads)
        kill(task_process(home))
        interrupted = answer.result()
    assert problem(interrupted, 503)["type"] == "/problems/task_interrupted"
    assert interrupted.headers["retry-after"] == "1"
    assert http.post(PATH, json={**RECIPE, "seed": 40}).status_code == 200


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGKILL, "task_interrupted"), (signal.SIGALRM, "task_timeout")])
def test_a_task_whose_own_process_is_killed_gets_an_answer(
    home: RunningHome, http: httpx.Client, number: signal.Signals, kind: str
) -> None:
    with ThreadPoolExecutor() as threads:
        answer = begin_slow_task(home, http, threads)
        # The kernel sends SIGALRM when the task's time is over; no code of Python handles it.
        wait_until(lambda: children_of(task_process(home)) and not catches(children_of(task_process(home))[0], number))
        os.kill(children_of(task_process(home))[0], number)
        assert problem(answer.result(), 503)["type"] == f"/problems/{kind}"
    assert http.post(PATH, json={**RECIPE, "seed": 50 + number}).status_code == 200


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (number - 1) & 1)


def test_a_full_queue_refuses_further_tasks(home: RunningHome, http: httpx.Client) -> None:
    with stopped(home), Redis.from_url(home.redis_url) as redis:
        # The first is given to the process that is stopped.
        redis.rpush("rq:queue:tasks", *(f"gone{number}" for number in range(33)))
        refused = http.post(PATH, json={**RECIPE, "seed": 60})
    assert problem(refused, 503)["type"] == "/problems/too_many_tasks"
    assert refused.headers["retry-after"] == "1"
    # What is in the queue without a task is passed over.
    wait_until(lambda: http.post(PATH, json={**RECIPE, "seed": 60}).status_code == 200)


def test_a_task_whose_client_has_gone_is_dropped(home: RunningHome, http: httpx.Client) -> None:
    with stopped(home), Redis.from_url(home.redis_url) as redis:
        # The first is given to the process that is stopped.
        redis.rpush("rq:queue:tasks", "gone")
        wait_until(lambda: redis.llen("rq:queue:tasks") == 0)
        with pytest.raises(httpx.ReadTimeout):
            # Shorter than the time after which the service looks whether its client has gone.
            http.post(PATH, json={**RECIPE, "seed": 70}, timeout=0.3)
        [task_id] = redis.lrange("rq:queue:tasks", 0, -1)
        assert redis.exists(b"rq:job:" + task_id)
        wait_until(lambda: redis.llen("rq:queue:tasks") == 0)
        assert not redis.exists(b"rq:job:" + task_id)


def test_without_a_task_process_previews_are_refused(api: httpx.Client) -> None:
    refused = api.post(PATH, json=RECIPE)
    assert problem(refused, 503)["type"] == "/problems/no_task_process"
    assert refused.headers["retry-after"] == "5"
    # Runs do not need it.
    assert api.post("/v1/runs", json=RECIPE).status_code == 201


def test_both_clients_return_the_picture(home: RunningHome, http: httpx.Client) -> None:
    png = http.post(PATH, json=RECIPE).content

    async def preview() -> bytes:
        async with AsyncClient(home.url) as client:
            return await client.preview(RECIPE)

    with Client(home.url) as client:
        assert client.preview(RECIPE) == png == asyncio.run(preview())
        with pytest.raises(RecipeRefused, match="random_crop"):
            client.preview({**RECIPE, "augmentation": ["random_crops"]})


def test_a_redis_that_is_killed_in_the_middle_gives_a_clear_answer(home: RunningHome, http: httpx.Client) -> None:
    with ThreadPoolExecutor() as threads:
        answer = begin_slow_task(home, http, threads)
        kill(home.pids().redis)
        refused = answer.result()
    if refused.status_code != 200:  # Redis may be back before anybody has noticed
        assert problem(refused, 503)["type"] in ("/problems/redis_unavailable", "/problems/task_timeout")
    wait_until(lambda: http.post(PATH, json={**RECIPE, "seed": 80}).status_code == 200)


def test_the_client_does_not_wait_long_for_a_task_process(api: httpx.Client) -> None:
    begun = time.monotonic()
    with Client(str(api.base_url)) as client, pytest.raises(Unavailable, match="No task process"):
        client.preview(RECIPE)
    # The service asks for 5 s.
    assert time.monotonic() - begun < 5
