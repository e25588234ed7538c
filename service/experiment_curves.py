"""Reads the curves of an experiment that its report draws."""

from math import isfinite

from bakehouse.experiments.answer import Results
from bakehouse.experiments.curve_plot import MOST_CURVES, MOST_RUNS, ArmCurve, arm_curve
from bakehouse.experiments.dot_plot import chosen_arms
from service.dependencies import Services
from service.experiment_what_if import epochs_of


def read_curves(services: Services, results: Results) -> list[ArmCurve]:
    """Returns the metric of the answer over the epochs, for the arms that have a value; of many the baseline and the
    best."""
    arms = [arm.name for arm in chosen_arms(results, MOST_CURVES) if arm.mean is not None]
    runs: dict[str, list[str]] = {name: [] for name in arms}
    for each in services.experiments.runs(services.experiments.record(results.experiment)):
        if each.arm in runs and each.status == "succeeded" and len(runs[each.arm]) < MOST_RUNS:
            runs[each.arm].append(each.run)
    return [arm_curve(name, [read_run(services, run, results.metric) for run in runs[name]]) for name in arms]


def read_run(services: Services, run_id: str, metric: str) -> dict[int, float]:
    """Returns the finite values of a metric by epoch."""
    found = ((event.data["epoch"], event.data.get(metric)) for event in epochs_of(services, run_id))
    return {epoch: value for epoch, value in found if value is not None and isfinite(value)}
