"""What other early stopping would have done to the runs of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from scipy import stats

from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion
from bakehouse.experiments.what_if import ExperimentWhatIf, what_if_of_experiment
from bakehouse.what_if import MeasuredCurve, MeasuredEpoch, WhatIf, what_if
from bakehouse.what_if_question import read_question

Losses = Sequence[float | None]
METRIC = "validation_accuracy"
QUESTION = ComparisonQuestion(
    "exp_1", "finished", "variants", METRIC, "plain", (ArmFacts("plain"), ArmFacts("dropout")), folds=None
)
# Patience 1 stops each run after three epochs, and its best epoch is the first.
PLAIN = ([0.5, 0.6, 0.4, 0.3], [0.5, 0.6, 0.7, 0.8], [0.5, 0.9, 0.3, 0.35])
DROPOUT = ([0.6, 0.7, 0.5, 0.2], [0.4, 0.5, 0.6, 0.7])


def answer_of(losses: Losses, *settings: object, epochs: int = 4, monitor: str = "validation_loss") -> WhatIf:
    measured = [
        MeasuredEpoch(epoch, 2.0, {"train_loss": 1.0, monitor: loss, METRIC: None if loss is None else 1 - loss})
        for epoch, loss in enumerate(losses, start=1)
    ]
    question = read_question({"early_stopping": list(settings)}, monitor=monitor)
    return what_if("run_222222222222", MeasuredCurve(monitor, epochs, measured), question.early_stopping)


def ask(
    arms: Mapping[str, Sequence[Losses]], *settings: object, question: ComparisonQuestion = QUESTION, epochs: int = 4
) -> ExperimentWhatIf:
    found = {name: [answer_of(losses, *settings, epochs=epochs) for losses in runs] for name, runs in arms.items()}
    return what_if_of_experiment(question, found)


def test_each_arm_and_all_runs_together_have_means_with_intervals() -> None:
    found = ask({"plain": PLAIN, "dropout": DROPOUT}, 1, 3)
    plain, dropout = found.arms
    assert (plain.runs, dropout.runs, found.runs) == (3, 2, 5)
    first = plain.answers[0]
    assert (first.name, first.runs, first.stops, first.undecided, first.failing) == ("patience 1", 3, 3, 0, 0)
    assert (first.epochs, first.epochs_saved, first.seconds_saved) == (12, 6, 12.0)
    assert first.stop_epoch is not None
    assert (first.stop_epoch.n, first.stop_epoch.mean, first.stop_epoch.interval) == (3, 2.0, None)
    assert first.value is not None
    assert first.value.mean == pytest.approx(0.5)
    lost = [0.2, 0.0, 0.2]
    assert first.lost is not None
    assert first.lost.mean == pytest.approx(sum(lost) / 3)
    assert first.lost.interval == pytest.approx(stats.t.interval(0.95, 2, sum(lost) / 3, stats.sem(lost)))
    both = found.answers[0]
    assert (both.runs, both.epochs, both.epochs_saved, both.value) == (5, 20, 10, None)
    assert both.lost is not None
    assert both.lost.mean == pytest.approx((0.2 + 0.2 + 0.4) / 5)
    # Patience 3 loses nothing, but saves nothing either.
    assert found.answers[1].sentence == (
        "patience 3 would have stopped 2 of 5 runs, saved 0 of 20 epochs and lost nothing"
    )
    assert found.sentence == both.sentence
    assert first.sentence == (
        "patience 1 would have stopped 3 of 3 runs, saved 6 of 12 epochs and lost 0.13 of validation_loss on average "
        "(-0.15 to 0.42)"
    )


def test_a_setting_that_is_undecided_in_one_run_has_no_mean() -> None:
    found = ask({"plain": PLAIN, "dropout": DROPOUT}, 1, 3, epochs=5)
    assert found.answers[0].undecided == 0
    three = found.answers[1]
    assert (three.stops, three.undecided, three.lost, three.stop_epoch, three.epochs_saved) == (2, 3, None, None, None)
    assert three.sentence == "patience 3 is undecided in 3 of 5 runs"
    assert found.sentence.startswith("patience 1 would have stopped 5 of 5 runs")


def test_a_run_without_a_finite_monitor_is_counted_and_left_out_of_means() -> None:
    found = ask({"plain": [PLAIN[0], [None] * 4], "dropout": []}, 1)
    [answer] = found.arms[0].answers
    assert (answer.failing, answer.lost and answer.lost.n, answer.stop_epoch and answer.stop_epoch.n) == (1, 1, 2)
    assert answer.sentence.endswith("and failed in 1, whose validation_loss was not finite")
    assert found.arms[1].answers == ()


def test_losses_of_different_objectives_are_not_averaged_over_arms() -> None:
    plain, dropout = (replace(arm, monitor="validation_loss", objective=arm.name) for arm in QUESTION.arms)
    found = ask({"plain": PLAIN, "dropout": DROPOUT}, 1, question=replace(QUESTION, arms=(plain, dropout)))
    assert "different scales" in str(found.not_averaged)
    assert found.answers[0].lost is None
    assert found.sentence == "patience 1 would have stopped 5 of 5 runs and saved 10 of 20 epochs"
    assert found.arms[0].answers[0].lost is not None


def test_a_setting_that_stops_no_run_says_so() -> None:
    found = ask({"plain": PLAIN, "dropout": DROPOUT}, 9, "none")
    assert found.sentence == "patience 9 would have stopped none of 5 runs and lost nothing"


def test_an_experiment_without_a_complete_epoch_has_no_answer() -> None:
    found = ask({}, 1)
    assert (found.runs, found.answers, found.sentence) == (0, (), "no run has a complete epoch")


def test_the_interval_of_a_cross_validation_is_wider() -> None:
    arms = {"plain": PLAIN, "dropout": DROPOUT}
    narrow, wide = (
        ask(arms, 1, question=replace(QUESTION, folds=folds)).arms[0].answers[0].lost for folds in (None, 3)
    )
    assert narrow is not None
    assert wide is not None
    assert narrow.interval is not None
    assert wide.interval is not None
    assert wide.mean == narrow.mean
    assert wide.interval[1] > narrow.interval[1]
