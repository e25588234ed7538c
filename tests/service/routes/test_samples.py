"""Samples over HTTP, read by a real task process, from the client and the command line."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from bakehouse import Client
from bakehouse.cli.main import app
from tests.processes import wait_until
from tests.running_home import RunningHome, run_home
from tests.service.requests import problem

JSON = {"Accept": "application/json"}
TABLE = "size,color\n" + "".join(f"{n}.5,{('red', 'blue')[n % 2]}\n" for n in range(20))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHome]:
    folder = tmp_path_factory.mktemp("data")
    (folder / "colors.csv").write_text(TABLE)
    (folder / "broken.csv").write_text("a,b\n1\n")
    with run_home(tmp_path_factory.mktemp("home"), data=folder) as home:
        wait_until(home.store.task_processes)
        with httpx.Client(base_url=home.url, trust_env=False) as http:
            wait_until(lambda: all(each["status"] != "packing" for each in http.get("/v1/datasets").json()["data"]))
        yield home


@pytest.fixture
def http(home: RunningHome) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{home.url}/v1/datasets", timeout=30, trust_env=False) as client:
        yield client


def test_rows_of_a_table_are_json(http: httpx.Client) -> None:
    answer = http.get("/colors/samples", params={"limit": 3, "seed": 5})
    assert answer.headers["content-type"] == "application/json"
    found = answer.json()
    assert found["columns"] == ["size", "color"]
    assert found["values"] == [[row + 0.5, ("red", "blue")[row % 2]] for row in found["rows"]]
    assert http.get("/colors/samples", params={"limit": 3, "seed": 5}).json() == found


def test_images_are_a_picture_and_with_json_also_their_labels(http: httpx.Client) -> None:
    picture = http.get("/digits/samples")
    assert picture.headers["content-type"] == "image/png"
    found = http.get("/digits/samples", headers=JSON).json()
    assert base64.b64decode(found["png"]) == picture.content
    assert len(found["labels"]) == len(found["rows"]) == 16


def test_what_cannot_be_shown_is_refused_with_the_reason(http: httpx.Client) -> None:
    problem(http.get("/no_such_set/samples"), 404)
    unusable = problem(http.get("/broken/samples"), 409)
    assert str(unusable["type"]).endswith("dataset_unusable")
    assert "line 2" in str(unusable["detail"])
    [error] = http.get("/colors/samples?split=test").json()["errors"]
    assert (error["parameter"], error["allowed"]) == ("split", ["train"])
    for parameters in ("limit=0", "limit=65", "seed=-1", "split=x", "rows=3"):
        problem(http.get(f"/colors/samples?{parameters}"), 422)


def test_the_client_and_the_command_show_the_same_rows(
    home: RunningHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAKEHOUSE_URL", home.url)
    with Client(home.url) as client:
        found = client.samples("colors", limit=2)
    printed = CliRunner().invoke(app, ["data", "samples", "colors", "-n", "2"]).stdout.splitlines()
    assert printed[0].split() == ["row", "size", "color"]
    assert [line.split()[0] for line in printed[1:]] == [str(row) for row in found.rows]
    output = tmp_path / "digits.png"
    CliRunner().invoke(app, ["data", "samples", "digits", "-o", str(output)])
    assert output.read_bytes().startswith(b"\x89PNG")
