"""Trains the model of a plan on its data. This module knows neither Redis nor files."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from copy import deepcopy
from time import perf_counter

import torch
from torch import Tensor, nn

from bakehouse.early_stopping import EarlyStopper
from bakehouse.plan.plan import Plan
from worker.data.batches import Batches
from worker.data.dataset import Data, Split
from worker.diagnostics.diagnostics import Diagnostics, run_all
from worker.diagnostics.probe import Subject
from worker.evaluation.evaluate import Metrics, RunningTotals, SplitName, measure
from worker.evaluation.population import evaluated_statistics
from worker.evaluation.test_split import FinalMeasurement
from worker.model.histories import histories
from worker.model.initialize import initialize
from worker.model.state_dict import to_cpu, with_own_buffers
from worker.objective.targets import class_weights
from worker.objective.teacher import teacher_of
from worker.training.curriculum import curriculum
from worker.training.events import DiagnosticLog, Ending, EpochLog, Finished, NonFinite, TrainingEvent
from worker.training.hints import hint_stages
from worker.training.history import History
from worker.training.loop import train_epochs
from worker.training.metrics import StepLog, epoch_metrics, is_logged
from worker.training.step import TrainingStep
from worker.training.stop_request import StopRequest
from worker.types import Stateful, Weights


class Training:
    """The model, data and position of a run. `run()` trains, and yields after each unit of work."""

    def __init__(
        self, plan: Plan, data: Data, device: torch.device, checkpoints: Mapping[str, Weights] | None = None
    ) -> None:
        """`checkpoints` are the weights of the checkpoints that the recipe names, by sha256."""
        checkpoints = checkpoints or {}
        layout = torch.channels_last if plan.has_maps else torch.contiguous_format
        model, data, frozen = initialize(plan, data, checkpoints)
        model.to(device=device, memory_format=layout)  # type: ignore[call-overload]
        # The teacher reads the student's normalization and device, so it comes after both are set.
        teacher = teacher_of(plan, checkpoints, model)
        self.plan = plan
        self.data = data
        self.take_step = TrainingStep(plan, model, frozen, teacher, class_weights(plan, data.train.targets))
        self.curriculum = curriculum(plan, data, model, checkpoints)
        self.batches = Batches(plan, data, model[0], layout, self.curriculum.subset)
        self.stop_request = StopRequest()
        self.hints = hint_stages(plan, teacher, model, self.batches, data, self.stop_request)
        self.stopper = EarlyStopper(plan.recipe.early_stopping, monitor=plan.recipe.evaluation.monitor)
        self.statistics = evaluated_statistics(plan, data, frozen)
        self.diagnostics = Diagnostics(plan, data, self.batches, self.measure)
        self.metrics = epoch_metrics(plan, data)
        self.validation = RunningTotals()
        self.final = FinalMeasurement(plan, data)
        self.history = History()
        self.pending_logs: deque[StepLog | DiagnosticLog] = deque()

        self.step = 0
        self.last: EpochLog | None = None
        self.best_weights: Weights | None = None

    @property
    def model(self) -> nn.Sequential:
        """The whole model, from stored inputs to the data's units."""
        return self.take_step.model

    @property
    def epochs_done(self) -> int:
        """The number of epochs that are complete and measured."""
        return self.last.epoch if self.last else 0

    @property
    def steps_done(self) -> int:
        """The number of steps taken, including those of hints."""
        return self.step + sum(stage.step for stage in self.hints)

    @property
    def units_measured(self) -> int:
        """The number of units of work since the latest step and epoch, which only measured."""
        return self.statistics.done + self.validation.batches + self.final.units

    def stateful_parts(self) -> dict[str, Stateful]:
        """Returns the components whose state a resumed run must restore, by their names in the saved state."""
        return {
            "stopper": self.stopper,
            "metrics": self.metrics,
            "schedule": self.take_step.schedule,
            "curriculum": self.curriculum,
            "drift": self.diagnostics.drift,
            "cross_iteration_batch_norm": histories(self.model),
            "statistics": self.statistics,
            "validation": self.validation,
            "final": self.final,
            "history": self.history,
            **{stage.name: stage for stage in self.hints},
        }

    def run(self) -> Iterator[TrainingEvent | None]:
        """Trains until an ending; yields events, and None after a unit of work that logs nothing.

        Raises NonFinite, after the events that led to it.
        """
        for stage in self.hints:
            yield from train_epochs(stage)
            # `end_epoch` does not finish a stage that was asked to stop.
            stage.finish()
        yield from train_epochs(self)
        yield from self.finish()

    def is_over(self) -> bool:
        """Whether training is over, so that no further epoch begins."""
        return self.ending() is not None

    def ending(self) -> Ending | None:
        """Returns the reason why training is over, or None if the current weights are not measured or an epoch
        follows."""
        if self.last is None or self.step > self.last.step:
            return None
        if self.must_stop():
            return self.stop_request.reason
        if self.stopper.is_over(self.epochs_done):
            return "early_stopped"
        return "epochs_done" if self.epochs_done >= self.plan.recipe.epochs else None

    def stop(self, reason: Ending, *, not_before: int = 1) -> None:
        """Stops early on request, but not before a step that an earlier attempt has logged."""
        self.stop_request.ask(reason, not_before=not_before)

    def must_stop(self) -> bool:
        """Whether the run must end now, because a user or the time budget asked for it."""
        return self.stop_request.is_due(self.step)

    def begin_epoch(self) -> Iterator[None]:
        """Chooses the epoch's rows and puts layers into training mode."""
        self.metrics.start_clock()
        yield from self.curriculum.begin(self.model, self.epochs_done)
        # A curriculum that measures rows leaves the model in evaluation mode, so this comes second.
        self.take_step.set_training_mode()

    def update(self, inputs: Tensor, targets: Tensor) -> None:
        """Trains on one batch."""
        outputs, loss = self.take_step(self.step, inputs, targets)
        self.step += 1
        self.metrics.add(loss, outputs, targets)

    def read_if_due(self) -> Iterator[StepLog | DiagnosticLog]:
        """Reads the numbers of the latest steps from the device, a few times a second."""
        if self.metrics.is_due():
            yield from self.read()

    def read(self) -> Iterator[StepLog | DiagnosticLog]:
        """Yields logs of the steps since the last reading, and waiting diagnostics. Raises NonFinite if a loss was not
        finite."""
        epoch = self.epochs_done + 1
        for step, loss in self.metrics.read(self.step):
            if is_logged(step) or step == self.metrics.diverged_at:
                # The schedule counts steps from 0, but logs count from 1.
                self.pending_logs.append(StepLog(step, epoch, loss, self.take_step.schedule(step - 1)))
        # Logs are taken from the queue one by one, because a caller that saves in between reads and logs the rest.
        while self.pending_logs:
            yield self.pending_logs.popleft()
        if self.metrics.diverged_at is not None:
            raise NonFinite(self.metrics.diverged_at)

    def end_epoch(self) -> Iterator[TrainingEvent | None]:
        """Measures the epoch, tells early stopping the result, and keeps the best weights."""
        # The train loss must include every step of the epoch.
        yield from self.read()
        model = yield from self.statistics.of(self.model, self.step)
        measuring = self.measure(model, self.data.validation, "validation", self.validation)
        metrics = self.metrics.metrics() | (yield from measuring)
        # The time of an epoch leaves out its diagnostics.
        seconds = perf_counter() - self.metrics.started_at
        diagnosed = yield from self.diagnose(model)
        # From here on, nothing yields until the state is updated, so that no resume state is saved in between.
        epoch = self.epochs_done + 1
        monitor = metrics[self.plan.recipe.evaluation.monitor]
        is_best = self.stopper.observe(epoch, monitor, train_loss=metrics["train_loss"])
        if is_best:
            self.best_weights = to_cpu(model.state_dict())
        # The rate is read before `observe`, which may lower it.
        lr = self.take_step.schedule(self.step - 1)
        self.take_step.schedule.observe(monitor)
        self.metrics.start_epoch()
        self.validation = RunningTotals()
        self.last = EpochLog(epoch, self.step, metrics, lr, seconds, self.stopper.epochs_since_best, is_best)
        self.history.add(self.last, diagnosed)
        self.pending_logs.extend(diagnosed)
        yield self.last
        # This also yields the diagnostics, which follow the epoch's own log.
        yield from self.read()

    def diagnose(self, model: nn.Sequential) -> Generator[None, None, list[DiagnosticLog]]:
        """Runs the diagnostics on copies of the measured model, so that training is not affected."""
        of_first_epoch = self.diagnostics.of_first_epoch() if self.epochs_done == 0 else {}
        if not self.diagnostics.by_name and not of_first_epoch:
            # A copy of a small model takes as long as several steps.
            return []
        subject = self.subject(model, self.epochs_done + 1)
        found = yield from run_all(self.diagnostics.by_name, subject)
        if of_first_epoch:
            first = yield from run_all(of_first_epoch, subject)
            self.history.first_gradients = first["gradient_norms"]
        return [DiagnosticLog(name, subject.epoch, subject.step, values) for name, values in found.items()]

    def examine(self, model: nn.Sequential) -> Generator[None, None, None]:
        """Measures the best weights for the verdict, with diagnostics that the recipe does not ask for."""
        if needed := self.diagnostics.for_verdict():
            found = yield from run_all(needed, self.subject(model, self.epochs_done))
            self.history.diagnostics = {**self.history.diagnostics, **found}

    def subject(self, model: nn.Sequential, epoch: int) -> Subject:
        """Returns the copies of a model that diagnostics use."""
        return Subject(
            epoch=epoch,
            step=self.step,
            evaluated=with_own_buffers(model.eval()),
            in_training=self.copy_in_training,
            predictor=self.take_step.predictor,
            build_criterion=self.take_step.build_criterion,
        )

    def copy_in_training(self) -> nn.Sequential:
        """Returns a copy in training mode, with its own buffers and the model's parameters."""
        self.take_step.set_training_mode()
        return with_own_buffers(self.model)

    def measure(
        self, model: nn.Module, split: Split, name: SplitName, totals: RunningTotals | None = None
    ) -> Generator[None, None, Metrics]:
        """Returns the metrics of a whole model on a split, in the data's units. Yields after each batch. `totals` may
        have the first batches already."""
        model.eval()
        return measure(self.plan, self.data, model, split, name, totals or RunningTotals())

    def finish(self) -> Iterator[TrainingEvent | None]:
        """Measures the best weights on the test split, and yields Finished. Raises NonFinite if there are none.

        A run that was asked to end while it trained makes only the first measurement, which takes one pass; a run that
        is asked to end now leaves out whatever is not finished.
        """
        ending = self.ending()
        assert ending is not None
        assert self.last is not None
        if self.best_weights is None:
            raise NonFinite(self.step)
        # The test split is measured with a copy, because a resume state that is saved meanwhile needs the last weights.
        best = deepcopy(self.model)
        best.load_state_dict(self.best_weights)
        was_asked = self.must_stop()
        for _ in self.final.run(best, self.final.if_stopped if was_asked else self.final.names):
            self.final.units += 1
            yield None
            if self.must_stop() and not was_asked:
                break
        if not self.must_stop():
            yield from self.examine(best)
        last = yield from self.statistics.of(self.model, self.step)
        left_out = tuple(self.final.left_out())
        # A run that is complete was not ended early, even if it was asked to.
        ending = self.ending() if left_out else ending
        assert ending is not None
        yield Finished(ending, self.final.metrics, self.last, to_cpu(last.state_dict()), left_out)

    def weights(self) -> Weights:
        """Returns a copy of the parameters and buffers on the CPU."""
        return to_cpu(self.model.state_dict())
