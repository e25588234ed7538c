"""The documentation: the page in a browser, its examples, and the text for programs."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Limits, prepare
from bakehouse.settings import Settings
from service.recipe_examples import BODIES, FIRST_RUN, OWN_CSV
from tests.fake_worker import FakeWorker
from tests.nginx import running_nginx
from tests.running_service import ROOT, RunningService
from tests.service.requests import create, problem

# The sandbox needs rights that containers rarely have; the other flags stop the browser's own requests.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr", "--v=0",
    "--virtual-time-budget=20000", "--dump-dom",
]  # fmt: skip


@pytest.fixture(params=["direct", "behind a proxy"])
def address(request: pytest.FixtureRequest, service: RunningService, tmp_path: Path) -> Iterator[str]:
    """The address of the service, with and without a prefix of the path."""
    if request.param == "direct":
        yield service.url
    else:
        with running_nginx(service.url, tmp_path) as url:
            yield url


def test_the_page_shows_every_operation_and_obeys_its_content_security_policy(address: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium")
    command = [chromium, *FLAGS, f"--user-data-dir={tmp_path / 'browser'}", f"{address}/docs"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    described = httpx.get(f"{address}/openapi.json", trust_env=False).json()["paths"].values()
    operations = [operation["operationId"] for path in described for operation in path.values()]
    assert [name for name in operations if f'{name}"' not in shown.stdout] == []
    # The browser logs a console message for each request that the policy forbids.
    assert "CONSOLE" not in shown.stderr


@cache
def answers() -> dict[str, dict[str, dict[str, Any]]]:
    """The answers that the page shows, by operation, status and media type."""
    document: dict[str, dict[str, dict[str, Any]]] = json.loads(
        (ROOT / "service" / "response_examples.json").read_text(encoding="utf-8")
    )
    return document


@pytest.mark.parametrize("name", ["first_run", "most_families"])
def test_the_recipes_of_the_page_are_accepted_as_they_are(name: str, api: httpx.Client) -> None:
    shown = api.get("/openapi.json").json()["paths"]["/v1/runs"]["post"]["requestBody"]["content"]["application/json"]
    assert list(shown["examples"]) == ["first_run", "most_families", "own_csv"]
    accepted = api.post("/v1/runs", json=shown["examples"][name]["value"])
    assert accepted.status_code == 201, accepted.text
    assert accepted.json()["name"] == shown["examples"][name]["value"]["name"]


def test_the_refusal_of_the_example_of_a_csv_says_where_the_file_goes(api: httpx.Client) -> None:
    refused = api.post("/v1/runs", json=OWN_CSV)
    assert problem(refused, 422)["type"] == "/problems/invalid_recipe"
    [error] = refused.json()["errors"]
    assert error["pointer"] == "/dataset/id"
    assert "BAKEHOUSE_DATA" in error["message"]
    assert "houses.csv" in error["message"]


def test_the_example_of_a_csv_is_accepted_where_there_is_such_a_file(tmp_path: Path) -> None:
    rows = "".join(f"{40 + n},{n % 5},{1000 * n}.5\n" for n in range(60))
    (tmp_path / "houses.csv").write_text(f"area,rooms,price\n{rows}")
    catalog = Catalog(Settings(home=tmp_path / "home", data=tmp_path))
    assert prepare(OWN_CSV, catalog, Limits(parameters=10**9), wait_seconds=60).plan.card.id == "houses"


def test_the_changes_of_the_page_are_accepted(api: httpx.Client, worker: FakeWorker) -> None:
    run = create(api)
    [rename] = BODIES["change_run"].values()
    assert api.patch(f"/v1/runs/{run}", json=rename["value"]).status_code == 200
    worker.train(run)
    [lower] = BODIES["fork_run"].values()
    assert api.post(f"/v1/runs/{run}/fork", json=lower["value"]).status_code == 201


def test_every_answer_in_json_is_shown_and_has_the_form_that_the_document_describes(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    missing = []
    for operation in [each for path in document["paths"].values() for each in path.values()]:
        name = operation["operationId"]
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json")
            if content is None or name == "get_recipe_schema":
                continue
            if "example" not in content:
                missing.append(f"{name} {status}")
                continue
            schema = {**content["schema"], "components": document["components"]}
            jsonschema.Draft202012Validator(schema).validate(content["example"])
    assert missing == [], "`make examples` asks a running home again"


def test_the_shown_answers_have_the_fields_of_real_answers(api: httpx.Client) -> None:
    created = api.post("/v1/runs", json=FIRST_RUN).json()
    shown = answers()["create_run"]["201"]["application/json"]
    assert shown.keys() == created.keys(), "`make examples` asks a running home again"
    assert shown["recipe"].keys() == created["recipe"].keys()
    preview = api.post("/v1/runs", params={"validate_only": "true"}, json=FIRST_RUN).json()
    assert answers()["create_run"]["200"]["application/json"].keys() == preview.keys()


def test_the_text_for_programs_is_served_and_its_addresses_answer(api: httpx.Client) -> None:
    served = api.get("/llms.txt")
    assert served.text == (ROOT / "llms.txt").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", served.text)
    assert len(links) > 5
    assert {link: api.get(f"/{link}").status_code for link in links} == dict.fromkeys(links, 200)
    described = api.get("/openapi.json").json()["paths"]
    for method, path in re.findall(r"`(GET|POST) (v1/[^`?]*)", served.text):
        known = f"/{path}".replace("/{id}", "/{run_id}").replace("/best/", "/{epoch_or_role}/")
        assert method.lower() in described[known]
