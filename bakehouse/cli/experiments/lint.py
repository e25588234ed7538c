"""`bakehouse lint` of the document of an experiment."""

import sys

from bakehouse.cli.experiments.errors import ExperimentInvalid
from bakehouse.cli.local import LINT_PACKING_SECONDS, prepare_locally
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import block
from bakehouse.client import Client, Unreachable
from bakehouse.experiments.designs import refuse_equal_arms
from bakehouse.experiments.planning import metric_of
from bakehouse.experiments.question import Question, folds_of, point_into_document, read_experiment, with_fold
from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.settings import Settings


def print_experiment_lint(document: JsonObject, *, as_json: bool, fields: str | None) -> None:
    """Prints what an experiment would train, or raises the problems of its document."""
    preview = lint_experiment(document, Settings())
    if as_json or fields is not None:
        print_json(preview, fields)
    else:
        print(preview_text(preview))


def lint_experiment(document: JsonObject, settings: Settings) -> JsonObject:
    """Has the service check an experiment, or checks it on this machine if no service answers."""
    with Client(settings.base_url) as client:
        try:
            return client.validate_experiment(document)
        except Unreachable as error:
            print(f"bakehouse: {error}; checking with the data sets of this machine", file=sys.stderr)
    try:
        return lint_locally(document, settings)
    except RecipeInvalid as error:
        raise ExperimentInvalid(error.problems) from error


def lint_locally(document: JsonObject, settings: Settings) -> JsonObject:
    """Returns the preview of an experiment, without what only a service knows. Raises RecipeInvalid."""
    question = read_experiment(document)
    plans = plan_arms(question, settings)
    digests = [plan.recipe.group_sha256() for plan in plans]
    refuse_equal_arms(question.arms, digests, question.document.design)
    arms = [
        {"name": arm.name, "parameters": plan.estimate.parameters}
        for arm, plan in zip(question.arms.arms, plans, strict=True)
    ]
    seeds = question.document.seeds
    return {
        "metric": metric_of(question.document, question.recipe, plans[0]),
        "baseline": question.arms.baseline,
        "arms": arms,
        "seeds": seeds,
        "folds": question.document.folds,
        "runs": len(arms) * len(seeds) * (question.document.folds or 1),
    }


def plan_arms(question: Question, settings: Settings) -> list[Plan]:
    """Plans the recipe of each arm. Raises RecipeInvalid with the problems of all arms."""
    document = question.document
    plans: list[Plan] = []
    problems: list[Problem] = []
    for arm in question.arms.arms:
        recipe = with_fold(arm.recipe, document.folds, folds_of(document)[0])
        try:
            plans.append(prepare_locally(recipe, settings, wait_seconds=LINT_PACKING_SECONDS).plan)
        except RecipeInvalid as error:
            problems += point_into_document(arm, document, error).problems
    if problems:
        raise RecipeInvalid(problems)
    return plans


def preview_text(preview: JsonObject) -> str:
    """Returns the size of an experiment as text."""
    arms = [arm["name"] for arm in preview["arms"]]
    runs = f"{preview['runs']:,}"
    if reused := preview.get("reused"):
        runs = f"{runs}, of which {reused:,} {'was' if reused == 1 else 'were'} trained before"
    folds = f", each with {preview['folds']} folds" if preview["folds"] else ""
    parameters = [arm["parameters"] for arm in preview["arms"]]
    sizes = f"{min(parameters):,} to {max(parameters):,}" if len(set(parameters)) > 1 else f"{parameters[0]:,}"
    rows = [
        ("experiment", "valid"),
        ("arms", f"{count_of(len(arms), 'arm')}: {listed(arms)}"),
        ("baseline", preview["baseline"]),
        ("seeds", listed([str(seed) for seed in preview["seeds"]]) + folds),
        ("runs", runs),
        ("metric", preview["metric"]),
        ("parameters", sizes),
    ]
    if reason := preview.get("seconds_reason"):
        rows.append(("time", f"not known: {reason}"))
    if seconds := preview.get("seconds"):
        rows.append(("time", f"{seconds['text']} on {count_of(seconds['workers'], 'worker')}"))
    return block(rows)
