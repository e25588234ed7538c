"""A recipe is planned once, until something on which its plan depends has changed."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bakehouse.data.catalog import Catalog
from bakehouse.prepare import Prepared, prepare
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.artifacts import Artifacts
from bakehouse.runs.async_store import AsyncStore, connect_async
from bakehouse.runs.queue import WakeQueue
from bakehouse.runs.store import Store, connect
from bakehouse.settings import Settings
from service.preparation import Preparation
from tests.fake_worker import FakeWorker
from tests.processes import LIMIT_SECONDS
from tests.runs.examples import a_worker
from tests.stored_runs import Document, store_run

DIGITS: Document = {"dataset": "digits", "architecture": "mlp", "norm": "batch_norm", "dropout": 0.5}
HOUSES: Document = {"dataset": {"id": "houses", "target": "rooms"}, "architecture": "linear"}


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The documents that have been planned."""
    documents: list[object] = []

    def note(document: object, *arguments: Any, **options: Any) -> Prepared:
        documents.append(document)
        return prepare(document, *arguments, **options)

    monkeypatch.setattr("service.preparation.prepare", note)
    return documents


def write_houses(settings: Settings, rows: int) -> None:
    assert settings.data is not None
    settings.data.mkdir(exist_ok=True)
    lines = "\n".join(f"{n},{n % 7}.5,{n % 3}" for n in range(rows))
    (settings.data / "houses.csv").write_text(f"area,price,rooms\n{lines}\n")


def with_preparation(settings: Settings, url: str, use: Callable[[Preparation], Awaitable[None]]) -> None:
    async def run() -> None:
        redis = connect(url, patient=False)
        async with connect_async(url) as client:
            asynchronous = AsyncStore(client, WakeQueue(redis))
            await use(Preparation(settings, Store(redis), asynchronous, Catalog(settings)))

    asyncio.run(run())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data=tmp_path / "data")


def test_names_labels_seeds_and_short_forms_share_a_plan(
    settings: Settings, redis_url: str, planned: list[object]
) -> None:
    async def use(preparation: Preparation) -> None:
        first, _ = await preparation.template(DIGITS)
        spelt_out = {**DIGITS, "dropout": [{"type": "dropout", "rate": 0.5}], "seed": 7, "labels": {"a": "b"}}
        again, recipe = await preparation.template({**spelt_out, "name": "again"})
        assert again is first
        assert (recipe.name, recipe.seed, recipe.labels) == ("again", 7, {"a": "b"})
        other, _ = await preparation.template({**DIGITS, "epochs": 2})
        assert other is not first
        assert len(planned) == 2

    with_preparation(settings, redis_url, use)


@pytest.mark.parametrize("wrong", [{"name": ""}, {"seed": -1}, {"seed": True}, {"labels": {"a:": "b"}}, {"labels": 1}])
def test_a_wrong_name_label_or_seed_is_refused_although_the_plan_is_known(
    settings: Settings, redis_url: str, wrong: Document
) -> None:
    async def use(preparation: Preparation) -> None:
        await preparation.template(DIGITS)
        with pytest.raises(RecipeInvalid):
            await preparation.template({**DIGITS, **wrong})

    with_preparation(settings, redis_url, use)


def test_a_data_set_that_has_changed_is_planned_for_again(
    settings: Settings, redis_url: str, planned: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.preparation.MAX_PACKING_SECONDS", LIMIT_SECONDS)

    async def use(preparation: Preparation) -> None:
        write_houses(settings, 60)
        first, _ = await preparation.template(HOUSES)
        assert (await preparation.template(HOUSES))[0] is first
        write_houses(settings, 90)
        second, _ = await preparation.template(HOUSES)
        assert second.planned.dataset_fingerprint != first.planned.dataset_fingerprint
        assert len(planned) == 2
        (settings.home.parent / "data" / "houses.csv").unlink()
        with pytest.raises(RecipeInvalid):
            await preparation.template(HOUSES)

    with_preparation(settings, redis_url, use)


def test_a_worker_with_less_memory_refuses_a_known_recipe(settings: Settings, redis_url: str) -> None:
    async def use(preparation: Preparation) -> None:
        store = Store(connect(redis_url, patient=False))
        await preparation.template(DIGITS)
        store.put_worker(a_worker("small"), ttl=60)
        with pytest.raises(RecipeInvalid, match="the largest worker has"):
            await preparation.template(DIGITS)
        large = a_worker("large").model_copy(update={"memory_bytes": 2**40})
        store.put_worker(large, ttl=60)
        await preparation.template(DIGITS)

    with_preparation(settings, redis_url, use)


def test_a_recipe_that_builds_on_a_run_is_planned_each_time(
    settings: Settings, redis_url: str, planned: list[object]
) -> None:
    store = Store(connect(redis_url, patient=False))
    source = store_run(store, settings, {"dataset": "digits", "architecture": "mlp"})
    FakeWorker(store, Artifacts(settings.artifacts)).train(source)
    transfer = {**DIGITS, "norm": "none", "dropout": [], "pretraining": {"type": "transfer", "checkpoint": source}}

    async def use(preparation: Preparation) -> None:
        for _ in range(2):
            template, _ = await preparation.template(transfer)
            assert template.planned.depends_on == (source,)
        assert len(planned) == 2
        store.delete(source)
        with pytest.raises(RecipeInvalid, match="there is no run"):
            await preparation.template(transfer)

    with_preparation(settings, redis_url, use)


def test_only_the_latest_recipes_are_remembered(
    settings: Settings, redis_url: str, planned: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.preparation.MAX_REMEMBERED", 2)

    async def use(preparation: Preparation) -> None:
        for epochs in (1, 2, 1, 3, 1, 2):
            await preparation.template({**DIGITS, "epochs": epochs})
        assert [document["epochs"] for document in planned if isinstance(document, dict)] == [1, 2, 3, 2]

    with_preparation(settings, redis_url, use)


def test_a_large_document_is_planned_in_a_thread(
    settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.preparation.MAX_VALUES_IN_EVENT_LOOP", 3)
    monkeypatch.setattr("service.preparation.read_recipe", lambda _: pytest.fail("read in the event loop"))

    async def use(preparation: Preparation) -> None:
        template, recipe = await preparation.template({**DIGITS, "seed": 7})
        assert (template.planned.recipe.seed, recipe.seed) == (7, 7)

    with_preparation(settings, redis_url, use)
