"""The plan: what a recipe means for one data set, found without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from bakehouse.plan.card import DatasetCard, ResolvedData, TargetError, Task, resolve_target
from bakehouse.plan.chain import Chain
from bakehouse.plan.checks import find_problems
from bakehouse.plan.cnn import cnn
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.densenet import densenet
from bakehouse.plan.estimate import Estimate, estimate
from bakehouse.plan.fitnet import fitnet
from bakehouse.plan.layers import Denormalize, Exponential, Sequential
from bakehouse.plan.linear import linear
from bakehouse.plan.mlp import mlp
from bakehouse.plan.preresnet import preresnet
from bakehouse.plan.resnet import resnet
from bakehouse.plan.resnext import resnext
from bakehouse.plan.splits import SplitSizes, split_sizes
from bakehouse.plan.wide_resnet import wide_resnet
from bakehouse.recipe.architecture import Cnn, Densenet, Fitnet, Linear, Mlp, Preresnet, Resnet, Resnext, WideResnet
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
        """Numbers that the model gives for a sample: one a class, or one."""
        return self.root.output[0]

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
    recipe = fill_in(recipe, data)
    sizes = split_sizes(card.counts, recipe.dataset.validation_fraction)
    refuse(find_problems(recipe, data, sizes))
    root = in_units(grow(recipe, data), recipe, data)
    refuse(find_problems(recipe, data, sizes, root))
    data_bytes = 4 * card.features * sum(sizes)
    return Plan(recipe, card, data, sizes, root, estimate(recipe, root, data_bytes), checkpoints or {})


def resolve(recipe: Recipe, card: DatasetCard) -> ResolvedData:
    """The set's task and shape, with the recipe's target."""
    try:
        return resolve_target(card, recipe.dataset.target, task=asked_task(recipe))
    except TargetError as error:
        problem = Problem(
            pointer="/dataset/target", code="target", message=error.message, allowed=error.allowed or None
        )
        raise RecipeInvalid([problem]) from error


def asked_task(recipe: Recipe) -> Task | None:
    """What the recipe's loss takes a column of numbers for."""
    match recipe.objective.loss:
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


def in_units(root: Sequential, recipe: Recipe, data: ResolvedData) -> Sequential:
    """A regression model learns standardised targets, or the log of a mean, and answers in the data's units."""
    if data.task == "classification":
        return root
    if recipe.objective.loss == "poisson":
        return Sequential((*root.children, ("exponential", Exponential(root.output))))
    return Sequential((*root.children, ("denormalize", Denormalize(root.output))))


def grow(recipe: Recipe, data: ResolvedData) -> Sequential:
    """The architecture's layers."""
    chain = Chain(recipe, data.shape)
    outputs = 1 if data.classes is None or recipe.objective.loss == "binary_cross_entropy" else len(data.classes)
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
        case _:
            assert_never(recipe.architecture)
