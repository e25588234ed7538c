"""Refuses settings of training that contradict each other."""

from collections.abc import Iterator

from bakehouse.plan.card import ResolvedData
from bakehouse.plan.heads import monitors
from bakehouse.plan.splits import SplitSizes
from bakehouse.recipe.architecture import Linear
from bakehouse.recipe.curriculum import SelfPaced
from bakehouse.recipe.early_stopping import GeneralizationLoss, ProgressQuotient
from bakehouse.recipe.evaluation import is_higher_better
from bakehouse.recipe.problems import Problem, conflict
from bakehouse.recipe.recipe import Recipe
from bakehouse.recipe.regularizer import DropoutPenalty
from bakehouse.recipe.schedule import OneCycle


def regularizers_once(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """One coefficient for one thing."""
    types = [item.type for item in recipe.regularizer]
    for index, name in enumerate(types):
        if name in types[:index]:
            yield conflict(f"/regularizer/{index}", f"{name} stands twice")


def penalty_fits_model(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """The quadratic form of dropout is known for inputs of linear models, and stands for dropout itself."""
    for index, item in enumerate(recipe.regularizer):
        if not isinstance(item, DropoutPenalty):
            continue
        if not isinstance(recipe.architecture, Linear):
            message = f"{recipe.architecture.type} is not linear: what dropout adds to it has no closed form"
            yield conflict(f"/regularizer/{index}", message, ("architecture linear",))
        if recipe.dropout:
            yield conflict(f"/regularizer/{index}", f"{item.type} stands for dropout on the inputs, which is there too")


def warmup_ends(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """A warm-up longer than the run never reaches the learning rate."""
    if not isinstance(recipe.schedule, OneCycle) and recipe.schedule.warmup_epochs > recipe.epochs:
        yield conflict("/schedule/warmup_epochs", "longer than the run", (f"<= {recipe.epochs}",))


def stopping_fits_monitor(recipe: Recipe, data: ResolvedData, _: SplitSizes) -> Iterator[Problem]:
    """Percent above the least need a number that is 0 at best."""
    stopping, monitor = recipe.early_stopping, recipe.evaluation.monitor
    if isinstance(stopping, GeneralizationLoss | ProgressQuotient) and is_higher_better(monitor):
        allowed = tuple(name for name in monitors(recipe, data) if not is_higher_better(name))
        yield conflict("/evaluation/monitor", f"{stopping.type} compares losses, and {monitor} is none", allowed)


def self_pace_has_epochs(recipe: Recipe, _: ResolvedData, __: SplitSizes) -> Iterator[Problem]:
    """Between the epochs with all rows at the beginning and those at the end."""
    spec = recipe.curriculum
    if isinstance(spec, SelfPaced) and spec.warmup_epochs >= spec.until * recipe.epochs:
        message = f"of {recipe.epochs} epochs the first {spec.warmup_epochs} take all rows, and so do those from share "
        message += f"{spec.until:g} on: none is left that chooses"
        allowed = (f"< {spec.until * recipe.epochs:g}",)
        yield conflict("/curriculum/warmup_epochs", message, allowed)
