"""Which requests are repeated, and which errors are raised, against a server with scripted responses."""

import json
from types import SimpleNamespace

import pytest

from bakehouse.client import (
    Client,
    ClientError,
    Conflict,
    NewerService,
    NotAllowed,
    NotFound,
    RecipeRefused,
    Refused,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Unreachable,
)
from bakehouse.client.connection import Connection, Retries
from bakehouse.client.transport import BlockingTransport, finish
from tests.runs.examples import a_run
from tests.scripted_server import Response, Script

RUN = a_run()
CREATED: Response = (201, {}, RUN.model_dump_json())
CUT: Response = (0, {}, "")


def problem(status: int, **headers: str) -> Response:
    text = json.dumps({"type": "x", "status": status, "detail": "not now", "request_id": "r7", "new": 1})
    return (status, {name.replace("_", "-"): value for name, value in headers.items()}, text)


@pytest.mark.parametrize(
    "before",
    [
        [CUT],
        [problem(503)],
        [problem(500), CUT],
        [problem(429, Retry_After="0")],
        [problem(409, Retry_After="0")] * 6,
        [(502, {}, "<html>bad gateway</html>")],
    ],
)
def test_a_transient_failure_is_retried_with_the_same_key(script: Script, before: list[Response]) -> None:
    server = script([*before, CREATED])
    with Client(server.url) as client:
        assert client.submit({"dataset": "digits"}).id == RUN.id
    keys = {headers["Idempotency-Key"] for _, headers, _ in server.requests}
    bodies = {body for _, _, body in server.requests}
    assert (len(server.requests), len(keys), len(bodies)) == (len(before) + 1, 1, 1)


def test_two_submissions_have_two_keys(script: Script) -> None:
    server = script([CREATED, CREATED])
    with Client(server.url) as client:
        client.submit({"dataset": "digits"})
        client.submit({"dataset": "digits"})
    assert len({headers["Idempotency-Key"] for _, headers, _ in server.requests}) == 2


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RecipeRefused),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, RecipeRefused),
        (429, TooManyRequests),
        (503, Unavailable),
    ],
)
def test_another_failure_is_an_error_with_the_request_id(script: Script, status: int, kind: type[Refused]) -> None:
    server = script([problem(status)] * 5)
    with Client(server.url) as client, pytest.raises(Refused, match="not now") as caught:
        client.submit({"dataset": "digits"})
    assert type(caught.value) is kind
    assert (caught.value.request_id, caught.value.status) == ("r7", status)
    assert len(server.requests) == (5 if kind in (TooManyRequests, Unavailable) else 1)


def test_a_delay_beyond_the_limit_is_an_error_at_once(script: Script) -> None:
    server = script([problem(503, Retry_After="3600")])
    with Client(server.url) as client, pytest.raises(Unavailable):
        client.submit({"dataset": "digits"})


def test_fields_of_a_newer_service_are_kept(script: Script) -> None:
    document = RUN.model_dump(mode="json") | {"added_later": "x"}
    document["progress"] |= {"added_later": 3}
    server = script([(200, {}, json.dumps(document))])
    with Client(server.url) as client, pytest.warns(NewerService, match=r"\(added_later\)"):
        assert client.run(RUN.id).record.model_dump(mode="json") == document


def test_a_response_that_is_no_run_is_an_error(script: Script) -> None:
    server = script([(200, {}, "<html>login</html>")])
    with Client(server.url) as client, pytest.raises(UnexpectedAnswer, match="/v1/runs/x"):
        client.run("x")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "localhost:8000"])
def test_no_service_at_the_address_is_an_error(url: str) -> None:
    with pytest.raises(Unreachable, match=url):
        Client(url).run("x")


def test_the_address_comes_from_the_environment(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    server = script([(200, {}, RUN.model_dump_json())])
    monkeypatch.setenv("BAKEHOUSE_URL", server.url + "/")
    with Client() as client:
        assert client.run(RUN.id).id == RUN.id
    assert server.requests[0][0] == f"/v1/runs/{RUN.id}"


def test_every_timeout_is_finite() -> None:
    connection = Connection("http://127.0.0.1:1", timeout=15.0, transport=BlockingTransport)
    assert None not in connection.transport.http.timeout.as_dict().values()
    finish(connection.transport.close())


def test_every_error_is_a_client_error() -> None:
    assert all(issubclass(kind, ClientError) for kind in (Refused, Unreachable, UnexpectedAnswer))


def test_the_minute_for_retries_begins_with_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("bakehouse.client.connection.time", SimpleNamespace(monotonic=lambda: now[0]))
    retries = Retries([0.1, 0.1])
    now[0] += 3600
    assert 0.1 <= retries.delay_or_raise(Unreachable("http://x", "cut")) <= 0.13
    now[0] += 61
    with pytest.raises(Unreachable):
        retries.delay_or_raise(Unreachable("http://x", "cut"))
