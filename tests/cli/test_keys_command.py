"""`bakehouse keys`, and commands with a key, as processes: what they print, their exit codes, and where a key shows."""

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis

from bakehouse.access.api_key import KEY
from bakehouse.access.hash_key import FILE
from tests.processes import wait_until
from tests.redis_process import socket_url, start_redis, stop_redis
from tests.running_service import LOG, RunningService, start_service

PROGRAM = Path(sys.executable).with_name("bakehouse")
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
RECIPE = '{"dataset": "iris", "architecture": "linear", "epochs": 3}'
Result = subprocess.CompletedProcess[str]


def bakehouse(*arguments: str, **settings: str) -> Result:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BAKEHOUSE_")}
    environment = {**inherited, **{f"BAKEHOUSE_{name.upper()}": value for name, value in settings.items()}}
    return subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("redis")
    server = start_redis(folder)
    service = start_service(socket_url(folder), tmp_path_factory.mktemp("home"))
    yield service
    service.end()
    stop_redis(server)


def keys(service: RunningService, *arguments: str) -> Result:
    return bakehouse("keys", *arguments, home=str(service.home), redis_url=service.redis_url)


@pytest.fixture(scope="module")
def admin(service: RunningService) -> str:
    made = keys(service, "create", "ada", "--scope", "admin")
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_key_is_printed_alone_on_stdout_and_once(service: RunningService, admin: str) -> None:
    assert KEY.fullmatch(admin)
    made = keys(service, "create", "ci", "--expires", "90d")
    assert KEY.fullmatch(made.stdout.strip())
    assert "(ci) may read, submit, control until 2" in made.stderr
    assert made.stdout.strip() not in made.stderr
    listed = keys(service, "list")
    assert "ada\tadmin\tactive" in listed.stdout
    assert admin.partition(".")[2] not in listed.stdout + listed.stderr
    document = json.loads(keys(service, "list", "--json").stdout)
    assert {row["name"] for row in document["data"]} == {"ada", "ci"}
    shown = json.loads(keys(service, "create", "robot", "--scope", "read", "--scope", "submit", "--json").stdout)
    assert shown["scopes"] == ["read", "submit"]
    assert KEY.fullmatch(shown["key"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "x", "--scope", "all"], "read, submit, control, admin"),
        (["create", "x", "--expires", "soon"], "such as 90d"),
        (["create", "x", "--expires", "0d"], "such as 90d"),
        (["create", ""], "printable characters"),
        (["create", "a\nb"], "printable characters"),
        (["create", "x" * 65], "printable characters"),
        (["revoke", "key_000000000000"], "bakehouse keys list"),
        (["rotate", "key_000000000000"], "bakehouse keys list"),
        (["off"], "--yes"),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(
    arguments: list[str], words: str, service: RunningService
) -> None:
    refused = keys(service, *arguments)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_a_redis_that_does_not_answer_is_said(tmp_path: Path) -> None:
    refused = bakehouse("keys", "list", home=str(tmp_path), redis_url="redis://:hushhush@127.0.0.1:1/0")
    assert refused.returncode == 2
    assert "BAKEHOUSE_REDIS_URL" in refused.stderr
    assert "hushhush" not in refused.stderr


def test_the_first_key_needs_neither_a_service_nor_a_redis_that_runs(tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    made = bakehouse("keys", "create", "first", "--scope", "admin", home=home)
    assert made.returncode == 0, made.stderr
    assert "this is the first key" in made.stderr
    key_id = made.stdout.partition(".")[0]
    assert key_id in bakehouse("keys", "list", home=home).stdout
    rotated = bakehouse("keys", "rotate", key_id, "--overlap", "0", home=home)
    assert KEY.fullmatch(rotated.stdout.strip())
    assert f"{key_id} is accepted until 2" in rotated.stderr
    assert "revoked" in bakehouse("keys", "revoke", rotated.stdout.partition(".")[0], home=home).stdout
    rows = json.loads(bakehouse("keys", "list", "--json", home=home).stdout)["data"]
    assert [row["status"] for row in rows] == ["revoked", "revoked"]
    (tmp_path / "home" / "api_keys.seen").touch()
    assert bakehouse("keys", "off", "--yes", home=home).returncode == 0
    assert json.loads(bakehouse("keys", "list", "--json", home=home).stdout)["data"] == []
    assert not [*(tmp_path / "home").glob("api_keys.*")]


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """The address of a Redis without keys."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = start_redis(folder)
    yield socket_url(folder)
    stop_redis(server)


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_an_unknown_key_does_not_make_a_service_without_keys_ask_for_one(
    command: str, redis_url: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    refused = bakehouse("keys", command, "key_000000000000", home=str(home), redis_url=redis_url)
    assert refused.returncode == 2
    assert "there is no key" in refused.stderr
    assert not (home / FILE).exists()


def test_a_key_of_another_home_is_not_rotated_and_may_be_revoked(redis_url: str, tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    made = bakehouse("keys", "create", "ada", home=str(home), redis_url=redis_url)
    key_id = made.stdout.partition(".")[0]
    refused = bakehouse("keys", "rotate", key_id, home=str(other), redis_url=redis_url)
    assert refused.returncode == 2
    assert f"{other / FILE} cannot be used (it does not exist)" in refused.stderr
    assert not (other / FILE).exists()
    assert "revoked" in bakehouse("keys", "revoke", key_id, home=str(other), redis_url=redis_url).stdout


def test_a_key_that_cannot_be_stored_leaves_no_secret_behind(redis_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"

    def make(name: str) -> Result:
        return bakehouse("keys", "create", name, home=str(home), redis_url=redis_url)

    with Redis.from_url(redis_url) as redis:
        redis.config_set("maxmemory", 1)
        assert make("ada").returncode == 2
        assert list(home.iterdir()) == []
        redis.config_set("maxmemory", 0)
        assert make("ada").returncode == 0
        secret = (home / FILE).read_text()
        # The keys that exist need it.
        redis.config_set("maxmemory", 1)
        assert make("bob").returncode == 2
        assert (home / FILE).read_text() == secret


def test_commands_say_what_to_do_about_their_key(service: RunningService, admin: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{admin}\n")
    wait_until(lambda: bakehouse("ls", url=service.url).returncode == 4)
    without = bakehouse("ls", url=service.url)
    assert "set BAKEHOUSE_API_KEY_FILE" in without.stderr
    assert bakehouse("ls", url=service.url, api_key=admin).returncode == 0
    assert bakehouse("ls", url=service.url, api_key_file=str(file)).returncode == 0
    reader = keys(service, "create", "reader", "--scope", "read").stdout.strip()
    recipe = tmp_path / "recipe.json"
    recipe.write_text(RECIPE)
    denied = bakehouse("run", str(recipe), "--detach", url=service.url, api_key=reader)
    assert denied.returncode == 4
    assert "scope `submit`" in denied.stderr
    assert "does not permit this" in denied.stderr
    wrong = bakehouse("ls", url=service.url, api_key=admin[:-1] + ("a" if admin[-1] != "a" else "b"))
    assert wrong.returncode == 4
    assert "does not accept the key in BAKEHOUSE_API_KEY" in wrong.stderr
    unusable = bakehouse("ls", url=service.url, api_key="two words")
    assert unusable.returncode == 2
    assert "two words" not in unusable.stderr
    for result in (without, denied, wrong, unusable):
        assert "key_" not in result.stderr.replace("key_, 12", "")
        assert "Traceback" not in result.stderr


def test_doctor_asks_the_service_without_a_key_as_the_owner_of_the_home(service: RunningService, admin: str) -> None:
    shown = bakehouse("doctor", "--json", url=service.url, home=str(service.home))
    document = json.loads(shown.stdout)
    assert document["checked"] == f"the service at {service.url}"
    rows = {row["name"]: row for row in document["data"]}
    assert rows["access"]["status"] == "ok"
    assert "active" in rows["access"]["found"]
    elsewhere = bakehouse("doctor", "--json", url=service.url, api_key=admin, home="/nowhere")
    assert json.loads(elsewhere.stdout)["checked"] == f"the service at {service.url}"


def test_a_key_is_in_no_process_list_no_log_and_no_debug_output(
    service: RunningService, admin: str, tmp_path: Path
) -> None:
    program = (
        "import logging, sys; logging.basicConfig(level=0, stream=sys.stderr)\n"
        "from bakehouse import Client\n"
        "client = Client(); print(client, repr(client), vars(client))\n"
        "list(client.runs()); client._async._connection.transport.http.get('/v1/nothing')\n"
        "print('ready', flush=True); sys.stdin.read(); raise SystemExit(1)\n"
    )
    environment = {**os.environ, "BAKEHOUSE_URL": service.url, "BAKEHOUSE_API_KEY": admin}
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    printed: list[str] = []
    while not printed or printed[-1] != "ready\n":
        printed.append(process.stdout.readline())
        assert printed[-1]
    listed = "".join(path.read_text(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline"))
    output, errors = process.communicate("")
    secret = admin.partition(".")[2]
    assert "HTTP Request: GET" in errors
    for text in (*printed, output, errors, listed, (service.home / LOG).read_text()):
        assert secret not in text


def test_a_redirect_to_another_host_does_not_get_the_key(service: RunningService, admin: str) -> None:
    # The client follows redirects; httpx drops the header for another origin.
    client = httpx.Client(headers={"Authorization": f"Bearer {admin}"}, follow_redirects=True, verify=NO_CERTIFICATES)
    request = client.build_request("GET", service.url)
    headers = client._redirect_headers(request, httpx.URL("http://other.invalid/"), "GET")
    assert "authorization" not in headers


def test_a_command_that_follows_a_run_ends_with_its_key(service: RunningService, admin: str) -> None:
    key = keys(service, "create", "short", "--scope", "read", "--scope", "submit").stdout.strip()
    run = httpx.post(
        f"{service.url}/v1/runs", content=RECIPE, trust_env=False, verify=NO_CERTIFICATES,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    ).json()["id"]  # fmt: skip
    environment = {**os.environ, "BAKEHOUSE_URL": service.url, "BAKEHOUSE_API_KEY": key}
    watching = subprocess.Popen([PROGRAM, "watch", run], env=environment, stderr=subprocess.PIPE, text=True)
    time.sleep(3)
    keys(service, "revoke", key.partition(".")[0])
    _, errors = watching.communicate(timeout=60)
    assert watching.returncode == 4
    assert "does not accept the key" in errors
