"""How a training step gets from a batch to its loss: the labels, and what adversaries and teachers add."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.teacher import probabilities_are_compared
from bakehouse.recipe.objective import Distillation
from bakehouse.recipe.pretraining import Hints
from worker.objective.adversarial import Attack
from worker.objective.distillation import divergence, soft_cross_entropy
from worker.objective.targets import training_objective
from worker.objective.teacher import Teacher
from worker.types import Criterion, Model, Objective

OutputLoss = Callable[[Tensor], Tensor]
"""Outputs for the rows of a lesson -> what a step lowers."""

LossBuilder = Callable[[Tensor, Tensor, int], OutputLoss]
"""(inputs, targets, step) -> how outputs for these rows are scored."""


def criterion(plan: Plan, model: nn.Sequential, teacher: Teacher | None) -> Criterion:
    """As the recipe composes it; a recipe without add-ons pays for none."""
    labels, attack = training_objective(plan), plan.recipe.objective.adversarial
    # Hints may be all that a teacher gives.
    teaches = teacher is not None and probabilities_are_compared(plan.recipe)
    if attack is None and not teaches:
        return partial(plain, objective=labels)
    lesson = taught_by(teacher, plan, labels) if teacher and teaches else partial(labelled, objective=labels)
    if attack is None:
        return partial(taught, lesson=lesson)
    adversary = Attack(attack, plan, model, labels, purpose="adversary")
    return partial(hardened, lesson=lesson, adversary=adversary, weight=attack.weight)


def plain(predict: Model, inputs: Tensor, targets: Tensor, step: int, *, objective: Objective) -> tuple[Tensor, Tensor]:
    """One forward pass."""
    outputs = predict(inputs)
    return outputs, objective(outputs, targets)


def taught(predict: Model, inputs: Tensor, targets: Tensor, step: int, *, lesson: LossBuilder) -> tuple[Tensor, Tensor]:
    """One forward pass, scored by more than the labels."""
    outputs = predict(inputs)
    return outputs, lesson(inputs, targets, step)(outputs)


def hardened(
    predict: Model, inputs: Tensor, targets: Tensor, step: int, *, lesson: LossBuilder, adversary: Attack, weight: float
) -> tuple[Tensor, Tensor]:
    """(1 - weight) J(x) + weight J(x'), the scores of x for both; at weight 1 the outputs are those of x'."""
    moved = adversary(predict, inputs, targets, step)
    score = lesson(inputs, targets, step)
    if weight == 1:
        outputs = predict(moved)
        return outputs, score(outputs)
    outputs = predict(inputs)
    return outputs, (1 - weight) * score(outputs) + weight * score(predict(moved))


def taught_by(teacher: Teacher, plan: Plan, labels: Objective) -> LossBuilder:
    """What distillation, or the second stage of hints, makes of the labels."""
    distillation, hints = plan.recipe.objective.distillation, plan.recipe.pretraining
    # Of several targets, a teacher tells the data set's own.
    main = plan.heads[0].outputs
    if distillation is not None:
        return partial(distilled, objective=labels, teacher=teacher, spec=distillation, main=main)
    assert isinstance(hints, Hints)
    return partial(
        hinted, objective=labels, teacher=teacher, spec=hints, coefficient=coefficients(hints, plan), main=main
    )


def labelled(inputs: Tensor, targets: Tensor, step: int, *, objective: Objective) -> OutputLoss:
    """Labels alone."""
    return lambda outputs: objective(outputs, targets)


def distilled(
    inputs: Tensor, targets: Tensor, step: int, *, objective: Objective, teacher: Teacher, spec: Distillation, main: int
) -> OutputLoss:
    """(1 - a) J + a T^2 KL."""
    told = teacher.logits(inputs)

    def score(outputs: Tensor) -> Tensor:
        soft = divergence(outputs[:, :main], told, spec.temperature)
        return (1 - spec.weight) * objective(outputs, targets) + spec.weight * soft

    return score


def hinted(
    inputs: Tensor,
    targets: Tensor,
    step: int,
    *,
    objective: Objective,
    teacher: Teacher,
    spec: Hints,
    coefficient: Callable[[int], float],
    main: int,
) -> OutputLoss:
    """J + lambda H."""
    told, weight = teacher.logits(inputs), coefficient(step)

    def score(outputs: Tensor) -> Tensor:
        return objective(outputs, targets) + weight * soft_cross_entropy(outputs[:, :main], told, spec.temperature)

    return score


def coefficients(spec: Hints, plan: Plan) -> Callable[[int], float]:
    """lambda of a step: `coefficient` in the first epoch, `final_coefficient` in the last, a straight line between."""
    first, last, epochs = spec.coefficient, spec.final_coefficient, plan.recipe.epochs

    def coefficient(step: int) -> float:
        done = (step // plan.steps_per_epoch) / max(epochs - 1, 1)
        return first + (last - first) * done

    return coefficient
