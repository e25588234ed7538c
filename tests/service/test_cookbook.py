"""/v1/cookbook."""

import httpx

from bakehouse.client import Client
from bakehouse.studies import all_studies
from tests.running_service import RunningService

RECIPES = [
    (f"{study.name}/{recipe.name}", recipe.recipe)
    for study in all_studies().values()
    for recipe in study.recipes
    if not recipe.builds_on
]


def test_the_client_reads_the_studies(service: RunningService) -> None:
    with Client(service.url) as client:
        assert [study.name for study in client.studies()] == list(all_studies())
        assert client.study("small_network") == all_studies()["small_network"]


def test_a_study_that_does_not_exist_is_404(api: httpx.Client) -> None:
    answer = api.get("/v1/cookbook/small_netwrk")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/study_not_found")
    assert "small_network" in answer.json()["detail"]


def test_every_recipe_of_every_study_is_accepted(api: httpx.Client) -> None:
    refused = {}
    for name, recipe in RECIPES:
        answer = api.post("/v1/runs?validate_only=true", json=recipe)
        codes = {error["code"] for error in answer.json().get("errors", ())}
        # The files of some data sets are on few machines, and are packed when they are first used.
        if answer.status_code not in (200, 409) and codes != {"absent_dataset"}:
            refused[name] = answer.json()
    assert refused == {}
    assert len(RECIPES) > 80
