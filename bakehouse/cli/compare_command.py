"""`bakehouse compare`: prints runs, or groups of runs, with the best first."""

import sys
from collections.abc import Sequence
from itertools import islice

import typer

from bakehouse.cli.comparing import comparison_as_json, comparison_table, rank, ranking_metric, warn_about_data
from bakehouse.cli.grouping import explain_spread, group_runs, groups_as_json, groups_table
from bakehouse.cli.listing import parse_labels
from bakehouse.client import Client
from bakehouse.runs.run import Run
from bakehouse.runs.status import Status


def select_runs(
    ids: Sequence[str],
    *,
    labels: list[str],
    status: Status | None,
    dataset: str | None,
    architecture: str | None,
    limit: int,
) -> list[Run]:
    """Returns the runs with the ids, or else the latest runs that match all filters."""
    with Client() as client:
        if ids:
            if labels or status or dataset or architecture:
                raise typer.BadParameter("give either ids or filters, not both", param_hint="ID")
            return [client.run(run_id).record for run_id in dict.fromkeys(ids)]
        found = client.runs(status=status, labels=parse_labels(labels), dataset=dataset, architecture=architecture)
        return [run.record for run in islice(found, limit)]


def print_comparison(runs: Sequence[Run], *, group_by: Sequence[str], as_json: bool, fields: str | None) -> None:
    """Prints the runs, or groups of them, ranked by the metric that they have in common."""
    as_json = as_json or fields is not None
    if not runs and not as_json:
        print("no run matches; `bakehouse ls` lists the runs", file=sys.stderr)
        return
    metric = ranking_metric(runs)
    warn_about_data(runs)
    names = [name for each in group_by for name in each.split(",") if name]
    if names:
        groups = group_runs(runs, names, metric)
        explain_spread(groups)
        print(groups_as_json(groups, metric, fields) if as_json else groups_table(groups, metric))
    else:
        ranked = rank(runs, metric)
        print(comparison_as_json(ranked, metric, fields) if as_json else comparison_table(ranked, metric))
