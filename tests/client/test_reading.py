"""Both clients read the runs of a newer service."""

import asyncio
import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from bakehouse import AsyncClient, Client
from bakehouse.client import NewerService, RecipeUnknown, UnexpectedAnswer
from bakehouse.client.reading import RecordPage, RunRecord, read
from bakehouse.model import JsonObject
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.store import Store
from bakehouse.version import VERSION
from tests.fake_worker import FakeWorker
from tests.newer_service import (
    UNKNOWN_NORM,
    store_unknown_field,
    store_unknown_ingredient,
    store_unknown_status,
)
from tests.runs.examples import a_run
from tests.scripted_server import Script

RECIPE = {"dataset": "digits", "architecture": "mlp"}


def a_document() -> JsonObject:
    return a_run().model_dump(mode="json")


def read_run(document: JsonObject) -> tuple[RunRecord, list[str]]:
    return read(RunRecord, json.dumps(document).encode())


def test_a_run_that_this_version_knows_is_read_strictly() -> None:
    record, unknown = read_run(a_document())
    assert unknown == []
    assert record.recipe == a_run().recipe
    assert record.known_recipe.epochs == 8


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        (["status"], "archived", "status"),
        (["reason"], "tidied_up", "reason"),
        (["cost"], {"euro": 1}, "cost"),
        (["progress", "watts"], 3.5, "watts"),
        (["recipe", "norm"], UNKNOWN_NORM, "norm"),
        (["recipe", "optimizer", "nesterov"], True, "nesterov"),
        (["recipe", "dropout"], [{"type": "deep_dropout"}], "dropout"),
        (["recipe", "version"], 2, "version"),
        (["transitions", 0, "actor"], "robot", "actor"),
    ],
)
def test_what_only_a_newer_service_knows_is_named_and_kept(path: list[str | int], value: object, name: str) -> None:
    document = a_document()
    document["transitions"] = [{"time": "t", "status": "queued", "actor": "service", "reason": "submitted"}]
    *outer, last = path
    inner: Any = document
    for step in outer:
        inner = inner[step]
    inner[last] = value
    record, unknown = read_run(document)
    assert unknown == [name]
    assert json.loads(record.model_dump_json()) == document
    assert isinstance(record.recipe, Recipe) == (path[0] != "recipe")


def test_a_run_with_an_unknown_status_is_over_once_it_has_ended() -> None:
    document = a_document() | {"status": "archived"}
    assert not read_run(document)[0].is_over
    assert read_run(document | {"finished_at": "2026-01-01T00:00:00.000Z"})[0].is_over


def test_one_run_with_an_unknown_ingredient_leaves_the_others_as_they_are() -> None:
    changed = a_document()
    changed["recipe"]["norm"] = UNKNOWN_NORM
    page, _ = read(RecordPage, json.dumps({"data": [a_document(), changed], "has_more": False}).encode())
    assert [isinstance(record.recipe, Recipe) for record in page.data] == [True, False]


@pytest.mark.parametrize("store_change", [store_unknown_ingredient, store_unknown_field, store_unknown_status])
def test_both_clients_show_a_run_of_a_newer_service_and_warn_once(
    client: Client, worker: FakeWorker, store_change: Callable[[Store, str], None]
) -> None:
    ids = [client.submit(RECIPE).id for _ in range(2)]
    for run_id in ids:
        worker.train(run_id, [0.5])
        store_change(worker.store, run_id)
    client.submit(RECIPE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read_all(client, ids)
        assert asyncio.run(read_all_async(client.url, ids)) == found
    assert [item.category for item in caught] == [NewerService] * 2
    assert f"the service is {VERSION}, this client {VERSION}" in str(caught[0].message)
    assert len(found) == 3
    assert len([record for record in found if is_newer(record)]) == 2


def read_all(client: Client, ids: list[str]) -> list[JsonObject]:
    for run_id in ids:
        run = client.run(run_id).wait(timeout=60)
        assert [event.type for event in run.stream()][-1] == "end"
        assert run.id in repr(run)
        assert "<svg" in run._repr_html_()
    client.compare(ids)
    return [run.record.model_dump(mode="json") for run in client.runs()]


async def read_all_async(url: str, ids: list[str]) -> list[JsonObject]:
    async with AsyncClient(url) as client:
        for run_id in ids:
            run = await (await client.run(run_id)).wait(timeout=60)
            assert [event.type async for event in run.stream()][-1] == "end"
            assert run.id in repr(run) + run._repr_html_()
        await client.compare(ids)
        return [run.record.model_dump(mode="json") async for run in client.runs()]


def is_newer(record: JsonObject) -> bool:
    recipe = record["recipe"]
    return record["status"] == "archived" or recipe["norm"] == UNKNOWN_NORM or "patchwork" in recipe


def test_a_comparison_includes_the_fields_of_an_unknown_recipe(client: Client, worker: FakeWorker) -> None:
    runs = [client.submit(RECIPE) for _ in range(2)]
    store_unknown_ingredient(worker.store, runs[1].id)
    with pytest.warns(NewerService):
        rows = client.compare(runs)
    assert [(row["norm.type"], row["norm.spin"]) for row in rows] == [("none", None), ("quantum_norm", 0.5)]


def test_a_recipe_that_has_to_be_known_is_an_error_that_says_what_to_do(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    store_unknown_ingredient(worker.store, run.id)
    with pytest.warns(NewerService):
        run.refresh()
    with pytest.raises(RecipeUnknown, match="install the version of the service"):
        _ = run.record.known_recipe


def test_the_warning_names_the_version_of_the_service(script: Script) -> None:
    answer = json.dumps(a_document() | {"cost": 1})
    server = script([(200, {"Bakehouse-Version": "9.0.0"}, answer), (200, {}, answer)])
    with Client(server.url) as client, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.run("x").refresh()
    (message,) = [str(item.message) for item in caught]
    assert message.startswith(f"the service is 9.0.0, this client {VERSION}:")
    assert "(cost)" in message
    assert "\n" not in message


def test_an_answer_that_cannot_be_read_names_the_versions_and_the_request(script: Script) -> None:
    server = script([(200, {"Bakehouse-Version": "9.0.0", "X-Request-Id": "r7"}, '{"id": "run_1"}')])
    with Client(server.url) as client, pytest.raises(UnexpectedAnswer, match=r"the service is 9\.0\.0") as caught:
        client.run("x")
    assert caught.value.request_id == "r7"
