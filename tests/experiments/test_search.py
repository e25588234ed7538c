"""Searches: the trials that they create, end early and confirm, from what the trials before have reached."""

import math
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import optuna
import pytest

from bakehouse.experiments import search
from bakehouse.experiments.document import ExperimentDocument, Search
from bakehouse.experiments.search import (
    Advance,
    SearchQuestion,
    SearchUnavailable,
    Trial,
    advance,
    best_so_far,
    confirmation_seeds,
    early_ends,
    importances,
    rungs,
    search_seed,
    trial_seed,
)  # fmt: skip
from bakehouse.recipe.read import read_recipe

EPOCHS = 9
RECIPE = {"dataset": "digits", "architecture": "mlp", "epochs": EPOCHS}
SPACE = {
    "/optimizer/lr": {"type": "log_uniform", "low": 1e-4, "high": 0.3},
    "/dropout": {"type": "uniform", "low": 0, "high": 0.5},
    "/batch_size": {"type": "integer", "low": 16, "high": 256, "log": True},
    "/early_stopping": {"type": "integer", "low": 2, "high": 6},
    "/norm": {"type": "choice", "values": ["none", {"type": "group_norm", "num_groups": 8}, "batch_norm"]},
}
SAMPLERS = ["tpe", "random", "qmc"]


def ask(**design: Any) -> SearchQuestion:
    posted = {"type": "search", "space": SPACE, "trials": 24, **design}
    document = ExperimentDocument.model_validate({"recipe": RECIPE, "design": posted})
    recipe = read_recipe(RECIPE)
    assert isinstance(document.design, Search)
    return SearchQuestion(document.design, recipe, is_higher_better=True, seed=search_seed(document, recipe))


def accuracy(trial: Trial, epoch: int) -> float:
    """Returns a made-up accuracy: it rises with the epochs, and is best at a certain learning rate with a norm."""
    distance = abs(math.log(trial.parameters["/optimizer/lr"] / 0.01))
    noise = random.Random(f"{trial.number} {epoch}").gauss(0, 0.02)
    return float(1 - 0.1 * distance - 0.5 / epoch + 0.1 * trial.parameters["/norm"] + noise)


def fails(trial: Trial) -> bool:
    return trial.parameters["/optimizer/lr"] > 0.1


def run_search(question: SearchQuestion, looks: Iterable[int]) -> list[Trial]:
    """Carries out a search with one worker. `looks` are the epochs that pass from one call of `advance` to the next: a
    supervisor that was killed looks late."""
    trials: list[Trial] = []
    for epochs in looks:
        next_ = advance(question, trials, slots=1)
        if next_.done:
            return trials
        for new in next_.create:
            assert new.number == len(trials)
            trials.append(Trial(new.number, new.parameters, runs=(f"run_{new.number}",)))
        last = trials[-1]
        if last.status == "running":
            trials[-1] = trained_on(last, epochs, is_pruned=last.runs == next_.prune)
    raise AssertionError("the search has not ended")


def trained_on(trial: Trial, epochs: int, *, is_pruned: bool) -> Trial:
    end = min(EPOCHS, len(trial.values) + epochs)
    values = {epoch: accuracy(trial, epoch) for epoch in range(1, end + 1)}
    if fails(trial):
        return replace(trial, status="failed", values=values, runs=())
    if not is_pruned and end < EPOCHS:
        return replace(trial, values=values)
    return replace(trial, status="succeeded", value=max(values.values()), values=values, was_pruned=is_pruned, runs=())


@pytest.mark.parametrize("pruner", ["none", "successive_halving"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_is_killed_and_goes_on_tries_the_same_trials(sampler: str, pruner: str) -> None:
    question = ask(sampler=sampler, pruner=pruner)
    whole = run_search(question, [1] * 1000)
    chance = random.Random(7)
    late = run_search(question, (chance.choice([0, 1, 2, 5, EPOCHS]) for _ in range(1000)))
    assert [trial.parameters for trial in late] == [trial.parameters for trial in whole]
    assert len(whole) == question.design.trials
    assert {trial.status for trial in whole} == {"succeeded", "failed"}
    assert advance(question, late, slots=1) == advance(question, whole, slots=1)
    assert any(trial.was_pruned for trial in whole) == (pruner == "successive_halving")


def test_the_same_question_tries_the_same_points_and_another_one_others() -> None:
    points = [advance(question, [], slots=1).create[0].parameters for question in (ask(), ask(), ask(trials=25))]
    assert points[0] == points[1] != points[2]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_all_kinds_of_spaces_stay_inside_and_reach_their_ends(sampler: str) -> None:
    question = ask(sampler=sampler, trials=60)
    created = advance(question, [], slots=60).create
    assert len({str(new.parameters) for new in created}) == 60
    for new in created:
        recipe = read_recipe(new.recipe)
        assert 1e-4 <= recipe.optimizer.lr <= 0.3
        assert 16 <= recipe.batch_size <= 256
        assert 0 <= new.parameters["/dropout"] <= 0.5
    assert {new.parameters["/early_stopping"] for new in created} == {2, 3, 4, 5, 6}
    assert {new.parameters["/norm"] for new in created} == {0, 1, 2}
    assert {type(new.parameters["/batch_size"]) for new in created} == {int}
    # Half of the logarithms are below the middle, in which a uniform space has a hundredth.
    assert 15 <= sum(new.parameters["/optimizer/lr"] < 0.0055 for new in created) <= 45


def test_a_trial_whose_values_exclude_each_other_is_told_and_does_not_stop_the_search() -> None:
    space = {
        "/optimizer": {"type": "choice", "values": ["sgd", "adam"]},
        "/optimizer/betas": {"type": "choice", "values": [[0.9, 0.99], [0.8, 0.99]]},
    }
    [*created] = advance(ask(space=space), [], slots=12).create
    assert {new.parameters["/optimizer"] for new in created if new.recipe is None} == {0}
    assert {new.parameters["/optimizer"] for new in created if new.recipe is not None} == {1}
    [refused] = {new.problem.message for new in created if new.problem is not None}
    assert "the recipe has no /optimizer/betas" in refused


def test_as_many_trials_are_created_as_may_run_at_once() -> None:
    question = ask(trials=5)
    first = advance(question, [], slots=3).create
    assert [new.number for new in first] == [0, 1, 2]
    assert len({str(new.parameters) for new in first}) == 3
    trials = [Trial(new.number, new.parameters) for new in first]
    assert advance(question, trials, slots=3) == Advance()
    trials[1] = replace(trials[1], status="failed")
    assert [new.number for new in advance(question, trials, slots=10).create] == [3, 4]


@pytest.mark.parametrize("is_higher_better", [True, False])
def test_trials_end_early_where_the_pruner_of_optuna_ends_them(is_higher_better: bool) -> None:
    question = replace(ask(pruner="successive_halving", trials=100), is_higher_better=is_higher_better)
    chance = random.Random(3)
    values = [[chance.choice([chance.random(), 0.5, math.nan]) for _ in range(EPOCHS)] for _ in range(100)]
    trials = [Trial(number, {}, "succeeded", 0.0, dict(enumerate(row, start=1))) for number, row in enumerate(values)]
    study = optuna.create_study(
        direction="maximize" if is_higher_better else "minimize",
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    )
    expected = {number: epoch for number, row in enumerate(values) if (epoch := end_by_optuna(study, row))}
    assert early_ends(question, trials) == expected
    assert set(expected.values()) == {1, 3}


def end_by_optuna(study: optuna.Study, values: Sequence[float]) -> int | None:
    trial = study.ask()
    for epoch, value in enumerate(values[:-1], start=1):
        trial.report(value, epoch)
        if trial.should_prune():
            return epoch
    return None


def test_trials_are_compared_after_a_ninth_and_a_third_of_the_epochs() -> None:
    assert [rungs(epochs) for epochs in (1, 2, 9, 50, 100)] == [[], [1], [1, 3], [5, 15, 45], [11, 33, 99]]


def test_runs_that_others_are_ahead_of_are_ended_and_those_without_the_epoch_are_not() -> None:
    question = ask(pruner="successive_halving", trials=4)
    point = advance(question, [], slots=1).create[0].parameters
    trials = [
        Trial(0, point, values={1: 0.5, 2: 0.1}, runs=("run_a",)),
        Trial(1, point, values={1: 0.4}, runs=("run_b", "run_c")),
        Trial(2, point, runs=("run_d",)),
        Trial(3, point, values={1: 0.6}, runs=("run_e",)),
    ]
    assert advance(question, trials, slots=4) == Advance(prune=("run_b", "run_c"))
    assert advance(ask(trials=4), trials, slots=4) == Advance()


def test_the_best_whole_trials_are_confirmed_with_seeds_that_the_search_has_not_seen() -> None:
    question = ask(trials=6, confirm={"top": 3, "seeds": 4})
    values = [0.7, 0.9, math.nan, 0.9, 0.8, None]
    points = [new.parameters for new in advance(question, [], slots=6).create]
    trials = [
        Trial(number, points[number], "failed" if value is None else "succeeded", value)
        for number, value in enumerate(values)
    ]
    assert advance(question, trials, slots=1) == Advance(confirm=(1, 3, 4), done=True)
    trials[1] = replace(trials[1], was_pruned=True, values={1: 0.9})
    pruning = replace(question, design=question.design.model_copy(update={"pruner": "successive_halving"}))
    assert advance(pruning, trials, slots=1) == Advance(confirm=(3, 4, 0), done=True)
    assert advance(replace(question, is_higher_better=False), trials, slots=1).confirm[0] == 0
    assert best_so_far(question, trials) == [(0, 0.7), (1, 0.9)]
    assert confirmation_seeds([1, 3, 70], 4) == [0, 2, 4, 5]


def test_a_recipe_that_was_tried_twice_is_confirmed_once_and_the_recipe_itself_not_as_a_winner() -> None:
    norms = ["none", "batch_norm", {"type": "batch_norm"}, "layer_norm", "group_norm"]
    space = {"/norm": {"type": "choice", "values": norms}}
    question = ask(space=space, trials=7, confirm={"top": 4})
    assert question.recipe.norm.type == "none"
    tried = [3, 0, 3, 1, 2, 0, 4]
    values = [0.6, 0.9, 0.7, 0.5, 0.5, 0.9, None]
    trials = [
        Trial(number, {"/norm": norm}, "failed" if value is None else "succeeded", value)
        for number, (norm, value) in enumerate(zip(tried, values, strict=True))
    ]
    assert advance(question, trials, slots=1).confirm == (0, 3)
    trials[0] = replace(trials[0], status="failed", value=None)
    assert advance(question, trials, slots=1).confirm == (2, 3)
    only_itself = [Trial(number, {"/norm": 0}, "succeeded", 0.9) for number in range(7)]
    assert advance(question, only_itself, slots=1) == Advance(done=True)


def test_a_search_without_a_trial_that_succeeds_confirms_nothing() -> None:
    question = ask(trials=2, confirm={"top": 3})
    failed = [Trial(number, {}, "failed") for number in range(2)]
    assert advance(question, failed, slots=1) == Advance(done=True)
    assert importances(question, failed) == {}


def test_importances_need_no_further_package_and_find_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without it Optuna loads in a second instead of ten.
    monkeypatch.setitem(sys.modules, "sklearn", None)
    question = ask(sampler="random", trials=60)
    trials = [
        Trial(new.number, new.parameters, "succeeded", accuracy(Trial(0, new.parameters), EPOCHS))
        for new in advance(question, [], slots=60).create
    ]
    found = importances(question, trials)
    assert set(found) == set(SPACE)
    assert next(iter(found)) == "/optimizer/lr"
    assert sum(found.values()) == pytest.approx(1)
    assert importances(question, trials[:9]) == {}


def test_a_search_says_what_to_install_if_optuna_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bakehouse.experiments.sampling", None)
    with pytest.raises(SearchUnavailable, match=r"bakehouse\[search\]"):
        search.advance(ask(), [], slots=1)


def test_each_trial_has_a_seed_of_its_own() -> None:
    assert len({trial_seed(seed, number) for seed in range(3) for number in range(100)}) == 300
