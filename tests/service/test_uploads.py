"""Uploads of data sets to a real service, with a real process that inspects them."""

import base64
import hashlib
import io
import json
import os
import shutil
import signal
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from redis.exceptions import ConnectionError as RedisConnectionError

from bakehouse.runs.store import connect
from bakehouse.settings import Settings
from bakehouse.store.file_store import FileStore
from bakehouse.uploads.record import DatasetDraft
from bakehouse.uploads.records import DatasetRecords
from service.receiving import ReceivedFile
from service.uploads import Uploads
from tests.fake_worker import FakeWorker
from tests.processes import wait_until
from tests.running_inspector import running_inspector, start_inspector
from tests.running_service import RunningService, start_service

TABLE = ("area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))).encode()
OTHER = TABLE.replace(b".5", b".25")
RECIPE = {"dataset": {"id": "houses", "target": "price"}, "architecture": "linear", "epochs": 1}


@pytest.fixture
def store(service: RunningService) -> Iterator[Path]:
    """The folder of the service's store, which is empty before and after the test."""
    folder = service.home / "store"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def problem(response: httpx.Response) -> tuple[int, str]:
    """The status and the name of the problem."""
    return response.status_code, response.json()["type"].rpartition("/")[2]


def digest_of(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def draft(api: httpx.Client, name: str = "houses", **fields: Any) -> str:
    response = api.post("/v1/datasets", json={"name": name, "filename": f"{name}.csv", **fields})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == f"datasets/{response.json()['id']}"
    return str(response.json()["id"])


def put(api: httpx.Client, dataset: str, number: int, data: bytes) -> httpx.Response:
    headers = {"Content-Digest": digest_of(data)}
    return api.put(f"/v1/datasets/{dataset}/parts/{number}", content=data, headers=headers)


def complete(api: httpx.Client, dataset: str, **body: Any) -> httpx.Response:
    return api.post(f"/v1/datasets/{dataset}/complete", json=body)


def upload(api: httpx.Client, data: bytes, name: str = "houses", filename: str = "houses.csv") -> str:
    """Uploads a file in one body; returns the id."""
    response = api.post("/v1/datasets", params={"name": name, "filename": filename}, content=data)
    assert response.status_code == 201, response.text
    assert response.json()["status"] == "inspecting"
    return str(response.json()["id"])


def inspected(api: httpx.Client, reference: str) -> Any:
    """The data set once it is inspected."""

    def look() -> Any:
        response = api.get(f"/v1/datasets/{reference}", headers={"Prefer": "wait=5"})
        return response.json() if response.json()["status"] in ("ready", "refused") else None

    return wait_until(look)


def listed(api: httpx.Client) -> list[tuple[str, str]]:
    """The uploaded data sets: name and version, and status."""
    data = api.get("/v1/datasets").json()["data"]
    return [(f"{each['name']}@{each['version']}", each["status"]) for each in data if each["version"]]


def files_in(folder: Path) -> list[str]:
    """The files in a folder but those that are only locks."""
    # Unlike `rglob`, `os.walk` passes over folders that are deleted meanwhile.
    paths = (Path(path, name).relative_to(folder) for path, _, names in os.walk(folder) for name in names)
    return sorted(str(path) for path in paths if path.suffix != ".lock")


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return buffer.getvalue()


def test_parts_come_in_any_order_and_make_a_data_set_that_a_recipe_can_name(
    api: httpx.Client, service: RunningService, store: Path
) -> None:
    dataset = draft(api, bytes=len(TABLE))
    pieces = [TABLE[:100], TABLE[100:250], TABLE[250:]]
    for number in (3, 1, 2):
        assert put(api, dataset, number, pieces[number - 1]).json()["number"] == number
    shown = api.get(f"/v1/datasets/{dataset}").json()
    assert [part["sha256"] for part in shown["upload"]["parts"]] == [
        hashlib.sha256(each).hexdigest() for each in pieces
    ]
    completed = complete(api, dataset, parts=[hashlib.sha256(each).hexdigest() for each in pieces])
    assert (completed.status_code, completed.json()["status"]) == (202, "inspecting")
    with running_inspector(service):
        ready = inspected(api, dataset)
        wait_until(lambda: len(files_in(store / "uploads")) == 1)
    assert (ready["status"], ready["card"]["id"], ready["card"]["counts"]["train"]) == ("ready", "houses@1", 40)
    created = api.post("/v1/runs", json=RECIPE).json()
    assert created["recipe"]["dataset"]["id"] == "houses@1"
    assert created["dataset_fingerprint"] == ready["card"]["fingerprint"]
    by_id = api.post("/v1/runs", json={**RECIPE, "dataset": {"id": dataset, "target": "price"}}).json()
    assert by_id["recipe_sha256"] == created["recipe_sha256"]
    for name in ("houses", "houses@1"):
        assert len(api.get("/v1/runs", params={"dataset": name}).json()["data"]) == 2
    # Nothing is left of the parts and of the work.
    assert files_in(store / "uploads") == [f"{dataset}/source/houses.csv"]


def test_a_part_that_is_sent_again_changes_nothing_and_another_one_replaces_it(api: httpx.Client, store: Path) -> None:
    dataset = draft(api)
    first = put(api, dataset, 1, b"one")
    assert put(api, dataset, 1, b"one").json() == first.json()
    assert len(files_in(store / "uploads")) == 1
    put(api, dataset, 1, b"other")
    assert api.get(f"/v1/datasets/{dataset}").json()["upload"]["received_bytes"] == 5
    assert len(files_in(store / "uploads")) == 1


def test_what_is_wrong_with_a_part_is_refused(api: httpx.Client, service: RunningService, store: Path) -> None:
    dataset = draft(api, bytes=10)
    path = f"/v1/datasets/{dataset}/parts"
    wrong = api.put(f"{path}/1", content=b"a", headers={"Content-Digest": digest_of(b"b")})
    assert problem(wrong) == (422, "wrong_digest")
    for header in ("sha-256=:a:", "md5=:YQ==:", "nothing", "sha-256=:YQ==:"):
        refused = api.put(f"{path}/1", content=b"a", headers={"Content-Digest": header})
        assert problem(refused) == (422, "invalid_request")
        assert refused.json()["errors"][0]["parameter"] == "Content-Digest"
    assert problem(put(api, dataset, 1, b"more than ten bytes")) == (413, "dataset_too_large")
    assert problem(put(api, dataset, 100_000, b"a")) == (422, "part_refused")
    assert problem(put(api, dataset, 0, b"a")) == (422, "invalid_request")
    assert problem(put(api, "data_222222222222", 1, b"a")) == (404, "dataset_not_found")
    assert problem(put(api, "digits", 1, b"a")) == (404, "dataset_not_found")
    packed = api.put(f"{path}/1", content=b"a", headers={"Content-Encoding": "gzip"})
    assert problem(packed) == (415, "unsupported_content_encoding")
    assert files_in(store) == []
    # A refusal comes before the body: of 1 TiB, nothing is sent.
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"PUT {path}/1 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {1 << 40}\r\n\r\n"
        connection.sendall(head.encode())
        assert b"413" in connection.recv(100)


def test_an_upload_is_complete_only_with_all_its_parts(api: httpx.Client, store: Path) -> None:
    dataset = draft(api, bytes=6)
    assert problem(complete(api, dataset)) == (422, "upload_incomplete")
    put(api, dataset, 2, b"def")
    refused = complete(api, dataset)
    assert problem(refused) == (422, "upload_incomplete")
    assert "parts are missing: 1" in refused.json()["detail"]
    put(api, dataset, 1, b"ab")
    assert "5 of 6 bytes" in complete(api, dataset).json()["detail"]
    put(api, dataset, 1, b"abc")
    digests = [hashlib.sha256(each).hexdigest() for each in (b"abc", b"xyz")]
    assert "part 2 is another" in complete(api, dataset, parts=digests).json()["detail"]
    assert complete(api, dataset).status_code == 202
    # A repetition after a lost response changes nothing.
    assert complete(api, dataset).json()["status"] == "inspecting"
    assert problem(put(api, dataset, 1, b"abc")) == (409, "dataset_complete")
    assert problem(complete(api, "data_222222222222")) == (404, "dataset_not_found")
    assert len(files_in(store)) == 2


def test_a_file_is_one_body_or_a_field_of_a_form(api: httpx.Client, service: RunningService, store: Path) -> None:
    upload(api, TABLE)
    form = api.post("/v1/datasets", files={"file": ("My houses (2).CSV", TABLE)}).json()
    named = api.post("/v1/datasets", data={"name": "homes"}, files={"file": ("houses.csv", TABLE)}).json()
    unnamed = api.post("/v1/datasets", params={"name": "guessed"}, content=archive(**{"a/houses.csv": TABLE})).json()
    assert (form["name"], form["upload"]["filename"], named["name"]) == ("my_houses_2", "My houses (2).CSV", "homes")
    with running_inspector(service):
        ready = [inspected(api, each)["card"]["fingerprint"] for each in ("houses", form["id"], "homes", unnamed["id"])]
    assert len(set(ready)) == 1
    # Four names share one copy of the packed data.
    assert len(list((store / "datasets" / "packed").iterdir())) == 1


@pytest.mark.parametrize(
    ("data", "files", "said"),
    [
        ({}, {}, "no file"),
        ({"name": "a"}, {}, "no file"),
        ({"colour": "red"}, {"file": ("a.csv", b"1")}, "'colour'"),
        ({"name": "a" * 2000}, {"file": ("a.csv", b"1")}, "1024"),
        ({"name": "No Name!"}, {"file": ("a.csv", b"1")}, "1 to 64"),
        ({}, [("file", ("a.csv", b"1")), ("file", ("b.csv", b"1"))], "several"),
        ({}, {"file": ("a.csv", b"")}, "empty"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(
    api: httpx.Client, store: Path, data: dict[str, str], files: Any, said: str
) -> None:
    files = files or {"name": (None, data.get("name", "a"))}
    refused = api.post("/v1/datasets", data=data, files=files)
    assert problem(refused) == (422, "invalid_request")
    assert said in refused.json()["errors"][0]["message"]
    assert files_in(store) == []


def test_a_truncated_form_is_refused(api: httpx.Client, store: Path) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n1,2'
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
        refused = api.post("/v1/datasets", content=body, headers={"Content-Type": kind})
        assert problem(refused) == (422, "invalid_request")
    assert files_in(store) == []


@pytest.mark.parametrize("name", ["digits", "UPPER", "a b", "../etc", "", "data_222222222222", "x" * 65])
def test_a_name_that_an_upload_cannot_have_is_refused(api: httpx.Client, store: Path, name: str) -> None:
    assert problem(api.post("/v1/datasets", json={"name": name})) == (422, "invalid_request")
    assert problem(api.post("/v1/datasets", params={"name": name}, content=b"a")) == (422, "invalid_request")
    assert files_in(store) == []


def test_a_name_is_a_parameter_of_a_file_and_a_field_of_a_draft(api: httpx.Client) -> None:
    for response in (
        api.post("/v1/datasets", content=b"a"),
        api.post("/v1/datasets", params={"name": "a"}, content=b""),
        api.post("/v1/datasets", params={"name": "a"}, json={"name": "a"}),
        api.post("/v1/datasets", json={"name": "a", "size": 3}),
        api.post("/v1/datasets", json={"name": "a", "bytes": 0}),
    ):
        assert problem(response) == (422, "invalid_request")
    assert problem(api.post("/v1/datasets", content="{", headers={"Content-Type": "application/json"}))[0] == 400


def test_an_address_is_not_fetched_by_default(api: httpx.Client, store: Path) -> None:
    for field, address, said in (
        ("source", "https://example.org/a.csv", "BAKEHOUSE_DATASET_HOSTS"),
        (
            "source",
            "s3://bucket/a.csv",
            "no data from bucket.s3.us-east-1.amazonaws.com, because BAKEHOUSE_DATASET_HOSTS",
        ),
        ("source", "http://169.254.169.254/", "download the file, then upload it"),
        ("url", "https://example.org/a.csv", "the field `source`"),
    ):
        refused = api.post("/v1/datasets", json={"name": "a", field: address})
        assert problem(refused) == (422, "invalid_request")
        assert said in refused.json()["errors"][0]["message"]
        assert refused.json()["errors"][0]["pointer"] == f"/{field}"
    recipe = {"dataset": "https://example.org/a.csv", "architecture": "mlp"}
    assert "as `source`" in api.post("/v1/runs", json=recipe).json()["errors"][0]["message"]


def test_the_same_name_again_is_the_next_version(api: httpx.Client, service: RunningService, store: Path) -> None:
    with running_inspector(service):
        upload(api, TABLE)
        first = inspected(api, "houses")
        remembered = api.post("/v1/runs", json=RECIPE).json()
        upload(api, OTHER)
        second = inspected(api, "houses@2")
        third = upload(api, b"not a table")
        assert inspected(api, third)["status"] == "refused"
    assert (first["version"], second["version"]) == (1, 2)
    assert first["card"]["fingerprint"] != second["card"]["fingerprint"]
    # A name means the newest version that can be used.
    assert api.get("/v1/datasets/houses").json()["id"] == second["id"]
    assert remembered["recipe"]["dataset"]["id"] == "houses@1"
    assert api.post("/v1/runs", json=RECIPE).json()["recipe"]["dataset"]["id"] == "houses@2"
    old = api.post("/v1/runs", json={**RECIPE, "dataset": {"id": "houses@1", "target": "price"}}).json()
    assert old["recipe_sha256"] == remembered["recipe_sha256"]
    assert listed(api) == [("houses@1", "ready"), ("houses@2", "ready"), ("houses@3", "refused")]


def test_a_recipe_waits_for_the_inspection_and_hears_of_a_refusal(
    api: httpx.Client, service: RunningService, store: Path
) -> None:
    dataset = upload(api, TABLE + b"1,2,3\n")
    waiting = api.post("/v1/runs", json=RECIPE)
    assert problem(waiting) == (409, "dataset_not_ready")
    with running_inspector(service):
        refused = inspected(api, dataset)
    assert refused["problem"].startswith("line 42 has 3 cells")
    assert refused["place"] == {"file": "houses.csv", "line": 42, "column": None, "member": None}
    answer = api.post("/v1/runs", json=RECIPE)
    assert problem(answer) == (422, "invalid_recipe")
    assert refused["problem"] in answer.json()["errors"][0]["message"]


def test_a_file_that_was_uploaded_is_downloaded(api: httpx.Client, service: RunningService, store: Path) -> None:
    waiting = upload(api, TABLE, filename='Größe "1".csv')
    assert problem(api.get(f"/v1/datasets/{waiting}/file")) == (409, "dataset_not_ready")
    pictures = {f"{'ab'[n % 2]}/{n}.png": picture(n) for n in range(12)}
    folder = upload(api, archive(**pictures), "pets", "pets.zip")
    refused = upload(api, b"a\n", "bad", "bad.csv")
    with running_inspector(service):
        for each in (waiting, folder, refused):
            inspected(api, each)
    file = api.get("/v1/datasets/houses/file")
    assert (file.status_code, file.content) == (200, TABLE)
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.csv"
    with zipfile.ZipFile(io.BytesIO(api.get(f"/v1/datasets/{folder}/file").content)) as unpacked:
        assert {name: unpacked.read(name) for name in unpacked.namelist()} == pictures
    assert problem(api.get(f"/v1/datasets/{refused}/file")) == (409, "dataset_unusable")
    assert problem(api.get("/v1/datasets/digits/file")) == (409, "dataset_not_uploaded")
    assert problem(api.get("/v1/datasets/nothing/file")) == (404, "dataset_not_found")


def test_a_file_that_cannot_be_packed_after_an_upgrade_is_kept_and_can_be_downloaded(
    api: httpx.Client, service: RunningService, store: Path
) -> None:
    dataset = upload(api, TABLE)
    with running_inspector(service):
        inspected(api, dataset)
    [manifest] = (store / "datasets" / "named").glob("houses@1.*")
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "form": 1}))
    # As the reader of another version might do, this version's refuses the file.
    other = b"area,price\n1,2\n3,4,5\n"
    (store / "uploads" / dataset / "source" / "houses.csv").write_bytes(other)
    with running_inspector(service):
        wait_until(lambda: api.get("/v1/datasets/houses").json()["status"] == "refused")
    shown = api.get("/v1/datasets/houses").json()
    assert shown["problem"].startswith("this version of Bakehouse cannot pack it: line 3 has 3 cells")
    assert (shown["place"]["file"], shown["place"]["line"]) == ("houses.csv", 3)
    assert api.get("/v1/datasets/houses/file").content == other
    refused = api.post("/v1/runs", json=RECIPE)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/dataset/id"
    assert "Its file is kept" in refused.json()["errors"][0]["message"]
    assert problem(api.get("/v1/datasets/houses/samples")) == (409, "dataset_unusable")
    # Tried again, with the same outcome; then replaced, and deleted.
    assert complete(api, dataset).json()["status"] == "inspecting"
    with running_inspector(service):
        assert inspected(api, dataset)["status"] == "refused"
        assert inspected(api, upload(api, TABLE))["version"] == 2
    assert api.get("/v1/datasets/houses").json()["status"] == "ready"
    assert api.delete("/v1/datasets/houses@1").status_code == 200
    assert not (store / "uploads" / dataset).exists()


def picture(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), value).save(file, "PNG")
    return file.getvalue()


def test_a_data_set_is_deleted_once_no_unfinished_run_needs_it(
    api: httpx.Client, service: RunningService, worker: FakeWorker, store: Path
) -> None:
    with running_inspector(service):
        upload(api, TABLE)
        upload(api, TABLE, name="same")
        assert inspected(api, "houses")["card"]["fingerprint"] == inspected(api, "same")["card"]["fingerprint"]
    run = api.post("/v1/runs", json=RECIPE).json()["id"]
    refused = api.delete("/v1/datasets/houses")
    assert problem(refused) == (409, "dataset_needed")
    assert refused.json()["runs"] == [run]
    worker.train(run)
    assert api.delete("/v1/datasets/houses").json()["name"] == "houses"
    for path in ("/v1/datasets/houses", "/v1/datasets/houses@1"):
        assert problem(api.get(path)) == (404, "dataset_not_found")
        assert problem(api.delete(path)) == (404, "dataset_not_found")
    # The other name still has the packed data.
    assert api.get("/v1/datasets/same").json()["card"]["counts"]["train"] == 40
    assert api.delete("/v1/datasets/same").json()["bytes_freed"] > 2 * len(TABLE)
    assert files_in(store) == []
    assert problem(api.delete("/v1/datasets/digits")) == (409, "dataset_not_uploaded")
    # A version is never given twice.
    assert api.post("/v1/datasets", json={"name": "houses"}).json()["version"] == 2


def test_the_same_key_creates_a_data_set_once(api: httpx.Client, store: Path) -> None:
    headers = {"Idempotency-Key": "k"}
    first = api.post("/v1/datasets", json={"name": "a"}, headers=headers)
    again = api.post("/v1/datasets", json={"name": "a"}, headers=headers)
    assert (again.json()["id"], again.headers["idempotency-replayed"]) == (first.json()["id"], "true")
    assert problem(api.post("/v1/datasets", json={"name": "b"}, headers=headers)) == (422, "idempotency_mismatch")
    parameters = {"name": "b"}
    ids = {
        api.post("/v1/datasets", params=parameters, content=TABLE, headers={"Idempotency-Key": "w"}).json()["id"]
        for _ in range(2)
    }
    assert len(ids) == 1
    assert len(files_in(store)) == 1
    api.delete(f"/v1/datasets/{ids.pop()}")
    anew = api.post("/v1/datasets", params=parameters, content=TABLE, headers={"Idempotency-Key": "w"})
    assert (anew.status_code, anew.json()["version"]) == (201, 2)


def test_a_file_is_kept_if_only_the_answer_of_redis_was_lost(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path, redis_url=redis_url)
    records = DatasetRecords(connect(redis_url, patient=False), settings)
    uploads = Uploads(settings, records, FileStore(settings.store_folder))
    create = records.create

    def lose_answer(*arguments: Any, **named: Any) -> None:
        create(*arguments, **named)
        raise RedisConnectionError

    monkeypatch.setattr(records, "create", lose_answer)
    path = tmp_path / "houses.csv"
    path.write_bytes(TABLE)
    file = ReceivedFile(path)
    file.bytes = len(TABLE)
    with pytest.raises(RedisConnectionError):
        uploads.keep_whole(DatasetDraft(name="houses", filename="houses.csv", bytes=len(TABLE)), file, "0" * 64, None)
    assert records.find("houses").status == "inspecting"
    assert len(files_in(settings.store_folder / "uploads")) == 1


def test_events_tell_how_far_a_data_set_has_come(api: httpx.Client, service: RunningService, store: Path) -> None:
    dataset = draft(api)
    put(api, dataset, 1, TABLE)
    complete(api, dataset)
    seen: list[str] = []
    with (
        api.stream("GET", "/v1/events", params={"dataset": dataset, "after": "0-1"}) as response,
        running_inspector(service),
    ):
        for line in response.iter_lines():
            if line.startswith("data: ") and "status" in line:
                event = httpx.Response(200, content=line.removeprefix("data: ")).json()
                assert (event["type"], event["dataset_id"]) == ("dataset", dataset)
                seen.append(event["data"]["status"])
                if seen[-1] == "ready":
                    break
    assert list(dict.fromkeys(seen)) == ["uploading", "inspecting", "ready"]


@pytest.fixture
def limited(redis_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    service = start_service(
        redis_url,
        tmp_path,
        BAKEHOUSE_MAX_DATASET_BYTES="2000",
        BAKEHOUSE_MAX_UPLOADED_BYTES="5000",
        BAKEHOUSE_UPLOAD_PART_BYTES="1024",
    )
    with httpx.Client(base_url=service.url, timeout=10, trust_env=False) as client:
        yield client
    service.end()


def test_quotas_are_settings(limited: httpx.Client, tmp_path: Path) -> None:
    for size in (2001, 2**52):
        assert problem(limited.post("/v1/datasets", json={"name": "a", "bytes": size})) == (413, "dataset_too_large")
    whole = limited.post("/v1/datasets", params={"name": "a"}, content=b"a" * 2001)
    assert problem(whole) == (413, "dataset_too_large")
    assert files_in(tmp_path / "store") == []
    dataset = draft(limited)
    assert problem(put(limited, dataset, 1, b"a" * 1025)) == (413, "body_too_large")
    for number in (1, 2):
        put(limited, dataset, number, b"a" * 900)
    assert problem(put(limited, dataset, 3, b"a" * 900)) == (413, "dataset_too_large")
    draft(limited, name="b", bytes=2000)
    full = limited.post("/v1/datasets", json={"name": "c", "bytes": 1500})
    assert problem(full) == (429, "uploads_full")
    # The second body says nothing of its size.
    for content in (b"a" * 1500, iter([b"a" * 1500])):
        assert problem(limited.post("/v1/datasets", params={"name": "c"}, content=content)) == (429, "uploads_full")
    assert len(files_in(tmp_path / "store")) == 2
    limited.delete(f"/v1/datasets/{dataset}")
    assert limited.post("/v1/datasets", json={"name": "c", "bytes": 1500}).status_code == 201


def test_a_service_that_is_killed_during_an_upload_leaves_only_whole_parts(redis_url: str, tmp_path: Path) -> None:
    service = start_service(redis_url, tmp_path)
    host, port = service.url.removeprefix("http://").split(":")
    with httpx.Client(base_url=service.url, trust_env=False) as api:
        dataset = draft(api, bytes=len(TABLE))
        put(api, dataset, 1, TABLE[:100])
    with socket.create_connection((host, int(port))) as part, socket.create_connection((host, int(port))) as whole:
        for connection, line in (
            (part, f"PUT /v1/datasets/{dataset}/parts/2"),
            (whole, "POST /v1/datasets?name=whole"),
        ):
            connection.sendall(f"{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3000000\r\n\r\n".encode())
            connection.sendall(b"a" * 2_000_000)
        wait_until(lambda: sum(path.stat().st_size > 0 for path in (tmp_path / "store").rglob("*.tmp")) == 2)
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    service = start_service(redis_url, tmp_path)
    with httpx.Client(base_url=service.url, timeout=10, trust_env=False) as api:
        assert listed(api) == [("houses@1", "uploading")]
        assert [part["number"] for part in api.get(f"/v1/datasets/{dataset}").json()["upload"]["parts"]] == [1]
        put(api, dataset, 2, TABLE[100:])
        complete(api, dataset)
        with running_inspector(service):
            assert inspected(api, dataset)["status"] == "ready"
    service.end()


def test_an_inspection_that_is_killed_again_and_again_is_done_once(
    api: httpx.Client, service: RunningService, store: Path
) -> None:
    dataset = upload(api, archive(**{f"pets/{kind}.csv": TABLE for kind in ("a",)}), filename="pets.zip")
    work = store / "uploads" / dataset
    # Killed when it has begun to join the parts, while its child runs, and when it has packed the data.
    for pattern in (".work*/joined", ".work*/source", ".work*/packed"):
        process = start_inspector(service)
        wait_until(lambda pattern=pattern: list(work.glob(pattern)) or listed(api) == [("houses@1", "ready")])  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with running_inspector(service):
        ready = inspected(api, dataset)
        wait_until(lambda: len(files_in(store / "uploads")) == 1)
    assert ready["status"] == "ready"
    names = [path for path in files_in(store) if not path.startswith("datasets/packed")]
    assert names == [
        f"datasets/named/houses@1.{dataset}",
        f"uploads/{dataset}/source/a.csv",
    ]
