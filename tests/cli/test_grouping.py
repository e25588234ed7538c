"""`bakehouse compare --group-by`."""

import json
from statistics import fmean, stdev

import pytest
import typer

from bakehouse.cli.grouping import explain_spread, group_runs, groups_as_json, groups_table
from bakehouse.runs.run import Run
from tests.cli.examples import a_run

LOSS = "validation_loss"
LOSSES = {"none": [0.5, 0.6, 0.7], "batch_norm": [0.3, 0.4, 0.2]}


@pytest.fixture
def runs() -> list[Run]:
    return [
        a_run(f"run_{norm}_{seed}", norm=norm, seed=seed, best={LOSS: loss, "test_accuracy": 1 - loss})
        for norm, losses in LOSSES.items()
        for seed, loss in enumerate(losses)
    ]


def test_groups_have_mean_standard_deviation_and_n(runs: list[Run]) -> None:
    data = json.loads(groups_as_json(group_runs(runs, ["norm"], LOSS), LOSS, None))["data"]
    assert [group["fields"] for group in data] == [{"norm": "batch_norm"}, {"norm": "none"}]
    for group in data:
        losses = LOSSES[group["fields"]["norm"]]
        spread = {"mean": fmean(losses), "standard_deviation": stdev(losses), "n": 3}
        assert group["metrics"][LOSS] == spread
        assert group["seeds"] == [0, 1, 2]
        assert len(group["runs"]) == 3


def test_the_table_has_the_best_group_first(runs: list[Run]) -> None:
    lines = groups_table(group_runs(runs, ["norm"], LOSS), LOSS).splitlines()
    assert lines[0].split() == ["NORM", "N", "VAL", "LOSS", "TEST", "ACC"]
    assert lines[1].split() == ["batch_norm", "3", "0.3", "±", "0.1", "70.00%", "±", "10.00"]
    assert lines[2].split()[0] == "none"


def test_one_run_has_no_standard_deviation(runs: list[Run]) -> None:
    [group, _] = group_runs([runs[0], runs[3]], ["norm"], LOSS)
    assert groups_table([group], LOSS).splitlines()[1].split() == ["batch_norm", "1", "0.3", "70.00%"]


def test_the_spread_is_explained_unless_each_group_has_one_run(
    runs: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    explain_spread(group_runs(runs, ["norm", "seed"], LOSS))
    alone = capsys.readouterr().err
    explain_spread(group_runs(runs, ["norm"], LOSS))
    assert ("standard deviation" in alone, "standard deviation" in capsys.readouterr().err) == (False, True)


def test_several_fields_make_a_group_for_each_combination(runs: list[Run]) -> None:
    runs = [*runs, a_run("dropout", norm="none", dropout=0.5, best={LOSS: 0.1})]
    groups = group_runs(runs, ["norm", "dropout.rate"], LOSS)
    assert [group.fields for group in groups] == [
        {"norm": "none", "dropout.rate": 0.5},
        {"norm": "batch_norm", "dropout.rate": None},
        {"norm": "none", "dropout.rate": None},
    ]


def test_runs_that_did_not_succeed_do_not_count(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    [group] = group_runs([*runs[:3], a_run("x", status="cancelled", best={LOSS: 9.0})], ["norm"], LOSS)
    assert len(group.runs) == 3
    assert "1 run not counted: not succeeded" in capsys.readouterr().err


def test_a_repetition_with_the_same_seed_does_not_count(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    again = runs[0].model_copy(update={"id": "run_again"})
    [group] = group_runs([*runs[:3], again], ["norm"], LOSS)
    assert len(group.runs) == 3
    assert "1 run not counted: same recipe and seed" in capsys.readouterr().err


def test_a_group_that_mixes_recipes_gets_a_warning(runs: list[Run], capsys: pytest.CaptureFixture[str]) -> None:
    group_runs(runs, ["norm"], LOSS)
    assert capsys.readouterr().err == ""
    group_runs([*runs, a_run("y", norm="none", epochs=7, best={LOSS: 0.4})], ["norm"], LOSS)
    assert "norm=none mixes runs that differ in epochs" in capsys.readouterr().err


def test_an_unknown_field_is_refused_with_the_nearest_one(runs: list[Run]) -> None:
    with pytest.raises(typer.BadParameter, match=r"did you mean optimizer\.lr"):
        group_runs(runs, ["optimizer.lrr"], LOSS)
