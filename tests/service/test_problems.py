"""The pages to which the `type` of a problem document leads."""

import httpx
import pytest

from service.problem_types import PROBLEM_TYPES
from tests.service.requests import problem

JSON = {"accept": "application/json"}


def test_the_type_of_a_refusal_is_an_address_that_explains_it(api: httpx.Client) -> None:
    refused = problem(api.post("/v1/runs", json={"dataset": "digits"}), 422)
    assert refused["type"] == "/problems/invalid_recipe"
    shown = api.get(str(refused["type"]), headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    for text in ("<h2>Cause</h2>", "<h2>What to do</h2>", "its place is optimizer.lr"):
        assert text in shown.text


@pytest.mark.parametrize("name", PROBLEM_TYPES)
def test_each_type_has_a_page_with_cause_fix_and_an_example(name: str, api: httpx.Client) -> None:
    kind = api.get(f"/problems/{name}", headers=JSON).json()
    assert (kind["name"], kind["status"]) == (name, PROBLEM_TYPES[name].status)
    assert kind["cause"].endswith(".")
    assert kind["fix"].endswith(".")
    assert (kind["example"]["type"], kind["example"]["status"]) == (f"/problems/{name}", kind["status"])
    page = api.get(f"/problems/{name}").text
    assert f"<h1>{name}</h1>" in page


def test_the_index_links_all_types(api: httpx.Client) -> None:
    assert [kind["name"] for kind in api.get("/problems", headers=JSON).json()["data"]] == list(PROBLEM_TYPES)
    page = api.get("/problems").text
    assert all(f'href="problems/{name}"' in page for name in PROBLEM_TYPES)


def test_an_unknown_type_is_not_found(api: httpx.Client) -> None:
    assert problem(api.get("/problems/nope"), 404)["type"] == "/problems/not_found"
