"""The plan: what a recipe means for one data set, found without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bakehouse.plan.architectures.build import build_layers
from bakehouse.plan.card import DatasetCard, ResolvedData, Task
from bakehouse.plan.checks.checks import find_problems
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.estimate import Estimate, estimate
from bakehouse.plan.heads import Head, heads, in_units, with_heads
from bakehouse.plan.layers import Sequential
from bakehouse.plan.sources.hints import hint_problems, numbers_of_teaching, with_layers
from bakehouse.plan.sources.teacher import scorer_in, scorer_problems, teacher_in, teacher_problems
from bakehouse.plan.sources.transfer import input_problems, transfer_problems
from bakehouse.plan.splits import SplitSizes, split_sizes
from bakehouse.plan.targets import TargetError, Wanted, resolve_target
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
    root, targets = build_layers(recipe, data), heads(recipe, data)
    root = in_units(with_heads(root, targets) if data.tasks else root, targets)
    refuse(find_problems(recipe, data, sizes, root))
    if source is not None:
        refuse(list(transfer_problems(recipe, root, data, source.root, source.data)))
    data_bytes = (8 if data.is_double else 4) * card.features * sum(sizes)
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
    there = source.recipe.dataset
    fitted: dict[str, object] = {
        "normalization": there.normalization,
        "whitening_epsilon": there.whitening_epsilon,
    }
    dataset = recipe.dataset.model_copy(update=fitted)
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
