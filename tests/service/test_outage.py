"""Redis freezes, fills up or refuses writes while the service runs."""

import json
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import start_service
from tests.service.requests import RECIPE, create, problem

WITHOUT_REDIS = {"/", "/healthz/live", "/v1/system", "/v1/recipes/schema", "/v1/recipes/ingredients", "/v1/cookbook",
                 "/v1/cookbook/{name}", "/v1/session"}  # fmt: skip


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return socket_url(tmp_path_factory.mktemp("outage"))


@pytest.fixture(scope="module")
def redis(redis_url: str) -> Iterator["subprocess.Popen[bytes]"]:
    server = start_redis(Path(redis_url.removeprefix("unix://")).parent)
    yield server
    stop_redis(server)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def client(redis: "subprocess.Popen[bytes]", redis_url: str, home: Path) -> Iterator[httpx.Client]:
    service = start_service(redis_url, home)
    with httpx.Client(base_url=service.url, timeout=20, trust_env=False) as client:
        yield client
    service.end()


def fill(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace(name, value)
    return path


EXPERIMENT = "exp_222222222222"


def requests_of_all_routes(client: httpx.Client, run: str) -> list[httpx.Request]:
    paths = client.get("/openapi.json").json()["paths"]
    asked = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    values = {"{run_id}": run, "{epoch_or_role}": "best", "{number}": "1", "{dataset_id}": "data_222222222222"}
    values |= {"{experiment_id}": EXPERIMENT, "{name}": "recipe-arithmetic"}
    filled = [(method, fill(path, values)) for method, path in asked if path not in WITHOUT_REDIS]
    bodies = {"POST": json.dumps(RECIPE), "PATCH": "{}", "PUT": "a part"}
    own_bodies = {
        "/v1/datasets": '{"name": "houses"}',
        "/v1/datasets/data_222222222222/complete": "{}",
        "/v1/experiments": json.dumps({"recipe": RECIPE, "design": {"type": "variants", "variants": {"plain": {}}}}),
        f"/v1/experiments/{EXPERIMENT}/ensembles": json.dumps({"arm": "recipe"}),
        f"/v1/runs/{run}/ablate": "{}",
    }
    headers = {"content-type": "application/json", "accept": "text/event-stream"}
    return [
        client.build_request(method, path + ("?label=a:b" if path == "/v1/events" else ""), headers=headers,
                             content=own_bodies.get(path, bodies.get(method)))
        for method, path in filled
    ]  # fmt: skip


def test_every_route_is_503_while_redis_is_frozen_and_nothing_is_half_done(
    client: httpx.Client, redis: "subprocess.Popen[bytes]"
) -> None:
    run = create(client)
    requests = requests_of_all_routes(client, run)
    before = client.get("/v1/runs").json()
    redis.send_signal(signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(len(requests) + 1) as threads:
            system = threads.submit(client.get, "/v1/system")
            answers = list(threads.map(client.send, requests))
    finally:
        redis.send_signal(signal.SIGCONT)
    assert {f"{answer.request.method} {answer.url.path}": answer.status_code for answer in answers} == {
        f"{request.method} {request.url.path}": 503 for request in requests
    }
    assert system.result().status_code == 200
    assert [row["name"] for row in system.result().json()["data"] if row["status"] == "error"] == ["redis"]
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    documents = [answer.json() for answer in answers if answer.request.method != "HEAD"]
    assert {document["type"] for document in documents} == {"/problems/redis_unavailable"}
    assert client.get("/v1/runs").json() == before
    assert client.get("/healthz/ready").status_code == 200


@pytest.mark.parametrize(
    ("setting", "value", "name"), [("maxmemory", 1, "full"), ("min-replicas-to-write", 1, "read_only")]
)
def test_a_write_that_redis_refuses_is_503(
    client: httpx.Client, redis_url: str, setting: str, value: int, name: str
) -> None:
    before = client.get("/v1/runs").json()
    with Redis.from_url(redis_url) as redis:
        redis.config_set(setting, value)
        try:
            refused = [problem(client.post("/v1/runs", json=RECIPE), 503), problem(client.get("/healthz/ready"), 503)]
        finally:
            redis.config_set(setting, 0)
    # A service is ready if and only if it accepts runs.
    assert [each["type"] for each in refused] == [f"/problems/redis_{name}"] * 2
    assert client.get("/healthz/ready").status_code == 200
    assert client.get("/v1/runs").json() == before
    assert create(client)
