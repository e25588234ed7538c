"""API keys on a real service: who gets in, what they may do, and how soon a key that was revoked stops."""

import base64
import itertools
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
from redis import Redis

from bakehouse.access.hash_key import make_hash_key, read_hash_key
from bakehouse.access.scope import Scope
from bakehouse.access.store import ApiKeyStore
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from service.access import Access
from service.scopes import BY_OPERATION
from service.server import find_missing_key
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import LOG, RunningService, start_service
from tests.service.raw_connections import connect_and_send, get, receive_all
from tests.service.requests import RECIPE, create, problem

# The service itself promises five seconds.
REVOKED_WITHIN = 6.0
# More than the buffers of both ends of a connection hold.
MANY_BYTES = 64 << 20
NUMBERS = itertools.count(1)
# Loading those of all authorities takes longer than the rest of a test.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Guarded:
    """A service with API keys, and the keys in its Redis."""

    service: RunningService
    store: ApiKeyStore

    def make(self, *scopes: Scope, seconds: float | None = None) -> str:
        """Returns the text of a new key."""
        hash_key = make_hash_key(self.service.home)
        return self.store.create(hash_key, name="test", scopes=scopes or ("admin",), seconds=seconds)[1]

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        # Each has an address of its own, because wrong keys are counted by address.
        own = {"X-Forwarded-For": f"2001:db8:{next(NUMBERS):x}::1"}
        own |= {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=self.service.url, timeout=20, trust_env=False, headers={**own, **headers}, verify=NO_CERTIFICATES
        )

    def status(self, key: str, path: str = "/v1/runs") -> int:
        """Returns the status of the answer; 0 if the key ended in the middle of the request."""
        with self.client(key) as client:
            return status_of(client, path)


def status_of(client: httpx.Client, path: str = "/v1/runs") -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


@pytest.fixture(scope="module")
def redis_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("redis")
    server = start_redis(folder)
    yield folder
    stop_redis(server)


@pytest.fixture(scope="module")
def guarded(redis_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """A service that trusts proxies at loopback, so that each test can have an address of its own."""
    home = tmp_path_factory.mktemp("home")
    make_hash_key(home)
    url = socket_url(redis_folder)
    service = start_service(url, home, BAKEHOUSE_TRUSTED_PROXIES="127.0.0.1")
    yield Guarded(service, ApiKeyStore(Redis.from_url(url)))
    service.end()
    assert "Traceback" not in (home / LOG).read_text()


@pytest.fixture(scope="module")
def admin(guarded: Guarded) -> str:
    return guarded.make()


def secret_of(key: str) -> str:
    return key.partition(".")[2]


# Every route


def routes_of(guarded: Guarded) -> list[tuple[str, str, str, list[dict[str, list[str]]]]]:
    paths = httpx.get(f"{guarded.service.url}/openapi.json", trust_env=False, verify=NO_CERTIFICATES).json()["paths"]
    return [
        (method.upper(), path, operation["operationId"], operation["security"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def filled(path: str) -> str:
    values = {"{run_id}": "run_222222222222", "{experiment_id}": "exp_222222222222", "{dataset_id}": "digits",
              "{epoch_or_role}": "best", "{number}": "1", "{name}": "x"}  # fmt: skip
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def test_every_route_declares_its_scope_and_nothing_else_is_declared(guarded: Guarded) -> None:
    operations = [operation for _, _, operation, _ in routes_of(guarded)]
    assert sorted(operations) == sorted(BY_OPERATION), "a new route needs a line in service/scopes.py"


def test_every_route_needs_a_key_with_its_scope(guarded: Guarded) -> None:
    keys: dict[str, str] = {scope: guarded.make(scope) for scope in ("read", "submit", "control")}
    for method, path, operation, security in routes_of(guarded):
        needed = [] if not security else security[0]["api_key"]
        with guarded.client() as client:
            without = client.request(method, filled(path))
        if not needed:
            assert without.status_code != 401, operation
            continue
        assert without.headers["content-type"] == "application/problem+json" or method == "HEAD"
        assert without.status_code == 401, operation
        for scope, key in keys.items():
            with (
                guarded.client(key, Accept="text/event-stream") as client,
                client.stream(method, filled(path)) as answer,
            ):
                assert (answer.status_code in (401, 403)) == (scope not in needed), (operation, scope)


def test_undocumented_routes_without_a_declaration_need_admin(guarded: Guarded, admin: str) -> None:
    with guarded.client() as client:
        for path in ("/docs", "/docs/start.js", "/openapi.json", "/llms.txt", "/problems", "/problems/unauthorized"):
            assert client.get(path).status_code == 200, path
        assert client.get("/", headers={"Accept": "text/html"}).status_code == 200
        assert client.get("/healthz/live").json() == {"status": "alive"}
        assert client.get("/healthz/ready").status_code == 200


# What is refused


def ways_to_be_wrong(guarded: Guarded, good: str) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """Each with the path and the headers."""
    expired = guarded.make("admin", seconds=0.001)
    revoked = guarded.make("admin")
    guarded.store.revoke(revoked.partition(".")[0])
    key_id, secret = good.split(".")
    bearer = "Authorization"
    user = base64.b64encode(f"user:{good}".encode()).decode()
    return {
        "none": ("/v1/runs", []),
        "unknown": ("/v1/runs", [(bearer, f"Bearer key_000000000000.{secret}")]),
        "wrong secret": ("/v1/runs", [(bearer, f"Bearer {key_id}.{secret[:-1]}{'a' if secret[-1] != 'a' else 'b'}")]),
        "half": ("/v1/runs", [(bearer, f"Bearer {good[:30]}")]),
        "longer": ("/v1/runs", [(bearer, f"Bearer {good}a")]),
        "expired": ("/v1/runs", [(bearer, f"Bearer {expired}")]),
        "revoked": ("/v1/runs", [(bearer, f"Bearer {revoked}")]),
        "twice": ("/v1/runs", [(bearer, f"Bearer {good}"), (bearer, f"Bearer {good}")]),
        "twice in one": ("/v1/runs", [(bearer, f"Bearer {good}, Bearer {good}")]),
        "other scheme": ("/v1/runs", [(bearer, f"Basic {user}")]),
        "without scheme": ("/v1/runs", [(bearer, good)]),
        "tab": ("/v1/runs", [(bearer, f"Bearer {key_id}.\t{secret}")]),
        "in the query": (f"/v1/runs?api_key={good}", []),
        "in the query beside a header": (f"/v1/runs?key={good}", [(bearer, f"Bearer {good}")]),
        "in the path": (f"/v1/runs/{good}", [(bearer, f"Bearer {good}")]),
        "as a parameter": (f"/v1/runs?{good}", [(bearer, f"Bearer {good}")]),
        "a cookie": ("/v1/runs", [("Cookie", f"bakehouse_session={good}")]),
        "long": ("/v1/runs", [(bearer, "Bearer " + "a" * 10_000)]),
        "not ASCII": ("/v1/runs", [(bearer, "Bearer key_\u00fc")]),
        "owner": ("/v1/runs", [(bearer, "Bearer home.99999999999999." + "0" * 64)]),
    }


def test_all_wrong_keys_get_the_same_answer(guarded: Guarded, admin: str) -> None:
    guarded.status(admin)
    answers = {}
    for name, (path, headers) in ways_to_be_wrong(guarded, admin).items():
        encoded = [(each.encode(), text.encode("latin-1")) for each, text in headers]
        with guarded.client() as client:
            answer = client.get(path, headers=encoded)
        document = problem(answer, 401)
        assert secret_of(admin) not in answer.text, name
        assert answer.headers["www-authenticate"].startswith("Bearer"), name
        answers[name] = (document["type"], document["title"], document["detail"])
    assert len(set(answers.values())) == 1


def test_a_key_with_line_breaks_does_not_get_in(guarded: Guarded, admin: str) -> None:
    key_id, secret = admin.split(".")
    for text in (f"{key_id}.\r\n {secret}", f"{admin}\r\n\tx", f"\r\n {admin}\r\n {admin}"):
        head = f"GET /v1/runs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {text}\r\n\r\n"
        answer = receive_all(connect_and_send(guarded.service.url, head.encode()))
        assert answer.split(b" ")[1] in (b"400", b"401")
        assert secret.encode() not in answer


def test_a_scope_that_is_missing_is_named_and_the_key_is_not(guarded: Guarded) -> None:
    key = guarded.make("read")
    with guarded.client(key) as client:
        assert client.get("/v1/runs").status_code == 200
        document = problem(client.post("/v1/runs", json=RECIPE), 403)
    assert document["type"] == "/problems/scope_missing"
    assert "`submit`" in str(document["detail"])
    assert key not in str(document)


def test_a_body_is_not_read_for_a_key_that_is_refused(guarded: Guarded) -> None:
    with guarded.client() as client:
        draft = client.post("/v1/datasets?filename=a.csv", content=b"a,b\n" * (1 << 20))
    assert draft.status_code == 401


# Failures


def test_the_eleventh_failure_of_an_address_within_a_minute_is_429(guarded: Guarded, admin: str) -> None:
    other = guarded.make("read")
    with guarded.client(None, **{"X-Forwarded-For": "192.0.2.200"}) as client:
        assert client.get("/v1/runs", headers={"Authorization": f"Bearer {admin}"}).status_code == 200
        wrong = {"Authorization": "Bearer key_000000000000." + "a" * 43}
        assert [client.get("/v1/runs", headers=wrong).status_code for _ in range(10)] == [401] * 10
        answer = client.get("/v1/runs", headers=wrong)
        assert problem(answer, 429)["type"] == "/problems/too_many_failures"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert problem(client.post("/v1/session", json={"key": wrong["Authorization"][7:]}), 429)
        # A key that was in use there before goes on; no other key is looked at.
        assert client.get("/v1/runs", headers={"Authorization": f"Bearer {admin}"}).status_code == 200
        assert client.get("/v1/runs", headers={"Authorization": f"Bearer {other}"}).status_code == 429
        assert client.get("/healthz/live").status_code == 200
        # Requests without a key are no guesses.
        assert client.get("/v1/runs").status_code == 401
    with guarded.client(other, **{"X-Forwarded-For": "198.51.100.7, 192.0.2.201"}) as client:
        assert client.get("/v1/runs").status_code == 200


def test_guesses_at_the_same_time_are_counted_too(guarded: Guarded) -> None:
    def guess(number: int) -> int:
        headers = {"Authorization": f"Bearer key_{number:012}." + "a" * 43, "X-Forwarded-For": "192.0.2.202"}
        with guarded.client() as client:
            return client.get("/v1/runs", headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(guess, range(40)))
    assert statuses.count(401) <= 10
    assert set(statuses) == {401, 429}


# The ends of a key


def test_a_new_key_is_accepted_at_once_and_a_revoked_one_is_not_after_five_seconds(guarded: Guarded) -> None:
    key = guarded.make("read")
    assert guarded.status(key) == 200
    guarded.store.revoke(key.partition(".")[0])
    began = time.monotonic()
    wait_until(lambda: guarded.status(key) == 401)
    assert time.monotonic() - began < REVOKED_WITHIN


def test_an_expired_key_is_refused(guarded: Guarded) -> None:
    key = guarded.make("read", seconds=4.0)
    assert guarded.status(key) == 200
    wait_until(lambda: guarded.status(key) == 401)


def test_a_rotated_key_and_its_successor_are_both_accepted_until_the_overlap_has_passed(guarded: Guarded) -> None:
    old = guarded.make("read", "submit")
    hash_key = make_hash_key(guarded.service.home)
    key, new, _ = guarded.store.rotate(hash_key, old.partition(".")[0], overlap_seconds=1.5, seconds=None)
    assert key.scopes == ("read", "submit")
    assert (guarded.status(old), guarded.status(new)) == (200, 200)
    wait_until(lambda: guarded.status(old) == 401)
    assert guarded.status(new) == 200


def test_streams_and_long_polls_of_a_revoked_key_are_cut(guarded: Guarded, admin: str) -> None:
    key = guarded.make("read")
    with guarded.client(admin) as client:
        run_id = create(client)
    paths = ("/v1/events?all=true", f"/v1/runs/{run_id}/events", f"/v1/runs/{run_id}/events?after=100&wait=60")

    def follow(path: str) -> float:
        headers = {"Accept": "application/json" if "wait" in path else "text/event-stream"}
        with (
            guarded.client(key, **headers) as client,
            pytest.raises(httpx.TransportError),
            client.stream("GET", path) as answer,
        ):
            list(answer.iter_raw())
        return time.monotonic()

    with ThreadPoolExecutor(3) as pool:
        ends = [pool.submit(follow, path) for path in paths]
        time.sleep(1.0)
        guarded.store.revoke(key.partition(".")[0])
        revoked = time.monotonic()
        assert max(end.result(timeout=20) for end in ends) - revoked < REVOKED_WITHIN


def test_a_download_of_a_revoked_key_is_cut(guarded: Guarded, admin: str) -> None:
    key = guarded.make("read")
    with guarded.client(admin) as client:
        run_id = create(client)
    redis = connect(guarded.service.redis_url, patient=False)
    artifacts = Artifacts(guarded.service.home / "artifacts")
    worker = FakeWorker(Store(redis, artifacts=artifacts), artifacts)
    worker.claim(run_id)
    worker.log_epoch(run_id, 1)
    worker.save_best(run_id, 1, bytes(MANY_BYTES))
    redis.close()
    headers = f"Host: localhost\r\nAuthorization: Bearer {key}\r\n"
    path = f"/v1/runs/{run_id}/checkpoints/1/model.safetensors"
    download = connect_and_send(guarded.service.url, get(path, headers=headers), receive_buffer=4096)
    assert download.recv(4096).startswith(b"HTTP/1.1 200")
    guarded.store.revoke(key.partition(".")[0])
    wait_until(lambda: guarded.status(key) == 401)
    time.sleep(REVOKED_WITHIN)
    # What the kernel has sent already arrives.
    assert len(receive_all(download)) < MANY_BYTES / 2


def test_a_stream_of_another_key_is_not_cut(guarded: Guarded, admin: str) -> None:
    key = guarded.make("read")
    with guarded.client(admin) as client, client.stream("GET", "/v1/events?all=true") as answer:
        assert guarded.status(key) == 200
        guarded.store.revoke(key.partition(".")[0])
        wait_until(lambda: guarded.status(key) == 401)
        time.sleep(2.5)
        with guarded.client(admin) as other:
            create(other)
        assert any(b"queued" in chunk or b"data:" in chunk for chunk in answer.iter_raw())


# Sessions


def test_a_browser_signs_in_with_a_key_and_its_cookie_does_not_contain_it(guarded: Guarded) -> None:
    key = guarded.make("read", "submit")
    with guarded.client() as browser:
        assert browser.get("/v1/session").json() == {"needs_key": True, "key": None}
        answer = browser.post("/v1/session", json={"key": key})
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert secret_of(key) not in cookie
        assert answer.json()["key"]["scopes"] == ["read", "submit"]
        assert browser.get("/v1/runs").status_code == 200
        # Browsers send `Origin` with everything that may change something.
        assert problem(browser.post("/v1/runs", json=RECIPE), 403)["type"] == "/problems/cross_site_request"
        own, other = {"Origin": guarded.service.url}, {"Origin": "http://127.0.0.1:1"}
        assert browser.post("/v1/runs", json=RECIPE, headers=own).status_code == 201
        assert problem(browser.post("/v1/runs", json=RECIPE, headers=other), 403)
        assert problem(browser.request("DELETE", "/v1/session", headers=other), 403)
        copied = dict(browser.cookies)
        assert browser.request("DELETE", "/v1/session", headers=own).json() == {"needs_key": True, "key": None}
        assert dict(browser.cookies) == {}
        assert browser.get("/v1/runs").status_code == 401
    with guarded.client() as thief:
        thief.cookies.update(copied)
        answer = thief.get("/v1/runs")
        assert answer.status_code == 401
        assert "Max-Age=0" in answer.headers["set-cookie"]


def test_a_session_ends_with_its_key_and_cannot_be_forged(guarded: Guarded) -> None:
    key = guarded.make("read")
    with guarded.client() as browser:
        browser.post("/v1/session", json={"key": key}, headers={"Origin": guarded.service.url})
        [(name, value)] = browser.cookies.items()
        key_id, session, expires, signature = value.split(".")
        for forged in (f"{key_id}.{session}.{int(expires) + 1}.{signature}", f"{key_id}.{session}.{expires}.", "x.y"):
            with guarded.client(None, Cookie=f"{name}={forged}") as other:
                assert other.get("/v1/runs").status_code == 401
        guarded.store.revoke(key_id)
        wait_until(lambda: status_of(browser) == 401)


def test_the_cookie_is_for_https_alone_where_the_browser_uses_it_and_for_the_path_of_a_proxy(
    guarded: Guarded, admin: str
) -> None:
    host = guarded.service.url.removeprefix("http://")
    headers = {"Origin": f"https://{host}", "X-Forwarded-Prefix": "/bakehouse"}
    with guarded.client() as browser:
        cookie = browser.post("/v1/session", json={"key": admin}, headers=headers).headers["set-cookie"]
    assert "Secure" in cookie.split("; ")
    assert "Path=/bakehouse/" in cookie.split("; ")


def test_signing_in_with_a_wrong_key_is_the_same_401(guarded: Guarded, admin: str) -> None:
    with guarded.client(None, **{"X-Forwarded-For": "192.0.2.210"}) as client:
        for key in (f"{admin}\n", f" {admin}", "", "key_", admin[:-1]):
            answer = client.post("/v1/session", json={"key": key})
            assert problem(answer, 401)["type"] == "/problems/unauthorized"
            assert "set-cookie" not in answer.headers
        for body in ({}, {"key": 1}, {"key": admin, "more": True}, [admin]):
            answer = client.post("/v1/session", json=body)
            assert answer.status_code == 422
            assert secret_of(admin) not in answer.text


# Without keys, and without Redis


def test_a_service_without_keys_is_open_until_the_first_key_and_then_cuts_what_is_open(
    redis_folder: Path, tmp_path: Path
) -> None:
    with Redis.from_url(socket_url(redis_folder), db=1) as redis:
        service = start_service(f"{socket_url(redis_folder)}?db=1", tmp_path)
        open_service = Guarded(service, ApiKeyStore(redis))
        try:
            with open_service.client() as client:
                assert client.get("/v1/session").json() == {"needs_key": False, "key": None}
                assert client.get("/v1/runs", headers={"Authorization": "Bearer nonsense"}).status_code == 200
                with client.stream("GET", "/v1/events?all=true") as stream:
                    key = open_service.make("read")
                    with pytest.raises(httpx.TransportError):
                        list(stream.iter_raw())
                wait_until(lambda: status_of(client) == 401)
            assert open_service.status(key) == 200
            # Redis loses everything: nobody gets in, because the home remembers that there were keys.
            redis.flushdb()
            wait_until(lambda: open_service.status(key) == 401)
            with open_service.client() as client:
                assert client.get("/v1/runs").status_code == 401
        finally:
            service.end()


def test_while_redis_is_away_nobody_gets_in_and_afterwards_everybody_does(tmp_path: Path) -> None:
    folder, home = tmp_path / "redis", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    server = start_redis(folder)
    service = start_service(socket_url(folder), home)
    try:
        guarded = Guarded(service, ApiKeyStore(Redis.from_url(socket_url(folder))))
        key = guarded.make("read")
        wait_until(lambda: guarded.status(key, "/v1/cookbook") == 200)
        stop_redis(server)
        wait_until(lambda: guarded.status(key, "/v1/cookbook") == 503)
        assert guarded.status(key, "/healthz/live") == 200
        server = start_redis(folder)
        wait_until(lambda: guarded.status(key, "/v1/cookbook") == 200)
    finally:
        service.end()
        stop_redis(server)


def test_slow_downloads_do_not_make_the_keys_look_unreadable(redis_folder: Path, tmp_path: Path) -> None:
    async def read_while_all_threads_are_busy(access: Access) -> None:
        threads = anyio.to_thread.current_default_thread_limiter().total_tokens
        has_ended = threading.Event()
        async with anyio.create_task_group() as downloads:
            for _ in range(int(threads)):
                downloads.start_soon(partial(anyio.to_thread.run_sync, has_ended.wait))
            await anyio.sleep(0.1)
            try:
                with anyio.fail_after(5):
                    await access.refresh()
            finally:
                has_ended.set()

    url = f"{socket_url(redis_folder)}?db=5"
    with Redis.from_url(url) as redis:
        access = Access(Settings(home=tmp_path, redis_url=url), ApiKeyStore(redis))
        anyio.run(read_while_all_threads_are_busy, access)
        assert access.is_open


def test_a_service_that_could_not_read_its_keys_yet_is_not_open(tmp_path: Path) -> None:
    folder, home = tmp_path / "redis", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    service = start_service(socket_url(folder), home)
    paths = ("/v1/cookbook", "/v1/session", "/v1/runs")
    try:
        with httpx.Client(base_url=service.url, timeout=20, trust_env=False, verify=NO_CERTIFICATES) as client:
            assert [status_of(client, path) for path in paths] == [503] * 3
            assert problem(client.get("/v1/cookbook"), 503)["type"] == "/problems/redis_unavailable"
            assert status_of(client, "/healthz/live") == 200
            server = start_redis(folder)
            try:
                wait_until(lambda: [status_of(client, path) for path in paths] == [200] * 3)
            finally:
                stop_redis(server)
    finally:
        service.end()


def test_a_home_without_the_secret_of_the_keys_says_so_once_and_stays_closed(
    redis_folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    url = f"{socket_url(redis_folder)}?db=4"
    with Redis.from_url(url) as redis:
        store = ApiKeyStore(redis)
        store.create(make_hash_key(tmp_path), name="x", scopes=("admin",), seconds=None)
        service = start_service(url, home)
        try:
            with httpx.Client(base_url=service.url, trust_env=False, verify=NO_CERTIFICATES) as client:
                assert client.get("/v1/runs").status_code == 401
                assert (home / "api_keys.seen").stat().st_mode & 0o777 == 0o600
                redis.flushdb()
                # Long enough for two readings.
                time.sleep(5.0)
                assert client.get("/v1/runs").status_code == 401
        finally:
            service.end()
        assert (home / LOG).read_text().count(f"no {home / 'api_keys.secret'}, with which they are checked") == 1
        restarted = Access(Settings(home=home, redis_url=url), store)
        restarted.read()
        assert not restarted.is_open


def test_another_address_than_loopback_needs_a_key_that_is_accepted(redis_folder: Path, tmp_path: Path) -> None:
    url = f"{socket_url(redis_folder)}?db=2"
    settings = Settings(home=tmp_path, redis_url=url, host="0.0.0.0")
    insecure = settings.model_copy(update={"insecure": True})
    with Redis.from_url(url) as redis:
        store = ApiKeyStore(redis)

        def missing(chosen: Settings, keys: ApiKeyStore = store) -> str | None:
            return find_missing_key(chosen, Access(chosen, keys))

        away = ApiKeyStore(Redis.from_url("unix:///nowhere"))
        assert "bakehouse keys create" in str(missing(settings))
        assert "bakehouse keys create" in str(missing(settings, away))
        assert missing(insecure) is None
        store.create(make_hash_key(tmp_path), name="x", scopes=("read",), seconds=0.001)
        time.sleep(0.01)
        assert "no API key that is accepted" in str(missing(settings))
        store.create(make_hash_key(tmp_path), name="x", scopes=("read",), seconds=None)
        assert missing(settings) is None
        assert missing(settings, away) is None


def test_insecure_is_said_loudly_and_has_no_effect_once_there_is_a_key(redis_folder: Path, tmp_path: Path) -> None:
    url = f"{socket_url(redis_folder)}?db=3"

    def start() -> RunningService:
        return start_service(url, tmp_path, BAKEHOUSE_HOST="0.0.0.0", BAKEHOUSE_INSECURE="1")

    start().end()
    assert "INSECURE: anybody" in (tmp_path / LOG).read_text()
    with Redis.from_url(url) as redis:
        ApiKeyStore(redis).create(make_hash_key(tmp_path), name="x", scopes=("read",), seconds=None)
    service = start()
    try:
        address = f"http://127.0.0.1:{service.url.rpartition(':')[2]}"
        assert httpx.get(f"{address}/v1/runs", trust_env=False, verify=NO_CERTIFICATES).status_code == 401
        assert "INSECURE" not in (tmp_path / LOG).read_text()
    finally:
        service.end()


def test_the_owner_of_the_home_may_read_for_a_minute_and_change_nothing(guarded: Guarded) -> None:
    hash_key = read_hash_key(guarded.service.home)
    assert hash_key is not None
    token = hash_key.home_token()
    with guarded.client(token) as client:
        assert client.get("/v1/workers").status_code == 200
        assert problem(client.post("/v1/runs", json=RECIPE), 403)
    expired = f"home.1.{hash_key.sign('home', '1')}"
    assert guarded.status(expired) == 401


# What is written down


def test_no_key_is_in_redis_or_in_the_log_or_in_the_home(guarded: Guarded, admin: str, redis_folder: Path) -> None:
    with guarded.client(admin) as client:
        client.get("/v1/runs")
        client.get(f"/v1/runs?key={admin}")
        client.post("/v1/session", json={"key": admin}, headers={"Origin": guarded.service.url})
    secret = secret_of(admin).encode()
    files = [*guarded.service.home.rglob("*"), *redis_folder.rglob("*")]
    contents = [path.read_bytes() for path in files if path.is_file()]
    assert len(contents) > 3
    assert not [content for content in contents if secret in content]
    mode = (guarded.service.home / "api_keys.secret").stat().st_mode
    assert mode & 0o777 == 0o600
