"""Behaviour of all routes: problems, headers, limits, the OpenAPI document."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from bakehouse.version import VERSION
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.running_service import ROOT, RunningService, start_service
from tests.runs.examples import a_worker
from tests.service.requests import RECIPE, problem

JSON = {"content-type": "application/json"}


def test_the_service_imports_no_torch() -> None:
    program = "import service.app, service.server, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[1,]", b"NaN", b'{"epochs": NaN}', b'{"epochs": 1e400}', b'{"a": 1, "a": 2}',
        b'{"name": "\\ud800"}', b'{"\\udfff": 1}', b"\xff\xfe", b'{"a":' * 40 + b"1" + b"}" * 40, b"[" * 100_000,
        b'{"seed": ' + b"9" * 5000 + b"}", b'{"name": "\x00"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_body_that_is_not_json_is_400(api: httpx.Client, method: str, body: bytes) -> None:
    path = "/v1/runs" if method == "POST" else "/v1/runs/run_222222222222"
    document = problem(api.request(method, path, content=body, headers=JSON), 400)
    assert document["type"] == "/problems/malformed_json"


@pytest.mark.parametrize("body", ["null", "[]", '"digits"', "1", "true", '{"dataset": {"id": "\\u0000"}}', "{}"])
def test_json_that_is_not_a_recipe_is_422(api: httpx.Client, body: str) -> None:
    assert problem(api.post("/v1/runs", content=body, headers=JSON), 422)["errors"]


def test_problems_point_into_the_posted_document(api: httpx.Client) -> None:
    recipe = {"dataset": "digitz", "architecture": "mpl", "norm": {"type": "batch_norm", "epss": 1}, "dropout": 2}
    errors = problem(api.post("/v1/runs", json=recipe), 422)["errors"]
    assert isinstance(errors, list)
    found = {error["pointer"]: error for error in errors}
    assert found.keys() == {"/architecture", "/norm/epss", "/dropout"}
    assert "'mlp'" in found["/architecture"]["message"]
    errors = problem(api.post("/v1/runs", json={**RECIPE, "dataset": "digitz"}), 422)["errors"]
    assert isinstance(errors, list)
    assert errors[0]["pointer"] == "/dataset"
    assert "digits" in errors[0]["allowed"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_is_not_json_by_its_content_type_is_415(api: httpx.Client, kind: str) -> None:
    problem(api.post("/v1/runs", content=json.dumps(RECIPE), headers={"content-type": kind}), 415)


def test_large_bodies_are_413_with_and_without_a_length(api: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    problem(api.post("/v1/runs", content=b" " * (1 << 21), headers=JSON), 413)
    problem(api.post("/v1/runs", content=chunks(), headers=JSON), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nope", 404), ("GET", "/v1/runs/", 404), ("PUT", "/v1/runs", 405), ("GET", "/v1/runs/run_x", 404),
        ("GET", "/v1/runs/run_222222222222", 404), ("GET", "/v1/runs/run_222222222222/events", 404),
        ("GET", "/v1/runs/run_222222222222/recipe", 404), ("GET", "/v1/runs/run_222222222222/metrics", 404),
        ("GET", "/v1/runs/run_222222222222/checkpoints/best", 404), ("POST", "/v1/runs/run_222222222222/cancel", 404),
        ("POST", "/v1/runs/run_222222222222/retry", 404), ("DELETE", "/v1/runs/run_222222222222", 404),
        ("GET", "/v1/runs/..%2f..%2fetc/checkpoints/1/model.safetensors", 404), ("GET", "/docs/%2e%2e/app.py", 404),
        ("GET", "/v1/datasets/nothing", 404), ("GET", "/v1/runs?lable=a:b", 422), ("GET", "/v1/runs?limit=0", 422),
        ("GET", "/v1/runs?limit=ten", 422), ("GET", "/v1/runs?label=a", 422), ("GET", "/v1/runs?status=done", 422),
        ("GET", "/v1/runs?after=run_222222222222", 422), ("GET", "/v1/runs?after=a&before=b", 422),
        ("GET", "/v1/events", 422), ("GET", "/v1/events?run=run_222222222222", 404),
        ("GET", "/v1/events?label=a:b&after=x", 422), ("GET", "/v1/workers?x=1", 422),
    ],
)  # fmt: skip
def test_every_error_response_is_a_problem_document(api: httpx.Client, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)
    document = problem(answer, status)
    assert ("errors" in document) == (status == 422)


def test_every_response_has_security_headers_and_an_id(api: httpx.Client) -> None:
    for path in ("/", "/docs", "/docs/start.js", "/v1/runs", "/nope", "/openapi.json", "/healthz/live"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-request-id"]
        assert headers["bakehouse-version"] == VERSION
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers
    assert api.get("/", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert api.get("/", headers={"x-request-id": "<b>"}).headers["x-request-id"] != "<b>"


def test_a_request_from_another_site_changes_nothing(api: httpx.Client) -> None:
    for site, status in [("cross-site", 403), ("same-site", 403), ("same-origin", 201), ("none", 201)]:
        answer = api.post("/v1/runs", json=RECIPE, headers={"Sec-Fetch-Site": site})
        assert answer.status_code == status
        assert status == 201 or answer.json()["type"] == "/problems/cross_site_request"
    assert api.get("/v1/runs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_the_documentation_page_loads_nothing_from_another_host(api: httpx.Client) -> None:
    page = api.get("/docs").text
    assert "//" not in page.replace("<!doctype html>", "")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "start.js", "favicon-32x32.png"):
        assert api.get(f"/docs/{name}").status_code == 200


def test_the_openapi_document_lists_every_failure_and_the_recipe(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    operations = [each for path in document["paths"].values() for each in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert {"create_run", "get_run", "list_runs", "get_run_events", "get_weights"} <= set(ids)
    for operation in operations:
        failures = [answer for status, answer in operation["responses"].items() if status >= "4"]
        assert failures
        assert all(list(answer["content"]) == ["application/problem+json"] for answer in failures)
    schemas = document["components"]["schemas"]
    assert {"Recipe", "Run", "ProblemDocument", "Event", "RunEvent", "GroupNorm", "RunPatch"} <= schemas.keys()
    fields = [field for schema in schemas.values() for field in schema.get("properties", {}).values()]
    assert not any(isinstance(field.get("default"), dict | list) for field in fields)
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= schemas.keys()


def test_without_redis_the_service_runs_and_accepts_nothing(tmp_path: Path) -> None:
    service = start_service(f"unix://{tmp_path}/nothing.sock", tmp_path)
    try:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=10) as client:
            assert client.get("/healthz/live").status_code == 200
            for answer in (client.post("/v1/runs", json=RECIPE), client.get("/v1/runs"), client.get("/healthz/ready")):
                problem(answer, 503)
                assert int(answer.headers["retry-after"]) >= 1
            problem(client.get("/v1/events?label=a:b"), 503)
    finally:
        assert service.end() == 0


def test_a_service_with_another_folder_refuses_to_start(
    api: httpx.Client, service: RunningService, tmp_path: Path
) -> None:
    assert api.get("/healthz/ready").status_code == 200
    environment = {"PATH": "/usr/bin", "BAKEHOUSE_REDIS_URL": service.redis_url, "BAKEHOUSE_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "service"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert f"BAKEHOUSE_HOME={tmp_path} of this service is not the folder" in ended.stderr
    assert f":{service.home};" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_same_folder_is_registered_again_in_an_emptied_redis(api: httpx.Client, redis_server: str) -> None:
    with Redis.from_url(redis_server) as redis:
        assert api.post("/v1/runs", json=RECIPE).status_code == 201
        named = redis.get("local:marker")
        redis.flushall()

        def is_registered_after_a_post() -> bool:
            assert api.post("/v1/runs", json=RECIPE).status_code == 201
            return bool(redis.exists("local:marker"))

        # The service may rely for a second on what it found before.
        wait_until(is_registered_after_a_post)
        assert redis.get("local:marker") == named


def test_a_service_whose_folder_is_replaced_accepts_no_run(api: httpx.Client, redis_server: str) -> None:
    assert api.post("/v1/runs", json=RECIPE).status_code == 201
    with Redis.from_url(redis_server) as redis:
        redis.set("local:marker", '{"id": "other", "folder": "there:/srv"}')
    wait_until(lambda: api.post("/v1/runs", json=RECIPE).status_code == 503)
    before = len(api.get("/v1/runs").json()["data"])
    for answer in (api.post("/v1/runs", json=RECIPE), api.get("/healthz/ready")):
        assert problem(answer, 503)["type"] == "/problems/store_unavailable"
    assert len(api.get("/v1/runs").json()["data"]) == before


def test_a_damaged_marker_in_redis_is_a_503_that_says_how_to_recover(api: httpx.Client, redis_server: str) -> None:
    with Redis.from_url(redis_server) as redis:
        redis.set("local:marker", "{")
        wait_until(lambda: api.post("/v1/runs", json=RECIPE).status_code == 503)
        for answer in (api.post("/v1/runs", json=RECIPE), api.get("/healthz/ready")):
            document = problem(answer, 503)
            assert document["type"] == "/problems/store_unavailable"
            assert "Delete the key local:marker" in str(document["detail"])
        redis.delete("local:marker")
    assert api.post("/v1/runs", json=RECIPE).status_code == 201


def test_a_marker_that_cannot_be_read_is_a_503(api: httpx.Client, service: RunningService) -> None:
    assert api.get("/healthz/ready").status_code == 200
    marker = service.home / "artifacts" / "local" / "marker"
    marker.rename(marker.with_name("moved"))
    marker.symlink_to(marker)
    try:
        wait_until(lambda: api.post("/v1/runs", json=RECIPE).status_code == 503)
        for answer in (api.post("/v1/runs", json=RECIPE), api.get("/healthz/ready")):
            assert problem(answer, 503)["type"] == "/problems/storage_unavailable"
    finally:
        marker.unlink()
        marker.with_name("moved").rename(marker)
    assert api.get("/healthz/ready").status_code == 200


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"BAKEHOUSE_HOST": "0.0.0.0"}, "BAKEHOUSE_INSECURE=1"),
        ({"BAKEHOUSE_REDIS_URL": ""}, "BAKEHOUSE_REDIS_URL"),
        ({"BAKEHOUSE_REDIS_URL": "nonsense"}, "redis://"),
        ({"BAKEHOUSE_PORT": "many"}, "BAKEHOUSE_PORT is 'many'"),
    ],
)
def test_the_service_does_not_start_with_a_wrong_or_unsafe_setting(settings: dict[str, str], words: str) -> None:
    environment = {"PATH": "/usr/bin", "BAKEHOUSE_REDIS_URL": "redis://127.0.0.1:1", **settings}
    environment = {name: value for name, value in environment.items() if value}
    ended = subprocess.run(
        [sys.executable, "-m", "service"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "pydantic" not in ended.stderr


def test_the_service_starts_without_importing_pydantic_1() -> None:
    # The address of Redis is missing, so the service ends after its imports.
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "service"], env={"PATH": "/usr/bin"}, cwd=ROOT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "service.routes.runs" in ended.stderr
    assert "pydantic.v1.main" not in ended.stderr


def test_the_service_says_that_its_port_is_taken(service: RunningService, tmp_path: Path) -> None:
    port = str(httpx.URL(service.url).port)
    settings = {"BAKEHOUSE_REDIS_URL": service.redis_url, "BAKEHOUSE_HOME": str(tmp_path), "BAKEHOUSE_PORT": port}
    ended = subprocess.run(
        [sys.executable, "-m", "service"], env={"PATH": "/usr/bin", **settings}, cwd=ROOT, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"another program listens on 127.0.0.1:{port} (")
    assert f", process {service.process.pid}): stop it, or choose another BAKEHOUSE_PORT" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_service_is_ready_without_a_worker_but_warns(api: httpx.Client, worker: FakeWorker) -> None:
    answer = api.get("/healthz/ready")
    assert (answer.status_code, answer.json()["workers"]) == (200, 0)
    assert answer.json()["warnings"] == [
        "No worker is running: runs are accepted, and wait until `bakehouse worker` starts one."
    ]
    worker.store.put_worker(a_worker("w1"), ttl=60)
    answer = api.get("/healthz/ready").json()
    assert (answer["workers"], answer["warnings"]) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        "{" + ",".join(f'"{number}": 1' for number in range(90_000)) + ', "89999": 1}',
        '{"dataset": "iris", "architecture": "linear", "regularizer": [' + ",".join(["{}"] * 300_000) + "]}",
        '{"regularizer": [' + ",".join(["1"] * 10_001) + "]}",
    ],
    ids=["a duplicate key", "empty objects", "numbers"],
)
def test_a_costly_body_within_the_size_limit_is_refused(api: httpx.Client, body: str) -> None:
    problem(api.post("/v1/runs", content=body, headers=JSON), 400)


def test_at_most_a_hundred_problems_are_listed(api: httpx.Client) -> None:
    recipe = {**RECIPE, "regularizer": [{}] * 4000, **{f"field{number}": 1 for number in range(4000)}}
    errors = problem(api.post("/v1/runs", json=recipe), 422)["errors"]
    assert isinstance(errors, list)
    assert len(errors) == 100


def test_compressed_bodies_are_415(api: httpx.Client) -> None:
    answer = api.post("/v1/runs", content=gzip.compress(b"{}"), headers={**JSON, "content-encoding": "gzip"})
    problem(answer, 415)
    assert answer.headers["accept-encoding"] == "identity"
    assert api.post("/v1/runs", json=RECIPE, headers={"content-encoding": "identity"}).status_code == 201


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/runs", "GET, POST"),
        ("/v1/runs/run_222222222222", "DELETE, GET, PATCH"),
        ("/v1/runs/run_222222222222/cancel", "POST"),
        ("/v1/runs/run_222222222222/checkpoints/1/model.safetensors", "GET, HEAD"),
        ("/healthz/live", "GET"),
    ],
)
def test_a_wrong_method_is_405_with_the_allowed_ones(api: httpx.Client, path: str, methods: str) -> None:
    for method in ("PUT", "OPTIONS", "TRACE"):
        answer = api.request(method, path)
        problem(answer, 405)
        assert answer.headers["allow"] == methods


def test_head_is_get_without_a_body(api: httpx.Client) -> None:
    run = api.post("/v1/runs", json=RECIPE).json()["id"]
    for path in ("/", "/v1/runs", f"/v1/runs/{run}", "/healthz/live", "/docs", "/openapi.json", "/nope"):
        got, head = api.get(path), api.head(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    for path in (f"/v1/runs/{run}/events", f"/v1/events?run={run}", f"/v1/runs/{run}/cancel"):
        assert api.head(path, headers={"accept": "text/event-stream"}).status_code == 405


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=queued&status=running", "status"),
        ("limit=1&limit=2", "limit"),
        ("label=a:1&label=a:2", "label"),
        ("before=run_222222222222", "before"),
        ("after=run_222222222222", "after"),
    ],
)
def test_a_query_that_contradicts_itself_or_names_no_run_is_422(api: httpx.Client, query: str, parameter: str) -> None:
    errors = problem(api.get(f"/v1/runs?{query}"), 422)["errors"]
    assert isinstance(errors, list)
    assert errors[0]["parameter"] == parameter


def test_a_byte_order_mark_is_skipped_and_a_number_without_a_fraction_is_an_integer(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Idempotency-Key": "from a spreadsheet"}
    recipe = '{"dataset": "iris", "architecture": "linear", "epochs": 2.0}'
    created = api.post("/v1/runs", content=b"\xef\xbb\xbf" + recipe.encode(), headers=headers)
    assert created.status_code == 201, created.text
    assert '"epochs":2,' in created.text.partition('"recipe":')[2].replace(" ", "")
    again = api.post("/v1/runs", content=recipe.replace("2.0", "2"), headers=headers)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (created.json()["id"], "true")
    other = {**headers, "Idempotency-Key": "another"}
    refused = problem(api.post("/v1/runs", content=recipe.replace("2.0", "2.5"), headers=other), 422)
    assert '"should be an integer, not 2.5"' in json.dumps(refused)
