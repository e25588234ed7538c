"""`bakehouse plot`: draws runs and experiments into files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import typer
from matplotlib.figure import Figure

from bakehouse.cli.plots.curves import Curve, Group, draw_curves
from bakehouse.cli.plots.dots import draw_dots, factor_of
from bakehouse.cli.plots.interactions import draw_interactions
from bakehouse.cli.plots.style import SETTINGS, clip
from bakehouse.client import Client, ClientExperiment, ClientRun
from bakehouse.plurals import count_of
from bakehouse.recipe.problems import did_you_mean

Kind = Literal["dots", "curves", "interaction"]
ENDINGS = (".png", ".svg", ".pdf")
MOST_CURVES = 200
DOTS_PER_INCH = 150


def save_plot(ids: Sequence[str], output: Path | None, *, kind: Kind | None, metric: str | None) -> None:
    """Draws an experiment, or runs, and prints the name of the file."""
    file = output or Path(f"{ids[0]}.png")
    if file.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{file} should end in one of {', '.join(ENDINGS)}", param_hint="--output")
    with mpl.rc_context(dict(SETTINGS)):
        figure = draw(list(dict.fromkeys(ids)), kind, metric)
        # Without the date, the same answer gives the same file.
        metadata = {"Date": None} if file.suffix.lower() == ".svg" else {}
        figure.savefig(file, dpi=DOTS_PER_INCH, metadata=metadata)
    print(file)


def draw(ids: Sequence[str], kind: Kind | None, metric: str | None) -> Figure:
    with Client() as client:
        if not any(each.startswith("exp_") for each in ids):
            if kind not in (None, "curves"):
                raise typer.BadParameter("runs are drawn as curves", param_hint="--kind")
            runs = [client.run(each) for each in ids]
            return draw_runs(runs, metric)
        if len(ids) > 1:
            raise typer.BadParameter("give one experiment, or one or more runs", param_hint="ID")
        return draw_experiment(client, client.experiment(ids[0]), kind or "dots", metric)


def draw_runs(runs: Sequence[ClientRun], metric: str | None) -> Figure:
    """Draws a line for each run; of a single run, also the same metric of the training rows."""
    chosen = metric or runs[0].record.plain_recipe["evaluation"]["monitor"]
    curves = [curve_of(run) for run in runs]
    groups = [Group(run.name or run.id, [curve], chosen) for run, curve in zip(runs, curves, strict=True)]
    require_metric(groups, chosen)
    if len(runs) > 1:
        return draw_curves(groups, label=label_of(chosen))
    pair = [chosen, chosen.replace("validation_", "train_")]
    measured = [name for name in dict.fromkeys(pair) if any(name in row for row in curves[0].rows)]
    # The best epoch is that of the monitor, and is marked once.
    lines = [Group(name, [curves[0] if name == chosen else Curve(curves[0].rows)], name) for name in measured]
    return draw_curves(lines, label=label_of(chosen.removeprefix("validation_")), title=clip(groups[0].name, 90))


def draw_experiment(client: Client, experiment: ClientExperiment, kind: Kind, metric: str | None) -> Figure:
    if kind == "curves":
        if len(experiment.runs) > MOST_CURVES:
            message = f"{count_of(len(experiment.runs), 'curve')} cannot be told apart; pass up to {MOST_CURVES} runs"
            raise typer.BadParameter(message, param_hint="--kind")
        return draw_arms(client, experiment, metric)
    if metric is not None:
        raise typer.BadParameter("works with --kind curves", param_hint="--metric")
    results = experiment.results()
    if not results.arms:
        raise typer.BadParameter("the search has no trial yet", param_hint="ID")
    if kind == "dots":
        return draw_dots(results)
    record = experiment.record
    if not record.factors:
        raise typer.BadParameter("only a factorial has interactions", param_hint="--kind")
    return draw_interactions(results, record.factors, record.arms)


def draw_arms(client: Client, experiment: ClientExperiment, metric: str | None) -> Figure:
    """Draws the mean of each arm over its seeds, with a band."""
    chosen = metric or experiment.record.metric
    curves: dict[str, list[Curve]] = {arm.name: [] for arm in experiment.record.arms}
    for run in experiment.runs:
        curves[run.arm].append(curve_of(client.run(run.run)))
    groups = [Group(name, [each for each in found if each.rows], chosen) for name, found in curves.items()]
    groups = [group for group in groups if group.curves]
    require_metric(groups, chosen)
    most = max(len(group.curves) for group in groups)
    title = f"mean, and the range of {count_of(most, 'run')}" if most > 1 else ""
    return draw_curves(groups, label=label_of(chosen), title=title)


def label_of(metric: str) -> str:
    return metric + (" in %" if factor_of(metric) == 100 else "")


def curve_of(run: ClientRun) -> Curve:
    record = run.record
    best = None if record.best is None else record.best.epoch
    stopped = record.is_over and record.progress.epoch < record.progress.epochs
    return Curve(run.history(), best, stopped)


def require_metric(groups: Sequence[Group], metric: str) -> None:
    """Raises BadParameter if no run has an epoch with the metric."""
    rows = [row for group in groups for curve in group.curves for row in curve.rows]
    if not rows:
        raise typer.BadParameter("no run has a complete epoch yet", param_hint="ID")
    if all(row.get(metric) is None for row in rows):
        names = [name for name in rows[0] if "_" in name]
        message = f"no run has measured {metric!r}{did_you_mean(metric, names)}; there is {', '.join(names)}"
        raise typer.BadParameter(message, param_hint="--metric")
