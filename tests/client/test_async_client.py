"""The client in an event loop, against the real service."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bakehouse import AsyncClient, Client
from bakehouse.client import AsyncClientRun, ClientRun, Conflict, NotFound, RecipeRefused, RunTimeout
from bakehouse.version import VERSION
from tests.client.conftest import CutUrl
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService

RECIPE = {"dataset": "digits", "architecture": "mlp"}


def public_names(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(("blocking", "asynchronous"), [(Client, AsyncClient), (ClientRun, AsyncClientRun)])
def test_both_clients_have_the_same_methods_with_the_same_parameters(blocking: type, asynchronous: type) -> None:
    names = public_names(asynchronous)
    assert public_names(blocking) == names
    for name in names:
        mine, other = getattr(blocking, name), getattr(asynchronous, name)
        assert mine.__doc__ == other.__doc__
        if callable(mine):
            assert inspect.signature(mine).parameters == inspect.signature(other).parameters


def test_the_signature_of_a_method_that_blocks_names_what_it_returns() -> None:
    assert inspect.signature(Client.submit).return_annotation == "ClientRun"
    assert inspect.signature(ClientRun.log).return_annotation is str


@asynccontextmanager
async def submitted(url: str) -> AsyncIterator[AsyncClientRun]:
    async with AsyncClient(url) as client:
        yield await client.submit(RECIPE)


def test_runs_are_submitted_listed_and_compared(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.client.async_client.PAGE_SIZE", 2)

    async def scenario() -> None:
        async with AsyncClient(service.url) as client:
            found = await client.validate(RECIPE)
            assert found["estimate"]["parameters"] > 0
            ids = [(await client.submit(RECIPE, labels={"odd": str(index % 2)})).id for index in range(5)]
            assert [run.id async for run in client.runs()] == ids[::-1]
            assert [run.id async for run in client.runs(labels={"odd": "0"})] == [ids[4], ids[2], ids[0]]
            other = await client.submit({**RECIPE, "norm": "layer_norm"}, priority=1)
            assert (await other.set_priority(2)).record.priority == 2
            rows = await client.compare([other, ids[0]])
            assert [row["norm.type"] for row in rows] == ["layer_norm", "none"]
            assert "digits" in [listing.id for listing in await client.datasets()]
            assert await client.workers() == []
            assert repr(client) == f"AsyncClient({service.url}, bakehouse {VERSION})"

    asyncio.run(scenario())


def test_an_error_has_the_id_of_the_request(service: RunningService) -> None:
    async def scenario() -> None:
        async with submitted(service.url) as run, AsyncClient(service.url) as client:
            with pytest.raises(RecipeRefused) as refused:
                await client.submit({**RECIPE, "norm": "batchnorm"})
            with pytest.raises(NotFound) as missing:
                await client.run("run_222222222222")
            with pytest.raises(Conflict) as conflict:
                await run.retry()
            ids = {caught.value.request_id for caught in (refused, missing, conflict)}
            assert None not in ids
            assert len(ids) == 3

    asyncio.run(scenario())


def test_a_run_is_controlled_and_waited_for(service: RunningService, worker: FakeWorker) -> None:
    async def scenario() -> None:
        async with submitted(service.url) as run:
            assert (await run.pause()).status == "paused"
            assert await run.resume() is run
            with pytest.raises(RunTimeout, match=run.id):
                await run.wait(timeout=0.1)
            # The service holds this request while the worker trains.
            waiting = asyncio.create_task(run.wait(timeout=60))
            await asyncio.to_thread(worker.train, run.id, [0.5, 0.4])
            assert (await waiting).status == "succeeded"
            fork = await run.fork({"name": "again"})
            assert (fork.name, fork.record.parent_run) == ("again", run.id)
            assert "await run.history()" in run._repr_html_()
            assert [row["validation_loss"] for row in await run.history()] == [0.5, 0.4]
            assert run._repr_html_().count("<polyline") == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("cuts", [[], [400, 700, 0]])
def test_a_cut_stream_has_no_gap_and_no_repetition(
    service: RunningService,
    worker: FakeWorker,
    cut_url: CutUrl,
    cuts: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bakehouse.client.async_client.AsyncTransport.sleep", lambda self, seconds: asyncio.sleep(0))

    async def scenario() -> None:
        async with submitted(service.url) as run, AsyncClient(cut_url(cuts)) as client:
            await asyncio.to_thread(worker.train, run.id, [0.5, 0.4, 0.3])
            cut_run = AsyncClientRun(client._connection, run.record)
            events = [event async for event in cut_run.stream()]
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            assert events[-1].type == "end"
            assert cut_run.is_over

    asyncio.run(scenario())


def test_a_cut_download_resumes(service: RunningService, worker: FakeWorker, cut_url: CutUrl, tmp_path: Path) -> None:
    weights = bytes(range(256)) * 1200

    async def scenario() -> None:
        async with submitted(service.url) as run, AsyncClient(cut_url([1000, 70_000, 1_000])) as client:
            await asyncio.to_thread(worker.train, run.id, [0.5], weights=weights)
            cut_run = AsyncClientRun(client._connection, run.record)
            await cut_run.download(await run.best_checkpoint(), tmp_path / "best.safetensors")

    asyncio.run(scenario())
    assert (tmp_path / "best.safetensors").read_bytes() == weights
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]


def test_many_runs_are_waited_for_at_once(service: RunningService, worker: FakeWorker) -> None:
    async def scenario() -> None:
        async with AsyncClient(service.url) as client:
            runs = await asyncio.gather(*(client.submit(RECIPE) for _ in range(3)))
            waits = asyncio.gather(*(run.wait(timeout=60) for run in runs))
            for run in runs:
                await asyncio.to_thread(worker.train, run.id, [0.5])
            assert {run.status for run in await waits} == {"succeeded"}

    asyncio.run(scenario())


def test_the_client_that_blocks_works_where_an_event_loop_runs(service: RunningService, worker: FakeWorker) -> None:
    # A notebook has such a loop.
    async def scenario() -> None:
        with Client(service.url) as client:
            run = client.submit(RECIPE)
            worker.train(run.id, [0.5])
            assert next(iter(run.stream())).seq == 1
            assert run.wait().status == "succeeded"

    asyncio.run(scenario())
