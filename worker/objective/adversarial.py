"""Makes adversarial examples by the fast gradient sign method and by projected gradient descent."""

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
    """Changes normalised inputs so that the loss of a model grows."""

    def __init__(
        self, spec: Adversarial, plan: Plan, model: nn.Sequential, objective: Objective, *, purpose: Purpose
    ) -> None:
        assert isinstance(model[0], Normalize)
        self.spec = spec
        self.normalize = model[0]
        self.objective = objective
        self.step_size = step_size(spec)
        # Walking the modules takes time, so they are listed once, not at each step.
        self.modules = list(model.modules())
        self.lowest = plan.card.minimum
        self.highest = plan.card.maximum
        # Whitened inputs are not limited to the range of pixels.
        self.is_bounded = plan.card.kind == "image" and plan.recipe.dataset.normalization != "whiten"
        self.seeds = Seeds(plan.recipe.seed, purpose) if is_random(spec) else None

    def __call__(self, predict: Model, inputs: Tensor, targets: Tensor, step: int) -> Tensor:
        """Returns the examples, through which no gradient flows to the inputs. `step` seeds the random start."""
        # The deque runs the generator to its end and keeps only the last examples.
        [examples] = deque(self.steps(predict, inputs, targets, step), maxlen=1)
        return examples

    def steps(
        self,
        predict: Model,
        inputs: Tensor,
        targets: Tensor,
        step: int,
        *,
        taken: int = 0,
        examples: Tensor | None = None,
    ) -> Iterator[Tensor]:
        """Yields the examples after each step of the attack. An attack of which some steps are taken continues with
        their examples."""
        lowest, highest = self.bounds(inputs)
        length = self.step_size * self.unit()
        if examples is None and self.seeds is not None:
            examples = self.random_start(inputs, self.seeds.at(step)).clamp(lowest, highest)
        elif examples is None:
            examples = inputs
        # In training mode, each pass would also update the moving averages of norms.
        with evaluation_mode(self.modules):
            for _ in range(taken, self.spec.steps):
                sign = input_gradient(predict, examples, targets, self.objective).sign()
                examples = (examples + length * sign).clamp(lowest, highest)
                yield examples

    def unit(self) -> Tensor:
        """Returns the unit of epsilon for each feature or channel of a normalised input."""
        if self.spec.unit == "normalized":
            return torch.ones_like(self.normalize.scale, dtype=torch.float32)
        # The statistics may have 64 bits, but normalised inputs have 32.
        return (self.normalize.scale * (self.highest - self.lowest)).float()

    def bounds(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the lower and upper bounds of the examples: within epsilon of the inputs, and within the data's
        range. An input that noise has moved out of the range is neither moved further out nor brought back."""
        reach = self.spec.epsilon * self.unit()
        if not self.is_bounded:
            return inputs - reach, inputs + reach
        shift, scale = self.normalize.shift, self.normalize.scale
        black, white = (((value - shift) * scale).float() for value in (self.lowest, self.highest))
        return (inputs - reach).maximum(inputs.minimum(black)), (inputs + reach).minimum(inputs.maximum(white))

    def random_start(self, inputs: Tensor, seed: int) -> Tensor:
        """Draws points uniformly within epsilon of the inputs."""
        generator = torch.Generator(inputs.device).manual_seed(seed)
        noise = torch.empty_like(inputs).uniform_(-1, 1, generator=generator)
        return inputs + self.spec.epsilon * self.unit() * noise


def input_gradient(predict: Model, inputs: Tensor, targets: Tensor, objective: Objective) -> Tensor:
    """Returns dJ/dx; does not compute gradients of parameters."""
    inputs = inputs.detach().requires_grad_()
    [gradient] = torch.autograd.grad(objective(predict(inputs), targets), inputs)
    return gradient


@contextmanager
def evaluation_mode(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Puts modules into evaluation mode during the block, then restores the mode of each.

    Some norms are frozen, and stay in evaluation mode. Recurrent layers compute the same in both modes; they are put
    into training mode, because cuDNN computes their gradient only there.
    """
    modes = [(module, module.training) for module in modules]
    for module, _ in modes:
        # `module.train()` would also set the inner modules, which are set one by one here.
        module.training = isinstance(module, nn.RNNBase)
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training
