"""Takes an optimizer step, from a batch to new weights."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from worker.model.initialize import draws_masks
from worker.model.modules import without_unit_layers
from worker.objective.criterion import criterion
from worker.objective.teacher import Teacher
from worker.seeds import Purpose, Seeds, device_generator
from worker.training.optimizer import optimizer
from worker.training.regularizer import (
    decay_steps,
    gradient_changes,
    parameter_groups,
    penalties,
    projections,
    weight_noise,
)
from worker.training.schedule import Schedule
from worker.types import Criterion, Model


class TrainingStep:
    """Computes the gradient of the objective and its penalties, and updates the weights."""

    def __init__(
        self,
        plan: Plan,
        model: nn.Sequential,
        frozen: tuple[nn.Module, ...],
        teacher: Teacher | None,
        weights: Tensor | None,
    ) -> None:
        """`frozen` are modules that stay in evaluation mode; `teacher` gives probabilities or hints; `weights` are
        those of the classes."""
        recipe = plan.recipe
        device = next(model.parameters()).device
        groups = parameter_groups(plan.root, model)
        self.model = model
        self.frozen = frozen
        self.teacher = teacher
        self.build_criterion: Callable[[nn.Sequential], Criterion] = partial(
            criterion, plan, teacher=teacher, weights=weights
        )
        self.in_precision: Callable[[Model], Model] = partial(
            in_precision, precision=recipe.precision, device_type=device.type
        )
        # Without the layers that convert units: from normalised inputs to standardised outputs.
        self.trained_layers = without_unit_layers(model)
        is_compiled = recipe.compile == "on"
        self.predict = self.in_precision(torch.compile(self.trained_layers) if is_compiled else self.trained_layers)
        self.criterion = self.build_criterion(model)
        self.parameters = [parameter for group in groups.values() for parameter in group]
        self.optimizer = optimizer(recipe, groups)
        self.schedule = Schedule(plan)
        self.seed_masks = mask_seeder(plan, device, "dropout")
        self.noise = weight_noise(recipe, groups)
        self.penalties = tuple(penalties(plan, groups))
        self.gradient_changes = tuple(gradient_changes(recipe, groups))
        self.decay_steps = tuple(decay_steps(recipe, groups))
        self.projections = tuple(projections(recipe, groups))

    def __call__(self, step: int, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Takes a step, counted from 0; returns the outputs and the objective, both from before the update."""
        self.seed_masks(step)
        lr = self.schedule(step)
        outputs, loss = self.compute_gradients(step, inputs, targets)
        for change in self.gradient_changes:
            change(lr)
        # Decay comes before the step, as in torch's AdamW.
        for decay in self.decay_steps:
            decay(lr)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.step()
        for project in self.projections:
            project(lr)
        return outputs.detach(), loss.detach()

    def compute_gradients(self, step: int, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the gradients of the objective plus penalties, at noisy weights if the recipe has noise; returns the
        outputs and the objective."""
        with self.noise(step):
            outputs, loss = self.criterion(self.predict, inputs, targets, step)
            # Penalties are added to a total of their own, because the loss that is logged does not include them.
            total = loss
            for penalty in self.penalties:
                total = total + penalty(inputs, outputs)
            # Without old gradients, `backward` stores new ones instead of adding them to zeros.
            for parameter in self.parameters:
                parameter.grad = None
            total.backward()  # type: ignore[no-untyped-call]
        return outputs, loss

    def set_training_mode(self) -> None:
        """Puts all layers into training mode, except frozen ones."""
        self.model.train()
        for norm in self.frozen:
            norm.eval()

    def predictor(self, copy: nn.Sequential) -> Model:
        """Returns the forward pass of a copy of the model, in the precision of training."""
        return self.in_precision(without_unit_layers(copy))


def in_precision(forward: Model, *, precision: Literal["float32", "bfloat16"], device_type: str) -> Model:
    """Returns a forward pass that computes in 16 bits if the precision is bfloat16; its outputs always have 32 bits."""
    if precision == "float32":
        return forward

    def predict(inputs: Tensor) -> Tensor:
        with torch.autocast(device_type, dtype=torch.bfloat16):
            outputs = forward(inputs)
        # The loss is computed outside of autocast, so it needs outputs with 32 bits.
        return outputs.float()

    return predict


def mask_seeder(plan: Plan, device: torch.device, purpose: Purpose) -> Callable[[int], None]:
    """Returns a function that seeds the generator of dropout masks for a step. It does nothing if no layer draws masks,
    which saves a microsecond per step."""
    if not draws_masks(plan):
        return lambda _: None
    seeds = Seeds(plan.recipe.seed, purpose)
    generator = device_generator(device)

    def seed(step: int) -> None:
        generator.manual_seed(seeds.at(step))

    return seed
