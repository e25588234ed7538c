"""Trains the first stage of FitNets: layers of a student learn to predict the outputs of a layer of the teacher.
Romero et al. 2015, arXiv 1412.6550."""

import math
from collections.abc import Generator, Iterator
from copy import copy
from functools import partial
from itertools import takewhile

import torch
from torch import Tensor, nn

from bakehouse.early_stopping import EarlyStopper
from bakehouse.plan.layers import Activation
from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.hints import Regressor, regressor
from bakehouse.recipe.early_stopping import Patience
from bakehouse.recipe.pretraining import Hints
from worker.data.batches import BATCH_ROWS, Batches
from worker.data.dataset import Data
from worker.model.build import build
from worker.model.modules.norms import reset_counters
from worker.model.state_dict import strip_prefix, to_cpu, with_prefix
from worker.objective.teacher import Teacher
from worker.seeds import Seeds
from worker.training.curriculum import AllRows
from worker.training.events import DiagnosticLog, NonFinite
from worker.training.optimizer import load_moments, moments
from worker.training.step import in_precision, mask_seeder
from worker.training.stop_request import StopRequest
from worker.types import State, Weights


def hint_stages(
    plan: Plan, teacher: Teacher | None, model: nn.Sequential, batches: Batches, data: Data, stop_request: StopRequest
) -> "tuple[HintStage, ...]":
    """Returns the stage before the run's own epochs, or an empty tuple if the recipe has no hints."""
    spec = plan.recipe.pretraining
    if teacher is None or not isinstance(spec, Hints):
        return ()
    return (HintStage(spec, plan, teacher, model, batches, data, stop_request),)


class HintStage:
    """Trains the student's layers up to the guided one, with a regressor that is discarded afterwards."""

    name = "hints"

    def __init__(
        self,
        spec: Hints,
        plan: Plan,
        teacher: Teacher,
        model: nn.Sequential,
        batches: Batches,
        data: Data,
        stop_request: StopRequest,
    ) -> None:
        join = regressor(spec, plan.root, plan.checkpoints[spec.teacher.digest].root)
        device = data.train.device
        self.spec = spec
        self.model = model
        self.validation = data.validation
        self.train_rows = plan.epoch_rows
        self.batches = with_own_seeds(batches, plan.recipe.seed)
        self.stop_request = stop_request
        self.guided = behind_normalization(model, join.guided.name)
        self.regressor = build_regressor(join, plan.recipe.seed).to(device)
        self.predict = in_precision(
            nn.Sequential(self.guided, self.regressor), precision=plan.recipe.precision, device_type=device.type
        )
        self.hint = partial(teacher.outputs_of, behind_normalization(teacher.model, join.hint.name))
        self.parameters = [*self.guided.parameters(), *self.regressor.parameters()]
        # torch has no fused form of RMSprop.
        self.optimizer = torch.optim.RMSprop(self.parameters, lr=spec.lr, alpha=spec.alpha, foreach=True)
        self.seed_masks = mask_seeder(plan, device, "hints_dropout")
        self.stopper = EarlyStopper(Patience(patience=spec.patience))

        self.is_finished = False
        self.step = 0
        self.epochs_done = 0
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=device)
        self.best: Weights = {}

    def is_over(self) -> bool:
        """Whether the training of the hints is over, so that no further epoch of it begins."""
        is_last = self.epochs_done == self.spec.epochs or self.stopper.is_over(self.epochs_done)
        return self.is_finished or is_last or self.must_stop()

    def must_stop(self) -> bool:
        """Stops early on request, unless the run must first reach a step that is already logged."""
        # Hints come before step 1, so they may end early only if no later step is logged.
        return self.stop_request.is_due(1)

    def begin_epoch(self) -> Iterator[None]:
        """Puts the trained layers into training mode."""
        self.guided.train()
        yield from ()

    def update(self, inputs: Tensor, _: Tensor) -> None:
        """Trains on one batch, with a step of RMSprop."""
        self.seed_masks(self.step)
        loss = self.loss(inputs)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.step += 1
        self.loss_sum += loss.detach().double() * len(inputs)

    def read_if_due(self) -> Iterator[DiagnosticLog]:
        """Yields nothing, because this stage logs only at the end of an epoch."""
        yield from ()

    def loss(self, inputs: Tensor) -> Tensor:
        """Returns 1/2 ||u(x) - r(v(x))||^2, summed over the features and averaged over rows."""
        return (self.hint(inputs) - self.predict(inputs)).square().flatten(1).sum(1).mean() / 2

    def end_epoch(self) -> Iterator[DiagnosticLog | None]:
        """Measures the epoch and keeps the best weights. Raises NonFinite."""
        # The epoch may be incomplete, so it is neither measured nor counted.
        if self.must_stop():
            return
        loss = float(self.loss_sum) / self.train_rows
        validation_loss = yield from self.measure()
        self.epochs_done += 1
        self.loss_sum = torch.zeros_like(self.loss_sum)
        if self.stopper.observe(self.epochs_done, validation_loss, train_loss=loss):
            self.best = to_cpu(self.guided.state_dict())
        # The stage finishes before its last event, so that a state saved at the event holds the final weights.
        if self.is_over():
            self.finish()
        losses = {"hint_loss": loss, "validation_hint_loss": validation_loss}
        yield DiagnosticLog(self.name, self.epochs_done, self.step, losses)
        # The losses are logged first, so that the user sees where they diverged.
        if not math.isfinite(loss):
            raise NonFinite(0, pointer="/pretraining/lr")

    def measure(self) -> Generator[None, None, float]:
        """Returns the loss on the validation split, with the student in evaluation mode. Yields after each batch."""
        self.guided.eval()
        total = torch.zeros_like(self.loss_sum)
        for rows, _ in self.validation.batches(BATCH_ROWS):
            with torch.inference_mode():
                total += self.loss(self.model[0](rows)).double() * len(rows)
            yield
        return float(total) / len(self.validation)

    def finish(self) -> None:
        """Gives the model the best weights and frees the rest; resets the counters of norms, which start at 0 with the
        run."""
        if self.is_finished:
            return
        self.is_finished = True
        if self.best:
            self.guided.load_state_dict(self.best)
        self.best = {}
        self.optimizer.zero_grad()
        self.optimizer.state.clear()
        reset_counters(self.model)

    def state_dict(self) -> State:
        """Returns the position, and, until the stage is finished, the regressor, the moments and the best weights."""
        position = {"is_finished": self.is_finished, "step": self.step, "epochs_done": self.epochs_done}
        if self.is_finished:
            return position
        tensors = {"loss_sum": self.loss_sum, **with_prefix("regressor", self.regressor.state_dict())}
        tensors |= with_prefix("optimizer", moments(self.optimizer, self.parameters)) | with_prefix("best", self.best)
        return {**position, "stopper": self.stopper.state_dict(), **tensors}

    def load_state_dict(self, state: State) -> None:
        """Restores a state; the student's weights are restored with the model's."""
        self.is_finished = state["is_finished"]
        self.step = state["step"]
        self.epochs_done = state["epochs_done"]
        if self.is_finished:
            return
        self.stopper.load_state_dict(state["stopper"])
        self.loss_sum = state["loss_sum"].to(self.loss_sum.device)
        self.regressor.load_state_dict(strip_prefix("regressor", state))
        load_moments(self.optimizer, self.parameters, strip_prefix("optimizer", state))
        self.best = strip_prefix("best", state)


def with_own_seeds(batches: Batches, seed: int) -> Batches:
    """Returns batches of all rows, with seeds that differ from those of the run's own epochs."""
    own = copy(batches)
    # The run's own curriculum has not begun yet, so it has no rows to offer.
    own.subset = AllRows(len(batches.split)).subset
    own.order_seeds = Seeds(seed, "hints_order")
    if own.augmentation_seeds is not None:
        own.augmentation_seeds = Seeds(seed, "hints_augmentation")
    return own


def behind_normalization(model: nn.Module, name: str) -> nn.Module:
    """Returns the layers from the normalised inputs to the named layer; their weights are shared with the model."""
    first = next(child for child, _ in model.named_children())
    return between(model, name.split("."), leave_out=first)


def between(module: nn.Module, path: list[str], *, leave_out: str | None = None) -> nn.Module:
    """Returns the layers from a module's inputs to the layer at `path`; in a sum or a concatenation, only the branch
    that leads to it."""
    if not path:
        return module
    name, *rest = path
    inner = between(module.get_submodule(name), rest)
    if not isinstance(module, nn.Sequential):
        return inner
    before = dict(takewhile(lambda item: item[0] != name, module.named_children()))
    before.pop(leave_out or "", None)
    # A copy keeps the class: a CompensatedSequence also passes inputs to its norms.
    part = copy(module)
    part._modules = {**before, name: inner}  # noqa: SLF001
    return part


def build_regressor(plan: Regressor, seed: int) -> nn.Sequential:
    """Builds the regressor with torch's default initialization, from a separate seed."""
    # Layers of torch take no generator, so the global one is seeded.
    torch.default_generator.manual_seed(Seeds(seed, "hints").at(0))
    hint = plan.hint
    inputs = plan.guided.output
    layers: list[nn.Module] = []
    if plan.is_convolution:
        height, width = plan.kernel_size
        layers.append(nn.Conv2d(inputs[0], plan.outputs, (height, width)))
    else:
        layers += [nn.Flatten(), nn.Linear(math.prod(inputs), plan.outputs)]
    if hint.activation is not None:
        layers.append(build(Activation(hint.activation, hint.output, hint.pieces)))
    return nn.Sequential(*layers)
