"""Data sets that are named by an address, to a real service whose settings allow the host, from a real server."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from redis import Redis
from typer.testing import CliRunner

from bakehouse.cli.main import app
from bakehouse.client import Client, DatasetRefused
from tests.https_server import HttpsServer, file_answer, https_server
from tests.running_inspector import running_inspector
from tests.running_service import LOG, PROGRAM, ROOT, RunningService, start_service
from tests.s3_server import S3Store, write_credentials

TABLE = ("area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))).encode()

SECRET_KEY = "hunter2/secret"
STORE = S3Store({"data": {"2026/My Houses.csv": TABLE}}, "AKEY", SECRET_KEY, "eu-north-1", "hunter2-token")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with https_server(tmp_path_factory.mktemp("certificate")) as running:
        running.answers[:] = [file_answer(TABLE)]
        yield running


@pytest.fixture(scope="module")
def fetching_service(
    redis_server: str, server: HttpsServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service and an inspector that may fetch from the server."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    home = tmp_path_factory.mktemp("home")
    credentials = tmp_path_factory.mktemp("secrets") / "credentials"
    write_credentials(credentials, "AKEY", SECRET_KEY, "aws_session_token = hunter2-token")
    settings = {
        "BAKEHOUSE_PRIVATE_DATASET_HOSTS": server.host,
        "BAKEHOUSE_S3_ENDPOINT": f"https://{server.host}",
        "BAKEHOUSE_S3_REGION": "eu-north-1",
    }
    service = start_service(redis_server, home, program=PROGRAM, folder=ROOT, **settings)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("BAKEHOUSE_S3_CREDENTIALS", str(credentials))
        patch.setenv("SSL_CERT_FILE", str(server.authority))
        with running_inspector(service):
            yield service
    service.end()
    assert "Traceback" not in (service.home / LOG).read_text()


def test_the_client_and_the_command_line_name_an_address(
    fetching_service: RunningService, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(fetching_service.url) as client:
        dataset = client.upload(server.address("/data/My%20Houses.csv?raw=1"))
        assert (dataset.name, dataset.status, dataset.version) == ("my_houses", "ready", 1)
        assert dataset.upload is not None
        assert dataset.upload.sha256 == hashlib.sha256(TABLE).hexdigest()
        assert dataset.upload.source == server.address("/data/My%20Houses.csv?raw=1")
        assert dataset.upload.filename == "My Houses.csv"
        assert dataset.card is not None
        assert dataset.card.counts.train == 40
        server.answers.insert(0, file_answer(b"", status="404 Gone"))
        with pytest.raises(DatasetRefused, match="status 404"):
            client.upload(server.address(), name="lost")
    monkeypatch.setenv("BAKEHOUSE_URL", fetching_service.url)
    added = CliRunner().invoke(app, ["data", "add", server.address("/data/My%20Houses.csv?raw=1")])
    assert added.exit_code == 0, added.output
    assert "my_houses@2" in added.stdout
    assert f"sha256 {hashlib.sha256(TABLE).hexdigest()}" in added.stdout
    assert "the same that my_houses@1" in added.stdout


def test_an_object_of_a_store_is_named_by_its_bucket_and_key_and_the_secret_key_stays_where_it_is(
    fetching_service: RunningService, server: HttpsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "answers", [STORE.answer])
    with Client(fetching_service.url) as client:
        dataset = client.upload("s3://data/2026/My Houses.csv")
        assert (dataset.name, dataset.status) == ("my_houses", "ready")
        assert dataset.upload is not None
        assert dataset.upload.source == "s3://data/2026/My Houses.csv"
        assert dataset.upload.sha256 == hashlib.sha256(TABLE).hexdigest()
        with pytest.raises(DatasetRefused, match=r"the bucket data has no object 2026/my houses\.csv") as refused:
            client.upload("s3://data/2026/my houses.csv", name="lost")
    with Redis.from_url(fetching_service.redis_url) as redis:
        redis.config_set("rdbcompression", "no")
        kept = b"".join(redis.dump(key) or b"" for key in redis.scan_iter())
    kept += b"".join(read_files(fetching_service.home))
    assert b"My Houses" in kept
    assert b"hunter2-" not in kept
    assert SECRET_KEY.encode() not in kept
    assert b"AKEY" not in kept
    assert "hunter2" not in f"{dataset}{refused.value}"


def read_files(folder: Path) -> Iterator[bytes]:
    """Yields what is in the files of a folder; the service may delete some meanwhile."""
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                yield Path(path, name).read_bytes()


def test_what_may_not_be_fetched_is_refused_before_anything_is_asked(
    fetching_service: RunningService, server: HttpsServer
) -> None:
    asked = len(server.requests)
    with httpx.Client(base_url=fetching_service.url) as api:
        for body, pointer, said in (
            ({"source": "https://127.0.0.1/a.csv"}, "/source", "none of the hosts"),
            ({"source": f"https://me:hunter2@{server.host}/a.csv"}, "/source", "a name or a password"),
            ({"source": server.address("/a?token=hunter2")}, "/source", "a key or a signature"),
            ({"source": "s3://me:hunter2@data/a.csv"}, "/source", "BAKEHOUSE_S3_CREDENTIALS"),
            ({"source": "s3://data/hunter2/"}, "/source", "a bucket or a folder"),
            ({"source": server.address(), "bytes": 3}, "", "leave one of them out"),
            ({"sha256": "0" * 64}, "", "which is missing"),
            ({"source": server.address(), "sha256": "abc"}, "/sha256", "pattern"),
        ):
            refused = api.post("/v1/datasets", json={"name": "a", **body})
            assert refused.status_code == 422
            [problem] = refused.json()["errors"]
            assert problem["pointer"] == pointer
            assert said in problem["message"]
            assert "hunter2" not in refused.text
    assert "hunter2" not in (fetching_service.home / LOG).read_text()
    assert len(server.requests) == asked


def test_the_parts_of_a_fetched_data_set_cannot_be_sent(fetching_service: RunningService, server: HttpsServer) -> None:
    with httpx.Client(base_url=fetching_service.url) as api:
        headers = {"Idempotency-Key": "once"}
        created = api.post("/v1/datasets", json={"name": "b", "source": server.address()}, headers=headers)
        assert created.status_code == 201
        again = api.post("/v1/datasets", json={"name": "b", "source": server.address()}, headers=headers)
        assert (again.json()["id"], again.headers["idempotency-replayed"]) == (created.json()["id"], "true")
        part = api.put(f"/v1/datasets/{created.json()['id']}/parts/1", content=b"a")
        assert (part.status_code, part.json()["type"].rpartition("/")[2]) == (409, "dataset_complete")
