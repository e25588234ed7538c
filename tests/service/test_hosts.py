"""Requests that a web page of another site makes a browser send: by another name for this machine (DNS rebinding), or
from another origin (CSRF)."""

import httpx
import pytest

from bakehouse.client import Client
from bakehouse.settings import Settings
from service.errors import ServiceError
from service.hosts import Hosts
from tests.running_service import RunningService
from tests.service.raw_connections import connect_and_send, receive_all
from tests.service.requests import RECIPE, create, problem

PATHS = ("/", "/docs", "/openapi.json", "/healthz/live", "/healthz/ready", "/nope", "/v1/runs", "/v1/events?label=a:b")
OTHERS = ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "evil@localhost",
          "localhost:80:80", "localhost.", "[::2]", "0.0.0.0", "10.0.0.1", "localhost, evil.example", "")  # fmt: skip


@pytest.mark.parametrize("host", OTHERS)
def test_a_request_for_another_host_is_421_on_every_route(api: httpx.Client, host: str) -> None:
    for path in PATHS:
        refused = problem(api.get(path, headers={"Host": host}), 421)
        assert refused["type"] == "/problems/misdirected_request"
    run = create(api)
    for method, path in [
        ("POST", f"/v1/runs/{run}/cancel"),
        ("DELETE", f"/v1/runs/{run}"),
        ("PATCH", f"/v1/runs/{run}"),
    ]:
        problem(api.request(method, path, headers={"Host": host}), 421)
    assert api.get(f"/v1/runs/{run}").json()["status"] == "queued"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000"])
def test_the_names_of_loopback_are_allowed_with_every_port(api: httpx.Client, host: str) -> None:
    assert api.get("/healthz/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: evil.example\r\n", 421),
        ("GET / HTTP/1.0\r\n", 200),
    ],
)
def test_a_request_has_one_host(service: RunningService, head: str, status: int) -> None:
    received = receive_all(connect_and_send(service.url, f"{head}Connection: close\r\n\r\n".encode()))
    assert received.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://{host}", 202), ("HTTP://{host}", 202), ("https://{host}", 202), ("http://evil.example", 403),
        ("null", 403), ("", 403), ("http://localhost:1", 403), ("http://127.0.0.1", 403), ("file://{host}", 403),
        ("http://{host}.evil.example", 403), ("http://{host}@evil.example", 403), ("{host}", 403),
    ],
)  # fmt: skip
def test_a_page_of_another_origin_changes_nothing(api: httpx.Client, origin: str, status: int) -> None:
    run = create(api)
    headers = {"Origin": origin.format(host=api.base_url.netloc.decode())}
    answer = api.post(f"/v1/runs/{run}/cancel", headers=headers)
    assert answer.status_code == status
    assert status == 202 or problem(answer, 403)["type"] == "/problems/cross_site_request"
    assert api.get("/v1/runs", headers=headers).status_code == 200


def host_error(settings: Settings, *hosts: str) -> ServiceError | None:
    return Hosts(settings).find_host_error(hosts, "1.1")


def test_settings_name_more_hosts() -> None:
    settings = Settings(allowed_hosts="Bake.example, other.example:9", url="https://me@url.example:8443/bakehouse")
    for host in ("bake.example", "bake.example:1", "other.example:9", "url.example:8443", "localhost"):
        assert host_error(settings, host) is None
    for host in ("other.example", "other.example:8", "url.example", "evil.example"):
        assert host_error(settings, host) is not None


def test_another_address_than_loopback_is_not_restricted_unless_hosts_are_set() -> None:
    everybody = Settings(host="0.0.0.0", insecure=True)
    assert host_error(everybody, "anything.example") is None
    assert host_error(everybody) is not None
    some = everybody.model_copy(update={"allowed_hosts": "bake.example"})
    assert host_error(some, "anything.example") is not None
    # Health checks of a container use the loopback address.
    assert host_error(some, "127.0.0.1:8000") is None


def test_an_address_of_loopback_is_its_own_host() -> None:
    assert host_error(Settings(host="127.0.0.2"), "127.0.0.2:8000") is None
    assert host_error(Settings(host="::1"), "[::1]:8000") is None


def test_a_page_behind_a_proxy_that_changes_the_host_needs_a_setting() -> None:
    proxied = ["127.0.0.1:8000"], ["https://bake.example"], b"same-origin"
    assert Hosts(Settings()).find_origin_error(*proxied) is not None
    assert Hosts(Settings(allowed_hosts="bake.example")).find_origin_error(*proxied) is None
    other_port = ["127.0.0.1:8000"], ["https://bake.example:9"], b"same-origin"
    assert Hosts(Settings(allowed_hosts="bake.example")).find_origin_error(*other_port) is not None


@pytest.mark.parametrize("hosts", ["http://bake.example", "bake.example/x", "a b:c"])
def test_a_setting_that_is_not_a_host_is_refused(hosts: str) -> None:
    with pytest.raises(ValueError, match="should be a name or an address"):
        Settings(allowed_hosts=hosts)


def test_the_client_names_the_host_of_its_address(service: RunningService) -> None:
    with Client(service.url.replace("127.0.0.1", "localhost")) as client:
        assert client.submit(RECIPE).status == "queued"
