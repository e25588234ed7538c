"""What a real Redis server says of itself."""

from pathlib import Path

import pytest
from redis import Redis

from bakehouse.runs.keys import Keys
from bakehouse.runs.marker import register_folder
from bakehouse.runs.redis_state import read_redis_state
from bakehouse.runs.store import DURABLE, Store, connect
from bakehouse.settings import Settings
from tests.runs.examples import a_worker


def test_a_server_that_answers_is_described(redis_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with connect(redis_url, patient=False) as redis:
        Store(redis).put_worker(a_worker("w1"), ttl=60)
    state = read_redis_state(redis_url, settings)
    assert state.problem is None
    assert state.product in ("redis", "valkey")
    assert state.version >= "6"
    assert state.used_bytes > 1 << 18
    assert state.settings == DURABLE
    assert (state.is_writable, state.is_folder_shared) == (True, True)
    assert [worker.name for worker in state.workers] == ["w1"]


def test_a_server_that_does_not_answer_is_a_problem_without_its_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = read_redis_state(f"unix://{tmp_path}/missing.sock", Settings(home=tmp_path))
    assert state.problem == "Redis does not answer (ConnectionError)."
    assert "missing.sock" in caplog.text


def test_a_server_that_refuses_writes_or_belongs_to_another_folder_is_noticed(redis_url: str, tmp_path: Path) -> None:
    with Redis.from_url(redis_url) as redis:
        register_folder(Settings(home=tmp_path / "first"), Store(redis))
        redis.config_set("min-replicas-to-write", 1)
        try:
            state = read_redis_state(redis_url, Settings(home=tmp_path / "second"))
        finally:
            redis.config_set("min-replicas-to-write", 0)
        redis.delete(Keys().marker())
    assert (state.problem, state.is_writable, state.is_folder_shared) == (None, False, False)


def test_a_server_that_forbids_config_is_described_without_its_settings(redis_url: str, tmp_path: Path) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.execute_command("ACL", "SETUSER", "default", "-config")
        try:
            state = read_redis_state(redis_url, Settings(home=tmp_path))
        finally:
            redis.execute_command("ACL", "SETUSER", "default", "+config")
    assert (state.problem, state.settings) == (None, {})
