"""The training loop: plan and data to weights. It knows neither Redis nor files."""

import math
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from worker.data.batches import Batches
from worker.data.dataset import Data, Split
from worker.diagnostics.diagnostics import Diagnostics
from worker.diagnostics.probe import Subject
from worker.evaluation.evaluate import Metrics, SplitName, measure
from worker.evaluation.population import Population, wants_population
from worker.evaluation.test_split import evaluate_test_split
from worker.model.cross_iteration_batch_norm import histories
from worker.model.initialize import begin, draws_masks, has_maps
from worker.model.modules import core
from worker.model.state_dict import to_cpu, with_own_buffers
from worker.objective.criterion import criterion
from worker.objective.teacher import teacher_of
from worker.seeds import Seeds, device_generator
from worker.training.curriculum import SelfPacing, curriculum
from worker.training.early_stopping import EarlyStopper
from worker.training.events import DiagnosticLog, Ending, EpochLog, Finished, NonFinite, TrainingEvent
from worker.training.hints import HintStage, hint_stage
from worker.training.metrics import StepLog, epoch_metrics, is_logged
from worker.training.optimizer import optimizer
from worker.training.regularizer import decay_steps, gradient_changes, noise, parameter_groups, penalties, projections
from worker.training.schedule import drops, schedule
from worker.types import Model, Stateful, Weights


class Training:
    """One run's model, data and position. `run()` yields after each unit of work."""

    def __init__(
        self, plan: Plan, data: Data, device: torch.device, checkpoints: Mapping[str, Weights] | None = None
    ) -> None:
        """`checkpoints` are the weights of those that the recipe names, by sha256."""
        recipe = plan.recipe
        self.plan, self.device, self.checkpoints = plan, device, checkpoints or {}
        layout = torch.channels_last if has_maps(plan) else torch.contiguous_format
        self.model, data, self.frozen_norms = begin(plan, data, self.checkpoints)
        self.data = data
        self.model.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        # Between the data's units and the loss's: normalised inputs, standardised targets.
        self.core = core(self.model)
        self.forward: Model = torch.compile(self.core) if recipe.compile == "on" else self.core
        parameters = parameter_groups(self.model)
        self.parameters = [item for group in parameters.values() for item in group]
        self.teacher = teacher_of(plan, self.checkpoints, self.model)
        self.criterion = criterion(plan, self.model, self.teacher)
        self.optimizer = optimizer(recipe, parameters)
        self.noise = noise(recipe, parameters)
        self.penalties = tuple(penalties(recipe, parameters))
        self.gradient_changes = tuple(gradient_changes(recipe, parameters))
        self.decay_steps = tuple(decay_steps(recipe, parameters))
        self.projections = tuple(projections(recipe, parameters))
        self.drops = drops(recipe)
        self.schedule = schedule(plan, self.drops)
        self.stopper = EarlyStopper(recipe)
        self.curriculum = curriculum(plan, data, self.model, self.checkpoints)
        subset = None if self.curriculum is None else self.curriculum.subset
        self.batches = Batches(plan, data, self.model[0], layout, subset)
        self.population = Population(plan, data, self.frozen_norms) if wants_population(recipe) else None
        self.diagnostics = Diagnostics(plan, data, self.batches, self.measure) if recipe.diagnostics else None
        self.hints = hint_stage(plan, self.teacher, self.model, self.batches, data)
        self.epoch_metrics = epoch_metrics(plan, data)
        self.dropout_seeds = Seeds(recipe.seed, "dropout") if draws_masks(plan) else None
        self.dropout_generator = device_generator(device)
        self.kept = self.stateful_parts()

        self.step = 0
        self.validated = 0
        self.validated_step = 0
        self.pending_logs: deque[StepLog | DiagnosticLog] = deque()
        self.last: EpochLog | None = None
        self.best_weights: Weights | None = None
        self.asked: Ending | None = None
        self.stop_step = 1

    def stateful_parts(self) -> dict[str, Stateful]:
        """By the names under which a resumed run finds what the step's number does not tell."""
        parts: dict[str, Stateful | None] = {
            "stopper": self.stopper,
            "meter": self.epoch_metrics,
            "hints": self.hints,
            "drift": None if self.diagnostics is None else self.diagnostics.drift,
            "drops": self.drops,
            "cross_iteration_batch_norm": histories(self.model),
            "curriculum": self.curriculum if isinstance(self.curriculum, SelfPacing) else None,
        }
        return {name: part for name, part in parts.items() if part is not None}

    def run(self) -> Iterator[TrainingEvent | None]:
        """Trains until an ending; None after a unit of work that has nothing to tell.

        Raises NonFinite, after what led to it has been told.
        """
        if self.hints is not None:
            yield from self.learn_hints(self.hints)
        while (ending := self.ending()) is None:
            yield from self.train_epoch()
            yield from self.validate()
        yield from self.finish(ending)

    def learn_hints(self, hints: HintStage) -> Iterator[DiagnosticLog | None]:
        """The epochs before the run's own. One that was asked to stop ends them, unless it has to come further than
        its first step."""
        for losses in hints.run(lambda: self.asked is not None and self.stop_step == 1):
            yield None if losses is None else DiagnosticLog("hints", hints.epoch, hints.step, losses)
            if losses is not None and not math.isfinite(losses["hint_loss"]):
                raise NonFinite(0, pointer="/pretraining/lr")

    def train_epoch(self) -> Iterator[TrainingEvent | None]:
        """The steps of one epoch that are not done yet."""
        self.epoch_started = perf_counter()
        if self.curriculum is not None:
            yield from self.curriculum.begin(self.model, self.validated)
        self.begin_training()
        if self.step < (self.validated + 1) * self.plan.steps_per_epoch and not self.must_stop():
            for inputs, targets in self.batches.from_step(self.step):
                self.update(inputs, targets)
                yield None
                if self.epoch_metrics.is_due():
                    yield from self.read()
                if self.must_stop():
                    break
        yield from self.read()

    def begin_training(self) -> None:
        """Puts layers into training mode, all but those that are frozen."""
        self.core.train()
        for norm in self.frozen_norms:
            norm.eval()

    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """One optimizer step."""
        if self.dropout_seeds is not None:
            self.dropout_generator.manual_seed(self.dropout_seeds.at(self.step))
        lr = self.schedule(self.step)
        outputs, loss = self.take_gradients(inputs, targets)
        for change in self.gradient_changes:
            change(lr)
        for project in self.decay_steps:
            project(lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        for project in self.projections:
            project(lr)
        self.step += 1
        self.epoch_metrics.add(loss.detach(), outputs.detach(), targets)

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
        """The model's own core."""
        return self.predict_by(self.forward, inputs)

    def predict_by(self, forward: Model, inputs: Tensor) -> Tensor:
        """Layers in 16 bits where the recipe asks for it; what they say in 32."""
        if self.plan.recipe.precision == "float32":
            return forward(inputs)
        with torch.autocast(self.device.type, dtype=torch.bfloat16):
            outputs = forward(inputs)
        return outputs.float()

    def read(self) -> Iterator[StepLog | DiagnosticLog]:
        """Steps since the last reading that the log wants."""
        epoch = self.validated + 1
        for step, loss in self.epoch_metrics.read(self.step):
            if is_logged(step) or step == self.epoch_metrics.diverged_at:
                self.pending_logs.append(StepLog(step, epoch, loss, self.schedule(step - 1)))
        # Whoever saves between two of them reads too, and so tells the rest first.
        while self.pending_logs:
            yield self.pending_logs.popleft()
        if self.epoch_metrics.diverged_at is not None:
            raise NonFinite(self.epoch_metrics.diverged_at)

    def validate(self) -> Iterator[TrainingEvent | None]:
        """Ends an epoch: measures, lets the stopper see it, keeps the best."""
        model = self.model if self.population is None else (yield from self.population.of(self.model))
        metrics = self.epoch_metrics.metrics() | (yield from self.measure(model, self.data.validation, "validation"))
        epoch = self.validated + 1
        lr, seconds = self.schedule(self.step - 1), perf_counter() - self.epoch_started
        value = metrics[self.plan.recipe.evaluation.monitor]
        diagnosed = (yield from self.diagnose(model)) if self.diagnostics is not None else []
        # From here to the end of the epoch nobody can save between.
        is_best = self.stopper.observe(epoch, value, train_loss=metrics["train_loss"])
        if is_best:
            self.best_weights = to_cpu(model.state_dict())
        if self.drops is not None:
            self.drops.observe(value)
        self.validated, self.validated_step = epoch, self.step
        self.epoch_metrics.start_epoch()
        self.last = EpochLog(epoch, self.step, metrics, lr, seconds, self.stopper.epochs_since_best, is_best)
        self.pending_logs.extend(diagnosed)
        yield self.last
        yield from self.read()

    def diagnose(self, model: nn.Sequential) -> Generator[None, None, list[DiagnosticLog]]:
        """What the diagnostics find in a model as it was measured; the model that is trained notices nothing."""
        assert self.diagnostics is not None
        subject = Subject(
            epoch=self.validated + 1,
            step=self.step,
            evaluated=with_own_buffers(model.eval()),
            in_training=self.copy_in_training,
            predicting=lambda model: partial(self.predict_by, core(model)),
            criterion=lambda model: criterion(self.plan, model, self.teacher),
        )
        found = yield from self.diagnostics.run(subject)
        return [DiagnosticLog(name, subject.epoch, subject.step, values) for name, values in found.items()]

    def copy_in_training(self) -> nn.Sequential:
        """The same parameters in training mode."""
        self.begin_training()
        return with_own_buffers(self.model)

    def measure(self, model: nn.Module, split: Split, name: SplitName) -> Generator[None, None, Metrics]:
        """A whole model on a split, in the data's units."""
        model.eval()
        return measure(self.plan, self.data, model, split, name)

    def finish(self, ending: Ending) -> Iterator[TrainingEvent | None]:
        """Measures the best weights on the test split, once."""
        if self.best_weights is None or self.last is None:
            raise NonFinite(self.step)
        # A copy: what is saved meanwhile is still the last step's state.
        best = deepcopy(self.model)
        best.load_state_dict(self.best_weights)
        metrics = yield from evaluate_test_split(self.plan, best, self.data.test, self.measure)
        last = self.model if self.population is None else (yield from self.population.of(self.model))
        yield Finished(ending, metrics, self.last, to_cpu(last.state_dict()))

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

    @property
    def steps_done(self) -> int:
        """Those of hints among them, which come before the run's own."""
        return self.step + (self.hints.step if self.hints is not None else 0)

    def must_stop(self) -> bool:
        """Whether an end was asked for and is due."""
        return self.asked is not None and self.step >= self.stop_step

    def weights(self) -> Weights:
        """A copy of parameters and buffers on the CPU."""
        return to_cpu(self.model.state_dict())

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
        """The rest of what is kept, as `name.key`; `worker.attempt.snapshot` adds model, best weights, optimizer."""
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
