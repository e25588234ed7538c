"""Several targets of one model: each one's share of the outputs, its layers, and the names of its metrics."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bakehouse.plan.card import ResolvedData, Task
from bakehouse.plan.defaults import loss_or_default
from bakehouse.plan.layers import Denormalize, DropConnect, Exponential, Heads, Linear, Sequential, Units
from bakehouse.plan.targets import MAIN
from bakehouse.recipe.objective import Loss
from bakehouse.recipe.recipe import Recipe

MEASURES: dict[Task, tuple[str, ...]] = {
    "classification": ("accuracy",),
    "regression": ("mean_absolute_error", "r2"),
}
"""Beside the loss."""


@dataclass(frozen=True)
class Head:
    """A target and its outputs."""

    name: str
    """`main`, `task1`, `task2`, ...: of its layer in `heads` and in `units`."""
    target: str | None
    """None is the one that a data set has of its own."""
    task: Task
    classes: tuple[str, ...] | None
    loss: Loss
    weight: float
    first: int
    """Of its outputs among the model's."""
    outputs: int

    @property
    def label(self) -> str:
        """In names of metrics."""
        return MAIN if self.name == MAIN else str(self.target)

    def metrics(self, split: str) -> tuple[str, ...]:
        """What is measured beside the loss; the main target's have the names that they have when it is alone."""
        prefix = split if self.name == MAIN else f"{split}_{self.label}"
        return tuple(f"{prefix}_{measure}" for measure in MEASURES[self.task])


def heads(recipe: Recipe, data: ResolvedData) -> tuple[Head, ...]:
    """The data set's own target, then those of the tasks, in the order of their outputs."""
    loss = loss_or_default(recipe.objective.loss, data.task)
    found = [Head(MAIN, recipe.dataset.target, data.task, data.classes, loss, 1.0, 0, width(loss, data.classes))]
    for number, (task, target) in enumerate(zip(recipe.objective.tasks, data.tasks, strict=True), start=1):
        loss = loss_or_default(task.loss, target.task)
        first, outputs = found[-1].first + found[-1].outputs, width(loss, target.classes)
        name, weight = f"task{number}", task.weight
        found.append(Head(name, target.name, target.task, target.classes, loss, weight, first, outputs))
    return tuple(found)


def width(loss: Loss | None, classes: tuple[str, ...] | None) -> int:
    """Outputs that a target needs: one a class, or one."""
    return 1 if classes is None or loss == "binary_cross_entropy" else len(classes)


def monitors(recipe: Recipe, data: ResolvedData) -> tuple[str, ...]:
    """What early stopping may look at; with tasks, `validation_loss` is the weighted sum of their losses."""
    own = tuple(f"validation_{measure}" for measure in ("loss", *MEASURES[data.task]))
    if not data.tasks:
        return own
    names = [(f"validation_{head.label}_loss", *head.metrics("validation")) for head in heads(recipe, data)]
    return tuple(dict.fromkeys([*own, *(name for each in names for name in each)]))


def with_heads(root: Sequential, heads: tuple[Head, ...]) -> Sequential:
    """An output layer for each target in place of the one, all of its kind."""
    *trunk, (_, head) = root.children
    assert isinstance(head, Linear | DropConnect), "an architecture ends in its output layer"
    named = tuple((each.name, replace(head, output=(each.outputs,))) for each in heads)
    return Sequential((*trunk, ("heads", Heads(named))))


def in_units(root: Sequential, heads: tuple[Head, ...]) -> Sequential:
    """A regression model learns standardised targets, or the log of a mean, and answers in the data's units."""
    if len(heads) == 1:
        units = [(type(layer).__name__.lower(), layer) for _, _, layer in unit_parts(heads)]
        return Sequential((*root.children, *units))
    parts = tuple(unit_parts(heads))
    return Sequential((*root.children, ("units", Units(root.output, parts)))) if parts else root


def unit_parts(heads: tuple[Head, ...]) -> Iterator[tuple[str, int, Denormalize | Exponential]]:
    """What stands behind the outputs of each target that is a number."""
    for head in heads:
        match head.loss:
            case "squared_error":
                yield head.name, head.first, Denormalize((head.outputs,))
            case "poisson":
                yield head.name, head.first, Exponential((head.outputs,))
            case _:
                pass
