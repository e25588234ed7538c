"""Computes the answer of an experiment from its runs."""

from collections.abc import Iterator, Sequence
from math import fsum

from bakehouse.experiments.answer import ArmResult, Difference, FailedRun, Results
from bakehouse.experiments.effects import compute_effects
from bakehouse.experiments.experiment import MissingRun
from bakehouse.experiments.fairness import find_cautions, objective_problem
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion, MeasuredRun
from bakehouse.experiments.sentences import answer_sentence
from bakehouse.experiments.statistics import Comparison, adjust, compare, judge, largest, mean_metrics, summarize
from bakehouse.experiments.words import note_of
from bakehouse.recipe.evaluation import is_higher_better


def compute_results(question: ComparisonQuestion, runs: Sequence[MeasuredRun]) -> Results:
    """Returns the answer of an experiment, of which any number of runs may have ended."""
    by_arm: dict[str, list[MeasuredRun]] = {facts.name: [] for facts in question.arms}
    for run in sorted(runs, key=lambda run: (run.seed, -1 if run.fold is None else run.fold)):
        by_arm[run.arm].append(run)
    given_up = [each for each in question.missing if each.state == "given_up"]
    not_trained = list(failures_of_missing(given_up, runs))
    summaries = [arm_result(facts, by_arm[facts.name], not_trained, question.folds) for facts in question.arms]
    arms = with_differences(question, summaries)
    effects = compute_effects(question, arms)
    finished = sum(run.is_over for run in runs) + len(given_up)
    wanted = len(runs) + len(question.missing)
    return Results(
        experiment=question.experiment,
        status=question.status,
        metric=question.metric,
        higher_is_better=is_higher_better(question.metric),
        baseline=question.baseline,
        finished=finished,
        runs=wanted,
        sentence=answer_sentence(question, arms, effects, finished=finished, runs=wanted),
        arms=arms,
        effects=effects,
        warnings=find_cautions(question, arms, by_arm),
    )


def arm_result(
    facts: ArmFacts, runs: Sequence[MeasuredRun], not_trained: Sequence[tuple[str, FailedRun]], folds: int | None
) -> ArmResult:
    """Returns the results of one arm by itself; `not_trained` are the arms of runs that do not exist, and why."""
    measured = [run for run in runs if run.is_measured]
    values = {run.place: run.value for run in measured if run.value is not None}
    summary = summarize(list(values.values()), folds=folds)
    return ArmResult(
        name=facts.name,
        n=summary.n,
        values=values,
        mean=summary.mean,
        sd=summary.sd,
        interval=summary.interval,
        epochs=mean_of([run.epochs for run in measured]),
        seconds=mean_of([run.seconds for run in measured]),
        parameters=facts.parameters,
        reused=sum(run.reused for run in measured),
        pruned=facts.was_pruned or any(run.reason == "pruned" for run in measured),
        test=mean_tests(measured),
        failed=(
            *(failed_run(run) for run in runs if run.is_over and not run.is_measured),
            *(failure for arm, failure in not_trained if arm == facts.name),
        ),
        differs=facts.differs,
    )


def mean_of(numbers: Sequence[float]) -> float | None:
    return fsum(numbers) / len(numbers) if numbers else None


def mean_tests(runs: Sequence[MeasuredRun]) -> dict[str, float]:
    """Returns the mean of each metric on the test split that all runs have."""
    return mean_metrics(dict.fromkeys(name for run in runs for name in run.test), [run.test for run in runs])


def failed_run(run: MeasuredRun) -> FailedRun:
    code = "no_value" if run.status == "succeeded" else run.reason
    return FailedRun(run=run.run, seed=run.seed, fold=run.fold, code=code, message=failure_message(run))


def failures_of_missing(given_up: Sequence[MissingRun], runs: Sequence[MeasuredRun]) -> Iterator[tuple[str, FailedRun]]:
    """Yields the arm of each run that was given up because of one that it builds on, and why; it is that one which can
    be retried."""
    by_id = {run.run: run for run in runs}
    for each in given_up:
        if each.run is not None:
            message = not_trained_message(each, by_id.get(each.run))
            failure = FailedRun(run=each.run, seed=each.seed, fold=each.fold, code="not_created", message=message)
            yield each.arm, failure


def not_trained_message(missing: MissingRun, source: MeasuredRun | None) -> str:
    """Returns why a run was not trained; `source` is the run because of which it was given up."""
    match source:
        case MeasuredRun(status="failed"):
            what = f"failed with {source.reason}: {failure_message(source)}"
        case MeasuredRun(status="cancelled"):
            what = "was cancelled."
        case _:
            return f"The run was not trained: it {missing.message}."
    return f"The run was not trained because {source.run} of the arm {source.arm!r} {what} Retry that one."


def failure_message(run: MeasuredRun) -> str:
    match run.status:
        case "succeeded":
            return "The best epoch has no finite value of the metric."
        case "cancelled":
            return "The run was cancelled."
        case _:
            return run.message or f"The run failed: {run.reason}."


def with_differences(question: ComparisonQuestion, arms: Sequence[ArmResult]) -> tuple[ArmResult, ...]:
    """Returns the arms with their differences from the baseline, whose p values are adjusted together. The
    trials of a search have none: they were chosen by the very values that would be compared."""
    if question.baseline is None:
        return tuple(arms)
    baseline = next(arm for arm in arms if arm.name == question.baseline)
    facts = {each.name: each for each in question.arms}
    found: dict[str, Comparison] = {}
    refused: dict[str, str] = {}
    for arm in arms:
        if arm.name == baseline.name or facts[arm.name].is_trial:
            continue
        problem = objective_problem(facts[arm.name], facts[baseline.name], question.metric)
        pairs = [(arm.values[place], baseline.values[place]) for place in arm.values if place in baseline.values]
        if problem or not pairs:
            refused[arm.name] = problem or missing_text(arm, baseline)
        else:
            found[arm.name] = compare_pairs(pairs, question.folds)
    differences = dict(zip(found, differences_of(list(found.values()), question.metric), strict=True))
    return tuple(
        arm.model_copy(update={"difference": differences.get(arm.name), "not_compared": refused.get(arm.name)})
        for arm in arms
    )


def compare_pairs(pairs: Sequence[tuple[float, float]], folds: int | None) -> Comparison:
    """Compares the values of an arm with those of the baseline at the same places."""
    scale = max(largest(pair) for pair in pairs)
    return compare(
        [value - other for value, other in pairs],
        scale=scale,
        has_noise=any(pair != pairs[0] for pair in pairs),
        folds=folds,
    )


def differences_of(found: Sequence[Comparison], metric: str) -> list[Difference]:
    """Returns comparisons with their verdicts, after the adjustment of all p values."""
    adjusted = adjust([each.p for each in found])
    higher = is_higher_better(metric)
    return [
        Difference(
            n=each.n,
            mean=each.mean,
            interval=each.interval,
            p=each.p,
            p_adjusted=p,
            p_sign_flip=each.p_sign_flip,
            test=each.test,
            verdict=judge(each.mean, p, higher_is_better=higher),
            detectable=each.detectable,
            seeds_for_half=each.seeds_for_half,
            note=note_of(each, p, len(found)),
        )
        for each, p in zip(found, adjusted, strict=True)
    ]


def missing_text(arm: ArmResult, baseline: ArmResult) -> str:
    """Returns in words why two arms have no pair."""
    for each in (arm, baseline):
        if not each.values and each.failed:
            return f"No run of {each.name!r} has a value: {each.failed[0].message}"
        if not each.values:
            return f"No run of {each.name!r} is finished yet."
    return f"No seed has a value both in {arm.name!r} and in {baseline.name!r}."
