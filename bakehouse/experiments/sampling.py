"""Samples the points of a search with Optuna. Imported when a search needs it, because Optuna takes a second to load.

Nothing of Optuna is stored: its study is made anew from the trials each time, and the sampler of each trial has a seed
of its own, so that a point depends on the seed and on the trials before it alone.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import assert_never

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from bakehouse.experiments.document import Choice, Integer, LogUniform, Search, Uniform
from bakehouse.experiments.search import SearchQuestion, Trial, is_complete, trial_seed
from bakehouse.experiments.space import Parameters

# Otherwise each study announces itself on stderr.
optuna.logging.set_verbosity(optuna.logging.ERROR)


def suggest(question: SearchQuestion, trials: Sequence[Trial], ends: Mapping[int, int], count: int) -> list[Parameters]:
    """Returns the points of the next trials. `ends` has the epoch at which trials were ended early."""
    space = distributions(question.design)
    if question.design.sampler == "qmc":
        return quasi_random_points(question, space, len(trials), count)
    study = study_of(question, trials, ends)
    points = []
    for number in range(len(trials), len(trials) + count):
        study.sampler = sampler_of(question, number)
        points.append(plain_numbers(study.ask(space).params))
    return points


def sampler_of(question: SearchQuestion, number: int) -> BaseSampler:
    seed = trial_seed(question.seed, number)
    return RandomSampler(seed) if question.design.sampler == "random" else TPESampler(seed=seed)


def quasi_random_points(
    question: SearchQuestion, space: dict[str, BaseDistribution], first: int, count: int
) -> list[Parameters]:
    """Returns points of a scrambled Sobol sequence, which has one seed and no memory but its position."""
    with warnings.catch_warnings():
        # Optuna may still change the sampler; its version is bounded.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = QMCSampler(scramble=True, seed=question.seed)
    study = optuna.create_study()
    trial = create_trial(state=TrialState.RUNNING)
    # The sampler counts its calls in the study; 1,000 of them take a third of a second.
    points = [sampler.sample_relative(study, trial, space) for _ in range(first + count)]
    return [plain_numbers(point) for point in points[first:]]


def plain_numbers(point: Mapping[str, object]) -> Parameters:
    """Returns the numbers of a point, in the order of the space's places, without numpy's classes."""
    return {place: number if isinstance(number, int) else float(str(number)) for place, number in point.items()}


def study_of(question: SearchQuestion, trials: Sequence[Trial], ends: Mapping[int, int]) -> optuna.Study:
    """Returns a study in memory that has been told of all trials."""
    study = optuna.create_study(direction="maximize" if question.is_higher_better else "minimize")
    space = distributions(question.design)
    for trial in trials:
        study.add_trial(frozen(trial, space, ends.get(trial.number)))
    return study


def frozen(trial: Trial, space: dict[str, BaseDistribution], end: int | None) -> FrozenTrial:
    """Returns a trial as Optuna knows it: one that was ended early has only the epochs until then."""
    create = partial(create_trial, params=dict(trial.parameters), distributions=space)
    if trial.status == "failed":
        return create(state=TrialState.FAIL)
    if end is not None:
        values = {epoch: value for epoch, value in trial.values.items() if epoch <= end}
        return create(state=TrialState.PRUNED, intermediate_values=values)
    if trial.status == "running":
        return create(state=TrialState.RUNNING)
    return create(value=trial.value) if is_complete(trial) else create(state=TrialState.FAIL)


def distributions(design: Search) -> dict[str, BaseDistribution]:
    return dict(distribution_of_each(design))


def distribution_of_each(design: Search) -> Iterator[tuple[str, BaseDistribution]]:
    for place, space in design.space.items():
        match space:
            case Uniform(low=low, high=high):
                yield place, FloatDistribution(low, high)
            case LogUniform(low=low, high=high):
                yield place, FloatDistribution(low, high, log=True)
            case Integer(low=low, high=high, log=log):
                yield place, IntDistribution(low, high, log=log)
            case Choice(values=values):
                # Whole ingredients are no values for Optuna, but their indexes are.
                yield place, CategoricalDistribution(range(len(values)))
            case _:
                assert_never(space)
