"""`bakehouse compare --group-by`: mean, standard deviation and number of runs over the seeds of each group."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

import typer

from bakehouse.cli.changes import fields_at
from bakehouse.cli.comparing import metric_columns, shown_metrics, sort_key
from bakehouse.cli.differences import best_metrics, field_value, recipe_differences, recipes_of, value_text
from bakehouse.cli.formats import format_metric
from bakehouse.cli.output import rows_as_json
from bakehouse.cli.tables import Column, table
from bakehouse.client.comparison import flatten
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of
from bakehouse.recipe.problems import nearest_names
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Run


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation of a metric over the n runs that have it."""

    mean: float
    standard_deviation: float | None
    """Null for a single run."""
    n: int


@dataclass(frozen=True)
class Group:
    """Runs with equal values of the fields by which they are grouped."""

    fields: dict[str, Any]
    runs: list[Run]

    def spread(self, metric: str) -> Spread | None:
        """Returns the spread of a metric of the best epochs; None if no run has it."""
        found = [best_metrics(run).get(metric) for run in self.runs]
        values = [value for value in found if value is not None]
        if not values:
            return None
        return Spread(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


def group_runs(runs: Sequence[Run], names: Sequence[str], metric: str) -> list[Group]:
    """Returns the groups of the runs that have succeeded, the best mean first. Says on stderr which runs do not count,
    and where a group mixes recipes that differ in more than the seed."""
    for name in names:
        require_field(runs, name)
    groups: dict[str, Group] = {}
    for run in without_repetitions([run for run in runs if run.status == "succeeded"]):
        fields = {name: field_value(run, name) for name in names}
        groups.setdefault(json.dumps(fields), Group(fields, [])).runs.append(run)
    note_left_out(runs, [run for group in groups.values() for run in group.runs])
    for group in groups.values():
        warn_about_mixture(group)
    return sorted(groups.values(), key=lambda group: mean_key(group, metric))


def mean_key(group: Group, metric: str) -> tuple[bool, float]:
    spread = group.spread(metric)
    return sort_key(spread.mean if spread else None, metric)


def without_repetitions(runs: Sequence[Run]) -> list[Run]:
    """Returns the runs without those that repeat the recipe and the seed of another: they would make the standard
    deviation too small."""
    return list({(run.recipe_sha256, run.dataset_fingerprint): run for run in runs}.values())


def note_left_out(runs: Sequence[Run], counted: Sequence[Run]) -> None:
    ids = {run.id for run in counted}
    left_out = [run for run in runs if run.id not in ids]
    repeated = sum(run.status == "succeeded" for run in left_out)
    if repeated:
        print(f"{count_of(repeated, 'run')} not counted: same recipe and seed as another run", file=sys.stderr)
    if len(left_out) > repeated:
        print(f"{count_of(len(left_out) - repeated, 'run')} not counted: not succeeded", file=sys.stderr)


def warn_about_mixture(group: Group) -> None:
    others = [name for name in recipe_differences(group.runs) if name != "seed" and name not in group.fields]
    if others:
        print(
            f"the group {group_text(group)} mixes runs that differ in {', '.join(others)}; add --group-by {others[0]}",
            file=sys.stderr,
        )


def group_text(group: Group) -> str:
    return " ".join(f"{name}={value_text(value)}" for name, value in group.fields.items())


def require_field(runs: Sequence[Run], name: str) -> None:
    """Raises BadParameter if neither a recipe nor a run can have a field of this name."""
    if fields_at(name) or any(field_value(run, name) is not None for run in runs):
        return
    recipes = [recipe.canonical() if isinstance(recipe, Recipe) else recipe for recipe in recipes_of(runs)]
    near = nearest_names(name, dict.fromkeys(each for recipe in recipes for each in (*recipe, *flatten(recipe))))
    suggestion = f"; did you mean {near[0]}?" if near else ""
    raise typer.BadParameter(f"no run has a field {name!r}{suggestion}", param_hint="--group-by")


def explain_spread(groups: Sequence[Group]) -> None:
    """Says on stderr what ± means, and when a difference of means is more than noise: a 95 % interval has t(8) = 2.31,
    and 2.31 * sqrt(2 / 5) = 1.46."""
    if any(len(group.runs) > 1 for group in groups):
        print(
            "mean ± standard deviation over N runs; means of 5 runs each that differ by less than 1.5 times that "
            "deviation may differ by chance",
            file=sys.stderr,
        )


def groups_table(groups: Sequence[Group], metric: str) -> str:
    """Returns a row for each group with its number of runs and the spread of each metric."""
    metrics = shown_metrics([run for group in groups for run in group.runs], metric)
    names = [Column(name.upper(), least=8) for name in groups[0].fields] if groups else []
    rows = [
        [*map(value_text, group.fields.values()), str(len(group.runs)), *(spread_text(group, name) for name in metrics)]
        for group in groups
    ]
    return table([*names, Column("N"), *metric_columns(metrics)], rows)


def spread_text(group: Group, metric: str) -> str:
    """Returns mean and standard deviation, an accuracy in percent: `97.34% ± 0.12`."""
    spread = group.spread(metric)
    if spread is None:
        return "-"
    percent = metric.endswith("accuracy")
    mean = f"{100 * spread.mean:.2f}%" if percent else format_metric(metric, spread.mean)
    if spread.standard_deviation is None:
        return mean
    deviation = f"{100 * spread.standard_deviation:.2f}" if percent else f"{spread.standard_deviation:.2g}"
    return f"{mean} ± {deviation}"


def groups_as_json(groups: Sequence[Group], metric: str, fields: str | None) -> str:
    data: list[JsonObject] = []
    for group in groups:
        names = dict.fromkeys(name for run in group.runs for name in best_metrics(run))
        spreads = {name: group.spread(name) for name in names}
        data.append({
            "fields": group.fields,
            "n": len(group.runs),
            "seeds": sorted(field_value(run, "seed") for run in group.runs),
            "runs": [run.id for run in group.runs],
            "metrics": {name: vars(spread) for name, spread in spreads.items() if spread},
        })  # fmt: skip
    return rows_as_json(data, fields, sorted_by=metric)
