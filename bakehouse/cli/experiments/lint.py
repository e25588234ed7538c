"""`bakehouse lint` of the document of an experiment."""

import sys
from collections.abc import Sequence

from bakehouse.cli.experiments.errors import ExperimentInvalid
from bakehouse.cli.local import LINT_PACKING_SECONDS, prepare_locally
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import block
from bakehouse.client import Client, Unreachable
from bakehouse.experiments.designs import refuse_equal_arms
from bakehouse.experiments.document import Search
from bakehouse.experiments.planned_runs import planned_runs
from bakehouse.experiments.planning import metric_of
from bakehouse.experiments.question import (
    Question,
    count_runs,
    folds_of,
    point_into_document,
    point_into_recipe,
    read_experiment,
    with_fold,
)
from bakehouse.experiments.references import builds_on, in_order
from bakehouse.experiments.space import check_space
from bakehouse.model import JsonObject
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of, listed
from bakehouse.prepare import Prepared
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.read import MAX_PROBLEMS
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
    design = question.document.design
    base = plan_search(question, design, settings) if isinstance(design, Search) else None
    plans = plan_arms(question, settings)
    digests = [plan.recipe.group_sha256() for plan in plans]
    refuse_equal_arms(question.arms, digests, design)
    return {
        "metric": metric_of(question.document, question.recipe, base or plans[0]),
        "baseline": question.arms.baseline,
        "arms": [
            {"name": arm.name, "parameters": plan.estimate.parameters}
            for arm, plan in zip(question.arms.arms, plans, strict=True)
        ],
        "seeds": question.document.seeds,
        "folds": question.document.folds,
        "runs": count_runs(question),
    }


def plan_search(question: Question, design: Search, settings: Settings) -> Plan:
    """Plans the recipe of a search, and checks its space. Raises RecipeInvalid."""

    def plan(recipe: JsonObject) -> Prepared:
        first_fold = with_fold(recipe, question.document.folds, folds_of(question.document)[0])
        return prepare_locally(first_fold, settings, wait_seconds=LINT_PACKING_SECONDS)

    try:
        base = plan(question.recipe.canonical())
    except RecipeInvalid as error:
        raise point_into_recipe(question.document, error) from error
    check_space(design, question.recipe, plan)
    return base.plan


def plan_arms(question: Question, settings: Settings) -> list[Plan]:
    """Plans the recipe of each arm; a search has none yet. Raises RecipeInvalid with the problems of all arms."""
    document = question.document
    plans: dict[str, Plan] = {}
    problems: list[Problem] = []
    for arm in in_order(question.arms.arms):
        if not plans.keys() >= set(builds_on(arm)):
            continue  # an arm that it builds on has a problem
        recipe = with_fold(arm.recipe, document.folds, folds_of(document)[0])
        planned = planned_runs((name, plans[name].recipe, plans[name].card.fingerprint) for name in builds_on(arm))
        try:
            plans[arm.name] = prepare_locally(recipe, settings, wait_seconds=LINT_PACKING_SECONDS, planned=planned).plan
        except RecipeInvalid as error:
            problems += point_into_document(arm, document, error).problems
            if len(problems) >= MAX_PROBLEMS:
                break
    if problems:
        raise RecipeInvalid(problems[:MAX_PROBLEMS])
    return [plans[arm.name] for arm in question.arms.arms]


def preview_text(preview: JsonObject) -> str:
    """Returns the size of an experiment as text."""
    runs = f"{preview['runs']:,}"
    if reused := preview.get("reused"):
        runs = f"{runs}, of which {reused:,} {'was' if reused == 1 else 'were'} trained before"
    folds = f", each with {preview['folds']} folds" if preview["folds"] else ""
    rows = [
        ("experiment", "valid"),
        *arm_rows(preview["arms"]),
        *([("baseline", preview["baseline"])] if preview["baseline"] else []),
        ("seeds", listed([str(seed) for seed in preview["seeds"]]) + folds),
        ("runs", runs),
        ("metric", preview["metric"]),
    ]
    if reason := preview.get("seconds_reason"):
        rows.append(("time", f"not known: {reason}"))
    if seconds := preview.get("seconds"):
        rows.append(("time", seconds["text"]))
    return block(rows)


def arm_rows(arms: Sequence[JsonObject]) -> list[tuple[str, str]]:
    """Returns the names and the sizes of the arms."""
    if not arms:
        return [("arms", "those that the search tries")]
    parameters = [arm["parameters"] for arm in arms]
    sizes = f"{min(parameters):,} to {max(parameters):,}" if len(set(parameters)) > 1 else f"{parameters[0]:,}"
    names = listed([arm["name"] for arm in arms])
    return [("arms", f"{count_of(len(arms), 'arm')}: {names}"), ("parameters", sizes)]
