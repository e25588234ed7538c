"""Pools what other early stopping would have done to the runs of an experiment. All functions are pure."""

import math
from collections.abc import Iterator, Mapping, Sequence

from bakehouse.experiments.fairness import objective_problem
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion
from bakehouse.experiments.statistics import Interval, is_usable, summarize
from bakehouse.model import JsonObject, Model
from bakehouse.plurals import count_of
from bakehouse.what_if import WhatIf, WhatIfAnswer


class Mean(Model):
    """A mean over runs."""

    n: int
    """The number of runs with a value."""
    mean: float
    interval: Interval | None
    """The 95 % interval by Student's t; null of one value, and of values that are all equal."""


class PooledAnswer(Model):
    """What several runs would have been with another setting of early stopping."""

    early_stopping: JsonObject
    """The setting as in a canonical recipe: every default is filled in."""
    name: str
    """The setting in words, such as `patience 5`."""
    runs: int
    """The number of runs."""
    epochs: int
    """The number of measured epochs of these runs."""
    stops: int
    """The number of runs that the criterion ends, be it at their last epoch."""
    undecided: int
    """The number of runs that end, or have come only so far, before the criterion decides. If there is any, all fields
    below are null, because the other runs are those that stop soon."""
    failing: int | None = None
    """The number of runs that would have failed, because their monitor is finite in no epoch up to the last one. They
    are left out of `lost` and `value`."""
    stop_epoch: Mean | None = None
    """The last epoch that would have been trained."""
    epochs_saved: int | None = None
    """The number of measured epochs of all runs after their `stop_epoch`."""
    seconds_saved: float | None = None
    """Time that these epochs took, in seconds."""
    lost: Mean | None = None
    """By how much the monitor at the best epoch is worse than at the best of all measured epochs of a run. Null if the
    monitors of the runs cannot be averaged."""
    value: Mean | None = None
    """The metric of the experiment at the best epochs. Null of several arms."""
    sentence: str
    """The answer in words."""


class ArmWhatIf(Model):
    """The answers for the runs of one arm."""

    name: str
    runs: int
    """The number of runs with a complete epoch."""
    answers: tuple[PooledAnswer, ...]
    """The answer to each setting, in the order of the question; none without runs."""


class ExperimentWhatIf(Model):
    """The answers for an experiment."""

    experiment: str
    metric: str
    runs: int
    """The number of runs with a complete epoch; the others are left out."""
    answers: tuple[PooledAnswer, ...]
    """The answer to each setting over the runs of all arms."""
    arms: tuple[ArmWhatIf, ...]
    not_averaged: str | None = None
    """Why `lost` has no mean over all arms, as human-readable text."""
    sentence: str
    """The answer in words of the setting that saves epochs and loses least, and of several the one that saves most."""


def what_if_of_experiment(question: ComparisonQuestion, found: Mapping[str, Sequence[WhatIf]]) -> ExperimentWhatIf:
    """Returns the answers for an experiment from those of its runs by arm, all to the same settings. A run without a
    complete epoch has none."""
    runs = [each for facts in question.arms for each in found.get(facts.name, ())]
    problem = why_not_averaged(question.arms)
    answers = tuple(pool(runs, question.folds, is_averaged=problem is None))
    arms = tuple(arm_what_if(facts.name, found.get(facts.name, ()), question) for facts in question.arms)
    sentence = min(answers, key=rank).sentence if answers else "no run has a complete epoch"
    return ExperimentWhatIf(
        experiment=question.experiment,
        metric=question.metric,
        runs=len(runs),
        answers=answers,
        arms=arms,
        not_averaged=problem,
        sentence=sentence,
    )


def arm_what_if(name: str, runs: Sequence[WhatIf], question: ComparisonQuestion) -> ArmWhatIf:
    answers = tuple(pool(runs, question.folds, metric=question.metric))
    return ArmWhatIf(name=name, runs=len(runs), answers=answers)


def why_not_averaged(arms: Sequence[ArmFacts]) -> str | None:
    """Returns in words why the monitors of arms have no common mean, or None if they have one."""
    for arm in arms:
        first = arms[0]
        if arm.monitor != first.monitor:
            return f"{arm.name!r} monitors {arm.monitor}, and {first.name!r} monitors {first.monitor}."
        if problem := objective_problem(arm, first, first.monitor):
            return f"{arm.name!r}: {problem}"
    return None


def pool(
    runs: Sequence[WhatIf], folds: int | None, *, is_averaged: bool = True, metric: str | None = None
) -> Iterator[PooledAnswer]:
    """Yields the answer to each setting over some runs. With a metric, also its mean at the best epochs."""
    epochs = sum(run.epochs for run in runs)
    monitor = runs[0].monitor if runs and is_averaged else None
    for answers in zip(*(run.answers for run in runs), strict=True):
        yield pool_setting(answers, epochs, folds, monitor=monitor, metric=metric)


def pool_setting(
    answers: Sequence[WhatIfAnswer], epochs: int, folds: int | None, *, monitor: str | None, metric: str | None
) -> PooledAnswer:
    """Returns the answer to one setting over the runs that have so many epochs together."""
    undecided = sum(answer.decision == "undecided" for answer in answers)
    counts = PooledAnswer(
        early_stopping=answers[0].early_stopping,
        name=answers[0].name,
        runs=len(answers),
        epochs=epochs,
        stops=sum(answer.decision == "stops" for answer in answers),
        undecided=undecided,
        sentence=f"{answers[0].name} is undecided in {undecided} of {count_of(len(answers), 'run')}",
    )
    if undecided:
        return counts
    best = [answer.best for answer in answers if answer.best is not None]
    pooled = counts.model_copy(
        update={
            "failing": len(answers) - len(best),
            "stop_epoch": mean_with_interval([answer.stop_epoch for answer in answers], folds),
            "epochs_saved": sum(answer.epochs_saved or 0 for answer in answers),
            "seconds_saved": round(math.fsum(answer.seconds_saved or 0.0 for answer in answers), 6),
            "lost": mean_with_interval([answer.lost for answer in answers], folds) if monitor else None,
            "value": mean_with_interval([each.metrics.get(metric) for each in best], folds) if metric else None,
        }
    )
    return pooled.model_copy(update={"sentence": describe(pooled, monitor)})


def mean_with_interval(values: Sequence[float | None], folds: int | None) -> Mean | None:
    """Returns the mean of the values that are numbers, or None if there is none."""
    summary = summarize([value for value in values if value is not None and is_usable(value)], folds=folds)
    if summary.mean is None:
        return None
    return Mean(n=summary.n, mean=summary.mean, interval=summary.interval)


def describe(pooled: PooledAnswer, monitor: str | None) -> str:
    """Returns an answer that is decided in words."""
    share = f"{pooled.stops} of" if pooled.stops else "none of"
    parts = [f"{pooled.name} would have stopped {share} {count_of(pooled.runs, 'run')}"]
    if pooled.stops:
        parts.append(f"saved {pooled.epochs_saved:,} of {count_of(pooled.epochs, 'epoch')}")
    if pooled.lost is not None and monitor is not None:
        parts.append(describe_lost(pooled.lost, monitor))
    if pooled.failing:
        parts.append(f"failed in {pooled.failing}, whose {monitor or 'monitor'} was not finite")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def describe_lost(lost: Mean, monitor: str) -> str:
    if not lost.mean:
        return "lost nothing"
    interval = "" if lost.interval is None else f" ({lost.interval[0]:.2g} to {lost.interval[1]:.2g})"
    return f"lost {lost.mean:.2g} of {monitor} on average{interval}"


def rank(answer: PooledAnswer) -> tuple[bool, bool, float, int]:
    """Returns what sorts the most useful answer first: one that saves epochs, and of these one that loses least."""
    saved = answer.epochs_saved or 0
    lost = math.inf if answer.lost is None else answer.lost.mean
    return saved == 0, answer.undecided > 0, lost, -saved
