"""Plans a recipe for one data set, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bakehouse.plan.card import DatasetCard
from bakehouse.plan.context import Context
from bakehouse.plan.data_bytes import bytes_of_data, bytes_of_scores
from bakehouse.plan.defaults import fill_in
from bakehouse.plan.estimate import Estimate, estimate
from bakehouse.plan.heads import with_class_measures
from bakehouse.plan.layers import Conv, Sequential, walk
from bakehouse.plan.pictures import PictureSize, bytes_of_photographs, picture_size, with_size
from bakehouse.plan.problems import find_problems
from bakehouse.plan.sources.hints import numbers_of_teaching, with_layer_numbers
from bakehouse.plan.sources.teacher import teacher_in
from bakehouse.plan.sources.transfer import with_normalization_of_source
from bakehouse.plan.splits import SplitSizes, plan_sizes
from bakehouse.plan.targets import ResolvedData, Target, TargetError, as_trained, resolve_targets
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.objective import Loss
from bakehouse.recipe.problems import Problem, RecipeInvalid
from bakehouse.recipe.recipe import Recipe


@dataclass(frozen=True)
class Plan:
    """The model that a run will train, with its recipe, data and cost."""

    recipe: Recipe
    """The canonical recipe, which includes the defaults that depend on the data."""
    card: DatasetCard
    data: ResolvedData
    sizes: SplitSizes
    epoch_rows: int
    """Number of training rows that an epoch takes, which `dataset.sampling` may make smaller than the split."""
    root: Sequential
    estimate: Estimate
    picture_size: PictureSize | None = None
    """The size of the pictures that training reads, if it is not the one with which they are packed."""
    checkpoints: Mapping[str, "Plan"] = field(default_factory=dict)
    """The plans of the checkpoints that the recipe names, by sha256."""

    @property
    def outputs(self) -> int:
        """Number of the model's outputs: each target has one for each class, or a single one."""
        return self.root.output[0]

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets that the model learns, the main one first."""
        return self.data.targets

    @property
    def input_columns(self) -> tuple[str, ...] | None:
        """The names of the columns that are the model's inputs, in order; null unless the set is a table with named
        columns."""
        return None if self.card.columns is None else tuple(each.name for each in self.data.inputs)

    @property
    def loss(self) -> Loss:
        """The loss of the main target."""
        return self.data.main.loss

    @property
    def has_maps(self) -> bool:
        """Whether the model has convolutions, which run 1.5 times as fast on channels-last tensors."""
        return any(isinstance(layer, Conv) for _, layer in walk(self.root))

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in an epoch; the last, smaller batch counts."""
        return -(-self.epoch_rows // self.recipe.batch_size)

    @property
    def steps(self) -> int:
        """Number of steps in the whole run, if it does not stop early."""
        return self.steps_per_epoch * self.recipe.epochs

    def trained(self, checkpoint: SavedCheckpoint | None) -> "Plan | None":
        """Returns the plan of a checkpoint; None without a checkpoint, and if its plan was not given."""
        return None if checkpoint is None else self.checkpoints.get(checkpoint.digest)


def make_plan(recipe: Recipe, card: DatasetCard, checkpoints: Mapping[str, Plan] | None = None) -> Plan:
    """Plans a recipe; `checkpoints` are the plans of the checkpoints that it names, by sha256.

    Raises RecipeInvalid, with pointers into the canonical recipe, if the recipe cannot be trained.
    """
    checkpoints = checkpoints or {}
    size = picture_size(recipe, card)
    card = with_size(card, size)
    data = resolve(recipe, card)
    card = as_trained(card, data)
    # The source's normalization comes first, because the defaults of epsilon and of the attack depend on it.
    recipe = fill_in(with_normalization_of_source(recipe, checkpoints), data)
    sizes = plan_sizes(recipe.dataset, card, data.unlabelled)
    context = Context(recipe, card, data, sizes, checkpoints)
    problems = find_problems(context)
    if problems:
        raise RecipeInvalid(problems)
    data_bytes = bytes_of_data(recipe.dataset, card, data, sizes)
    data_bytes += bytes_of_scores(data, max(sizes.validation, sizes.test))
    data_bytes += bytes_of_photographs(recipe, card)
    teacher = context.trained(teacher_in(recipe))
    if teacher is not None:
        # Only after the checks, which refuse numbers of layers that do not exist.
        recipe = with_layer_numbers(recipe, context.root, teacher.root)
        data_bytes += 4 * numbers_of_teaching(recipe, context.root, teacher.root)
    cost = estimate(recipe, context.root, data_bytes, rows=context.epoch_rows)
    return Plan(recipe, card, data, sizes, context.epoch_rows, context.root, cost, size, checkpoints)


def resolve(recipe: Recipe, card: DatasetCard) -> ResolvedData:
    """Returns the set's shape and the recipe's targets; raises RecipeInvalid if a target does not exist."""
    try:
        return with_class_measures(resolve_targets(card, recipe.dataset, recipe.objective), recipe.evaluation)
    except TargetError as error:
        problem = Problem(pointer=error.pointer, code="target", message=error.message, allowed=error.allowed or None)
        raise RecipeInvalid([problem]) from error
