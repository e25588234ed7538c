"""The table of an answer, as `bakehouse experiment results` prints it."""

from dataclasses import replace

import pytest

from bakehouse.cli.experiments.answer import print_answer
from bakehouse.experiments.answer import SearchAnswer
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion
from bakehouse.experiments.results import compute_results
from tests.experiments.measured_arms import an_ensemble, ask, factorial_of, runs_of


def test_ensembles_are_listed_beside_the_arms(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"plain": (0.98, 0.97, 0.99), "bn": (0.95, 0.94, None)}
    results = compute_results(ask(values), runs_of(values))
    print_answer(results.model_copy(update={"ensembles": (an_ensemble("plain"),)}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == "3 runs of plain as one model, geometric mean\t1\t-\t99.4 %\t-\t-\t-\t-\tensemble"
    assert "It is one model." in lines
    print_answer(results.model_copy(update={"baseline": None, "ensembles": (an_ensemble("plain"),)}))
    assert "\t99.4 %\t-\tensemble\n" in capsys.readouterr().out


def test_a_search_lists_its_trials_and_below_them_how_the_confirmed_ones_compare_with_the_recipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = {"trial 0": [0.99], "trial 1": [0.9], "recipe": (0.8, 0.81, 0.79), "trial 0 confirmed": (0.9, 0.92, 0.89)}
    arms = tuple(ArmFacts(name, {"/optimizer/lr": 0.1}, is_trial=name in ("trial 0", "trial 1")) for name in values)
    question = ComparisonQuestion("exp_1", "finished", "search", "validation_accuracy", "recipe", arms)
    runs = [replace(run, reason="pruned") if run.arm == "trial 1" else run for run in runs_of(values)]
    results = compute_results(question, runs)
    print_answer(results.model_copy(update={"search": SearchAnswer(best_so_far=(), importances=None)}))
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["ARM", "N", "VAL ACC", "95 % INTERVAL", "DIFFERS IN"]
    assert lines[1:3] == [
        ["trial 0", "1", "99.0 %", "-", "lr=0.1"],
        ["trial 1 (pruned)", "1", "90.0 %", "-", "lr=0.1"],
    ]
    assert [line[0] for line in lines[4:7]] == ["ARM", "recipe", "trial 0 confirmed"]
    assert (lines[5][-1], lines[6][-1]) == ("baseline", "better")


def test_a_factorial_lists_its_effects(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"none of them": (0.7, 0.71), "b": (0.8, 0.82), "a": (0.75, 0.76), "a + b": (0.9, 0.91)}
    print_answer(compute_results(factorial_of(values, ("a", "b")), runs_of(values)))
    found = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert found[7:10] == [["a", "main"], ["b", "main"], ["a with b", "interaction"]]
