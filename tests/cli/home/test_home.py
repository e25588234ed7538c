"""`bakehouse up` with stand-ins for the service and the worker: what starts, stops, restarts and is left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from bakehouse.cli.home.errors import (
    AlreadyRunning,
    ChildExited,
    ChildRefused,
    DataFolderMissing,
    FolderUnusable,
    RedisUnreachable,
)
from bakehouse.cli.home.home import home_running, program
from bakehouse.ports import CannotListen, PortTaken
from bakehouse.settings import Settings, available_cores
from tests.processes import is_running, wait_until

ROOT = Path(__file__).parents[3]

SERVICE = """
import http.server, json, os, pathlib, signal, sys

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        known = {name: value for name, value in os.environ.items() if name.startswith("BAKEHOUSE_")}
        listed = pathlib.Path(os.environ["BAKEHOUSE_HOME"], "workers")
        data = [json.loads(line) for line in listed.read_text().splitlines()] if listed.exists() else []
        answer = {"pid": os.getpid(), "data": data, "task_processes": data}
        self.wfile.write(json.dumps(answer | known).encode())

def end(number, frame):
    print("service ended", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
http.server.HTTPServer((os.environ["BAKEHOUSE_HOST"], int(os.environ["BAKEHOUSE_PORT"])), Answer).serve_forever()
"""

WORKER = """
import json, os, pathlib, signal, socket, sys

def end(number, frame):
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
home = pathlib.Path(os.environ["BAKEHOUSE_HOME"])
with (home / "workers").open("a") as file:
    print(json.dumps({"pid": os.getpid(), "host": socket.gethostname()} | dict(os.environ)), file=file)
while True:
    signal.pause()
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home on a free port; the service and the worker are stand-ins."""
    parts = tmp_path / "parts"
    (parts / "worker").mkdir(parents=True)
    (parts / "service.py").write_text(SERVICE)
    (parts / "worker" / "__init__.py").touch()
    (parts / "worker" / "main.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", f"{parts}:{ROOT}")
    return Settings(home=tmp_path / "home", port=0, workers=1)


def test_everything_runs_with_one_redis_and_ends_after_the_block(settings: Settings) -> None:
    with home_running(settings) as home:
        service = httpx.get(home.url).json()
        # They are there from the start, so that no run is told that no worker is running.
        worker = workers(settings)[0]
        assert home.workers == 1
        assert service["BAKEHOUSE_REDIS_URL"] == worker["BAKEHOUSE_REDIS_URL"] == home.redis_url
        server = redis_pid(home.redis_url)
        assert all(is_running(pid) for pid in (service["pid"], worker["pid"], server))
    assert not any(is_running(pid) for pid in (service["pid"], worker["pid"], server))
    assert {log.name for log in home.logs.iterdir()} == {"redis.log", "service.log", "worker.log"}


def test_an_outside_redis_is_used_and_left_running(settings: Settings, tmp_path: Path) -> None:
    with home_running(settings) as first:
        outside = settings.model_copy(update={"redis_url": first.redis_url, "home": tmp_path / "second"})
        with home_running(outside) as second:
            assert httpx.get(second.url).json()["BAKEHOUSE_REDIS_URL"] == first.redis_url
            assert not (tmp_path / "second" / "redis").exists()
        assert redis_pid(first.redis_url)


def test_a_second_start_on_the_same_home_is_refused(settings: Settings) -> None:
    with home_running(settings), pytest.raises(AlreadyRunning, match=str(os.getpid())), home_running(settings):
        pass


def test_a_taken_port_is_refused_before_anything_starts(settings: Settings, tmp_path: Path) -> None:
    with home_running(settings) as home:
        taken = settings.model_copy(update={"port": httpx.URL(home.url).port, "home": tmp_path / "second"})
        with pytest.raises(PortTaken, match="another program listens on"), home_running(taken):
            pass
        assert not (tmp_path / "second" / "redis").exists()


def test_a_service_that_cannot_start_is_shown_with_the_end_of_its_log(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "parts" / "service.py").write_text("raise SystemExit('no disk')")
    with pytest.raises(ChildExited, match="no disk"), home_running(settings):
        pass


REFUSAL = "import sys; print('BAKEHOUSE_DEVICE is x: choose cpu'); sys.exit(2)"


@pytest.mark.parametrize("module", ["service.py", "worker/main.py"])
def test_what_a_child_refuses_is_said_in_its_own_words_alone(settings: Settings, tmp_path: Path, module: str) -> None:
    (settings.home / "logs").mkdir(parents=True)
    for name in ("service.log", "worker.log"):
        (settings.home / "logs" / name).write_text("of an earlier start\n")
    (tmp_path / "parts" / module).write_text(REFUSAL)
    said: list[str] = []
    with pytest.raises(ChildRefused) as caught, home_running(settings, say=said.append):
        pass
    assert str(caught.value) == "BAKEHOUSE_DEVICE is x: choose cpu"
    assert said == []


def test_a_home_has_a_worker_for_each_core_but_at_most_four(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.model_copy(update={"workers": None}).worker_count == min(4, available_cores())
    monkeypatch.setattr("bakehouse.settings.available_cores", lambda: 64)
    assert settings.model_copy(update={"workers": None}).worker_count == 4
    assert settings.model_copy(update={"workers": 0}).worker_count == 0


def test_a_home_without_workers_does_not_wait_for_any(settings: Settings) -> None:
    with home_running(settings.model_copy(update={"workers": 0})) as home:
        assert home.workers == 0
        assert workers(settings) == []


def test_a_service_that_is_killed_during_the_first_start_is_started_again(settings: Settings, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    suicide = f"import os, pathlib\nif not os.path.exists({str(killed)!r}):\n"
    suicide += f"    pathlib.Path({str(killed)!r}).touch()\n    os.kill(os.getpid(), 9)\n"
    (tmp_path / "parts" / "service.py").write_text(suicide + SERVICE)
    with home_running(settings) as home:
        assert is_up(home.url)
        assert killed.exists()


def test_processes_that_exit_are_restarted_and_reported(settings: Settings) -> None:
    said: list[str] = []
    with home_running(settings, say=said.append) as home:
        os.kill(httpx.get(home.url).json()["pid"], signal.SIGKILL)
        os.kill(workers(settings)[0]["pid"], signal.SIGKILL)
        wait_until(lambda: len(workers(settings)) == 2 and is_up(home.url))
    assert sorted(line.split(" exited")[0] for line in said) == ["service", "worker"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
def test_a_signal_ends_a_home_in_order(settings: Settings, number: signal.Signals, code: int) -> None:
    with home_process(settings) as (process, url):
        pids = [httpx.get(url).json()["pid"], *(worker["pid"] for worker in workers(settings))]
        process.send_signal(number)
        process.send_signal(number)
        assert process.wait() == code
    assert not any(is_running(pid) for pid in pids)
    assert "service ended" in (settings.home / "logs" / "service.log").read_text()


def test_a_killed_home_leaves_no_process_and_can_be_restarted_at_once(settings: Settings) -> None:
    with home_process(settings) as (process, url):
        pids = [httpx.get(url).json()["pid"], workers(settings)[0]["pid"]]
        process.kill()
    with home_running(settings) as home:
        assert is_up(home.url)
        assert not any(is_running(pid) for pid in pids)


def test_a_problem_is_one_sentence_and_exit_code_2(settings: Settings) -> None:
    with home_running(settings), home_process(settings) as (process, url):
        assert url == ""
        assert process.wait() == 2


@contextmanager
def home_process(settings: Settings) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    program = (
        "import typer; from bakehouse.cli.home.home import run_home; from bakehouse.settings import Settings\n"
        "typer.run(lambda: run_home(Settings(), on_ready=lambda home: print(home.url, flush=True)))"
    )
    environment = os.environ | {"BAKEHOUSE_HOME": str(settings.home), "BAKEHOUSE_PORT": "0", "BAKEHOUSE_WORKERS": "1"}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def workers(settings: Settings) -> list[dict[str, Any]]:
    file = settings.home / "workers"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    # The last one may be half written.
    return [json.loads(line) for line in lines if line.endswith("\n")]


def redis_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def is_up(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"host": "nobody.invalid"}, CannotListen, "choose another BAKEHOUSE_HOST"),
        ({"redis_url": "redis://:secret@127.0.0.1:1/0"}, RedisUnreachable, "no Redis answers at 127.0.0.1:1"),
        ({"data": Path("/nowhere")}, DataFolderMissing, "BAKEHOUSE_DATA is /nowhere"),
        ({"home": Path("/proc/nobody")}, FolderUnusable, "choose another BAKEHOUSE_HOME"),
    ],
)
def test_a_home_that_cannot_start_is_reported_at_once(
    settings: Settings, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught, home_running(settings.model_copy(update=changes)):
        pass
    assert "secret" not in str(caught.value)


def test_the_program_is_named_as_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "")
    assert program() == str(tmp_path / ".venv" / "bin" / "bakehouse")
    monkeypatch.chdir(tmp_path)
    assert program() == ".venv/bin/bakehouse"
    (tmp_path / "bakehouse").touch(mode=0o755)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    assert program() == "bakehouse"
