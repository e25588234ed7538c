"""`bakehouse doctor`: with a service, without one, and beside another program."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.home.redis_server import redis_server, running_redis_url
from bakehouse.cli.main import app
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService
from tests.runs.examples import a_worker


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BAKEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BAKEHOUSE_URL", "http://127.0.0.1:1")


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *arguments])


def rows_of(result: Result) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(result.stdout)["data"]}


def test_the_rows_of_a_service_that_answers_are_its_own(
    service: RunningService, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", service.url)
    alone = doctor()
    assert alone.exit_code == 1
    assert f"Checked: the service at {service.url}" in alone.stdout
    assert "error    workers" in alone.stdout
    assert "Start workers with `bakehouse up`" in alone.stdout
    worker.store.put_worker(a_worker("w1"), ttl=60)
    result = doctor("--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["checked"] == f"the service at {service.url}"
    assert rows_of(result)["workers"]["found"] == "1 worker on 1 machine, 0 busy"
    assert rows_of(result)["port"]["status"] == "ok"


def test_without_a_service_this_machine_is_checked(tmp_path: Path) -> None:
    result = doctor("--json")
    assert result.exit_code == 1
    rows = rows_of(result)
    assert (rows["port"]["status"], rows["redis"]["status"], rows["home"]["status"]) == ("warning", "error", "ok")
    assert rows["redis"]["problem"] == "No Redis runs for this home."
    assert str(tmp_path) in json.loads(result.stdout)["checked"]
    # Nothing was made by looking.
    assert not (tmp_path / "home").exists()


def test_the_redis_of_a_home_is_found_without_its_service(tmp_path: Path) -> None:
    assert running_redis_url(tmp_path / "home") is None
    with redis_server(tmp_path / "home") as url:
        assert running_redis_url(tmp_path / "home") == url
        rows = rows_of(doctor("--json"))
        assert (rows["redis"]["status"], rows["redis_appendfsync"]["found"]) == ("ok", "always")
        assert rows["workers"]["status"] == "error"
    assert running_redis_url(tmp_path / "home") is None


def test_a_redis_that_listens_on_a_port_is_found_too(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 25)
    with redis_server(home) as url:
        assert url.startswith("redis://")
        assert running_redis_url(home) == url


class OtherProgram(BaseHTTPRequestHandler):
    """Answers every request with a page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>")

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture
def other_program() -> Iterator[str]:
    # An HTTPServer would look its own name up in the network, and serve one connection at a time.
    with ThreadingTCPServer(("127.0.0.1", 0), OtherProgram) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_another_program_on_the_port_is_named(other_program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", other_program)
    row = rows_of(doctor("--json"))["port"]
    assert (row["status"], row["found"]) == ("error", "taken")
    assert f"Another program answers at {other_program} (" in row["problem"]
    assert f", process {os.getpid()}; it calls itself BaseHTTP" in row["problem"]
