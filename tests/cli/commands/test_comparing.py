"""`bakehouse diff` and `bakehouse compare`."""

import json

import pytest
from typer.testing import CliRunner, Result

from bakehouse.cli.main import app
from bakehouse.client import Client, ClientRun
from tests.fake_worker import FakeWorker

RECIPE = {"dataset": "digits", "architecture": "mlp", "epochs": 3}


def bakehouse(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def runs(client: Client, worker: FakeWorker) -> list[ClientRun]:
    """Two seeds with and two without batch norm, and a queued run."""
    losses = {("none", 0): 0.5, ("none", 1): 0.7, ("batch_norm", 0): 0.2, ("batch_norm", 1): 0.4}
    submitted = []
    for (norm, seed), loss in losses.items():
        run = client.submit({**RECIPE, "norm": norm, "seed": seed}, labels={"study": "norms"})
        worker.train(run.id, [loss])
        submitted.append(run)
    return [*submitted, client.submit({**RECIPE, "dataset": "iris"}, labels={"study": "other"})]


def test_two_runs_differ_in_a_few_fields(runs: list[ClientRun]) -> None:
    result = bakehouse("diff", runs[0].id, runs[2].id)
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()}
    assert rows["FIELD"] == [runs[0].id, runs[2].id]
    assert rows["norm"] == ["none", "batch_norm"]
    assert rows["best.validation_loss"] == ["0.5", "0.2"]
    assert "seed" not in rows
    document = json.loads(bakehouse("diff", runs[0].id, runs[2].id, "--json").stdout)
    assert document["recipe"] == {"norm": ["none", "batch_norm"]}


def test_equal_recipes_are_reported(runs: list[ClientRun]) -> None:
    assert "the recipes do not differ" in bakehouse("diff", runs[0].id, runs[0].id).stderr


def test_runs_are_compared_by_id_label_or_filter(runs: list[ClientRun]) -> None:
    by_label = bakehouse("compare", "--label", "study:norms").stdout
    assert [line.split()[0] for line in by_label.splitlines()[1:]] == [runs[i].id for i in (2, 3, 0, 1)]
    by_id = bakehouse("compare", runs[0].id, runs[2].id, runs[0].id).stdout
    assert [line.split()[0] for line in by_id.splitlines()[1:]] == [runs[2].id, runs[0].id]
    by_filter = bakehouse("compare", "--status", "succeeded", "--dataset", "digits", "--json").stdout
    assert [run["id"] for run in json.loads(by_filter)["data"]] == [runs[i].id for i in (2, 3, 0, 1)]
    picked = bakehouse("compare", runs[0].id, "--fields", "id,best.epoch").stdout
    assert json.loads(picked)["data"] == [{"id": runs[0].id, "best": {"epoch": 1}}]
    everything = bakehouse("compare")
    assert len(everything.stdout.splitlines()) == 6
    assert "several data sets" in everything.stderr


def test_groups_have_mean_and_standard_deviation_over_the_seeds(runs: list[ClientRun]) -> None:
    result = bakehouse("compare", "--label", "study:norms", "--group-by", "norm")
    assert [line.split()[:5] for line in result.stdout.splitlines()[1:]] == [
        ["batch_norm", "2", "0.3", "±", "0.14"],
        ["none", "2", "0.6", "±", "0.14"],
    ]
    grouped = bakehouse("compare", "--label", "study:norms", "--group-by", "norm,seed", "--json")
    assert [group["n"] for group in json.loads(grouped.stdout)["data"]] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["compare", "ID", "--label", "a:b"], 2, "not both"),
        (["compare", "--label", "a"], 2, "key:value"),
        (["compare", "ID", "--group-by", "norn"], 2, "did you mean norm"),
        (["compare", "run_222222222222"], 2, "bakehouse ls"),
        (["diff", "ID", "run_222222222222"], 2, "bakehouse ls"),
        (["diff", "ID"], 2, "Missing argument"),
        (["compare", "--label", "no:such"], 0, "no run matches"),
    ],
)
def test_mistakes_have_an_exit_code_and_a_message(
    finished: ClientRun, arguments: list[str], code: int, words: str
) -> None:
    result = bakehouse(*(finished.id if each == "ID" else each for each in arguments))
    assert result.exit_code == code, result.output
    assert words in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_no_runs_are_an_empty_list_in_json() -> None:
    assert json.loads(bakehouse("compare", "--json").stdout)["data"] == []
