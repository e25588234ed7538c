"""Says which runs of an experiment do not exist yet because they build on others, and how each goes on."""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from itertools import product
from typing import Literal

from bakehouse.experiments.experiment import ExperimentRecord, ExperimentRun, MissingRun, RefusedRun
from bakehouse.experiments.question import folds_of

Place = tuple[str, int, int | None]
"""An arm, a seed and a fold."""
State = Literal["waiting", "given_up"]
TOO_LATE = {
    "stop": "was not created before the experiment was stopped",
    "cancel": "was not created before the experiment was cancelled",
}
"""Why a run is not created after a request, as human-readable text."""


def missing_runs(record: ExperimentRecord, runs: Sequence[ExperimentRun]) -> tuple[MissingRun, ...]:
    """Returns the runs that do not exist yet, by seed and fold; `runs` are those that do."""
    builds_on = {arm.name: arm.builds_on for arm in record.arms if arm.builds_on}
    if not builds_on:
        return ()
    there = {(run.arm, run.seed, run.fold): run for run in runs}
    refusals = {(each.arm, each.seed, each.fold): each for each in record.refused}
    # What others build on comes first.
    arms = [name for name in TopologicalSorter(builds_on).static_order() if name in builds_on]
    found: dict[Place, MissingRun] = {}
    for seed, fold, arm in product(record.seeds, folds_of(record.document), arms):
        place = (arm, seed, fold)
        if place in there:
            continue
        sources = {name: there.get((name, seed, fold)) for name in builds_on[arm]}
        missing = MissingRun(
            arm=arm,
            seed=seed,
            fold=fold,
            state="ready",
            sources={name: run.run for name, run in sources.items() if run is not None},
            message="will be created in a moment",
        )
        states = list(obstacles(missing, sources, found))
        refusal = refusals.get(place)
        if record.request in TOO_LATE:
            states = [held(missing, "given_up", TOO_LATE[record.request])]
        elif refusal is not None and not states and refusal.sources == missing.sources:
            states = [held(missing, "given_up", refusal.message, run=next(iter(missing.sources.values())))]
        elif record.request == "pause" and not states:
            states = [held(missing, "waiting", "will be created when the experiment is resumed")]
        # What was given up will not be created, whatever else it waits for.
        found[place] = min(states, key=lambda each: each.state, default=missing)
    return tuple(found.values())


def obstacles(
    missing: MissingRun, sources: Mapping[str, ExperimentRun | None], others: Mapping[Place, MissingRun]
) -> Iterator[MissingRun]:
    """Yields a state of a missing run for each arm that it builds on and that has not succeeded; `others` are the
    missing runs of these arms."""
    for name, run in sources.items():
        other = others.get((name, missing.seed, missing.fold))
        match run and run.status:
            case "succeeded":
                continue
            case "failed" | "cancelled" if run:
                verb = "has failed" if run.status == "failed" else "was cancelled"
                message = f"builds on {name!r}, whose run {run.run} {verb}; retry that run"
                yield held(missing, "given_up", message, run=run.run)
            case None if other is None:
                # An arm that builds on no other one has its runs from the start.
                yield held(missing, "given_up", f"builds on {name!r}, whose run was deleted")
            case None if other and other.state == "given_up":
                yield held(missing, "given_up", f"builds on {name!r}, which {other.message}", run=other.run)
            case _:
                yield held(missing, "waiting", f"waits for {name!r}", run=None if run is None else run.run)


def held(missing: MissingRun, state: State, message: str, *, run: str | None = None) -> MissingRun:
    return missing.model_copy(update={"state": state, "message": message, "run": run})


def refused(missing: MissingRun, message: str) -> RefusedRun:
    """Returns what the record of an experiment keeps of a run that is not created although those have succeeded that it
    builds on."""
    return RefusedRun(arm=missing.arm, seed=missing.seed, fold=missing.fold, sources=missing.sources, message=message)
