"""Refuses settings of training that contradict each other."""

from collections.abc import Iterator

from bakehouse.plan.context import Context, check
from bakehouse.plan.heads import monitors
from bakehouse.plurals import count_of
from bakehouse.recipe.architecture import Linear
from bakehouse.recipe.curriculum import Curriculum, SelfPaced
from bakehouse.recipe.early_stopping import why_unfit
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.problems import Problem, conflict, listed_twice
from bakehouse.recipe.regularizer import DropoutPenalty
from bakehouse.recipe.schedule import OneCycle

FORMER_DEFAULT_STEPS = 4
"""Number of steps that version 0.1.0 wrote into the canonical recipe of every curriculum."""


@check("recipe")
def regularizers_once(context: Context) -> Iterator[Problem]:
    """Refuses a penalty that is listed twice, because it would be unclear which coefficient counts."""
    return listed_twice("/regularizer", [item.type for item in context.recipe.regularizer])


@check("recipe")
def penalty_fits_model(context: Context) -> Iterator[Problem]:
    """Refuses dropout_penalty for a model with hidden layers, or together with dropout, which it replaces."""
    architecture = context.recipe.architecture
    for pointer, item in context.recipe.find(DropoutPenalty).items():
        if not isinstance(architecture, Linear):
            message = f"{item.type} is known for the architecture linear, and {architecture.type} has hidden layers"
            yield conflict(pointer, message, ("architecture linear",))
        if context.recipe.dropout:
            message = f"{item.type} replaces dropout on the inputs, but the recipe lists dropout too"
            yield conflict(pointer, message)


@check("recipe")
def warmup_ends(context: Context) -> Iterator[Problem]:
    """Refuses a warm-up that is longer than the run, and so never reaches the learning rate."""
    schedule = context.recipe.schedule
    epochs = context.recipe.epochs
    if not isinstance(schedule, OneCycle) and schedule.warmup_epochs > epochs:
        yield conflict(
            "/schedule/warmup_epochs", f"is longer than the run of {count_of(epochs, 'epoch')}", (f"<= {epochs}",)
        )


@check("recipe")
def stopping_fits_monitor(context: Context) -> Iterator[Problem]:
    """Refuses early stopping by a percentage above the lowest value if the monitor is not a loss."""
    monitor = context.recipe.evaluation.monitor
    if message := why_unfit(context.recipe.early_stopping, monitor):
        allowed = tuple(name for name in monitors(context.data.targets) if not is_higher_better(name))
        yield conflict("/evaluation/monitor", message, allowed)


@check("recipe")
def self_pace_has_epochs(context: Context) -> Iterator[Problem]:
    """Refuses a self-paced curriculum without epochs between the first and the last ones, which take all rows."""
    spec = context.recipe.curriculum
    epochs = context.recipe.epochs
    if isinstance(spec, SelfPaced) and spec.warmup_epochs >= spec.until * epochs:
        message = f"no epoch is left in which self_paced chooses rows: of {count_of(epochs, 'epoch')}, the first "
        message += f"{spec.warmup_epochs} take all rows, and so do those after {spec.until:.0%} of the run"
        yield conflict("/curriculum/warmup_epochs", message, (f"< {spec.until * epochs:g}",))


@check("recipe")
def steps_are_of_a_staircase(context: Context) -> Iterator[Problem]:
    """Refuses a number of steps for a pacing without steps."""
    spec = context.recipe.curriculum
    if isinstance(spec, Curriculum) and spec.pacing != "step" and spec.steps is not None:
        message = f"steps counts the rises of the pacing step; the pacing {spec.pacing} has none"
        if spec.steps == FORMER_DEFAULT_STEPS:
            message += f" (earlier versions filled in {FORMER_DEFAULT_STEPS} here; it can be left out)"
        yield conflict("/curriculum/steps", message, ("null",))
