"""The table of an answer, as `bakehouse experiment results` prints it."""

import pytest

from bakehouse.cli.experiments.answer import print_answer
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


def test_a_factorial_lists_its_effects(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"none of them": (0.7, 0.71), "b": (0.8, 0.82), "a": (0.75, 0.76), "a + b": (0.9, 0.91)}
    print_answer(compute_results(factorial_of(values, ("a", "b")), runs_of(values)))
    found = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    assert found[7:10] == [["a", "main"], ["b", "main"], ["a with b", "interaction"]]
