"""Which training rows a step may learn from: the easiest ones first."""

from collections.abc import Callable, Generator, Mapping
from functools import partial
from math import ceil, sqrt
from typing import Any, Protocol, assert_never

import torch
from torch import Tensor, nn

from bakehouse.plan.defaults import rises
from bakehouse.plan.plan import Plan
from bakehouse.recipe.curriculum import Curriculum, Distance, SelfPaced, Teacher
from bakehouse.recipe.ingredient import Off
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Data, Split
from worker.evaluation.evaluate import comparable
from worker.model.build import build_model
from worker.objective.targets import measured_objective
from worker.types import Objective, Stateful, Weights

CHUNK_ROWS = 1024


class RowChooser(Stateful, Protocol):
    """Chooses the training rows that a step may learn from."""

    def begin(self, model: nn.Module, epoch: int) -> Generator[None, None, None]:
        """Prepares an epoch, from 0. Yields after each batch that is measured."""

    def subset(self, step: int) -> Tensor:
        """The numbers of the rows that a step may learn from, in rising order."""


def curriculum(plan: Plan, data: Data, model: nn.Sequential, checkpoints: Mapping[str, Weights]) -> RowChooser:
    """The rows that the recipe's curriculum chooses; all rows where it has none."""
    match plan.recipe.curriculum:
        case Off():
            return AllRows(plan.sizes.train)
        case Curriculum() as spec:
            return Pacing(spec, plan.steps, partial(ranking, spec, plan, data, model, checkpoints))
        case SelfPaced() as spec:
            return SelfPacing(spec, plan, data, measured_objective(plan, model))
        case _:
            assert_never(plan.recipe.curriculum)


class AllRows:
    """Every row in every epoch."""

    def __init__(self, rows: int) -> None:
        self.rows = torch.arange(rows)

    def begin(self, _: nn.Module, __: int) -> Generator[None, None, None]:
        """Needs no preparation."""
        yield from ()

    def subset(self, _: int) -> Tensor:
        """All rows."""
        return self.rows

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, _: dict[str, Any]) -> None:
        """Restores nothing."""


class Pacing:
    """The easiest ceil(g n) of n rows, by an order that is fixed before training."""

    def __init__(self, spec: Curriculum, steps: int, rank: Callable[[], Generator[None, None, Tensor]]) -> None:
        self.spec, self.steps, self.rank = spec, steps, rank
        self.ranking = torch.empty(0, dtype=torch.int64)
        """The rows, the easiest first; none before the first epoch."""

    def begin(self, _: nn.Module, __: int) -> Generator[None, None, None]:
        """Ranks the rows, once. Yields after each batch that is measured."""
        if len(self.ranking) == 0:
            self.ranking = yield from self.rank()

    def subset(self, step: int) -> Tensor:
        """Rows by number, so that all of them in a permutation are the permutation."""
        return self.ranking[: self.count(step)].sort().values

    def count(self, step: int) -> int:
        """How many; without rounding errors of g upwards."""
        over = min(step / (self.spec.until * self.steps), 1.0)
        return max(1, ceil(share(self.spec, over) * len(self.ranking) - 1e-9))

    def state_dict(self) -> dict[str, Any]:
        """Nothing: the order is the same when it is computed again."""
        return {}

    def load_state_dict(self, _: dict[str, Any]) -> None:
        """Restores nothing."""


def share(spec: Curriculum, over: float) -> float:
    """g where the share `over` of the pacing is over."""
    match spec.pacing:
        case "linear":
            return spec.start + (1 - spec.start) * over
        case "root":
            return sqrt(spec.start**2 + (1 - spec.start**2) * over)
        case "step":
            return spec.start + (1 - spec.start) * int(over * rises(spec)) / rises(spec)
        case _:
            assert_never(spec.pacing)


def ranking(
    spec: Curriculum, plan: Plan, data: Data, model: nn.Sequential, checkpoints: Mapping[str, Weights]
) -> Generator[None, None, Tensor]:
    """The numbers of the training rows, the easiest first. Yields after each batch that is measured."""
    groups = classes_of(plan, data)
    match spec.scorer:
        case Distance():
            difficulty = distances(data.train.inputs, model[0], groups)
        case Teacher(teacher=checkpoint):
            digest = checkpoint.digest
            difficulty = yield from losses_of(plan.checkpoints[digest], checkpoints[digest], data)
        case _:
            assert_never(spec.scorer)
    order = difficulty.argsort(stable=True)
    return evenly(order, groups) if spec.balanced else order


def evenly(order: Tensor, groups: Tensor) -> Tensor:
    """The same order within each group, the groups mixed so that each keeps its share among the first of any number."""
    position = torch.empty(len(order), dtype=torch.float64)
    ordered = numbered(groups)[order]
    for group in range(int(ordered.max()) + 1):
        rows = order[ordered == group]
        position[rows] = (torch.arange(len(rows), dtype=torch.float64) + 0.5) / len(rows)
    return order[position[order].argsort(stable=True)]


def classes_of(plan: Plan, data: Data) -> Tensor:
    """The class of each training row, -1 where its label is missing; 0 for all where targets are numbers."""
    targets = main_targets(data).cpu()
    if plan.data.task == "regression":
        return torch.zeros(len(targets), dtype=torch.int64)
    return targets.nan_to_num(-1.0).long()


def numbered(groups: Tensor) -> Tensor:
    """From 0, without gaps."""
    found: Tensor = torch.unique(groups, return_inverse=True)[1]
    return found


def main_targets(data: Data) -> Tensor:
    """Of several targets, the data set's own."""
    targets = data.train.targets
    return targets if targets.ndim == 1 else targets[:, 0]


@torch.no_grad()
def distances(inputs: Tensor, normalize: nn.Module, groups: Tensor) -> Tensor:
    """|x - mean of its group|, in float64 on the CPU, so that the order is the same on any device."""
    groups = numbered(groups)
    means = torch.zeros(int(groups.max()) + 1, inputs[0].numel(), dtype=torch.float64)

    def chunks() -> Generator[tuple[Tensor, Tensor], None, None]:
        for rows, own in zip(torch.split(inputs, CHUNK_ROWS), torch.split(groups, CHUNK_ROWS), strict=True):
            yield normalize(rows).flatten(1).cpu().double(), own

    for rows, own in chunks():
        means.index_add_(0, own, rows)
    means /= groups.bincount()[:, None]
    return torch.cat([(rows - means[own]).norm(dim=1) for rows, own in chunks()])


def losses_of(plan: Plan, weights: Weights, data: Data) -> Generator[None, None, Tensor]:
    """A trained model's own loss on each row; rows without a label are the hardest."""
    teacher = build_model(plan)
    teacher.load_state_dict(weights)
    teacher.to(data.train.inputs.device)
    targets = main_targets(data)
    known = targets.nan_to_num(0.0).to(targets.dtype if plan.data.task == "regression" else torch.int64)
    rows = Split(data.train.inputs, known)
    losses = yield from row_losses(teacher, rows, measured_objective(plan, teacher))
    return losses.masked_fill(targets.isnan().cpu(), torch.inf)


def row_losses(model: nn.Module, split: Split, objective: Objective) -> Generator[None, None, Tensor]:
    """Of each row by itself, as the model evaluates; on the CPU, in float64. Yields after each batch."""
    model.eval()
    each = torch.vmap(lambda outputs, target: objective(outputs[None], target[None]))
    found: list[Tensor] = []
    for rows, wanted in split.batches(BATCH_ROWS):
        with torch.no_grad():
            found.append(each(comparable(model(rows), wanted), wanted))
        yield
    # A loss that is not a number is that of the hardest rows.
    return torch.cat(found).cpu().double().nan_to_num(torch.inf)


class SelfPacing:
    """The rows whose loss is below a growing lambda, as measured when an epoch begins."""

    def __init__(self, spec: SelfPaced, plan: Plan, data: Data, objective: Objective) -> None:
        self.spec, self.split, self.objective = spec, data.train, objective
        self.last_epoch = spec.until * plan.recipe.epochs
        groups = classes_of(plan, data)
        self.groups = numbered(groups if spec.balanced else torch.zeros_like(groups))
        self.first_lambda = torch.full((int(self.groups.max()) + 1,), torch.inf, dtype=torch.float64)
        self.epoch = -1
        self.taken = torch.ones(len(groups), dtype=torch.bool)

    def subset(self, _: int) -> Tensor:
        """The rows of the present epoch."""
        return self.taken.nonzero().squeeze(1)

    def begin(self, model: nn.Module, epoch: int) -> Generator[None, None, None]:
        """Chooses an epoch's rows, once. Yields after each batch that is measured."""
        if self.epoch == epoch:
            return
        taken = torch.ones_like(self.taken)
        if self.spec.warmup_epochs <= epoch < self.last_epoch:
            losses = yield from row_losses(model, self.split, self.objective)
            taken = self.below_lambda(losses, epoch)
        self.epoch, self.taken = epoch, taken

    def below_lambda(self, losses: Tensor, epoch: int) -> Tensor:
        """v_i = 1 if loss_i < lambda of its group, and for the share `start` of the least ones."""
        least = torch.stack([self.quantile(losses[self.groups == group]) for group in range(len(self.first_lambda))])
        if epoch == self.spec.warmup_epochs:
            self.first_lambda = least
        grown = self.first_lambda * self.spec.growth ** (epoch - self.spec.warmup_epochs)
        return (losses < grown[self.groups]) | (losses <= least[self.groups])

    def quantile(self, losses: Tensor) -> Tensor:
        """The loss of the last row of the share `start`."""
        return losses.kthvalue(max(1, ceil(self.spec.start * len(losses) - 1e-9))).values

    def state_dict(self) -> dict[str, Any]:
        """What losses decided: they cannot be measured again within an epoch."""
        return {"epoch": self.epoch, "first_lambda": self.first_lambda, "taken": self.taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes it up."""
        self.epoch, self.first_lambda, self.taken = state["epoch"], state["first_lambda"], state["taken"]
