"""The mean of what a model answers several times: of probabilities, not of logits; of values in a regression."""

from math import log

import torch
from torch import Tensor
from torch.nn import functional

from bakehouse.plan.heads import Head
from bakehouse.recipe.objective import Loss


class Means:
    """Of each target's part of what a model answers; answers are added one after the other and not kept."""

    def __init__(self, heads: tuple[Head, ...]) -> None:
        self.parts = [(slice(head.first, head.first + head.outputs), Mean(head.loss)) for head in heads]

    def add(self, outputs: Tensor, *, times: int = 1) -> None:
        """One more answer of the whole model, which counts so many times."""
        for part, mean in self.parts:
            mean.add(outputs[:, part], times=times)

    def outputs(self) -> Tensor:
        """As the model would answer it."""
        return torch.cat([mean.outputs() for _, mean in self.parts], 1)

    def uncertainty(self) -> Tensor:
        """Of the data set's own target, for each row."""
        return self.parts[0][1].uncertainty()


class Mean:
    """Of the outputs (N, k) for one target."""

    def __init__(self, loss: Loss) -> None:
        self.loss, self.count = loss, 0
        self.sums: Tensor | None = None
        self.origin: Tensor | float = 0.0
        """What values in 64 bits are counted from: the squares of large ones would lose their differences."""

    def add(self, outputs: Tensor, *, times: int = 1) -> None:
        """One more answer, which counts so many times."""
        if self.count == 0 and outputs.dtype == torch.float64 and not has_classes(self.loss):
            self.origin = outputs
        self.count += times
        new = torch.stack(terms(outputs.double() - self.origin, self.loss))
        new = new + log(times) if has_classes(self.loss) else new * times
        if self.sums is None:
            self.sums = new
        else:
            self.sums = torch.logaddexp(self.sums, new) if has_classes(self.loss) else self.sums + new

    def outputs(self) -> Tensor:
        """Logits of the mean probabilities, or the mean values."""
        assert self.sums is not None
        match self.loss:
            case "cross_entropy":
                return (self.sums[0] - log(self.count)).float()
            case "binary_cross_entropy":
                return (self.sums[0] - self.sums[1]).float()
            case _:
                mean = self.sums[0] / self.count
                return self.origin + mean if isinstance(self.origin, Tensor) else mean.float()

    def uncertainty(self) -> Tensor:
        """For each row, the entropy of the mean probabilities in nats, or the standard deviation of the values."""
        assert self.sums is not None
        if has_classes(self.loss):
            logs = self.log_probabilities(self.sums - log(self.count))
            entropies: Tensor = torch.special.entr(logs.exp()).sum(1)
            return entropies
        mean, square = self.sums.unbind()
        spread = square / self.count - (mean / self.count).square()
        return spread.clamp(min=0).sqrt().mean(1)

    def log_probabilities(self, logs: Tensor) -> Tensor:
        """One column a class."""
        return logs[0] if self.loss == "cross_entropy" else torch.cat((logs[0], logs[1]), 1)


def has_classes(loss: Loss) -> bool:
    """Whether outputs are logits."""
    return loss in ("cross_entropy", "binary_cross_entropy")


def terms(outputs: Tensor, loss: Loss) -> tuple[Tensor, ...]:
    """What is added up: logarithms of probabilities, as exponentials; or values and their squares."""
    match loss:
        case "cross_entropy":
            return (functional.log_softmax(outputs, 1),)
        case "binary_cross_entropy":
            return functional.logsigmoid(outputs), functional.logsigmoid(-outputs)
        case _:
            return outputs, outputs.square()
