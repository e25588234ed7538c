# ruff: noqa: INP001
"""Writes `service/response_examples.json`, the answers that `/docs` shows, from a running home: `make examples`."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bakehouse.cli.home.home import home_running
from bakehouse.client import Client
from bakehouse.settings import Settings
from service.recipe_examples import BODIES, FIRST_RUN, MOST_FAMILIES

FILE = Path(__file__).parents[1] / "service" / "response_examples.json"
JSON = {"Accept": "application/json"}
STREAM = {"Accept": "text/event-stream"}
SHOWN_ITEMS = 2
SHOWN_LINES = 12
SHOWN_CHARACTERS = 64
MAX_CHARACTERS = 2000
# No run with so many epochs is over before it is asked to pause, stop or cancel.
LONG = {**FIRST_RUN, "name": "a long run", "epochs": 100_000, "early_stopping": "none"}

# A stream that does not end, bytes, a schema that is its own documentation, and a queue that is empty then.
NOT_READ = {
    "follow_runs", "follow_experiment", "get_weights", "get_ensemble", "get_dataset_file", "get_recipe_schema",
    "list_queues",
}  # fmt: skip

Answer = tuple[str, httpx.Response]


def main() -> None:
    """Runs a home, and writes one answer for each operation, status and media type."""
    examples: dict[str, dict[str, dict[str, Any]]] = {}
    with TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), port=0, redis_url=None, data=None, url=None, workers=1)
        with home_running(settings) as home, httpx.Client(base_url=home.url, timeout=60, trust_env=False) as http:
            answers = [
                *answers_of_an_upload(http),
                *answers_of_an_experiment(http),
                *answers_of_a_run(http),
                *answers_to_requests(http),
                *answers_of_a_session(http),
            ]
            for operation, response in answers:
                media_type = response.headers["content-type"].partition(";")[0]
                by_status = examples.setdefault(operation, {}).setdefault(str(response.status_code), {})
                by_status[media_type] = excerpt(operation, response)
    FILE.write_text(json.dumps(examples, indent=1) + "\n", encoding="utf-8")


def answers_of_an_upload(http: httpx.Client) -> Iterator[Answer]:
    """Yields the answers that concern an uploaded data set."""
    rows = "".join(f"{40 + n % 90},{1 + n % 5},{1000 * (40 + n % 90) + 500 * (n % 5)}\n" for n in range(20))
    table = f"area,rooms,price\n{rows}"
    draft = {**BODIES["create_dataset"]["houses"]["value"], "bytes": len(table)}
    created = http.post("/v1/datasets", json=draft)
    yield "create_dataset", created
    dataset = f"/v1/datasets/{created.json()['id']}"
    yield "put_dataset_part", http.put(f"{dataset}/parts/1", content=table)
    yield "complete_dataset", http.post(f"{dataset}/complete")
    while http.get(dataset, headers={"Prefer": "wait=10"}).json()["status"] == "inspecting":
        pass
    yield "get_samples", http.get(f"{dataset}/samples", params={"limit": 2})
    yield "delete_dataset", http.delete(dataset)


def answers_of_a_run(http: httpx.Client) -> Iterator[Answer]:
    """Yields the answers that concern one run, from its submission to its end."""
    yield "preview_recipe", http.post("/v1/recipes/preview", headers=JSON, json=MOST_FAMILIES)
    created = http.post("/v1/runs", json=FIRST_RUN)
    yield "create_run", created
    run_id = created.json()["id"]
    with Client(str(http.base_url)) as client:
        client.run(run_id).wait(timeout=120)
    # The time of a training is known once one was measured.
    yield "create_run", http.post("/v1/runs", params={"validate_only": "true"}, json=FIRST_RUN)
    yield from answers_to_reading(http, run_id)
    run = f"/v1/runs/{run_id}"
    # One row of digits, 8 x 8 levels of 0 to 16.
    yield "predict", http.post(f"{run}/checkpoints/best/predict", json={"rows": [[[[0] * 8] * 8]]})
    yield "get_run_metrics", http.get(f"{run}/metrics", params={"format": "csv"})
    yield "get_run_events", http.get(f"{run}/events", headers=STREAM)
    yield "ask_what_if", http.post(f"{run}/what-if", json=BODIES["ask_what_if"]["patience"]["value"])
    yield "change_run", http.patch(run, json=BODIES["change_run"]["rename"]["value"])
    yield "retry_run", http.post(f"{run}/retry")
    yield "fork_run", http.post(f"{run}/fork", json=BODIES["fork_run"]["lower_lr"]["value"])
    yield "verify_run", http.post(f"{run}/verify")
    yield "ablate_run", http.post(f"{run}/ablate", json=BODIES["ablate_run"]["seeds"]["value"])


def answers_of_an_experiment(http: httpx.Client) -> Iterator[Answer]:
    """Yields the answers that concern an experiment, which is over at the end."""
    document = BODIES["create_experiment"]["ablation"]["value"]
    yield "create_experiment", http.post("/v1/experiments", params={"validate_only": "true"}, json=document)
    created = http.post("/v1/experiments", json=document)
    yield "create_experiment", created
    experiment = f"/v1/experiments/{created.json()['id']}"
    yield "pause_experiment", http.post(f"{experiment}/pause")
    yield "resume_experiment", http.post(f"{experiment}/resume")
    yield "change_experiment", http.patch(experiment, json=BODIES["change_experiment"]["limit"]["value"])
    with Client(str(http.base_url)) as client:
        for each in http.get(experiment).json()["runs"]:
            client.run(each["run"]).wait(timeout=120)
    # The second time, the answer is what was measured before.
    for _ in range(2):
        body = BODIES["create_ensemble"]["recipe"]["value"]
        yield "create_ensemble", http.post(f"{experiment}/ensembles", json=body)
    body = BODIES["ask_experiment_what_if"]["patience"]["value"]
    yield "ask_experiment_what_if", http.post(f"{experiment}/what-if", json=body)
    yield "get_experiment_report", http.get(f"{experiment}/report", params={"format": "html"})
    yield "extend_experiment", http.post(f"{experiment}/extend", json=BODIES["extend_experiment"]["seeds"]["value"])
    second = http.post("/v1/experiments", json={**document, "reuse": False}).json()["id"]
    yield "stop_experiment", http.post(f"/v1/experiments/{second}/stop")
    yield "cancel_experiment", http.post(f"{experiment}/cancel")
    third = http.post("/v1/experiments", json={**document, "seeds": 1, "reuse": False}).json()["id"]
    http.post(f"/v1/experiments/{third}/cancel")
    while http.get(f"/v1/experiments/{third}").json()["status"] != "cancelled":
        pass
    yield "delete_experiment", http.delete(f"/v1/experiments/{third}")


def answers_to_reading(http: httpx.Client, run_id: str) -> Iterator[Answer]:
    """Yields the answer of each operation that reads JSON."""
    values = {"run_id": run_id, "dataset_id": "digits", "epoch_or_role": "best", "name": "small_network"}
    values["experiment_id"] = http.get("/v1/experiments").json()["last_id"]
    for path, operations in http.get("/openapi.json").json()["paths"].items():
        operation = operations.get("get")
        if operation and operation["operationId"] not in NOT_READ:
            yield operation["operationId"], http.get(path.format(**values), follow_redirects=True)


def answers_to_requests(http: httpx.Client) -> Iterator[Answer]:
    """Yields the answers to requests to pause, resume, cancel, delete and stop."""
    run = f"/v1/runs/{http.post('/v1/runs', json=LONG).json()['id']}"
    yield "list_queues", http.get("/v1/queues")
    yield "pause_run", http.post(f"{run}/pause")
    yield "resume_run", http.post(f"{run}/resume")
    for waiting in http.get("/v1/runs", params={"status": "queued"}).json()["data"]:
        cancelled = http.post(f"/v1/runs/{waiting['id']}/cancel")
    yield "cancel_run", cancelled
    yield "delete_run", http.delete(run)
    with Client(str(http.base_url)) as client:
        training = client.submit(LONG)
        next(event for event in training.stream() if event.type == "epoch")
    yield "stop_run", http.post(f"/v1/runs/{training.id}/stop")


def answers_of_a_session(http: httpx.Client) -> Iterator[Answer]:
    """Yields the answers of a service without keys to a browser that signs in and out."""
    yield "sign_in", http.post("/v1/session", json=BODIES["sign_in"]["key"]["value"])
    yield "sign_out", http.delete("/v1/session")


def excerpt(operation: str, response: httpx.Response) -> object:
    """Returns an answer with its lists, or its lines, cut to the first ones."""
    response.raise_for_status()
    if "json" not in response.headers["content-type"]:
        return "\n".join(response.text.splitlines()[:SHOWN_LINES]) + "\n"
    return cut(response.json(), items=1 if operation == "list_ingredients" else SHOWN_ITEMS)


def cut(node: Any, *, items: int) -> Any:
    """Returns a copy of a document in which every list has at most `items` items."""
    if isinstance(node, dict):
        return {name: cut(value, items=items) for name, value in node.items()}
    if isinstance(node, list):
        return [cut(value, items=items) for value in node[:items]]
    # A picture in base64.
    return node[:SHOWN_CHARACTERS] if isinstance(node, str) and len(node) > MAX_CHARACTERS else node


if __name__ == "__main__":
    main()
