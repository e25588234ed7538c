"""Defines the context that a check looks at, and how a check registers itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

from bakehouse.plan.architectures.build import build_layers
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.heads import with_outputs
from bakehouse.plan.layers import Sequential
from bakehouse.plan.splits import SplitSizes, rows_of_an_epoch
from bakehouse.plan.targets import ResolvedData
from bakehouse.recipe.checkpoint import SavedCheckpoint
from bakehouse.recipe.problems import Problem
from bakehouse.recipe.recipe import Recipe


# This is a protocol because plan.py, which defines Plan, imports this file.
class TrainedModel(Protocol):
    """The plan of a checkpoint that a recipe builds on."""

    @property
    def recipe(self) -> Recipe: ...

    @property
    def card(self) -> DatasetCard: ...

    @property
    def data(self) -> ResolvedData: ...

    @property
    def root(self) -> Sequential: ...


@dataclass(frozen=True)
class Context:
    """A recipe with its defaults filled in, and all that is known of its data and of the models that it builds on."""

    recipe: Recipe
    card: DatasetCard
    data: ResolvedData
    sizes: SplitSizes
    checkpoints: Mapping[str, TrainedModel] = field(default_factory=dict)
    """The models of the checkpoints that the recipe names, by sha256."""

    # It writes to __dict__ directly, which works in a frozen dataclass.
    @cached_property
    def root(self) -> Sequential:
        """The model's layers, which can be built once the checks of the stage `recipe` have passed."""
        return with_outputs(build_layers(self.recipe, self.data), self.data.targets)

    @cached_property
    def epoch_rows(self) -> int:
        """The number of training rows that an epoch takes."""
        return rows_of_an_epoch(self.recipe.dataset, self.card, self.data, self.sizes)

    def trained(self, checkpoint: SavedCheckpoint | None) -> TrainedModel | None:
        """Returns the model of a checkpoint; None without a checkpoint, and if its plan was not given."""
        return None if checkpoint is None else self.checkpoints.get(checkpoint.digest)


Stage = Literal["recipe", "layers", "sources"]
Check = Callable[[Context], Iterator[Problem]]

CHECKS: dict[Stage, list[Check]] = {"recipe": [], "layers": [], "sources": []}
"""Checks by stage, in the order in which they run. Those of a stage rely on the stages before it: layers can only be
built for a recipe that fits its data, and only a model with layers can be compared with another."""


def check(stage: Stage) -> Callable[[Check], Check]:
    """Registers a check: a function that yields the problems of a recipe, with pointers into its canonical form."""

    def register(function: Check) -> Check:
        CHECKS[stage].append(function)
        return function

    return register
