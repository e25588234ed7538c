"""`bakehouse compare` without groups."""

import json
from typing import Any

import pytest

from bakehouse.cli.comparing import comparison_as_json, comparison_table, rank, ranking_metric, warn_about_data
from tests.cli.examples import a_run

LOSS = "validation_loss"
ACCURACY = "validation_accuracy"


def test_the_best_run_is_first_and_runs_without_a_best_epoch_are_last() -> None:
    runs = [a_run("queued"), a_run("worse", best={LOSS: 0.5}), a_run("better", best={LOSS: 0.4})]
    assert [run.id for run in rank(runs, LOSS)] == ["better", "worse", "queued"]


def test_a_higher_accuracy_is_better() -> None:
    runs = [a_run("worse", best={ACCURACY: 0.5}), a_run("better", best={ACCURACY: 0.6})]
    assert [run.id for run in rank(runs, ACCURACY)] == ["better", "worse"]


def test_a_metric_that_is_not_finite_is_no_best() -> None:
    runs = [a_run("lost", best={LOSS: None}), a_run("found", best={LOSS: 3.0})]
    assert [run.id for run in rank(runs, LOSS)] == ["found", "lost"]


@pytest.mark.parametrize(
    ("first", "second", "metric"),
    [
        ({}, {}, LOSS),
        ({"evaluation": ACCURACY}, {"evaluation": ACCURACY}, ACCURACY),
        ({"evaluation": ACCURACY}, {}, ACCURACY),
        ({"objective": "squared_error"}, {"objective": "cross_entropy"}, ACCURACY),
    ],
)
def test_different_losses_are_not_ranked_by_loss(first: dict[str, Any], second: dict[str, Any], metric: str) -> None:
    best: dict[str, float | None] = {LOSS: 0.4, ACCURACY: 0.9}
    assert ranking_metric([a_run(**first, best=best), a_run(**second, best=best), a_run()]) == metric


def test_the_table_has_fields_that_differ_and_metrics_of_the_best_epoch() -> None:
    first = a_run("run_1", norm="batch_norm", best={LOSS: 0.4, ACCURACY: 0.9, "test_accuracy": 0.8, "train_loss": 0.1})
    second = a_run("run_2", status="queued")
    lines = [line.split() for line in comparison_table([first, second], LOSS).splitlines()]
    assert lines[0] == ["RUN", "NORM", "STATUS", "BEST", "VAL", "LOSS", "VAL", "ACC", "TEST", "ACC", "TIME"]
    assert lines[1][:7] == ["run_1", "batch_norm", "succeeded", "e2", "0.4", "90.0%", "80.0%"]
    assert lines[2][:7] == ["run_2", "none", "queued", "-", "-", "-", "-"]


def test_names_have_a_column_if_there_are_any() -> None:
    assert "NAME" in comparison_table([a_run(name="plain"), a_run()], LOSS)
    assert "NAME" not in comparison_table([a_run()], LOSS)


def test_json_has_the_values_of_the_fields_that_differ() -> None:
    document = json.loads(comparison_as_json([a_run("a", norm="batch_norm", best={LOSS: 0.4}), a_run("b")], LOSS, None))
    assert document["sorted_by"] == LOSS
    assert [item["fields"] for item in document["data"]] == [{"norm": "batch_norm"}, {"norm": "none"}]
    assert [item["best"] and item["best"]["metrics"] for item in document["data"]] == [{LOSS: 0.4}, None]


def test_runs_of_several_data_sets_are_compared_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    warn_about_data([a_run(), a_run()])
    assert capsys.readouterr().err == ""
    warn_about_data([a_run(), a_run(dataset="iris")])
    assert "digits, iris" in capsys.readouterr().err
