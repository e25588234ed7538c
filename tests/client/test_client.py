"""The client submits, lists, controls and compares runs of the real service."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import bakehouse
from bakehouse import AsyncClient, Client
from bakehouse.client import Conflict, NotFound, RecipeRefused, RunTimeout
from bakehouse.recipe.problems import MalformedJson, RecipeInvalid
from bakehouse.version import VERSION
from tests.fake_worker import FakeWorker
from tests.runs.examples import a_run
from tests.scripted_server import Script

RECIPE = {"dataset": "digits", "architecture": "mlp"}


def test_a_recipe_is_submitted_from_a_dict_and_from_a_file(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(RECIPE | {"labels": {"a": "1"}}))
    runs = [client.submit(RECIPE), client.submit(file, name="mine", labels={"b": "2"}), client.submit(str(file))]
    assert [run.name for run in runs] == [None, "mine", None]
    assert [run.record.labels for run in runs] == [{}, {"a": "1", "b": "2"}, {"a": "1"}]
    assert {run.status for run in runs} == {"queued"}
    assert len({run.record.recipe_sha256 for run in runs}) == 1


def test_an_invalid_recipe_is_refused_with_pointers(client: Client, tmp_path: Path) -> None:
    with pytest.raises(RecipeRefused) as caught:
        client.submit({**RECIPE, "norm": "batchnorm"})
    assert [(problem.pointer, problem.code) for problem in caught.value.errors] == [("/norm", "unknown_variant")]
    assert caught.value.request_id
    assert "/norm  unknown variant 'batchnorm'" in str(caught.value)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(MalformedJson):
        client.submit(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(RecipeInvalid):
        client.submit(tmp_path / "list.json")


def test_validating_stores_nothing(client: Client) -> None:
    found = client.validate({**RECIPE, "norm": "batch_norm", "dropout": 0.5})
    assert found["recipe"]["norm"]["type"] == "batch_norm"
    assert found["estimate"]["parameters"] > 0
    assert list(client.runs()) == []
    with pytest.raises(RecipeRefused):
        client.validate({})


def test_all_pages_are_requested_and_filters_are_sent(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.client.async_client.PAGE_SIZE", 2)
    ids = [client.submit(RECIPE, labels={"odd": str(index % 2)}).id for index in range(5)]
    client.run(ids[0]).cancel()
    assert [run.id for run in client.runs()] == ids[::-1]
    assert [run.id for run in client.runs(labels={"odd": "0"})] == [ids[4], ids[2], ids[0]]
    assert [run.id for run in client.runs(status="cancelled")] == ids[:1]
    assert list(client.runs(dataset="iris")) == []
    assert [row.id for row in client.brief_runs(labels={"odd": "0"})] == [ids[4], ids[2], ids[0]]
    assert [(row.status, row.architecture) for row in client.brief_runs(status="cancelled")] == [("cancelled", "mlp")]


def test_data_sets_and_workers_are_listed(client: Client) -> None:
    assert "digits" in [listing.id for listing in client.datasets()]
    assert client.dataset("digits").status == "ready"
    with pytest.raises(NotFound):
        client.dataset("missing")
    assert client.workers() == []


def test_requests_change_the_state_or_are_refused(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    assert run.pause().status == "paused"
    assert run.resume().status == "queued"
    worker.claim(run.id)
    assert run.stop().record.request == "stop"
    assert run.cancel().record.request == "cancel"
    with pytest.raises(Conflict, match="cannot be paused"):
        run.pause()
    worker.cancel(run.id)
    assert run.refresh().is_over
    again = run.retry()
    assert (again.record.parent_run, again.status) == (run.id, "queued")


def test_waiting_ends_with_the_run_or_at_the_timeout(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    with pytest.raises(RunTimeout, match=run.id):
        run.wait(timeout=0.1)
    worker.train(run.id, [0.5, 0.4])
    finished = run.wait(timeout=30)
    assert finished.status == "succeeded"
    assert finished.best is not None
    assert finished.best.value == 0.4


def test_the_history_and_the_checkpoints_of_a_run_are_listed(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    assert run.history() == []
    worker.train(run.id, [0.5, 0.4], weights=b"best")
    assert [(row["epoch"], row["validation_loss"]) for row in run.history()] == [(1, 0.5), (2, 0.4)]
    assert [item.sha256 for item in run.checkpoints()] == [hashlib.sha256(b"best").hexdigest()]


def test_a_comparison_shows_only_fields_that_differ(client: Client, worker: FakeWorker) -> None:
    plain, normed = client.submit(RECIPE, name="plain"), client.submit({**RECIPE, "norm": "layer_norm"})
    worker.train(plain.id, [0.5])
    worker.train(normed.id, [0.4, 0.3])
    rows = client.compare([plain, normed.id])
    assert [row["norm.type"] for row in rows] == ["none", "layer_norm"]
    assert [row["validation_loss"] for row in rows] == [0.5, 0.3]
    assert not any(name.startswith("optimizer") for row in rows for name in row)


def test_a_notebook_shows_the_curve(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE, name="<script>")
    assert "no epoch is complete" in run._repr_html_()
    worker.train(run.id, [0.5, 0.4, 0.6])
    shown = run.refresh()._repr_html_()
    assert shown.count("<polyline") == 2
    assert "<th>best epoch 2</th><td>0.4</td>" in shown
    assert "<script" not in shown
    assert "http" not in shown


def test_a_notebook_shows_a_run_whose_service_has_gone(script: Script) -> None:
    server = script([(200, {}, a_run().model_dump_json()), (404, {}, "")])
    with Client(server.url) as client:
        assert "the service answered 404" in client.run("x")._repr_html_()


def test_runs_and_clients_are_shown_in_one_line(client: Client, worker: FakeWorker) -> None:
    assert repr(client) == f"Client({client.url}, bakehouse {VERSION})"
    run = client.submit(RECIPE, name="two\nlines")
    assert repr(run) == f"ClientRun({run.id} 'two\\nlines', queued, epoch 0 of 50)"
    worker.train(run.id, [0.5, 0.4])
    assert repr(run.refresh()).endswith("succeeded, epoch 2 of 50, best epoch 2: validation_loss 0.4)")


def test_a_client_of_another_version_of_the_service_names_both(script: Script) -> None:
    server = script([(200, {"Bakehouse-Version": "9.0.0"}, a_run().model_dump_json())])
    with Client(server.url) as client:
        client.run("x")
        assert repr(client) == f"Client({server.url}, bakehouse {VERSION}, service 9.0.0)"


def test_a_fork_starts_with_the_weights_of_the_run(client: Client, worker: FakeWorker) -> None:
    run = client.submit(RECIPE)
    with pytest.raises(Conflict):
        run.fork({})
    worker.train(run.id, [0.5])
    fork = run.fork({"optimizer": {"lr": 1e-4}})
    assert (fork.record.parent_run, fork.record.reason) == (run.id, "forked")
    assert fork.record.plain_recipe["optimizer"]["lr"] == 1e-4
    assert fork.record.plain_recipe["pretraining"]["type"] == "transfer"


def test_the_history_is_a_data_frame_if_pandas_is_asked_for(
    client: Client, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = client.submit(RECIPE)
    worker.train(run.id, [0.5, 0.4])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pandas"):
        run.history(pandas=True)
    # pandas is no dependency; this class has the part of it that the client uses.
    frame = type("DataFrame", (list,), {})
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=frame))
    found = run.history(pandas=True)
    assert type(found) is frame
    assert found == run.history()


def test_the_log_of_a_run_is_text(script: Script) -> None:
    server = script([(200, {}, a_run().model_dump_json()), (200, {"Content-Type": "text/plain"}, "trained\n")])
    with Client(server.url) as client:
        run = client.run("x")
        assert run.log() == "trained\n"
    assert server.requests[1][0] == f"/v1/runs/{run.id}/log"


def test_an_unknown_run_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="run_22"):
        client.run("run_222222222222")


def test_the_package_lists_both_clients_and_its_version() -> None:
    assert {"AsyncClient", "Client", "__version__"} <= set(dir(bakehouse))
    assert bakehouse.__version__ == VERSION
    assert (bakehouse.AsyncClient, bakehouse.Client) == (AsyncClient, Client)


def test_the_client_is_imported_only_when_it_is_used() -> None:
    program = "import sys, bakehouse, bakehouse.model; assert 'httpx' not in sys.modules; bakehouse.Client"
    subprocess.run([sys.executable, "-c", program], check=True)
