"""Finds what makes the comparisons of an experiment unfair or uncertain."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from bakehouse.experiments.answer import ArmResult, Caution
from bakehouse.experiments.measured import ArmFacts, ComparisonQuestion, MeasuredRun, is_loss
from bakehouse.plurals import count_of, listed

FEW = 3
CUT_SHORT = ("stopped_by_user", "time_budget")
Runs = Mapping[str, Sequence[MeasuredRun]]
"""The runs of each arm."""


def objective_problem(facts: ArmFacts, baseline: ArmFacts, metric: str) -> str | None:
    """Returns in words why the losses of two arms cannot be compared, or None if they can."""
    is_known = facts.has_runs and baseline.has_runs
    if not is_known or not is_loss(metric) or facts.objective == baseline.objective:
        return None
    return (
        f"The objective is not that of {baseline.name!r}, so that their losses have different scales; "
        "compare accuracies or errors instead."
    )


def find_cautions(question: ComparisonQuestion, arms: Sequence[ArmResult], runs: Runs) -> tuple[Caution, ...]:
    """Returns what is unequal between the arms and the baseline, and what rests on too little."""
    facts = {each.name: each for each in question.arms if not each.is_trial}
    found = list(missing_pairs(question, arms, runs))
    if question.baseline is not None:
        compared = [arm for arm in arms if arm.name in facts]
        found += unequal_arms(question, compared, facts, facts[question.baseline], runs)
    found += doubtful_runs(runs)
    found += few_pairs(arms)
    return tuple(found)


def unequal_arms(
    question: ComparisonQuestion,
    arms: Sequence[ArmResult],
    facts: Mapping[str, ArmFacts],
    baseline: ArmFacts,
    runs: Runs,
) -> Iterator[Caution]:
    def unequal(fact: Callable[[ArmFacts], str]) -> list[str]:
        known = [facts[arm.name] for arm in arms if facts[arm.name].has_runs and baseline.has_runs]
        return [each.name for each in known if fact(each) != fact(baseline)]

    name = repr(baseline.name)
    own_data = data_of(runs[baseline.name])
    if names := [arm.name for arm in arms if len(data_of(runs[arm.name]) | own_data) > 1]:
        message = f"{quoted(names)}: trained on other data than {name}; train all arms on one version of a data set."
        yield Caution(code="different_data", message=message, arms=tuple(names))
    if names := unequal(lambda arm: arm.split):
        message = f"{quoted(names)}: not validated on the same rows and target as {name}; give all arms one split."
        yield Caution(code="different_splits", message=message, arms=tuple(names))
    if names := unequal(lambda arm: arm.budget):
        each = "; ".join(f"{facts[arm].name!r} trains at most {facts[arm].budget}" for arm in names[:5])
        message = f"{each}; {name} at most {baseline.budget}. The difference may be one of training time."
        yield Caution(code="different_budgets", message=message, arms=tuple(names))
    if names := unequal(lambda arm: arm.monitor):
        message = f"{quoted(names)}: the best epoch is chosen by another metric than {baseline.monitor} in {name}."
        yield Caution(code="different_monitors", message=message, arms=tuple(names))
    if names := [arm.name for arm in arms if objective_problem(facts[arm.name], baseline, question.metric)]:
        message = (
            f"{quoted(names)}: the objective is not that of {name}, so that {question.metric} is not compared; "
            "compare accuracies or errors instead."
        )
        yield Caution(code="different_objectives", message=message, arms=tuple(names))


def data_of(runs: Sequence[MeasuredRun]) -> set[str]:
    return {run.data for run in runs if run.is_measured and run.data is not None}


def quoted(names: Sequence[str]) -> str:
    return listed([repr(name) for name in names], most=5)


def doubtful_runs(runs: Runs) -> Iterator[Caution]:
    """Yields what is wrong with single runs that have a value."""
    measured = [run for each in runs.values() for run in each if run.is_measured]
    if cut := [run for run in measured if run.reason in CUT_SHORT]:
        message = f"{count_of(len(cut), 'run')} ended early, by a user or the time budget, and might have got better."
        yield Caution(code="cut_short", message=message, arms=arms_of(cut))
    if doubtful := [run for run in measured if not run.exact]:
        message = (
            f"{count_of(len(doubtful), 'run')} resumed on another device or with other versions, so that training "
            "again may give another value."
        )
        yield Caution(code="not_exact", message=message, arms=arms_of(doubtful))


def arms_of(runs: Sequence[MeasuredRun]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.arm for run in runs))


def missing_pairs(question: ComparisonQuestion, arms: Sequence[ArmResult], runs: Runs) -> Iterator[Caution]:
    """Yields each arm that misses pairs because a run is over without a value."""
    if question.baseline is None:
        return
    lost = {name: {run.place for run in each if run.is_over and not run.is_measured} for name, each in runs.items()}
    if question.design == "factorial" and (places := sorted(set().union(*lost.values()))):
        message = f"The effects are computed without {places_text(question, places)}, which some combination misses."
        yield Caution(code="missing_pairs", message=message, arms=tuple(name for name in lost if lost[name]))
    values = {arm.name: arm.values for arm in arms}
    for arm in arms:
        if arm.difference is None:
            continue
        both = ((arm.name, question.baseline), (question.baseline, arm.name))
        missing = [(place, name) for name, other in both for place in sorted(lost[name]) if place in values[other]]
        if missing:
            text = places_text(question, [f"{place} (no value in {name!r})" for place, name in missing])
            message = f"{arm.name!r} is compared by {count_of(arm.difference.n, 'pair')}, without {text}."
            yield Caution(code="missing_pairs", message=message, arms=(arm.name,))


def places_text(question: ComparisonQuestion, places: Sequence[str]) -> str:
    return f"{'seed' if question.folds is None else 'seed/fold'} {listed(places, most=5)}"


def few_pairs(arms: Sequence[ArmResult]) -> Iterator[Caution]:
    compared = [(arm.name, arm.difference) for arm in arms if arm.difference is not None]
    if few := [name for name, found in compared if found.n < FEW]:
        message = f"{quoted(few)}: fewer than {FEW} pairs, too few for a reliable interval; add seeds."
        yield Caution(code="few_seeds", message=message, arms=tuple(few))
    flat = [name for name, found in compared if found.n > 1 and found.p is None and found.mean != 0]
    if flat:
        message = (
            f"{quoted(flat)}: every seed gives the same difference, so that it cannot be told from noise; "
            "other splits (`split_seed`) or `folds` would show how it varies."
        )
        yield Caution(code="no_noise", message=message, arms=tuple(flat))
