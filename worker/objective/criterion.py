"""Builds the loss of a training step from the loss of the labels and the terms of adversarial examples and teachers."""

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
"""A function from the outputs for a batch to the loss that a step minimises."""

LossBuilder = Callable[[Tensor, Tensor, int], OutputLoss]
"""A function (inputs, targets, step) -> OutputLoss. The teacher is evaluated once, even if a step has two forward
passes."""


def criterion(plan: Plan, model: nn.Sequential, teacher: Teacher | None, weights: Tensor | None = None) -> Criterion:
    """Returns the loss of the recipe; costs nothing for a teacher, an attack or class weights that the recipe does not
    have."""
    objective = training_objective(plan, weights)
    attack = plan.recipe.objective.adversarial
    # A teacher may give only hints.
    has_teacher = teacher is not None and probabilities_are_compared(plan.recipe)
    if attack is None and not has_teacher:
        return partial(standard_loss, objective=objective)
    if teacher is not None and has_teacher:
        build_loss = teacher_loss(teacher, plan, objective)
    else:
        build_loss = partial(label_loss, objective=objective)
    if attack is None:
        return partial(built_loss, build_loss=build_loss)
    adversary = Attack(attack, plan, model, objective, purpose="adversary")
    return partial(adversarial_loss, build_loss=build_loss, adversary=adversary, weight=attack.weight)


def standard_loss(
    predict: Model, inputs: Tensor, targets: Tensor, step: int, *, objective: Objective
) -> tuple[Tensor, Tensor]:
    """Returns the outputs and J(x) of one forward pass."""
    outputs = predict(inputs)
    return outputs, objective(outputs, targets)


def built_loss(
    predict: Model, inputs: Tensor, targets: Tensor, step: int, *, build_loss: LossBuilder
) -> tuple[Tensor, Tensor]:
    """Returns the outputs and the loss, with the teacher's term, of one forward pass."""
    outputs = predict(inputs)
    return outputs, build_loss(inputs, targets, step)(outputs)


def adversarial_loss(
    predict: Model,
    inputs: Tensor,
    targets: Tensor,
    step: int,
    *,
    build_loss: LossBuilder,
    adversary: Attack,
    weight: float,
) -> tuple[Tensor, Tensor]:
    """Returns the outputs and (1 - weight) J(x) + weight J(x'). A teacher's logits are always those of x.

    The outputs are those of x, or of x' at weight 1.
    """
    examples = adversary(predict, inputs, targets, step)
    loss = build_loss(inputs, targets, step)
    if weight == 1:
        outputs = predict(examples)
        return outputs, loss(outputs)
    outputs = predict(inputs)
    return outputs, (1 - weight) * loss(outputs) + weight * loss(predict(examples))


def teacher_loss(teacher: Teacher, plan: Plan, objective: Objective) -> LossBuilder:
    """Returns the loss of distillation, or of the second stage of hints."""
    distillation = plan.recipe.objective.distillation
    hints = plan.recipe.pretraining
    # A teacher gives probabilities of the main target only.
    main = plan.data.main.columns
    if distillation is not None:
        return partial(distilled_loss, objective=objective, teacher=teacher, spec=distillation, main=main)
    assert isinstance(hints, Hints)
    weight_at = hint_weights(hints, plan)
    return partial(hint_loss, objective=objective, teacher=teacher, spec=hints, weight_at=weight_at, main=main)


def label_loss(inputs: Tensor, targets: Tensor, step: int, *, objective: Objective) -> OutputLoss:
    """Returns the loss of the labels alone."""
    return lambda outputs: objective(outputs, targets)


def distilled_loss(
    inputs: Tensor,
    targets: Tensor,
    step: int,
    *,
    objective: Objective,
    teacher: Teacher,
    spec: Distillation,
    main: slice,
) -> OutputLoss:
    """Returns the loss (1 - a) J + a T^2 KL."""
    teacher_logits = teacher.logits(inputs)

    def loss(outputs: Tensor) -> Tensor:
        soft = divergence(outputs[:, main], teacher_logits, spec.temperature)
        return (1 - spec.weight) * objective(outputs, targets) + spec.weight * soft

    return loss


def hint_loss(
    inputs: Tensor,
    targets: Tensor,
    step: int,
    *,
    objective: Objective,
    teacher: Teacher,
    spec: Hints,
    weight_at: Callable[[int], float],
    main: slice,
) -> OutputLoss:
    """Returns the loss J + lambda H."""
    teacher_logits = teacher.logits(inputs)
    weight = weight_at(step)

    def loss(outputs: Tensor) -> Tensor:
        soft = soft_cross_entropy(outputs[:, main], teacher_logits, spec.temperature)
        return objective(outputs, targets) + weight * soft

    return loss


def hint_weights(spec: Hints, plan: Plan) -> Callable[[int], float]:
    """Returns a function from a step to lambda, which moves linearly from `coefficient` in the first epoch to
    `final_coefficient` in the last."""
    first = spec.coefficient
    last = spec.final_coefficient
    epochs = plan.recipe.epochs

    def weight_at(step: int) -> float:
        # A run of one epoch keeps the first weight.
        done = (step // plan.steps_per_epoch) / max(epochs - 1, 1)
        return first + (last - first) * done

    return weight_at
