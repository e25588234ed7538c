"""`bakehouse compare`: runs side by side, the best first, by the metrics of their best epochs."""

import sys
from collections.abc import Sequence

from bakehouse.cli.differences import best_metrics, field_value, recipe_differences, value_text
from bakehouse.cli.formats import format_duration, format_metric
from bakehouse.cli.output import rows_as_json
from bakehouse.cli.tables import Column, table
from bakehouse.model import JsonObject
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.runs.run import Run

HEADINGS = {
    "validation_loss": "VAL LOSS", "validation_accuracy": "VAL ACC", "validation_r2": "VAL R2",
    "validation_mean_absolute_error": "VAL MAE", "test_loss": "TEST LOSS", "test_accuracy": "TEST ACC",
    "test_r2": "TEST R2", "test_mean_absolute_error": "TEST MAE",
    "validation_root_mean_squared_error": "VAL RMSE", "test_root_mean_squared_error": "TEST RMSE",
    "validation_balanced_accuracy": "VAL BAL ACC", "validation_f1": "VAL F1", "validation_auroc": "VAL AUROC",
    "test_balanced_accuracy": "TEST BAL ACC", "test_f1": "TEST F1", "test_auroc": "TEST AUROC",
}  # fmt: skip
FREE_OF_THE_LOSS = ("validation_accuracy", "validation_r2", "validation_mean_absolute_error")


def ranking_metric(runs: Sequence[Run]) -> str:
    """Returns the metric by which runs are ranked: the one that all of them monitor, unless it is a loss and they have
    different losses. Then, and if they monitor different metrics, one that is free of the loss."""
    measured = [run for run in runs if run.best is not None]
    monitors = {run.best.monitor for run in measured if run.best is not None}
    losses = {field_value(run, "objective.loss") for run in measured}
    if len(monitors) == 1 and (len(losses) == 1 or not monitors <= {"validation_loss"}):
        return monitors.pop()
    shared = (name for name in FREE_OF_THE_LOSS if measured and all(name in best_metrics(run) for run in measured))
    return next(shared, "validation_loss")


def rank(runs: Sequence[Run], metric: str) -> list[Run]:
    """Returns the runs with the best first; runs without the metric come last, in their present order."""
    return sorted(runs, key=lambda run: sort_key(best_metrics(run).get(metric), metric))


def sort_key(value: float | None, metric: str) -> tuple[bool, float]:
    return value is None, 0.0 if value is None else -value if is_higher_better(metric) else value


def shown_metrics(runs: Sequence[Run], metric: str) -> list[str]:
    """Returns the metrics that have a column, that of the ranking first."""
    present = {name for run in runs for name in best_metrics(run)}
    return [metric, *(name for name in HEADINGS if name in present and name != metric)]


def comparison_table(runs: Sequence[Run], metric: str) -> str:
    """Returns a row for each run: the recipe fields that differ, its status, and its best epoch with the metrics."""
    differing = recipe_differences(runs)
    metrics = shown_metrics(runs, metric)
    has_names = any(run.name for run in runs)
    columns = [
        Column("RUN"),
        *([Column("NAME", least=8, rank=3)] if has_names else []),
        *(Column(name.upper(), least=8) for name in differing),
        Column("STATUS", rank=2),
        Column("BEST", rank=4),
        *metric_columns(metrics),
        Column("TIME", rank=5),
    ]
    rows = []
    for index, run in enumerate(runs):
        fields = [value_text(values[index]) for values in differing.values()]
        names = [run.name or ""] if has_names else []
        best = f"e{run.best.epoch}" if run.best else "-"
        numbers = [metric_text(run, name) for name in metrics]
        rows.append([run.id, *names, *fields, run.status, best, *numbers, format_duration(run.seconds)])
    return table(columns, rows)


def metric_columns(metrics: Sequence[str]) -> list[Column]:
    """Returns the columns of metrics; on a narrow terminal only the first stays."""
    return [Column(heading(name), rank=1 if index else 0) for index, name in enumerate(metrics)]


def heading(metric: str) -> str:
    return HEADINGS.get(metric, metric.upper().replace("_", " "))


def metric_text(run: Run, metric: str) -> str:
    metrics = best_metrics(run)
    return format_metric(metric, metrics[metric]) if metric in metrics else "-"


def comparison_as_json(runs: Sequence[Run], metric: str, fields: str | None) -> str:
    differing = recipe_differences(runs)
    data: list[JsonObject] = [
        {
            "id": run.id,
            "name": run.name,
            "labels": run.labels,
            "status": run.status,
            "fields": {name: values[index] for name, values in differing.items()},
            "best": run.best.model_dump(mode="json") if run.best else None,
            "epochs": run.progress.epoch,
            "seconds": run.seconds,
        }
        for index, run in enumerate(runs)
    ]
    return rows_as_json(data, fields, sorted_by=metric)


def warn_about_data(runs: Sequence[Run]) -> None:
    """Warns on stderr if the metrics of the runs are not comparable, because they are of several data sets."""
    datasets = list(dict.fromkeys(str(field_value(run, "dataset.id")) for run in runs))
    if len(datasets) > 1:
        print(f"the runs are of several data sets: {', '.join(datasets)}", file=sys.stderr)
