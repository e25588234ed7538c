"""Chooses the members of an ensemble, and compares it with them."""

import re
from collections.abc import Iterable, Sequence

from bakehouse.experiments.ensemble import Ensemble, EnsembleRequest
from bakehouse.experiments.errors import NoEnsemble
from bakehouse.experiments.experiment import ExperimentRun
from bakehouse.experiments.statistics import mean_metrics
from bakehouse.experiments.words import value_text
from bakehouse.plurals import count_of
from bakehouse.runs.status import TERMINAL
from bakehouse.tasks.ensembles import EnsembleMetrics, Mean, Metrics

MAX_MEMBERS = 100
MAX_NAME_CHARACTERS = 60


def choose_members(arm: str, runs: Sequence[ExperimentRun]) -> list[ExperimentRun]:
    """Returns the finished runs of an arm. Raises NoEnsemble if they cannot be one model."""
    if any(run.fold is not None for run in runs):
        raise NoEnsemble(
            "The runs of a cross-validation were trained on the rows of each other's folds, so that no row of "
            "validation is new to all of them. Make an experiment without `folds`, with several seeds."
        )
    members = [run for run in runs if run.arm == arm and run.status == "succeeded"]
    waiting = sum(run.arm == arm and run.status not in TERMINAL for run in runs)
    if len(members) < 2:
        what = f"; {waiting} {'is' if waiting == 1 else 'are'} not over yet" if waiting else ""
        more = "Try again when they are" if waiting else "Extend the experiment by `seeds`, or retry the failed runs"
        raise NoEnsemble(f"An ensemble needs 2 finished runs, and {arm!r} has {len(members) or 'none'}{what}. {more}.")
    if len(members) > MAX_MEMBERS:
        raise NoEnsemble(f"An ensemble has at most {MAX_MEMBERS} runs, and {arm!r} has {len(members)}.")
    return members


def describe_ensemble(
    request: EnsembleRequest,
    *,
    name: str,
    runs: Sequence[str],
    metric: str,
    measured: EnsembleMetrics,
    own: Sequence[Metrics],
    now: str,
) -> Ensemble:
    """Describes a measured ensemble; `own` are the metrics of each member by itself."""
    both = measured.validation | measured.test
    members = mean_metrics(both, own)
    return Ensemble(
        name=name,
        arm=request.arm,
        mean=request.mean,
        n=len(runs),
        runs=tuple(runs),
        validation=measured.validation,
        test=measured.test,
        members=members,
        sentence=comparison(request, len(runs), metric, both.get(metric), members.get(metric)),
        created_at=now,
    )


def comparison(request: EnsembleRequest, n: int, metric: str, value: float | None, members: float | None) -> str:
    """Compares an ensemble with the mean of its members in words."""
    subject = f"The {request.mean} mean of {count_of(n, 'run')} of {request.arm!r}"
    if value is None or members is None:
        return f"{subject} has no finite {metric}."
    return (
        f"{subject} has {metric} {value_text(value, None, metric)}; its members have "
        f"{value_text(members, None, metric)} on average. One ensemble is one value, so it has no interval."
    )


def name_ensemble(arm: str, mean: Mean, taken: Iterable[str]) -> str:
    """Returns a name for an address: the arm's letters and digits, the mean, and a number if others have it already."""
    words = re.sub(r"[^a-z0-9]+", "-", arm.lower())[:MAX_NAME_CHARACTERS].strip("-")
    name = f"{words or 'arm'}-{mean}"
    others = set(taken)
    number = 1
    while (found := name if number == 1 else f"{name}-{number}") in others:
        number += 1
    return found
