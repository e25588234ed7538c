"""The plan: what a recipe means for one data set, found without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from bakehouse.plan.card import DatasetCard, ResolvedData, Task
from bakehouse.plan.chain import Chain
from bakehouse.plan.checks.checks import find_problems
from bakehouse.plan.cnn import cnn
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.densenet import densenet
from bakehouse.plan.estimate import Estimate, estimate
from bakehouse.plan.fitnet import fitnet
from bakehouse.plan.heads import Head, heads, in_units, width, with_heads
from bakehouse.plan.hints import hint_problems, numbers_of_teaching, with_layers
from bakehouse.plan.layers import Sequential
from bakehouse.plan.linear import linear
from bakehouse.plan.mlp import mlp
from bakehouse.plan.preresnet import preresnet
from bakehouse.plan.resnet import resnet
from bakehouse.plan.resnext import resnext
from bakehouse.plan.rnn import rnn
from bakehouse.plan.splits import SplitSizes, split_sizes
from bakehouse.plan.targets import TargetError, Wanted, resolve_target
from bakehouse.plan.teacher import scorer_in, scorer_problems, teacher_in, teacher_problems
from bakehouse.plan.transfer import input_problems, transfer_problems
from bakehouse.plan.wide_resnet import wide_resnet
from bakehouse.recipe.architecture import (
    Cnn,
    Densenet,
    Fitnet,
    Linear,
    Mlp,
    Preresnet,
    Resnet,
    Resnext,
    Rnn,
    WideResnet,
)
from bakehouse.recipe.objective import Loss
from bakehouse.recipe.pretraining import Hints, Transfer
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """What will be trained."""

    recipe: Recipe
    """Canonical, with the defaults that depend on the data."""
    card: DatasetCard
    data: ResolvedData
    sizes: SplitSizes
    root: Sequential
    estimate: Estimate
    checkpoints: Mapping[str, "Plan"] = field(default_factory=dict)
    """What was trained for each checkpoint that the recipe names, by its sha256."""

    @property
    def outputs(self) -> int:
        """Numbers that the model gives for a sample: for each target one a class, or one."""
        return self.root.output[0]

    @property
    def heads(self) -> tuple[Head, ...]:
        """Each target's share of the outputs."""
        return heads(self.recipe, self.data)

    @property
    def steps_per_epoch(self) -> int:
        """The last, smaller batch counts."""
        return -(-self.sizes.train // self.recipe.batch_size)

    @property
    def steps(self) -> int:
        """Of the whole run, if it does not stop early."""
        return self.steps_per_epoch * self.recipe.epochs


def make_plan(recipe: Recipe, card: DatasetCard, checkpoints: Mapping[str, Plan] | None = None) -> Plan:
    """`checkpoints` are the plans of those that the recipe names, by sha256.

    Raises RecipeInvalid, with pointers into the canonical recipe, where the two do not fit.
    """
    data = resolve(recipe, card)
    source = source_of(recipe, checkpoints or {})
    recipe = fill_in(recipe if source is None else normalised_as(source, recipe, card), data)
    sizes = split_sizes(card.counts, recipe.dataset.validation_fraction)
    refuse(find_problems(recipe, data, sizes))
    root, targets = grow(recipe, data), heads(recipe, data)
    root = in_units(with_heads(root, targets) if data.tasks else root, targets)
    refuse(find_problems(recipe, data, sizes, root))
    if source is not None:
        refuse(list(transfer_problems(recipe, root, data, source.root, source.data)))
    data_bytes = 4 * card.features * sum(sizes)
    teacher = teacher_of(recipe, checkpoints or {})
    if teacher is not None:
        recipe = taught_by(teacher, recipe, root, data, card)
        data_bytes += 4 * numbers_of_teaching(recipe, root, teacher.root)
    scorer = scorer_in(recipe)
    scoring = None if scorer is None else (checkpoints or {}).get(scorer.digest)
    if scoring is not None:
        refuse(list(scorer_problems(recipe, data, card, scoring.recipe, scoring.data, scoring.card)))
    return Plan(recipe, card, data, sizes, root, estimate(recipe, root, data_bytes), checkpoints or {})


def source_of(recipe: Recipe, checkpoints: Mapping[str, Plan]) -> Plan | None:
    """What layers are copied from; None also for a source itself, whose own sources do not matter any more."""
    match recipe.pretraining:
        case Transfer(checkpoint=checkpoint):
            return checkpoints.get(checkpoint.digest)
        case _:
            return None


def normalised_as(source: Plan, recipe: Recipe, card: DatasetCard) -> Recipe:
    """The recipe with the normalization whose fitted numbers it takes over."""
    refuse(list(input_problems(recipe, card, source.recipe, source.card)))
    dataset = recipe.dataset.model_copy(update={"normalization": source.recipe.dataset.normalization})
    return recipe.model_copy(update={"dataset": dataset})


def teacher_of(recipe: Recipe, checkpoints: Mapping[str, Plan]) -> Plan | None:
    """Whom probabilities or hints come from; None also for a teacher itself, whose own does not matter any more."""
    checkpoint = teacher_in(recipe)
    return None if checkpoint is None else checkpoints.get(checkpoint.digest)


def taught_by(teacher: Plan, recipe: Recipe, root: Sequential, data: ResolvedData, card: DatasetCard) -> Recipe:
    """The recipe with the layers that hints join."""
    refuse(list(teacher_problems(recipe, data, card, teacher.recipe, teacher.data, teacher.card)))
    if not isinstance(recipe.pretraining, Hints):
        return recipe
    hints = with_layers(recipe.pretraining, root, teacher.root)
    refuse(list(hint_problems(hints, root, teacher.root)))
    return recipe.model_copy(update={"pretraining": hints})


def resolve(recipe: Recipe, card: DatasetCard) -> ResolvedData:
    """The set's task and shape, with the recipe's target."""
    try:
        return resolve_target(
            card, recipe.dataset.target, task=asked_task(recipe.objective.loss), tasks=wanted_tasks(recipe)
        )
    except TargetError as error:
        problem = Problem(pointer=error.pointer, code="target", message=error.message, allowed=error.allowed or None)
        raise RecipeInvalid([problem]) from error


def wanted_tasks(recipe: Recipe) -> tuple[Wanted, ...]:
    """Further targets, as a data set is asked for them."""
    return tuple((task.target, asked_task(task.loss)) for task in recipe.objective.tasks)


def asked_task(loss: Loss | None) -> Task | None:
    """What a loss takes a column of numbers for."""
    match loss:
        case "cross_entropy" | "binary_cross_entropy":
            return "classification"
        case "squared_error" | "poisson":
            return "regression"
        case None:
            return None


def refuse(problems: list[Problem]) -> None:
    """All problems of one look together."""
    if problems:
        raise RecipeInvalid(problems)


def grow(recipe: Recipe, data: ResolvedData) -> Sequential:
    """The architecture's layers."""
    chain = Chain(recipe, data.shape)
    outputs = width(recipe.objective.loss, data.classes)
    match recipe.architecture:
        case Linear():
            return linear(recipe.architecture, chain, outputs)
        case Mlp():
            return mlp(recipe.architecture, chain, outputs)
        case Cnn():
            return cnn(recipe.architecture, chain, outputs)
        case Fitnet():
            return fitnet(recipe.architecture, chain, outputs)
        case Resnet():
            return resnet(recipe.architecture, chain, outputs)
        case Preresnet():
            return preresnet(recipe.architecture, chain, outputs)
        case WideResnet():
            return wide_resnet(recipe.architecture, chain, outputs)
        case Resnext():
            return resnext(recipe.architecture, chain, outputs)
        case Densenet():
            return densenet(recipe.architecture, chain, outputs)
        case Rnn():
            return rnn(recipe.architecture, chain, outputs)
        case _:
            assert_never(recipe.architecture)
