"""The training loop: plan and data to weights. It knows neither Redis nor files."""

import math
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bakehouse.plan.layers import Conv, DropConnect, Dropout, walk
from bakehouse.plan.plan import Plan
from worker.batches import Batches
from worker.build import Denormalize, Exponential, Normalize, build_model
from worker.dataset import Data
from worker.early_stopping import EarlyStopper
from worker.evaluation import Metrics, SplitName, evaluate
from worker.meter import Meter, StepLog, is_logged
from worker.objective import clean_objective, criterion
from worker.optimizer import optimizer
from worker.regularizer import after_step, before_step, gradient_changes, noise, penalties, roles
from worker.schedule import drops, schedule
from worker.seeds import Seeds, device_generator
from worker.types import Kept, Model, Weights

Ending = Literal["early_stopped", "epochs_done", "time_budget", "stopped_by_user"]


@dataclass(frozen=True, slots=True)
class EpochLog:
    """Numbers at the end of an epoch, counted from 1."""

    epoch: int
    step: int
    metrics: Metrics
    lr: float
    seconds: float
    epochs_since_best: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class Finished:
    """The end: why, and what the best weights reach on the test split."""

    ending: Ending
    metrics: Metrics
    last: EpochLog
    last_weights: Weights


Happening = StepLog | EpochLog | Finished


class NonFinite(Exception):
    """The loss of a step, or the monitor of every epoch, is not a number."""

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"the loss is not finite at step {step}")


class Training:
    """One run's model, data and position. `run()` yields after each unit of work."""

    def __init__(
        self, plan: Plan, data: Data, device: torch.device, checkpoints: Mapping[str, Weights] | None = None
    ) -> None:
        """`checkpoints` are the weights of those that the recipe names, by sha256."""
        recipe = plan.recipe
        self.plan, self.data, self.device = plan, data, device
        self.checkpoints = checkpoints or {}
        layout = torch.channels_last if has_maps(plan) else torch.contiguous_format
        self.model = build_model(plan)
        fill_statistics(self.model, data)
        self.model.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        # Between the data's units and the loss's: normalised inputs, standardised targets.
        is_regression = plan.data.task == "regression"
        self.core = nn.Sequential(*list(self.model)[1 : -1 if is_regression else None])
        self.forward: Model = torch.compile(self.core) if recipe.compile == "on" else self.core
        parameters = roles(self.model)
        self.parameters = [item for group in parameters.values() for item in group]
        self.criterion, self.clean_objective = criterion(recipe.objective), clean_objective(recipe.objective)
        self.optimizer = optimizer(recipe, parameters)
        self.noise = noise(recipe, parameters)
        self.penalties = tuple(penalties(recipe, parameters))
        self.gradient_changes = tuple(gradient_changes(recipe, parameters))
        self.before_step = tuple(before_step(recipe, parameters))
        self.after_step = tuple(after_step(recipe, parameters))
        self.drops = drops(recipe)
        self.schedule = schedule(plan, self.drops)
        self.stopper = EarlyStopper(recipe)
        self.batches = Batches(plan, data, self.model[0], layout)
        self.meter = Meter(counts_hits=not is_regression, loss_scale=data.target_std**2)
        self.dropout_seeds = Seeds(recipe.seed, "dropout") if draws_masks(plan) else None
        self.dropout_generator = device_generator(device)
        self.kept: dict[str, Kept] = {"stopper": self.stopper, "meter": self.meter}
        if self.drops is not None:
            self.kept["drops"] = self.drops

        self.step = 0
        self.validated = 0
        self.validated_step = 0
        self.untold: deque[StepLog] = deque()
        self.last: EpochLog | None = None
        self.best_weights: Weights | None = None
        self.asked: Ending | None = None
        self.stop_step = 1

    def run(self) -> Iterator[Happening | None]:
        """Trains until an ending; None after a unit of work that has nothing to tell.

        Raises NonFinite, after what led to it has been told.
        """
        while (ending := self.ending()) is None:
            yield from self.train_epoch()
            yield from self.validate()
        yield from self.finish(ending)

    def train_epoch(self) -> Iterator[Happening | None]:
        """The steps of one epoch that are not done yet."""
        self.epoch_started = perf_counter()
        self.core.train()
        if self.step < (self.validated + 1) * self.plan.steps_per_epoch and not self.must_stop():
            for inputs, targets in self.batches.from_step(self.step):
                self.update(inputs, targets)
                yield None
                if self.meter.is_due():
                    yield from self.read()
                if self.must_stop():
                    break
        yield from self.read()

    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """One optimizer step."""
        if self.dropout_seeds is not None:
            self.dropout_generator.manual_seed(self.dropout_seeds.at(self.step))
        lr = self.schedule(self.step)
        outputs, loss = self.take_gradients(inputs, targets)
        for change in self.gradient_changes:
            change(lr)
        for project in self.before_step:
            project(lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        for project in self.after_step:
            project(lr)
        self.step += 1
        self.meter.add(loss.detach(), outputs.detach(), targets)

    def take_gradients(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Of the objective and its penalties, at noisy weights where the recipe asks for it; outputs and objective."""
        if self.noise is not None:
            self.noise.add(self.step)
        outputs, loss = self.loss(inputs, targets)
        total = loss
        for penalty in self.penalties:
            total = total + penalty(inputs, outputs)
        for parameter in self.parameters:
            parameter.grad = None
        total.backward()  # type: ignore[no-untyped-call]
        if self.noise is not None:
            self.noise.remove()
        return outputs, loss

    def loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and objective."""
        return self.criterion(self.predict, inputs, targets, self.step)

    def predict(self, inputs: Tensor) -> Tensor:
        """Layers in 16 bits where the recipe asks for it; what they say in 32."""
        if self.plan.recipe.precision == "float32":
            return self.forward(inputs)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            outputs = self.forward(inputs)
        return outputs.float()

    def read(self) -> Iterator[StepLog]:
        """Steps since the last reading that the log wants."""
        epoch = self.validated + 1
        for step, loss in self.meter.read(self.step):
            if is_logged(step) or step == self.meter.diverged_at:
                self.untold.append(StepLog(step, epoch, loss, self.schedule(step - 1)))
        # Whoever saves between two of them reads too, and so tells the rest first.
        while self.untold:
            yield self.untold.popleft()
        if self.meter.diverged_at is not None:
            raise NonFinite(self.meter.diverged_at)

    def validate(self) -> Iterator[Happening | None]:
        """Ends an epoch: measures, lets the stopper see it, keeps the best."""
        metrics = self.meter.metrics() | (yield from self.measure(self.model, "validation"))
        epoch = self.validated + 1
        lr, seconds = self.schedule(self.step - 1), perf_counter() - self.epoch_started
        value = metrics[self.plan.recipe.evaluation.monitor]
        is_best = self.stopper.observe(epoch, value, train_loss=metrics["train_loss"])
        if is_best:
            self.best_weights = self.weights()
        if self.drops is not None:
            self.drops.observe(value)
        self.validated, self.validated_step = epoch, self.step
        self.meter.start_epoch()
        self.last = EpochLog(epoch, self.step, metrics, lr, seconds, self.stopper.epochs_since_best, is_best)
        yield self.last

    def measure(self, model: nn.Module, name: SplitName) -> Generator[None, None, Metrics]:
        """A whole model on a split, in the data's units."""
        split = self.data.validation if name == "validation" else self.data.test
        model.eval()
        objective, task = self.clean_objective, self.plan.data.task
        return evaluate(model, split.inputs, split.targets, task=task, objective=objective, split=name)

    def finish(self, ending: Ending) -> Iterator[Happening | None]:
        """Measures the best weights on the test split, once."""
        if self.best_weights is None or self.last is None:
            raise NonFinite(self.step)
        # A copy: what is saved meanwhile is still the last step's state.
        best = deepcopy(self.model)
        best.load_state_dict(self.best_weights)
        metrics = yield from self.measure(best, "test")
        yield Finished(ending, metrics, self.last, self.weights())

    def ending(self) -> Ending | None:
        """Why there is nothing more to train, once the present weights are measured."""
        if self.step > self.validated_step or self.step == 0:
            return None
        if self.must_stop():
            return self.asked
        if self.stopper.is_over(self.validated):
            return "early_stopped"
        return "epochs_done" if self.validated >= self.plan.recipe.epochs else None

    def stop(self, ending: Ending, *, not_before: int = 1) -> None:
        """Asks for an end after the present step, or after step `not_before` where that is later."""
        self.asked, self.stop_step = ending, max(1, not_before)

    def must_stop(self) -> bool:
        """Whether an end was asked for and is due."""
        return self.asked is not None and self.step >= self.stop_step

    def weights(self) -> Weights:
        """A copy of parameters and buffers on the CPU."""
        state = self.model.state_dict()
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}

    def state(self) -> dict[str, Any]:
        """Position and counts, as JSON. Call `read()` before."""
        position = {
            "step": self.step,
            "validated": self.validated,
            "validated_step": self.validated_step,
            "last": asdict(self.last) if self.last else None,
        }
        return position | {
            name: {key: value for key, value in kept.state().items() if not isinstance(value, Tensor)}
            for name, kept in self.kept.items()
        }

    def tensors(self) -> Weights:
        """The rest of what is kept, as `name.key`; model, best weights and optimizer are `worker.resume`'s."""
        states = {name: kept.state() for name, kept in self.kept.items()}
        return {
            f"{name}.{key}": value
            for name, state in states.items()
            for key, value in state.items()
            if isinstance(value, Tensor)
        }

    def load_state(self, state: dict[str, Any], tensors: Mapping[str, Weights]) -> None:
        """Takes up a position; `tensors` by name and key."""
        self.step, self.validated, self.validated_step = state["step"], state["validated"], state["validated_step"]
        self.last = EpochLog(**state["last"]) if state["last"] else None
        for name, kept in self.kept.items():
            kept.load_state({**state[name], **tensors[name]})


def has_maps(plan: Plan) -> bool:
    """Convolutions run 1.5 times as fast on channels-last tensors."""
    return any(isinstance(layer, Conv) for _, layer in walk(plan.root))


def draws_masks(plan: Plan) -> bool:
    """A purpose that no layer has is not seeded: that would cost a microsecond a step."""
    return any(isinstance(layer, Dropout | DropConnect) for _, layer in walk(plan.root))


def fill_statistics(model: nn.Sequential, data: Data) -> None:
    """What was fitted on the training split becomes buffers of the model, or where it begins."""
    first, last = model[0], model[-1]
    assert isinstance(first, Normalize)
    first.shift.copy_(data.shift)
    first.scale.copy_(data.scale)
    if isinstance(last, Exponential):
        # From exp(0) = 1 to the mean of large counts would be a long way.
        head = model[-2]
        assert isinstance(head, nn.Linear)
        head.bias.data.fill_(math.log(float(data.train.targets.double().mean()) or 1.0))
    if isinstance(last, Denormalize):
        last.mean.fill_(data.target_mean)
        last.std.fill_(data.target_std)
