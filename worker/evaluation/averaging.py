"""Averages several outputs of a model for the same rows: probabilities (not logits) of classes, or predicted values."""

from math import log

import torch
from torch import Tensor

from bakehouse.plan.targets import Target
from bakehouse.recipe.objective import Loss
from worker.evaluation.standalone.ensemble import CLASS_LOSSES, log_probabilities
from worker.model.state_dict import strip_prefix, with_prefix
from worker.types import State


class Averages:
    """The averages over several passes of each batch, one batch after the other. A resumed run continues with the next
    pass."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self.targets = targets
        self.outputs: list[Tensor] = []
        """The mean outputs of each batch that is complete."""
        self.uncertainty: list[Tensor] = []
        self.start_batch()

    def start_batch(self) -> None:
        self.passes = 0
        self.means = Means(self.targets)

    def add(self, outputs: Tensor, *, times: int = 1) -> None:
        """Adds the outputs of the next pass over the present batch, counted `times` times."""
        self.means.add(outputs, times=times)
        self.passes += 1

    def end_batch(self) -> None:
        """Ends the present batch."""
        self.outputs.append(self.means.outputs())
        self.uncertainty.append(self.means.uncertainty())
        self.start_batch()

    def state_dict(self) -> State:
        return {
            "batches": len(self.outputs),
            "passes": self.passes,
            **with_prefix("outputs", {str(batch): tensor for batch, tensor in enumerate(self.outputs)}),
            **with_prefix("uncertainty", {str(batch): tensor for batch, tensor in enumerate(self.uncertainty)}),
            **{f"means.{name}": item for name, item in self.means.state_dict().items()},
        }

    def load_state_dict(self, state: State) -> None:
        batches = range(state["batches"])
        self.outputs = [state[f"outputs.{batch}"] for batch in batches]
        self.uncertainty = [state[f"uncertainty.{batch}"] for batch in batches]
        self.passes = state["passes"]
        self.means.load_state_dict(strip_prefix("means", state))


class Means:
    """Averages a model's outputs for each target. Outputs are added one after the other and not kept."""

    def __init__(self, targets: tuple[Target, ...]) -> None:
        self.means = [(target.columns, Mean(target.loss)) for target in targets]

    def add(self, outputs: Tensor, *, times: int = 1) -> None:
        """Adds outputs of the whole model, counted `times` times."""
        for columns, mean in self.means:
            mean.add(outputs[:, columns], times=times)

    def state_dict(self) -> State:
        return {
            f"{index}.{name}": item
            for index, (_, mean) in enumerate(self.means)
            for name, item in mean.state_dict().items()
        }

    def load_state_dict(self, state: State) -> None:
        for index, (_, mean) in enumerate(self.means):
            mean.load_state_dict(strip_prefix(str(index), state))

    def outputs(self) -> Tensor:
        """Returns the mean in the form of a model's outputs."""
        return torch.cat([mean.outputs() for _, mean in self.means], 1)

    def uncertainty(self) -> Tensor:
        """Returns the uncertainty of the main target for each row."""
        return self.means[0][1].uncertainty()


class Mean:
    """Averages outputs (N, k) for one target."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.count = 0
        self.sums: Tensor | None = None
        self.origin: Tensor | float = 0.0
        """The first outputs, if they have 64 bits. They are subtracted from all values before these are summed, because
        the squares of large values would lose small differences."""

    def add(self, outputs: Tensor, *, times: int = 1) -> None:
        """Adds outputs, counted `times` times."""
        if self.count > 0 and self.sums is not None and self.sums.device != outputs.device:
            # The state of a resumed run is on the CPU.
            self.sums = self.sums.to(outputs.device)
            self.origin = self.origin.to(outputs.device) if isinstance(self.origin, Tensor) else self.origin
        if self.count == 0 and outputs.dtype == torch.float64 and not has_classes(self.loss):
            self.origin = outputs
        self.count += times
        new = terms(outputs.double() - self.origin, self.loss)
        # Logarithms are summed as their exponentials, so a factor is added as its logarithm.
        new = new + log(times) if has_classes(self.loss) else new * times
        if self.sums is None:
            self.sums = new
        else:
            self.sums = torch.logaddexp(self.sums, new) if has_classes(self.loss) else self.sums + new

    def state_dict(self) -> State:
        return {"count": self.count, "origin": self.origin, **({} if self.sums is None else {"sums": self.sums})}

    def load_state_dict(self, state: State) -> None:
        self.count = state["count"]
        self.origin = state["origin"]
        self.sums = state.get("sums")

    def outputs(self) -> Tensor:
        """Returns the logits of the mean probabilities, or the mean values."""
        assert self.sums is not None
        match self.loss:
            case "cross_entropy":
                return (self.sums[0] - log(self.count)).float()
            case "binary_cross_entropy":
                # The difference of the logarithms of p and 1 - p is the logit, and the count cancels out.
                return (self.sums[0] - self.sums[1]).float()
            case _:
                mean = self.sums[0] / self.count
                return self.origin + mean if isinstance(self.origin, Tensor) else mean.float()

    def uncertainty(self) -> Tensor:
        """Returns for each row the entropy of the mean probabilities in nats, or the standard deviation of the
        values."""
        assert self.sums is not None
        if has_classes(self.loss):
            logs = self.log_probabilities(self.sums - log(self.count))
            entropies: Tensor = torch.special.entr(logs.exp()).sum(1)
            return entropies
        mean, square = self.sums.unbind()
        spread = square / self.count - (mean / self.count).square()
        # Rounding may take a variance of 0 below 0.
        return spread.clamp(min=0).sqrt().mean(1)

    def log_probabilities(self, logs: Tensor) -> Tensor:
        """Returns log-probabilities with a column for each class."""
        return logs[0] if self.loss == "cross_entropy" else torch.cat((logs[0], logs[1]), 1)


def has_classes(loss: Loss) -> bool:
    """Whether the loss is for classes, so that outputs are logits."""
    return loss in CLASS_LOSSES


def terms(outputs: Tensor, loss: Loss) -> Tensor:
    """Returns the terms to sum: logarithms of probabilities, whose exponentials are summed, or values and squares."""
    return log_probabilities(outputs, loss) if has_classes(loss) else torch.stack((outputs, outputs.square()))
