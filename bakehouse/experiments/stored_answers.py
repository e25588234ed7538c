"""Computes the answers of stored experiments, and reads what their reports say beside them."""

import json
from collections.abc import Mapping

from bakehouse.experiments.answer import ExperimentStatus, Results
from bakehouse.experiments.errors import ExperimentNotFound
from bakehouse.experiments.experiment import ExperimentArm, ExperimentRecord, ExperimentRun, MissingRun, status_of
from bakehouse.experiments.measured import COMPARED, ArmFacts, ComparisonQuestion, arm_facts, measure
from bakehouse.experiments.measured import READ as MEASURED
from bakehouse.experiments.missing import missing_runs
from bakehouse.experiments.record_fields import experiment_runs
from bakehouse.experiments.report import ReportFacts
from bakehouse.experiments.results import compute_results
from bakehouse.experiments.store import ExperimentStore
from bakehouse.experiments.trials import answer_search, arm_of
from bakehouse.recipe.problems import path_of
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.migrations import migrate_recipe


def read_results(experiments: ExperimentStore, experiment_id: str) -> Results:
    """Returns the answer of an experiment, as far as its runs have ended. Raises ExperimentNotFound."""
    record = experiments.record(experiment_id)
    [counts] = experiments.counts([experiment_id])
    reused = set(record.reused)
    found = experiments.placed_runs(record, MEASURED)
    measured = [measure(each, fields, metric=record.metric, reused=each in reused) for each, fields in found]
    missing = missing_runs(record, experiment_runs(record, found)) if record.has_dependents else ()
    runs = {each.arm: each.run for each, _ in reversed(found)}
    question = comparison_of(experiments, record, status_of(record, counts), runs, missing)
    results = compute_results(question, measured)
    reason = experiments.reason(record)
    return results.model_copy(
        update={
            "sentence": results.sentence if reason is None else f"{results.sentence} {reason}",
            "search": answer_search(record, measured),
            "ensembles": record.ensembles,
        }
    )


def read_comparison(
    experiments: ExperimentStore, experiment_id: str
) -> tuple[ComparisonQuestion, tuple[ExperimentRun, ...]]:
    """Returns what an experiment asks, and its runs. Raises ExperimentNotFound."""
    record = experiments.record(experiment_id)
    listed = experiments.runs(record)
    [counts] = experiments.counts([experiment_id])
    runs = {run.arm: run.run for run in reversed(listed)}
    return comparison_of(experiments, record, status_of(record, counts), runs), listed


def comparison_of(
    experiments: ExperimentStore,
    record: ExperimentRecord,
    status: ExperimentStatus,
    runs: Mapping[str, str],
    missing: tuple[MissingRun, ...] = (),
) -> ComparisonQuestion:
    """Returns what an experiment asks; `runs` has a run of each arm that has any."""
    # Most arms share what is compared, so that few recipes are read.
    alike = {arm.name: comparison_key(arm) for arm in record.arms if arm.name in runs}
    chosen = {key: runs[name] for name, key in alike.items()}
    read = dict(experiments.fields_of_runs(chosen.values(), ("recipe",)))
    # The runs of an experiment go after its record.
    if len(read) < len(chosen):
        raise ExperimentNotFound(record.id)
    recipes = {key: read_stored_recipe(read[run_id]["recipe"]) for key, run_id in chosen.items()}
    return question_of(record, status, {name: recipes[key] for name, key in alike.items()}, missing)


def read_report_facts(experiments: ExperimentStore, experiment_id: str) -> ReportFacts:
    """Returns what a report says beside the results. Raises ExperimentNotFound."""
    record = experiments.record(experiment_id)
    found = [json.loads(fields["provenance"]) for _, fields in experiments.placed_runs(record, ("provenance",))]
    trained = [each for each in found if each is not None]
    versions = {f"{name} {version}" for each in trained for name, version in each["versions"].items()}
    return ReportFacts(
        name=record.name,
        design=record.document.design.type,
        document=record.document.model_dump(mode="json", exclude_defaults=True),
        seeds=record.seeds,
        created_at=record.created_at,
        dataset=record.dataset,
        fingerprints=tuple(sorted({each["dataset_fingerprint"] for each in trained})),
        versions=tuple(sorted(versions)),
        devices=tuple(sorted({each["device"] for each in trained})),
    )


def question_of(
    record: ExperimentRecord,
    status: ExperimentStatus,
    recipes: Mapping[str, Recipe],
    missing: tuple[MissingRun, ...],
) -> ComparisonQuestion:
    """Returns what an experiment asks; `recipes` has one for each arm with runs, which has all in common with the arm's
    that `comparison_key` distinguishes."""
    waiting = {each.arm for each in missing}
    trials = {arm_of(trial.number): trial.number in record.pruned for trial in record.trials}
    return ComparisonQuestion(
        experiment=record.id,
        status=status,
        design=record.document.design.type,
        metric=record.metric,
        baseline=record.baseline,
        arms=tuple(
            arm_facts(
                arm.name,
                recipes[arm.name],
                differs=arm.differs,
                levels=arm.levels,
                parameters=arm.parameters,
                is_trial=arm.name in trials,
                was_pruned=trials.get(arm.name, False),
            )
            if arm.name in recipes
            else ArmFacts(arm.name, arm.differs, arm.levels, arm.parameters, has_runs=False)
            for arm in record.arms
            if arm.name in recipes or arm.name in waiting
        ),
        missing=missing,
        factors=record.factors,
        folds=record.document.folds,
    )


def comparison_key(arm: ExperimentArm) -> str:
    """Returns a text that is equal for arms whose recipes do not differ in what decides whether they are compared."""
    differs = {place: value for place, value in arm.differs.items() if path_of(place)[0] in COMPARED}
    return json.dumps(differs, sort_keys=True)


def read_stored_recipe(text: str) -> Recipe:
    """Returns a run's canonical recipe, which an earlier version may have written."""
    return Recipe.model_validate(migrate_recipe(json.loads(text)))
