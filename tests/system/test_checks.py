"""Each check, with facts for which it is content and facts for which it is not."""

import os
import re
import shutil
import socket
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bakehouse.access.api_key import ApiKey, KeyTable, StoredKey, new_key_id
from bakehouse.access.hash_key import HashKey
from bakehouse.access.inspection import AccessState
from bakehouse.runs.redis_state import RedisState
from bakehouse.runs.run import TaskProcess
from bakehouse.runs.store import DURABLE
from bakehouse.settings import Settings
from bakehouse.system import checks
from bakehouse.system.checks import CHECKS, check_home, check_space, check_system
from bakehouse.system.system import Inspection, Port, Row
from tests.bucket_server import objects_in, run_bucket
from tests.runs.examples import a_worker

VERSIONS = {"bakehouse": version("bakehouse"), "torch": "2.9.0", "python": "3.11.4"}
HERE = a_worker("w1").model_copy(update={"host": socket.gethostname(), "versions": VERSIONS})
ELSEWHERE = a_worker("w2").model_copy(update={"status": "busy", "versions": VERSIONS})
TASKS = TaskProcess(name="t1", host=HERE.host, pid=7, status="idle", started_at="", seen_at="")
GOOD: dict[str, Any] = {
    "product": "valkey",
    "version": "7.2.4",
    "used_bytes": 3 << 20,
    "settings": DURABLE,
    "workers": (HERE, ELSEWHERE),
    "task_processes": (TASKS,),
}
PORT = Port(address="http://127.0.0.1:8000", holder="bakehouse", detail="Bakehouse 0.1.0")
WITHOUT_KEYS = AccessState(table=KeyTable({}, frozenset(), 0))
AWAY = RedisState(problem="Connection refused.")


NOW = 1_800_000_000_000
DAY = 86_400_000
HASH_KEY = HashKey(b"0" * 32)


def a_key(*, hash_key_id: str = HASH_KEY.id, expires_ms: int | None = None) -> ApiKey:
    return ApiKey(
        id=new_key_id(), name="ci", scopes=("read",), secret_hash="", hash_key_id=hash_key_id,
        created_ms=NOW - 90 * DAY, expires_ms=expires_ms,
    )  # fmt: skip


def state_of(*keys: ApiKey, hash_key: HashKey | None = None) -> AccessState:
    return AccessState(table=KeyTable({key.id: StoredKey(key) for key in keys}, frozenset(), NOW), hash_key=hash_key)


def inspection(
    folder: Path,
    *,
    port: Port = PORT,
    access: AccessState = WITHOUT_KEYS,
    chosen: dict[str, Any] | None = None,
    **redis: Any,
) -> Inspection:
    return Inspection(
        settings=Settings.model_validate({"home": folder, **(chosen or {})}),
        redis=RedisState(**{**GOOD, **redis}),
        port=port,
        access=access,
    )


def rows_of(found: Inspection) -> dict[str, Row]:
    return {row.name: row for row in check_system(found).data}


def test_a_system_that_is_as_it_should_be_has_a_row_for_every_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "LITTLE_SPACE_BYTES", 0)
    monkeypatch.setattr(checks, "available_cores", lambda: 2)
    system = check_system(inspection(tmp_path))
    assert len(system.data) == len(CHECKS)
    assert [row for row in system.data if row.status != "ok"] == []
    assert (system.status, system.version) == ("ok", VERSIONS["bakehouse"])
    rows = {row.name: row.found for row in system.data}
    assert rows["workers"] == "2 workers on 2 machines, 1 busy"
    assert rows["cores"] == "2 cores; 1 worker here with 1 thread each"
    assert re.fullmatch(r"bakehouse \S+, python \S+, torch 2.9.0, valkey 7.2.4", rows["versions"])


@pytest.mark.parametrize(
    ("name", "status", "facts"),
    [
        ("redis", "error", {"is_writable": False}),
        ("redis_version", "error", {"version": "6.0.16"}),
        ("redis_appendonly", "error", {"settings": {**DURABLE, "appendonly": "no"}}),
        ("redis_appendfsync", "warning", {"settings": {**DURABLE, "appendfsync": "everysec"}}),
        ("redis_maxmemory_policy", "error", {"settings": {**DURABLE, "maxmemory-policy": "allkeys-lru"}}),
        ("redis_appendonly", "warning", {"settings": {}}),
        ("redis_memory", "warning", {"used_bytes": 85, "max_bytes": 100}),
        ("redis_memory", "error", {"used_bytes": 96, "max_bytes": 100}),
        ("home_shared", "error", {"is_folder_shared": False}),
        ("workers", "error", {"workers": ()}),
        ("task_processes", "warning", {"task_processes": ()}),
        ("worker_versions", "warning", {"workers": (HERE.model_copy(update={"versions": {"torch": "2"}}), ELSEWHERE)}),
        ("worker_versions", "warning", {"workers": (HERE.model_copy(update={"versions": {"bakehouse": "9"}}),)}),
        ("data", "error", {"chosen": {"data": "/nowhere"}}),
        ("cores", "warning", {"chosen": {"threads": 256}}),
        ("access", "warning", {"chosen": {"host": "0.0.0.0", "insecure": True}}),
        ("access", "error", {"access": AccessState(problem="cannot be read")}),
        ("access", "error", {"access": state_of(hash_key=HASH_KEY)}),
        ("access", "error", {"access": state_of(a_key(expires_ms=NOW - 1), hash_key=HASH_KEY)}),
        ("access", "error", {"access": state_of(a_key())}),
        ("access", "warning", {"access": state_of(a_key(), a_key(hash_key_id="lost"), hash_key=HASH_KEY)}),
        ("access", "warning", {"access": state_of(a_key(expires_ms=NOW + DAY), hash_key=HASH_KEY)}),
        ("access", "ok", {"access": state_of(a_key(), a_key(expires_ms=NOW - 1), hash_key=HASH_KEY)}),
        ("port", "warning", {"port": Port(address="http://x", holder="nobody")}),
        ("port", "error", {"port": Port(address="http://x", holder="another program", detail="nginx")}),
    ],
)
def test_what_is_wrong_has_a_row_with_a_remedy(name: str, status: str, facts: dict[str, Any], tmp_path: Path) -> None:
    row = rows_of(inspection(tmp_path, **facts))[name]
    assert row.status == status
    assert bool(row.problem) == bool(row.fix) == (status != "ok")


def test_a_redis_that_is_away_is_one_error_and_not_many(tmp_path: Path) -> None:
    system = check_system(Inspection(settings=Settings(home=tmp_path), redis=AWAY, port=PORT, access=AccessState()))
    rows = {row.name: row for row in system.data}
    assert [row.name for row in system.data if row.status == "error"] == ["redis"]
    assert rows["redis"].problem == "Connection refused."
    assert "bakehouse up" in str(rows["redis"].fix)
    assert rows["workers"].status == "warning"
    outside = Inspection(
        settings=Settings(home=tmp_path, redis_url="redis://x"), redis=AWAY, port=PORT, access=AccessState()
    )
    assert "BAKEHOUSE_REDIS_URL" in str(rows_of(outside)["redis"].fix)


def test_a_home_that_does_not_exist_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_home(inspection(tmp_path / "a" / "b")).status == "ok"
    assert list(tmp_path.iterdir()) == []
    # A test that runs as root may write everywhere.
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and access(path, mode))
    row = check_home(inspection(tmp_path / "a"))
    assert (row.status, row.found) == ("error", "cannot be created")


def test_a_home_in_which_no_file_can_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "artifacts").touch()
    assert (check_home(inspection(tmp_path)).status, check_home(inspection(tmp_path)).found) == (
        "error",
        "not writable",
    )


@pytest.mark.parametrize(("free", "status"), [(1 << 20, "error"), (1 << 29, "warning"), (1 << 40, "ok")])
def test_the_free_space_decides(free: int, status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert check_space(inspection(tmp_path)).status == status


def test_a_gpu_that_no_worker_uses_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "DRIVER", tmp_path)
    assert rows_of(inspection(tmp_path))["gpu"].status == "warning"
    assert rows_of(inspection(tmp_path, chosen={"device": "cpu"}))["gpu"].status == "ok"
    with_gpu = HERE.model_copy(update={"device": "NVIDIA H100", "versions": {**VERSIONS, "cuda": "13.0"}})
    row = rows_of(inspection(tmp_path, workers=(with_gpu, ELSEWHERE)))["gpu"]
    assert (row.status, row.found) == ("ok", "NVIDIA H100 (1 worker)")


def test_a_store_that_is_a_bucket_is_asked(tmp_path: Path) -> None:
    with run_bucket() as server:
        settings = server.settings(tmp_path, "/prefix")
        facts = Inspection(settings=settings, redis=AWAY, port=PORT, access=WITHOUT_KEYS)
        assert rows_of(facts)["store"].found == f"{settings.store}, which takes files"
        assert objects_in(settings) == {}
        server.refusal = 403, "ExpiredToken"
        refused = rows_of(facts)["store"]
        assert (refused.status, "has expired" in str(refused.problem)) == ("error", True)
        server.refusal = 500, "InternalError"
        away = rows_of(facts)["store"]
        assert (away.status, "Runs go on" in str(away.problem)) == ("error", True)
    assert rows_of(inspection(tmp_path))["store"].found == "BAKEHOUSE_HOME"
