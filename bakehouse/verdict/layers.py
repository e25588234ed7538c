"""Verdicts on what the diagnostics found in single layers."""

from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.advice.dropout import after_all_norms
from bakehouse.advice.variance_shift import shifts
from bakehouse.verdict.divergence import smaller_lr
from bakehouse.verdict.learning import GLOROT, measured_gradients, other_activation, with_norm
from bakehouse.verdict.outcome import Outcome
from bakehouse.verdict.readings import (
    EXPLODING,
    MANY_DEAD,
    MANY_FLAT,
    USUAL_SHIFT,
    VANISHING,
    named_values,
    read_diagnostic,
)
from bakehouse.verdict.rule import Found, rule

LAGGING_STEPS = 100
"""Until then, moving averages lag behind the weights."""


@rule("warning", source=GLOROT)
def saturated_units(outcome: Outcome) -> Iterator[Found]:
    """Most outputs of a layer are where sigmoid or tanh is flat."""
    if worst(outcome, "saturation", "layers", "saturated") > MANY_FLAT:
        yield Found(sentence(outcome, "saturation"), other_activation(outcome.plan))


@rule("warning", source="Lu et al. 2019, arXiv 1903.06733")
def dead_units(outcome: Outcome) -> Iterator[Found]:
    """Many units of a layer are 0 for every row."""
    if worst(outcome, "sparsity", "activations", "dead_units") > MANY_DEAD:
        yield Found(sentence(outcome, "sparsity"), replace("/optimizer/lr", smaller_lr(outcome.plan)))


@rule("warning", source=GLOROT)
def vanishing_gradients(outcome: Outcome) -> Iterator[Found]:
    """The first layer gets a far shorter gradient than the last one."""
    for ratio, text in measured_gradients(outcome):
        if ratio < VANISHING:
            yield Found(text, other_activation(outcome.plan) or with_norm(outcome.plan))
            return


@rule("warning", source="Pascanu et al. 2013, arXiv 1211.5063")
def exploding_gradients(outcome: Outcome) -> Iterator[Found]:
    """The first layer gets a far longer gradient than the last one."""
    for ratio, text in measured_gradients(outcome):
        if ratio > EXPLODING:
            yield Found(text, with_norm(outcome.plan))
            return


@rule("warning", source="Li et al. 2018, arXiv 1801.05134")
def variance_shift(outcome: Outcome) -> Iterator[Found]:
    """A norm divides by another variance in evaluation than its inputs have there."""
    values = outcome.diagnostics.get("variance_shift", {})
    ratio = values.get("worst_ratio")
    steps = outcome.last_epoch * outcome.plan.steps_per_epoch
    if ratio is None or ratio <= USUAL_SHIFT or steps < LAGGING_STEPS:
        return
    found = [shift for shift in shifts(outcome.plan) if shift.norm == most(values, "layers", "ratio")[0]]
    found = found or list(shifts(outcome.plan))
    text = sentence(outcome, "variance_shift")
    if found:
        item = found[0].dropout
        text += f"; the {item.spec.type} before {found[0].norm} is /dropout/{item.index}"
        yield Found(text, after_all_norms(outcome.plan, found[0]))
    elif outcome.plan.recipe.evaluation.statistics == "moving":
        yield Found(text, replace("/evaluation/statistics", "population"))
    else:
        yield Found(text)


def sentence(outcome: Outcome, name: str) -> str:
    """Returns what a diagnostic says."""
    return read_diagnostic(name, outcome.diagnostics[name], outcome.last_epoch).text


def worst(outcome: Outcome, name: str, layers: str, field: str) -> float:
    """Returns the largest value of a diagnostic over all layers; 0 if it was not measured."""
    values = outcome.diagnostics.get(name, {})
    return most(values, layers, field)[1] if named_values(values, layers, field) else 0.0


def most(values: dict[str, object], layers: str, field: str) -> tuple[str, float]:
    """Returns the layer with the largest value, and that value."""
    return max(named_values(values, layers, field), key=lambda pair: pair[1])
