"""Advice on targets."""

import math
from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.advice.class_shares import class_shares
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.columns import target_task
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.targets import Target
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.early_stopping import GeneralizationLoss, ProgressQuotient
from bakehouse.recipe.evaluation import CLASS_MEASURES, Evaluation
from bakehouse.recipe.objective import ExtraTask, Loss, Objective
from bakehouse.recipe.patch import PatchStep
from bakehouse.recipe.problems import RecipeInvalid

WIDEST = 100.0
MOST_VALUES = 100
COMMON = 0.75
"""The share of the rows from which on a class hides what a model does with the others."""
NEAR = 9.0
"""The patch does not change the weight of a target whose share of the loss is within this factor of the main
target's."""
SOURCE = "Caruana 1997, Multitask Learning; Kendall et al. 2018, arXiv 1705.07115, section 3"


@rule("warning", about=(ExtraTask,), source=SOURCE)
def task_weights_far_apart(plan: Plan) -> Iterator[Finding]:
    """The shared layers hardly learn from a target whose share of the loss is a hundredth of another's."""
    main, *further = plan.targets
    shares = {target: target.weight * untrained_loss(target) for target in (main, *further)}
    if max(shares.values()) <= WIDEST * min(shares.values()):
        return
    largest, least = max(shares, key=shares.__getitem__), min(shares, key=shares.__getitem__)
    farthest = max(further, key=lambda target: abs(math.log(shares[target] / shares[main])))
    message = f"before training, the share of {largest.label} in the loss is {shares[largest]:.3g} and that of "
    message += f"{least.label} "
    message += f"{shares[least]:.3g}, {shares[largest] / shares[least]:,.0f} times less: the "
    message += "shared layers hardly learn from it."
    steps = [
        replace(f"/objective/tasks/{index}/weight", evening_weight(target, shares[main]))
        for index, target in enumerate(further)
        if not shares[main] / NEAR <= shares[target] <= shares[main] * NEAR
    ]
    yield Finding(f"/objective/tasks/{further.index(farthest)}/weight", message, sum(steps, ()))


def evening_weight(target: Target, share: float) -> float:
    """Returns the weight, to three digits, that gives a target this share of the loss."""
    return float(f"{share / untrained_loss(target):.3g}")


def untrained_loss(target: Target) -> float:
    """Returns the loss of a model that knows nothing: log k for k classes, the variance 1 for standardised numbers."""
    return 1.0 if target.classes is None else math.log(len(target.classes))


@rule("info", about=(Dataset, Objective), source="Goodfellow et al. 2016, Deep Learning, 5.1.1")
def whole_numbers_either_way(plan: Plan) -> Iterator[Finding]:
    """A column of whole numbers can be classes or numbers, and the number of its values decides."""
    columns = {column.name: column for column in plan.card.columns or ()}
    column = columns.get(plan.data.main.name)
    # A recipe that gives the column a kind has made the choice.
    is_chosen = plan.data.main.name in plan.recipe.dataset.columns.kinds
    if column is None or is_chosen or not column.whole or not 2 < len(column.classes or ()) <= MOST_VALUES:
        return
    task = plan.data.main.task
    # The other choice cannot be a guess.
    if task != target_task(column):
        return
    is_classes = task == "classification"
    now, other = ("classes", "numbers") if is_classes else ("numbers", "classes")
    loss: Loss = "squared_error" if is_classes else "cross_entropy"
    # A recipe that fits only one of the two has made the choice.
    if fits(plan, loss):
        message = f"{column.name} has {len(column.classes or ())} whole values, which are learned as {now}; where "
        message += "their order and distance mean something (ages, counts), learn numbers, and where they only name "
        message += f"groups, classes. For {other}, set objective.loss to {loss}."
        yield Finding("/objective/loss", message, replace("/objective/loss", loss))


@rule("info", about=(Dataset, Evaluation, Objective), source="Japkowicz & Stephen 2002, Intelligent Data Analysis 6")
def commonest_class(plan: Plan) -> Iterator[Finding]:
    """A model that always answers the commonest class looks good by its accuracy."""
    shares = class_shares(plan)
    classes = plan.data.main.classes
    if shares is None or classes is None or max(shares) < COMMON or is_fair(plan.recipe.evaluation.monitor):
        return
    share = f"{100 * max(shares):.1f}%"
    rarest = f"{100 * min(shares):.1f}%"
    message = (
        f"{share} of the rows are {classes[shares.index(max(shares))]}, so always answering it has an accuracy of "
    )
    message += f"{share}: compare accuracies with that. The rarest class is {classes[shares.index(min(shares))]} with "
    message += f"{rarest} of the rows. "
    advised, patch = fair_monitor(plan)
    yield Finding("/dataset", message + advised, patch)


def is_fair(monitor: str) -> bool:
    """Whether a model cannot look good by this metric that always answers the commonest class."""
    return monitor.endswith(CLASS_MEASURES)


def fair_monitor(plan: Plan) -> tuple[str, tuple[PatchStep, ...]]:
    """Returns what a recipe with rare classes can do, and the patch if its monitor misleads."""
    monitor = plan.recipe.evaluation.monitor
    is_balanced = plan.recipe.objective.class_weights != "none" or plan.recipe.dataset.sampling != "none"
    better = "validation_balanced_accuracy"
    counts = f"{better} counts each class equally"
    if monitor == "validation_accuracy":
        return f"The monitor {counts}.", replace("/evaluation/monitor", better)
    if not is_balanced:
        text = "objective.class_weights and dataset.sampling give rare classes more weight, and the monitor "
        return f"{text}{counts}.", ()
    text = f"{monitor} has the classes as common as they are, and training has not: the monitor {counts}."
    is_free = not isinstance(plan.recipe.early_stopping, GeneralizationLoss | ProgressQuotient)
    return text, replace("/evaluation/monitor", better) if is_free else ()


def fits(plan: Plan, loss: Loss) -> bool:
    """Whether the recipe can be planned with another loss."""
    objective = plan.recipe.objective.model_copy(update={"loss": loss})
    try:
        make_plan(plan.recipe.model_copy(update={"objective": objective}), plan.card, plan.checkpoints)
    except RecipeInvalid:
        return False
    return True
