"""/v1/cookbook."""

import httpx
import pytest

from bakehouse.client import Client
from bakehouse.model import JsonObject
from bakehouse.studies import all_studies
from tests.running_service import RunningService

EXPERIMENTS = [(study.name, study.experiment) for study in all_studies().values()]
RECIPES = [(f"{study.name}/{recipe.name}", recipe) for study in all_studies().values() for recipe in study.recipes]


def test_the_client_reads_the_studies(service: RunningService) -> None:
    with Client(service.url) as client:
        assert [study.name for study in client.studies()] == list(all_studies())
        assert client.study("small_network") == all_studies()["small_network"]


def test_a_study_that_does_not_exist_is_404(api: httpx.Client) -> None:
    answer = api.get("/v1/cookbook/small_netwrk")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/study_not_found")
    assert "small_network" in answer.json()["detail"]


def is_absent(answer: httpx.Response) -> bool:
    """Whether the files of a data set are not there, or are packed when they are first used: they are on few
    machines."""
    return answer.status_code == 409 or {error["code"] for error in answer.json().get("errors", ())} == {
        "absent_dataset"
    }


def test_every_recipe_of_every_study_is_accepted(api: httpx.Client) -> None:
    refused = {}
    for name, recipe in RECIPES:
        answer = api.post("/v1/runs?validate_only=true", json=recipe.recipe)
        if recipe.builds_on:
            # Only the id of a run is missing.
            wrong = {error["pointer"] for error in answer.json()["errors"]}
            assert wrong == {place.pointer for place in recipe.builds_on}, answer.text
        elif answer.status_code != 200 and not is_absent(answer):
            refused[name] = answer.json()
    assert refused == {}
    assert len(RECIPES) > 80


@pytest.mark.parametrize(("name", "document"), EXPERIMENTS, ids=[name for name, _ in EXPERIMENTS])
def test_every_question_is_accepted_and_asks_about_the_metric_of_its_answer(
    api: httpx.Client, name: str, document: JsonObject
) -> None:
    answer = api.post("/v1/experiments?validate_only=true", json=document)
    assert answer.status_code == 200 or is_absent(answer), answer.text
    if is_absent(answer):
        return
    preview = answer.json()
    study = all_studies()[name]
    assert preview["runs"] == study.runs
    results = study.measured.results
    assert results.metric == preview["metric"]
    assert results.runs == study.runs
