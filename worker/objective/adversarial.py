"""Adversarial examples in torch: the fast gradient sign, and projected gradient descent."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bakehouse.plan.defaults import is_random, step_size
from bakehouse.plan.plan import Plan
from bakehouse.recipe.objective import Adversarial
from worker.model.modules import Normalize
from worker.seeds import Purpose, Seeds
from worker.types import Model, Objective


class Attack:
    """Moves normalised inputs to where the loss of a model is larger."""

    def __init__(
        self, spec: Adversarial, plan: Plan, model: nn.Sequential, objective: Objective, *, purpose: Purpose
    ) -> None:
        assert isinstance(model[0], Normalize)
        self.spec, self.normalize, self.objective = spec, model[0], objective
        self.step_size = step_size(spec)
        self.modules = list(model.modules())
        self.lowest, self.highest = plan.card.minimum, plan.card.maximum
        # The range of a pixel is no range of a whitened number.
        self.is_bounded = plan.card.kind == "image" and plan.recipe.dataset.normalization != "whiten"
        self.seeds = Seeds(plan.recipe.seed, purpose) if is_random(spec) else None

    def __call__(self, predict: Model, inputs: Tensor, targets: Tensor, step: int) -> Tensor:
        """The examples, which no gradient goes through. `step` is that of the random start."""
        [moved] = deque(self.moves(predict, inputs, targets, step), maxlen=1)
        return moved

    def moves(self, predict: Model, inputs: Tensor, targets: Tensor, step: int) -> Iterator[Tensor]:
        """The examples after each of the attack's own steps."""
        lowest, highest = self.bounds(inputs)
        length = self.step_size * self.unit()
        moved = inputs if self.seeds is None else self.anywhere(inputs, self.seeds.at(step)).clamp(lowest, highest)
        with evaluating(self.modules):
            for _ in range(self.spec.steps):
                sign = input_gradient(predict, moved, targets, self.objective).sign()
                moved = (moved + length * sign).clamp(lowest, highest)
                yield moved

    def unit(self) -> Tensor:
        """Of epsilon, for each feature or channel of a normalised input."""
        if self.spec.unit == "normalized":
            return torch.ones_like(self.normalize.scale, dtype=torch.float32)
        return (self.normalize.scale * (self.highest - self.lowest)).float()

    def bounds(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Within epsilon, and within the data's range; an input that noise has carried beyond that is not carried
        further, nor brought back."""
        reach = self.spec.epsilon * self.unit()
        if not self.is_bounded:
            return inputs - reach, inputs + reach
        shift, scale = self.normalize.shift, self.normalize.scale
        black, white = (((value - shift) * scale).float() for value in (self.lowest, self.highest))
        return (inputs - reach).maximum(inputs.minimum(black)), (inputs + reach).minimum(inputs.maximum(white))

    def anywhere(self, inputs: Tensor, seed: int) -> Tensor:
        """Uniform within epsilon of the inputs."""
        generator = torch.Generator(inputs.device).manual_seed(seed)
        noise = torch.empty_like(inputs).uniform_(-1, 1, generator=generator)
        return inputs + self.spec.epsilon * self.unit() * noise


def input_gradient(predict: Model, inputs: Tensor, targets: Tensor, objective: Objective) -> Tensor:
    """dJ/dx; parameters get none."""
    inputs = inputs.detach().requires_grad_()
    [gradient] = torch.autograd.grad(objective(predict(inputs), targets), inputs)
    return gradient


@contextmanager
def evaluating(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Evaluation mode, each by itself, since frozen norms evaluate anyway. Recurrent layers say the same in both
    modes, and cuDNN gives their gradient in training mode alone."""
    modes = [(module, module.training) for module in modules]
    for module, _ in modes:
        module.training = isinstance(module, nn.RNNBase)
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training
