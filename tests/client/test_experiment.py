"""The client asks questions about recipes, waits for the answers and shows them, with the real service."""

import asyncio
import json
import re
import threading
from pathlib import Path

import pytest

from bakehouse import AsyncClient, Client
from bakehouse.client import Conflict, ExperimentRefused, ExperimentTimeout, NotFound
from bakehouse.client.experiment import ClientExperiment
from bakehouse.client.reading import ExperimentState, read
from tests.client.conftest import CutUrl
from tests.fake_worker import FakeWorker
from tests.running_service import RunningService

RECIPE = {"dataset": "iris", "architecture": {"type": "mlp", "hidden": [4]}, "norm": "batch_norm", "epochs": 2}
VARIANTS = {"type": "variants", "variants": {"<b>plain": {"norm": None}, "bn": {}}}
LOSSES = {("<b>plain", 0): 1.0, ("<b>plain", 1): 1.2, ("bn", 0): 0.5, ("bn", 1): 0.8}


@pytest.fixture
def experiment(client: Client) -> ClientExperiment:
    return client.experiment(recipe=RECIPE, design=VARIANTS, seeds=2)


def train_all(worker: FakeWorker, experiment: ClientExperiment) -> None:
    for each in experiment.runs:
        if each.status != "succeeded":
            loss = LOSSES.get((each.arm, each.seed), 2.0)
            worker.claim(each.run)
            worker.log_losses(each.run, [loss])
            worker.save_best(each.run, 1, each.run.encode(), loss=loss, validation_accuracy=1 - loss / 10)
            worker.succeed(each.run)


def test_an_experiment_is_posted_from_a_dict_a_file_and_fields(client: Client, tmp_path: Path) -> None:
    document = {"recipe": RECIPE, "design": {"type": "ablation"}, "seeds": 2}
    (tmp_path / "question.json").write_text(json.dumps(document))
    (tmp_path / "recipe.json").write_text(json.dumps(RECIPE))
    posted = [
        client.experiment(document),
        client.experiment(tmp_path / "question.json", name="named", seeds=[3], priority=2, max_running=1, reuse=False),
        client.experiment(
            recipe=str(tmp_path / "recipe.json"), design={"type": "grid", "axes": {"/dropout": [0, 0.5]}}
        ),
        client.ablate(RECIPE, seeds=1, ingredients=["norm"]),
        client.ablate(client.submit(RECIPE)),
    ]
    assert [(len(each.record.arms), len(each.record.seeds)) for each in posted] == [
        (2, 2),
        (2, 1),
        (2, 1),
        (2, 1),
        (2, 5),
    ]
    named = posted[1]
    assert (named.name, named.record.seeds, named.record.priority, named.record.max_running) == ("named", (3,), 2, 1)
    assert [row.id for row in client.experiments()] == [each.id for each in reversed(posted)]
    found = client.experiment(named.id)
    assert (found.id, found.status, len(found.runs)) == (named.id, "queued", 2)
    with pytest.raises(NotFound):
        client.experiment("exp_222222222222")


def test_all_pages_of_experiments_are_requested(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.client.async_client.PAGE_SIZE", 1)
    ids = [client.ablate(RECIPE, seeds=[seed]).id for seed in range(3)]
    assert [row.id for row in client.experiments()] == ids[::-1]


def test_a_wrong_experiment_is_refused_with_pointers_and_checked_without_being_stored(client: Client) -> None:
    with pytest.raises(ExperimentRefused) as caught:
        client.experiment(recipe=RECIPE, design={"type": "variants", "variants": {"a": {}, "b": {"norm": "batchnorm"}}})
    assert caught.value.errors[0].pointer == "/design/variants/b/norm"
    preview = client.validate_experiment(recipe=RECIPE, design=VARIANTS, seeds=3)
    assert (preview["runs"], preview["baseline"]) == (6, "<b>plain")
    assert list(client.experiments()) == []


def test_a_design_that_only_a_newer_service_knows_is_kept(experiment: ClientExperiment) -> None:
    record = json.loads(experiment.record.model_dump_json())
    record["document"]["design"] = {"type": "bandit", "arms": 3}
    record["mood"] = "good"
    found, unknown = read(ExperimentState, json.dumps(record).encode())
    assert set(unknown) == {"design", "mood"}
    assert found.plain_document["design"] == {"type": "bandit", "arms": 3}
    assert [each.run for each in found.runs] == [each.run for each in experiment.runs]


def test_every_document_on_the_page_about_experiments_can_be_trained(client: Client) -> None:
    page = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text()
    documents = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    designs = {client.validate_experiment(each)["runs"] and each["design"]["type"] for each in documents}
    assert designs == {"variants", "grid", "ablation", "factorial", "search"}


def test_a_repeated_post_does_not_create_a_second_experiment(client: Client, cut_url: CutUrl) -> None:
    # The first connection is cut in the middle of the response.
    with Client(cut_url([100])) as unlucky:
        posted = unlucky.experiment(recipe=RECIPE, design=VARIANTS)
    assert [row.id for row in client.experiments()] == [posted.id]


def test_waiting_ends_with_the_last_run_and_the_answer_is_typed(
    client: Client, experiment: ClientExperiment, worker: FakeWorker
) -> None:
    with pytest.raises(ExperimentTimeout, match="its runs continue"):
        experiment.wait(timeout=0.1)
    assert "<em>" not in experiment._repr_html_()
    thread = threading.Thread(target=train_all, args=(worker, experiment))
    thread.start()
    waited = client.experiment(experiment.id).wait(timeout=30)
    thread.join()
    assert (waited.status, waited.is_over) == ("finished", True)
    results = waited.results()
    assert [(arm.name, arm.values) for arm in results.arms] == [
        ("<b>plain", {"0": 0.9, "1": pytest.approx(0.88)}),
        ("bn", {"0": 0.95, "1": pytest.approx(0.92)}),
    ]
    assert results.arms[1].difference is not None
    assert results.arms[1].difference.mean == pytest.approx(0.045)
    html = waited._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;plain" in html
    assert results.sentence.partition(" (")[0].replace("<b>", "&lt;b&gt;") in html
    assert "<svg" in html
    assert repr(waited) == f"ClientExperiment({waited.id}, finished, 2 arms, 4 of 4 runs over)"


def test_a_stream_that_is_cut_has_no_gap_and_no_repetition(
    experiment: ClientExperiment, worker: FakeWorker, cut_url: CutUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second connection is that of the stream.
    with Client(cut_url([10_000_000, 2000, 3000])) as unlucky:
        followed = unlucky.experiment(experiment.id)
        refresh = followed._async.refresh
        begun = threading.Barrier(2)
        requests = 0

        async def count() -> object:
            nonlocal requests
            requests += 1
            # The stream is connected when it reads the experiment for the second time.
            if requests == 2:
                begun.wait()
            return await refresh()

        monkeypatch.setattr(followed._async, "refresh", count)

        def work() -> None:
            begun.wait()
            train_all(worker, experiment)

        thread = threading.Thread(target=work)
        thread.start()
        seen = [(event.run_id, event.type) for event in followed.stream(types=("epoch", "end"))]
        thread.join()
    assert sorted(seen) == sorted((each.run, kind) for each in experiment.runs for kind in ("epoch", "end"))
    assert followed.is_over


def test_an_experiment_is_changed_extended_and_deleted(
    client: Client, experiment: ClientExperiment, worker: FakeWorker
) -> None:
    assert experiment.pause().record.request == "pause"
    assert experiment.resume().record.request is None
    assert experiment.change(name="new", priority=3).record.priority == 3
    with pytest.raises(Conflict):
        experiment.delete()
    train_all(worker, experiment)
    longer = experiment.extend(seeds=3, variants={"wet": {"dropout": 0.5}})
    assert [each.status for each in longer.runs].count("queued") == 5
    assert experiment.stop().is_over
    preview = experiment.delete(validate_only=True)
    assert (len(preview.runs), preview.bytes_freed) == (9, 0)
    assert experiment.delete().runs == preview.runs
    with pytest.raises(NotFound):
        experiment.refresh()
    other = client.ablate(RECIPE, seeds=1)
    assert other.cancel().status == "cancelled"
    assert other.wait() is other


def test_the_client_of_an_event_loop_has_the_same(service: RunningService) -> None:
    async def ask() -> None:
        async with AsyncClient(service.url) as client:
            experiment = await client.ablate(RECIPE, seeds=1)
            assert "await experiment.results()" in experiment._repr_html_()
            await experiment.results()
            assert "<svg" in experiment._repr_html_()
            assert [row.id async for row in client.experiments()] == [experiment.id]
            await experiment.cancel()
            assert (await experiment.wait()).status == "cancelled"

    asyncio.run(ask())


def test_a_lost_service_is_shown_in_a_notebook(experiment: ClientExperiment) -> None:
    experiment._async._connection.transport.http.close()  # type: ignore[union-attr]
    assert "the client was closed" in experiment._repr_html_()
