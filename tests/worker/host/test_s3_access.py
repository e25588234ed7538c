"""Objects of a store that speaks the protocol of S3, fetched with a real Redis; the store checks each signature."""

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from bakehouse.data.catalog import Catalog
from tests.fetching_bench import Bench, trust
from tests.https_server import HttpsServer, file_answer, https_server, redirect
from tests.s3_server import S3Store, refuse, write_credentials

TABLE = ("area,price\n" + "".join(f"{n},{3 * n}.5\n" for n in range(40))).encode()
KEY = "2026/All houses+1.csv"
SOURCE = f"s3://data/{KEY}"
SECRET_KEY = "hunter2/+="
STORE = S3Store({"data": {KEY: TABLE}}, "AKEY", SECRET_KEY)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpsServer]:
    with https_server(tmp_path_factory.mktemp("certificate")) as running:
        yield running


@pytest.fixture(autouse=True)
def trusted(server: HttpsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(server, monkeypatch)


class S3Bench(Bench):
    """An inspector whose settings name the server as the store."""

    def __init__(self, home: Path, redis_url: str, server: HttpsServer, **settings: Any) -> None:
        super().__init__(home, redis_url, server, s3_endpoint=f"https://{server.host}", **settings)


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    return write_credentials(tmp_path / "credentials", "AKEY", SECRET_KEY)


@pytest.fixture
def bench(tmp_path: Path, redis_url: str, server: HttpsServer, credentials: Path) -> S3Bench:
    return S3Bench(tmp_path / "home", redis_url, server, s3_credentials=credentials)


def test_an_object_is_fetched_with_a_signed_request(bench: S3Bench) -> None:
    fetched = bench.add(STORE.answer, source=SOURCE)
    assert bench.inspector.inspect_next()
    card = Catalog(bench.settings).card("houses")
    assert card.counts.train == 40
    assert card.origin == f"upload of houses.csv, fetched from {SOURCE} (sha256 {fetched.sha256})"
    [request] = bench.server.requests
    assert request.startswith("GET /data/2026/All%20houses%2B1.csv HTTP/1.1")
    assert "the same that houses@1" in (bench.add(STORE.answer, source=SOURCE).source_note or "")


def test_the_rest_of_an_object_is_asked_for_with_a_signature_too(bench: S3Bench) -> None:
    cut = file_answer(TABLE[:100], length=len(TABLE), etag='"one"', accept_ranges="bytes")
    assert bench.add(cut, STORE.answer, source=SOURCE).status == "inspecting"
    assert "SignedHeaders=host;if-range;range;x-amz" in bench.server.requests[1]


def test_without_an_access_key_a_public_object_is_fetched(tmp_path: Path, redis_url: str, server: HttpsServer) -> None:
    bench = S3Bench(tmp_path, redis_url, server)
    assert "BAKEHOUSE_S3_CREDENTIALS names a file" in bench.refusal(STORE.answer, source=SOURCE)
    assert bench.add(S3Store(STORE.buckets).answer, source=SOURCE).status == "inspecting"


def test_temporary_credentials_have_a_token(bench: S3Bench, credentials: Path) -> None:
    temporary = S3Store(STORE.buckets, "AKEY", SECRET_KEY, session_token="a-token")
    assert "session token" in bench.refusal(temporary.answer, source=SOURCE)
    # The file is read before each fetch, so that a new key needs no restart.
    write_credentials(credentials, "AKEY", SECRET_KEY, "aws_session_token = a-token")
    assert bench.add(temporary.answer, source=SOURCE).status == "inspecting"


def test_a_refusal_says_what_would_be_right(bench: S3Bench, credentials: Path) -> None:
    assert "there is no bucket other" in bench.refusal(STORE.answer, source="s3://other/a.csv")
    assert "the bucket data has no object b.csv" in bench.refusal(STORE.answer, source="s3://data/b.csv")
    elsewhere = S3Store(STORE.buckets, "AKEY", SECRET_KEY, region="eu-north-1")
    assert "in the region eu-north-1, and BAKEHOUSE_S3_REGION is" in bench.refusal(elsewhere.answer, source=SOURCE)
    early = formatdate(0, usegmt=True)
    for answer, said in (
        (refuse(403, "AccessDenied"), "s3:GetObject"),
        (file_answer(b"", status="403 Forbidden"), "s3:GetObject"),
        (file_answer(b"", status="404 Not Found"), "there is no bucket data, or it has no object"),
        (refuse(403, "RequestTimeTooSkewed", date=early), "minutes ahead"),
        (refuse(403, "RequestTimeTooSkewed", date=""), "set the clock"),
        (refuse(403, "InvalidObjectState"), "is archived"),
        (refuse(403, "AllAccessDisabled"), "status 403 (AllAccessDisabled)"),
        (refuse(301, "PermanentRedirect", x_amz_bucket_region="eu-north-1"), "in the region eu-north-1"),
        (file_answer(b"<Code>" * 20_000, status="400 Bad"), "status 400 (without a code)"),
    ):
        assert said in bench.refusal(answer, source=SOURCE)
    write_credentials(credentials, "AKEY", "another")
    assert "the secret key" in bench.refusal(STORE.answer, source=SOURCE)
    write_credentials(credentials, "OTHER", SECRET_KEY)
    assert "does not know the access key" in bench.refusal(STORE.answer, source=SOURCE)


def test_a_file_without_an_access_key_is_named_but_not_shown(bench: S3Bench, credentials: Path) -> None:
    for text in ("", "hunter2", "[default]\naws_access_key_id = hunter2\n", "[default]\nhunter2\n"):
        credentials.write_text(text)
        reason = bench.refusal(STORE.answer, source=SOURCE)
        assert "BAKEHOUSE_S3_CREDENTIALS names should have the lines [default]" in reason
        assert "hunter2" not in reason
    write_credentials(credentials, "AKEY", "hunter2\n  hunter2")
    assert "should have the lines" in bench.refusal(STORE.answer, source=SOURCE)
    credentials.unlink()
    assert "cannot be read: No such file or directory" in bench.refusal(STORE.answer, source=SOURCE)
    assert bench.server.requests == []


def test_where_the_store_redirects_to_learns_nothing_of_the_access_key(bench: S3Bench) -> None:
    assert "none of the hosts" in bench.refusal(redirect("https://127.0.0.1/"), source=SOURCE)
    assert bench.add(redirect("/there"), file_answer(TABLE), source=SOURCE).status == "inspecting"
    *_, first, second = bench.server.requests
    assert "authorization" in first.lower()
    assert "authorization" not in second.lower()


def test_an_access_key_is_not_sent_to_an_address_that_begins_with_https(bench: S3Bench) -> None:
    assert bench.add(file_answer(TABLE), source=bench.server.address(f"/data/{KEY}".replace(" ", "%20"))).sha256
    assert "authorization" not in bench.server.requests[0].lower()


def test_a_store_that_is_not_listed_is_not_asked(
    tmp_path: Path, redis_url: str, server: HttpsServer, credentials: Path
) -> None:
    unlisted = S3Bench(tmp_path, redis_url, server, s3_credentials=credentials, private_dataset_hosts="")
    assert f"from {server.host}, because BAKEHOUSE_DATASET_HOSTS" in unlisted.refusal(STORE.answer, source=SOURCE)
    public = {"private_dataset_hosts": "", "dataset_hosts": server.host}
    private = S3Bench(tmp_path, redis_url, server, s3_credentials=credentials, **public)
    assert "BAKEHOUSE_PRIVATE_DATASET_HOSTS" in private.refusal(STORE.answer, source=SOURCE)
    assert server.requests == []
