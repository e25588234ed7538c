"""Workers while Redis refuses every write, as it does when it is full."""

import time
from pathlib import Path

import pytest

from bakehouse.runs.commands import RequestAction
from tests.processes import LIMIT_SECONDS, is_running, wait_until
from tests.running_worker import run_worker
from tests.stored_runs import ENDLESS


def test_workers_wait_for_a_full_redis_unless_they_are_asked_to_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with run_worker(tmp_path / "home") as worker:
        run_id = worker.submit(ENDLESS)
        owner = worker.wait_for(run_id, "running").owner
        assert owner is not None
        pid = worker.pid
        worker.redis.config_set("maxmemory", 1)
        time.sleep(1.5)
        worker.redis.config_set("maxmemory", 0)
        step = worker.store.record(run_id).progress.step
        wait_until(lambda: worker.store.record(run_id).progress.step > step)
        assert (worker.pid, worker.store.record(run_id).owner) == (pid, owner)
        worker.redis.config_set("maxmemory", 1)
        capfd.readouterr()
        worker.prefork.terminate()
        assert worker.prefork.wait(LIMIT_SECONDS) == 0
        assert not is_running(owner.pid)
        # It was not killed.
        assert "This process was asked to end while Redis cannot be used" in capfd.readouterr().err
        worker.redis.config_set("maxmemory", 0)
        worker.store.command(run_id, RequestAction("cancel"))
