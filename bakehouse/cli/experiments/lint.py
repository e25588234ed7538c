"""`bakehouse lint` of the document of an experiment."""

import sys
from collections.abc import Mapping, Sequence

from bakehouse.cli.experiments.errors import ExperimentInvalid
from bakehouse.cli.local import LINT_PACKING_SECONDS, prepare_locally
from bakehouse.cli.output import print_json
from bakehouse.cli.tables import block
from bakehouse.client import Client, Unreachable
from bakehouse.experiments.document import Search
from bakehouse.experiments.planned_arms import PlannedArm, independent_recipe, plan_arms, plan_searched
from bakehouse.experiments.planned_runs import NOT_PLANNED, PlannedRun
from bakehouse.experiments.planning import metric_of, refuse_arms_without_metric
from bakehouse.experiments.question import count_runs, folds_of, in_first_fold, read_experiment
from bakehouse.experiments.space import check_space
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of, listed
from bakehouse.prepare import Prepared, new_template
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.template import RunTemplate
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

    def prepare(recipe: JsonObject, planned: Mapping[str, PlannedRun] = NOT_PLANNED) -> Prepared:
        return prepare_locally(recipe, settings, wait_seconds=LINT_PACKING_SECONDS, planned=planned)

    def make_template(recipe: JsonObject, planned: Mapping[str, PlannedRun]) -> RunTemplate:
        return new_template(prepare(recipe, planned))

    arms: tuple[PlannedArm, ...] = ()
    if isinstance(design, Search):
        base = plan_searched(question, prepare)
        check_space(design, question.recipe, lambda recipe: prepare(in_first_fold(recipe, question.document)))
    else:
        arms = plan_arms(question, folds_of(question.document)[:1], make_template)
        base = prepare(independent_recipe(question))
    metric = metric_of(question.document, question.recipe, base.plan)
    refuse_arms_without_metric(question, arms, metric, lambda recipe: prepare(recipe).plan)
    return {
        "metric": metric,
        "baseline": question.arms.baseline,
        "arms": [{"name": arm.name, "parameters": arm.parameters} for arm in arms],
        "seeds": question.document.seeds,
        "folds": question.document.folds,
        "runs": count_runs(question),
    }


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
    if reason := preview.get("reused_reason"):
        rows.append(("trained before", f"perhaps more: {reason}"))
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
