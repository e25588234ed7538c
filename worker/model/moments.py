"""Computes mean and variance of each channel over many batches."""

import torch
from torch import Tensor

from worker.types import State


class Moments:
    """Accumulates mean and variance of each channel of (N, C) or (N, C, ...) in float64. Batches are pooled with the
    variance of their means (Chan et al. 1979), so that the result is that of all rows together."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())
        """Sum of (x - mean)^2."""

    def add(self, inputs: Tensor) -> None:
        axes = (0, *range(2, inputs.ndim))
        # Inputs with 16 bits are converted to 32, because the sums would lose digits.
        exact = torch.promote_types(inputs.dtype, torch.float32)
        variance, mean = torch.var_mean(inputs.to(exact), axes, correction=0)
        added = inputs.numel() // inputs.shape[1]
        total = self.count + added
        if self.count == 0:
            self.mean = mean.double()
            self.squares = variance.double() * added
        else:
            step = mean.double() - self.mean
            self.squares = self.squares + variance.double() * added + step.square() * (self.count * added / total)
            self.mean = self.mean + step * (added / total)
        self.count = total

    def state_dict(self) -> State:
        return {"count": self.count, "mean": self.mean, "squares": self.squares}

    def load_state_dict(self, state: State, device: torch.device) -> None:
        self.count = state["count"]
        self.mean = state["mean"].to(device)
        self.squares = state["squares"].to(device)

    def variance(self, *, correction: int) -> Tensor:
        """Returns the sum of squares divided by count - correction."""
        # The unbiased variance of a single value is undefined; here it is 0.
        return self.squares / max(self.count - correction, 1)

    def pooled(self) -> tuple[float, float]:
        """Returns mean and biased variance over all channels together."""
        mean = self.mean.mean()
        return float(mean), float((self.variance(correction=0) + (self.mean - mean).square()).mean())
