"""A short recipe, and requests that check their responses."""

import httpx

RECIPE = {"dataset": "iris", "architecture": "linear", "epochs": 3}


def create(api: httpx.Client, **fields: object) -> str:
    """Submits the recipe with some other fields; returns the id of the run."""
    response = api.post("/v1/runs", json={**RECIPE, **fields})
    assert response.status_code == 201, response.text
    run_id: str = response.json()["id"]
    return run_id


def problem(response: httpx.Response, status: int) -> dict[str, object]:
    """Returns the problem document of a response that must have this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, object] = response.json()
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    assert "/problems/" in str(document["type"])
    return document
