"""Chooses the training rows that a step may learn from, the easiest rows first."""

from collections.abc import Callable, Generator, Mapping
from functools import partial
from math import ceil, sqrt
from typing import Protocol, assert_never

import torch
from torch import Tensor, nn

from bakehouse.plan.defaults import rises
from bakehouse.plan.plan import Plan
from bakehouse.recipe.curriculum import Curriculum, Distance, SelfPaced, Teacher
from bakehouse.recipe.ingredient import Off
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Data, Split, column
from worker.evaluation.evaluate import comparable
from worker.model.build import build_model
from worker.objective.targets import measured_objective
from worker.types import Objective, State, Stateful, Weights

CHUNK_ROWS = 1024


class RowChooser(Stateful, Protocol):
    """Chooses the training rows that a step may learn from."""

    def begin(self, model: nn.Module, epoch: int) -> Generator[None, None, None]:
        """Prepares an epoch, counted from 0. Yields after each batch whose difficulty it measures."""

    def subset(self, step: int) -> Tensor:
        """Returns the indexes of the rows that a step may learn from, in ascending order."""


def curriculum(plan: Plan, data: Data, model: nn.Sequential, checkpoints: Mapping[str, Weights]) -> RowChooser:
    """Returns the row chooser of the recipe's curriculum, or one that chooses all rows."""
    match plan.recipe.curriculum:
        case Off():
            return AllRows(plan.sizes.train)
        case Curriculum() as spec:
            return Pacing(spec, plan.steps, partial(rank_rows, spec, plan, data, model, checkpoints))
        case SelfPaced() as spec:
            return SelfPacing(spec, plan, data, measured_objective(plan, model))
        case _:
            assert_never(plan.recipe.curriculum)


class AllRows:
    """Chooses every row in every epoch."""

    def __init__(self, rows: int) -> None:
        self.rows = torch.arange(rows)

    def begin(self, _: nn.Module, __: int) -> Generator[None, None, None]:
        """Does nothing."""
        yield from ()

    def subset(self, _: int) -> Tensor:
        """Returns all rows."""
        return self.rows

    def state_dict(self) -> State:
        """Returns an empty dict, because there is no state."""
        return {}

    def load_state_dict(self, _: State) -> None:
        """Restores nothing."""


class Pacing:
    """Chooses the easiest ceil(g n) of n rows, in an order that is fixed before training."""

    def __init__(self, spec: Curriculum, steps: int, rank: Callable[[], Generator[None, None, Tensor]]) -> None:
        self.spec = spec
        self.steps = steps
        self.rank = rank
        self.ranking = torch.empty(0, dtype=torch.int64)
        """The indexes of the rows from the easiest to the hardest; empty before the first epoch."""

    def begin(self, _: nn.Module, __: int) -> Generator[None, None, None]:
        """Ranks the rows by difficulty in the first call only. Yields after each batch."""
        if len(self.ranking) == 0:
            self.ranking = yield from self.rank()

    def subset(self, step: int) -> Tensor:
        """Returns the easiest rows, sorted by index, so that all rows are the same subset as without a curriculum."""
        return self.ranking[: self.count(step)].sort().values

    def count(self, step: int) -> int:
        """Returns how many rows the curriculum allows at a step."""
        # Without 1e-9, a rounding error of g could add a row.
        over = min(step / (self.spec.until * self.steps), 1.0)
        return max(1, ceil(share(self.spec, over) * len(self.ranking) - 1e-9))

    def state_dict(self) -> State:
        """Returns an empty dict, because a resumed run ranks the rows again, with the same result."""
        return {}

    def load_state_dict(self, _: State) -> None:
        """Restores nothing."""


def share(spec: Curriculum, over: float) -> float:
    """Returns g, the share of rows to learn from, at the share `over` of the pacing."""
    match spec.pacing:
        case "linear":
            return spec.start + (1 - spec.start) * over
        case "root":
            return sqrt(spec.start**2 + (1 - spec.start**2) * over)
        case "step":
            return spec.start + (1 - spec.start) * int(over * rises(spec)) / rises(spec)
        case _:
            assert_never(spec.pacing)


def rank_rows(
    spec: Curriculum, plan: Plan, data: Data, model: nn.Sequential, checkpoints: Mapping[str, Weights]
) -> Generator[None, None, Tensor]:
    """Returns the indexes of the training rows from the easiest to the hardest. Yields after each batch."""
    groups = row_classes(plan, data)
    match spec.scorer:
        case Distance():
            difficulty = distances(data.train, model[0], groups)
        case Teacher(teacher=checkpoint):
            digest = checkpoint.digest
            difficulty = yield from teacher_losses(plan.checkpoints[digest], checkpoints[digest], data)
        case _:
            assert_never(spec.scorer)
    # A stable sort breaks ties by row number, so that a resumed run gets the same ranking.
    order = difficulty.argsort(stable=True)
    return interleave(order, groups) if spec.balanced else order


def interleave(order: Tensor, groups: Tensor) -> Tensor:
    """Mixes the groups: each has its share of the first n rows, for any n, and keeps its own order."""
    position = torch.empty(len(order), dtype=torch.float64)
    ordered_groups = renumber(groups)[order]
    for group in range(int(ordered_groups.max()) + 1):
        rows = order[ordered_groups == group]
        # A row's place is the middle of its interval, so that a small group does not come too early.
        position[rows] = (torch.arange(len(rows), dtype=torch.float64) + 0.5) / len(rows)
    return order[position[order].argsort(stable=True)]


def row_classes(plan: Plan, data: Data) -> Tensor:
    """Returns the class of each training row, or -1 if its label is missing; in a regression, 0 for all rows."""
    targets = column(data.train.targets, 0).cpu()
    if plan.data.main.task == "regression":
        return torch.zeros(len(targets), dtype=torch.int64)
    return targets.nan_to_num(-1.0).long()


def renumber(groups: Tensor) -> Tensor:
    """Numbers the groups from 0, without gaps."""
    numbers: Tensor = torch.unique(groups, return_inverse=True)[1]
    return numbers


@torch.no_grad()
def distances(split: Split, normalize: nn.Module, groups: Tensor) -> Tensor:
    """Returns |x - mean of its group| of each row, in float64 on the CPU, so that the order is the same on any
    device."""
    groups = renumber(groups)

    def chunks() -> Generator[tuple[Tensor, Tensor], None, None]:
        for rows, row_groups in zip(split.batches(CHUNK_ROWS), torch.split(groups, CHUNK_ROWS), strict=True):
            yield normalize(rows[0]).flatten(1).cpu().double(), row_groups

    features = next(chunks())[0].shape[1]
    means = torch.zeros(int(groups.max()) + 1, features, dtype=torch.float64)
    for rows, row_groups in chunks():
        means.index_add_(0, row_groups, rows)
    means /= groups.bincount()[:, None]
    return torch.cat([(rows - means[row_groups]).norm(dim=1) for rows, row_groups in chunks()])


def teacher_losses(plan: Plan, weights: Weights, data: Data) -> Generator[None, None, Tensor]:
    """Returns the loss of a trained model on each row, which is infinite for rows without a label."""
    teacher = build_model(plan)
    teacher.load_state_dict(weights)
    teacher.to(data.train.device)
    targets = column(data.train.targets, 0)
    known = targets.nan_to_num(0.0).to(targets.dtype if plan.data.main.task == "regression" else torch.int64)
    rows = Split(data.train.source, known)
    losses = yield from row_losses(teacher, rows, measured_objective(plan, teacher))
    return losses.masked_fill(targets.isnan().cpu(), torch.inf)


def row_losses(model: nn.Module, split: Split, objective: Objective) -> Generator[None, None, Tensor]:
    """Returns the loss of each row in evaluation mode, on the CPU in float64. Yields after each batch."""
    model.eval()
    losses_of_rows = torch.vmap(lambda outputs, target: objective(outputs[None], target[None]))
    losses: list[Tensor] = []
    for rows, targets in split.batches(BATCH_ROWS):
        with torch.no_grad():
            losses.append(losses_of_rows(comparable(model(rows), targets), targets))
        yield
    # A loss of nan becomes infinite, so that its row is among the hardest.
    return torch.cat(losses).cpu().double().nan_to_num(torch.inf)


class SelfPacing:
    """Chooses the rows whose loss at the start of the epoch is below lambda, which grows with each epoch."""

    def __init__(self, spec: SelfPaced, plan: Plan, data: Data, objective: Objective) -> None:
        self.spec = spec
        self.split = data.train
        self.objective = objective
        self.last_epoch = spec.until * plan.recipe.epochs
        groups = row_classes(plan, data)
        self.groups = renumber(groups if spec.balanced else torch.zeros_like(groups))
        self.first_lambda = torch.full((int(self.groups.max()) + 1,), torch.inf, dtype=torch.float64)
        self.epoch = -1
        self.taken = torch.ones(len(groups), dtype=torch.bool)

    def subset(self, _: int) -> Tensor:
        """Returns the rows of the current epoch."""
        return self.taken.nonzero().squeeze(1)

    def begin(self, model: nn.Module, epoch: int) -> Generator[None, None, None]:
        """Chooses the rows of an epoch, in its first call for that epoch only. Yields after each batch."""
        if self.epoch == epoch:
            return
        taken = torch.ones_like(self.taken)
        if self.spec.warmup_epochs <= epoch < self.last_epoch:
            losses = yield from row_losses(model, self.split, self.objective)
            taken = self.easy_rows(losses, epoch)
        self.epoch = epoch
        self.taken = taken

    def easy_rows(self, losses: Tensor, epoch: int) -> Tensor:
        """Returns a mask v: v_i is true if loss_i < lambda of its group, and for the easiest share `start` of each
        group."""
        groups = range(len(self.first_lambda))
        start_losses = torch.stack([self.start_quantile(losses[self.groups == group]) for group in groups])
        if epoch == self.spec.warmup_epochs:
            self.first_lambda = start_losses
        current_lambda = self.first_lambda * self.spec.growth ** (epoch - self.spec.warmup_epochs)
        # Without the second condition, a group whose losses rise could lose all of its rows.
        return (losses < current_lambda[self.groups]) | (losses <= start_losses[self.groups])

    def start_quantile(self, losses: Tensor) -> Tensor:
        """Returns the largest loss in the easiest share `start` of the rows."""
        return losses.kthvalue(max(1, ceil(self.spec.start * len(losses) - 1e-9))).values

    def state_dict(self) -> State:
        """Returns the rows of the current epoch, because losses cannot be measured again later in the epoch."""
        return {"epoch": self.epoch, "first_lambda": self.first_lambda, "taken": self.taken}

    def load_state_dict(self, state: State) -> None:
        """Restores a state."""
        self.epoch = state["epoch"]
        self.first_lambda = state["first_lambda"]
        self.taken = state["taken"]
