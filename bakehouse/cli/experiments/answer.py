"""Prints the answer of an experiment: a row for each arm, the effects, and the answer in a sentence."""

import csv
import json
import sys
import textwrap
from collections.abc import Mapping

from bakehouse.cli.comparing import heading
from bakehouse.cli.formats import sanitize
from bakehouse.cli.output import output_width
from bakehouse.cli.tables import Column, Row, table
from bakehouse.client import ClientExperiment
from bakehouse.experiments.answer import ArmResult, Difference, Effect, Results
from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.report import p_text
from bakehouse.experiments.words import arm_name, difference_text, ensemble_name, value_text

VALUE_FIELDS = ("arm", "seed", "fold", "run", "status", "reused", "metric", "value")


def print_answer(results: Results) -> None:
    """Prints the table of the arms and, as the last line, the answer; warnings go to stderr."""
    for each in tables_of(results):
        print(each)
        print()
    # The effects of an ablation are the differences of its arms, with the other sign.
    if any(effect.type != "ingredient" for effect in results.effects):
        print(effects_table(results))
        print()
    if results.search is not None and results.search.importances:
        print(fold(importance_text(results.search.importances)))
        print()
    for ensemble in results.ensembles:
        print(fold(ensemble.sentence))
        print()
    for arm in results.arms:
        for run in arm.failed:
            place = f"seed {run.seed}" + ("" if run.fold is None else f", fold {run.fold}")
            print(sanitize(f"{arm.name}, {place} ({run.run}): {run.message}"), file=sys.stderr)
    for caution in results.warnings:
        print(sanitize(f"warning: {caution.message}"), file=sys.stderr)
    sys.stderr.flush()
    print(fold(results.sentence), flush=True)


def importance_text(importances: Mapping[str, float]) -> str:
    shares = ", ".join(f"{place} {share:.0%}" for place, share in importances.items())
    return f"What sets the best tenth of the trials apart: {shares}."


def fold(sentence: str) -> str:
    """Returns a sentence for stdout; on a terminal, broken between words."""
    text = sanitize(sentence)
    width = output_width()
    return text if width is None else textwrap.fill(text, max(width, 20), break_long_words=False)


def tables_of(results: Results) -> list[str]:
    """Returns the table of the arms; of a search with confirmed trials, one of all trials and one of these."""
    if results.search is None or results.baseline is None:
        return [arms_table(results)]
    confirmed = tuple(arm for arm in results.arms if arm.takes_part or arm.name == results.baseline)
    trials = tuple(arm for arm in results.arms if arm not in confirmed)
    return [
        arms_table(results.model_copy(update={"arms": trials, "baseline": None, "ensembles": ()})),
        arms_table(results.model_copy(update={"arms": confirmed})),
    ]


def arms_table(results: Results) -> str:
    """Returns a row for each arm: its mean, and how it compares with the baseline; without a baseline, as of trials,
    what differs in its recipe. Below are the ensembles."""
    has_failed = any(arm.failed for arm in results.arms)
    differences = (
        Column("DIFFERENCE", rank=1),
        Column("95 % INTERVAL", rank=2),
        Column("P", rank=5),
        Column("VERDICT"),
    )
    columns = [
        Column("ARM", least=18),
        Column("N", rank=4),
        *([Column("FAILED", rank=6)] if has_failed else []),
        Column(heading(results.metric)),
        Column("95 % INTERVAL", rank=3),
        *((Column("DIFFERS IN", least=16),) if results.baseline is None else differences),
    ]
    rows = [arm_row(arm, results, has_failed=has_failed) for arm in results.arms]
    rows += [ensemble_row(each, results, has_failed=has_failed) for each in results.ensembles]
    return table(columns, rows)


def ensemble_row(ensemble: Ensemble, results: Results, *, has_failed: bool) -> Row:
    """Returns the value of an ensemble in the column of means; it is compared with no arm."""
    value = ensemble.validation.get(results.metric)
    text = "-" if value is None else value_text(value, None, results.metric)
    compared = () if results.baseline is None else ("-", "-", "-")
    return (ensemble_name(ensemble), "1", *(["-"] if has_failed else []), text, "-", *compared, "ensemble")


def arm_row(arm: ArmResult, results: Results, *, has_failed: bool) -> Row:
    failed = (str(len(arm.failed)),) if has_failed else ()
    first = (arm_name(arm), str(arm.n), *failed, *value_cells(arm, results.metric))
    if results.baseline is None:
        return (*first, ", ".join(choice_text(place, value) for place, value in arm.differs.items()) or "-")
    found = arm.difference
    verdict = found.verdict if found else "baseline" if arm.name == results.baseline else "-"
    return (*first, *(difference_cells(found, results.metric) if found else ("-", "-", "-")), verdict)


def choice_text(place: str, value: object) -> str:
    """Returns what a trial has at a place of the recipe: `lr=0.0728`, or `norm=batch_norm` of an ingredient."""
    if isinstance(value, dict) and "type" in value:
        value = value["type"]
    text = f"{value:.3g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    return f"{place.rpartition('/')[2]}={text}"


def value_cells(arm: ArmResult, metric: str) -> tuple[str, str]:
    """Returns a mean and its interval."""
    if arm.mean is None:
        return "-", "-"
    mean, _, interval = value_text(arm.mean, arm.interval, metric).partition(" (")
    return mean, interval.rstrip(")") or "-"


def difference_cells(found: Difference | Effect, metric: str) -> tuple[str, str, str]:
    """Returns a difference, its interval, and its p value, adjusted for the number of comparisons."""
    # The unit is that of the column of means.
    first, *rest = difference_text(found, metric).split(", ")
    difference = first.removeprefix(f"{metric} ")
    return difference, rest[0] if found.interval is not None else "-", p_text(found.p_adjusted)


def effects_table(results: Results) -> str:
    """Returns a row for each effect of a factorial."""
    columns = [
        Column("EFFECT", least=12),
        Column("TYPE", rank=4),
        Column("DIFFERENCE"),
        Column("95 % INTERVAL", rank=2),
        Column("P", rank=3),
        Column("VERDICT"),
    ]
    rows = [
        (" with ".join(effect.ingredients), effect.type, *difference_cells(effect, results.metric), effect.verdict)
        for effect in results.effects
    ]
    return table(columns, rows)


def print_csv(experiment: ClientExperiment, results: Results) -> None:
    """Prints a line for each run: its place in the experiment, and its value."""
    values = {(arm.name, place): value for arm in results.arms for place, value in arm.values.items()}
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(VALUE_FIELDS)
    for run in experiment.runs:
        place = str(run.seed) if run.fold is None else f"{run.seed}/{run.fold}"
        fold = "" if run.fold is None else run.fold
        value = values.get((run.arm, place), "")
        writer.writerow((run.arm, run.seed, fold, run.run, run.status, run.reused, results.metric, value))
