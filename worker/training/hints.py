"""The first stage of FitNets: layers of a student learn to say what a layer of its teacher says. Romero et al. 2015,
arXiv 1412.6550."""

import math
from collections.abc import Callable, Generator, Iterator
from copy import copy
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.hints import Regressor, regressor
from bakehouse.recipe.pretraining import Hints
from worker.data.batches import BATCH_ROWS, Batches
from worker.data.dataset import Data
from worker.model.build import ACTIVATIONS
from worker.model.cross_iteration_batch_norm import CrossIterationBatchNormLayer
from worker.model.modules import Maxout
from worker.model.state_dict import named, to_cpu, under
from worker.objective.teacher import Teacher
from worker.seeds import Seeds, device_generator
from worker.training.optimizer import load_moments, moments
from worker.types import Weights


def hint_stage(
    plan: Plan, teacher: Teacher | None, model: nn.Sequential, batches: Batches, data: Data
) -> "HintStage | None":
    """Where the recipe asks for one."""
    if teacher is None or not isinstance(plan.recipe.pretraining, Hints):
        return None
    return HintStage(plan, teacher, model, batches, data)


class HintStage:
    """Trains the student's layers up to the guided one, with a regressor that is thrown away."""

    def __init__(self, plan: Plan, teacher: Teacher, model: nn.Sequential, batches: Batches, data: Data) -> None:
        spec = plan.recipe.pretraining
        assert isinstance(spec, Hints)
        join = regressor(spec, plan.root, plan.checkpoints[spec.teacher.digest].root)
        self.spec, self.plan, self.teacher, self.model, self.data = spec, plan, teacher, model, data
        self.batches = with_own_seeds(batches, plan.recipe.seed)
        self.guided = behind_normalization(model, join.guided.name)
        self.hint = behind_normalization(teacher.model, join.hint.name)
        self.device = data.train.inputs.device
        self.regressor = build_regressor(join, plan.recipe.seed).to(self.device)
        self.parameters = [*self.guided.parameters(), *self.regressor.parameters()]
        self.optimizer = torch.optim.RMSprop(self.parameters, lr=spec.lr, alpha=spec.alpha, foreach=True)
        self.dropout_seeds = Seeds(plan.recipe.seed, "hints_dropout")
        self.dropout_generator = device_generator(self.device)
        self.is_short = plan.recipe.precision == "bfloat16"

        self.is_over = False
        self.step = 0
        self.epoch = 0
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.device)
        self.best_loss = math.inf
        self.best_epoch = 0
        self.best: Weights = {}

    def run(self, must_stop: Callable[[], bool]) -> Iterator[dict[str, float] | None]:
        """Yields after each unit of work: the losses at an epoch's end, else None."""
        while not (self.is_over or must_stop()):
            yield from self.train_epoch(must_stop)
            if not must_stop():
                yield from self.validate()
        if not self.is_over:
            self.end()

    def train_epoch(self, must_stop: Callable[[], bool]) -> Iterator[None]:
        """The steps of one epoch that are not done yet."""
        self.guided.train()
        if self.step < (self.epoch + 1) * self.plan.steps_per_epoch:
            for inputs, _ in self.batches.from_step(self.step):
                self.update(inputs)
                yield None
                if must_stop():
                    break

    def update(self, inputs: Tensor) -> None:
        """One step of RMSprop."""
        self.dropout_generator.manual_seed(self.dropout_seeds.at(self.step))
        loss = self.loss(inputs)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        self.loss_sum += loss.detach().double() * len(inputs)

    def loss(self, inputs: Tensor) -> Tensor:
        """1/2 ||u(x) - r(v(x))||^2, summed over the features, the mean over rows."""
        told = self.teacher.answer(self.hint, inputs)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.is_short):
            said: Tensor = self.regressor(self.guided(inputs))
        return (told - said.float()).square().flatten(1).sum(1).mean() / 2

    def validate(self) -> Generator[dict[str, float] | None, None, None]:
        """Ends an epoch: keeps the best, and stops after `patience` epochs that were not."""
        loss = float(self.loss_sum) / self.plan.sizes.train
        validation_loss = yield from self.measure()
        self.epoch += 1
        self.loss_sum = torch.zeros_like(self.loss_sum)
        if validation_loss < self.best_loss:
            self.best_loss, self.best_epoch, self.best = validation_loss, self.epoch, to_cpu(self.guided.state_dict())
        if self.epoch == self.spec.epochs or self.epoch - self.best_epoch >= self.spec.patience:
            self.end()
        yield {"hint_loss": loss, "validation_hint_loss": validation_loss}

    def measure(self) -> Generator[None, None, float]:
        """The loss over the validation split, of the student as it evaluates."""
        self.guided.eval()
        split = self.data.validation.inputs
        total = torch.zeros_like(self.loss_sum)
        for rows in torch.split(split, BATCH_ROWS):
            with torch.inference_mode():
                total += self.loss(self.model[0](rows)).double() * len(rows)
            yield
        return float(total) / len(split)

    def end(self) -> None:
        """Takes the best weights up and lets the rest go; what norms count begins anew with the run."""
        self.is_over = True
        if self.best:
            self.guided.load_state_dict(self.best)
        self.best = {}
        self.optimizer.zero_grad()
        self.optimizer.state.clear()
        for module in self.model.modules():
            if isinstance(module, CrossIterationBatchNormLayer):
                module.iteration = 0
            if isinstance(counted := getattr(module, "num_batches_tracked", None), Tensor):
                counted.zero_()

    def state(self) -> dict[str, Any]:
        """The position; as long as the stage lasts also the regressor, the moments and the best."""
        position = {"is_over": self.is_over, "step": self.step, "epoch": self.epoch}
        if self.is_over:
            return position
        best = {"best_epoch": self.best_epoch, "best_loss": self.best_loss if self.best else None}
        tensors = {"loss_sum": self.loss_sum, **named("regressor", self.regressor.state_dict())}
        tensors |= named("optimizer", moments(self.optimizer, self.parameters)) | named("best", self.best)
        return position | best | tensors

    def load_state(self, state: dict[str, Any]) -> None:
        """Takes up a state; the student's weights are the model's."""
        self.is_over, self.step, self.epoch = state["is_over"], state["step"], state["epoch"]
        if self.is_over:
            return
        self.best_epoch, self.loss_sum = state["best_epoch"], state["loss_sum"].to(self.device)
        self.best_loss = math.inf if state["best_loss"] is None else state["best_loss"]
        self.regressor.load_state_dict(under("regressor", state))
        load_moments(self.optimizer, self.parameters, under("optimizer", state))
        self.best = under("best", state)


def with_own_seeds(batches: Batches, seed: int) -> Batches:
    """All rows, in another order than that in which the run will see them."""
    own = copy(batches)
    own.subset = None
    own.order_seeds = Seeds(seed, "hints_order")
    if own.augmentation_seeds is not None:
        own.augmentation_seeds = Seeds(seed, "hints_augmentation")
    return own


def behind_normalization(model: nn.Module, name: str) -> nn.Module:
    """The layers from the normalised inputs to the named one, shared with the model."""
    first = next(child for child, _ in model.named_children())
    return between(model, name.split("."), leave_out=first)


def between(module: nn.Module, path: list[str], *, leave_out: str | None = None) -> nn.Module:
    """The layers from a module's inputs to one in it. Of a sum or a concatenation, the body or the shortcut alone."""
    if not path:
        return module
    name, *rest = path
    inner = between(module.get_submodule(name), rest)
    if not isinstance(module, nn.Sequential):
        return inner
    before = dict(takewhile(lambda item: item[0] != name, module.named_children()))
    before.pop(leave_out or "", None)
    # Slicing would make the sequence anew, and norms in it would forget what they look back on.
    part = copy(module)
    part._modules = {**before, name: inner}  # noqa: SLF001
    return part


def build_regressor(plan: Regressor, seed: int) -> nn.Sequential:
    """Initialised as torch does it, from a seed of its own."""
    torch.default_generator.manual_seed(Seeds(seed, "hints").at(0))
    hint, inputs = plan.hint, plan.guided.output
    layers: list[nn.Module] = []
    if plan.is_convolution:
        height, width = plan.kernel_size
        layers.append(nn.Conv2d(inputs[0], plan.outputs, (height, width)))
    else:
        layers += [nn.Flatten(), nn.Linear(math.prod(inputs), plan.outputs)]
    if hint.activation == "maxout":
        layers.append(Maxout(hint.pieces))
    elif hint.activation is not None:
        layers.append(ACTIVATIONS[hint.activation]())
    return nn.Sequential(*layers)
