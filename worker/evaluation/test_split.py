"""Evaluates the best weights on the test split, once per run."""

from collections.abc import Generator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.recipe.objective import Adversarial
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Data, Split
from worker.evaluation.averaging import Averages
from worker.evaluation.crops import over_crops
from worker.evaluation.evaluate import Metrics, RunningTotals, SplitName, measure
from worker.evaluation.monte_carlo import monte_carlo
from worker.evaluation.predicted import PredictedClasses
from worker.model.state_dict import strip_prefix, with_prefix
from worker.objective.adversarial import Attack
from worker.objective.targets import measured_objective
from worker.types import State


class AttackedOutputs:
    """The outputs for adversarial examples of each batch, one batch after the other. A resumed run continues with the
    next step of the attack."""

    def __init__(self) -> None:
        self.outputs: list[Tensor] = []
        """The outputs of each batch that is complete."""
        self.start_batch()

    def start_batch(self) -> None:
        self.steps = 0
        self.examples: Tensor | None = None

    def take_step(self, examples: Tensor) -> None:
        """Keeps the examples of the present batch after the next step of the attack."""
        self.examples = examples
        self.steps += 1

    def end_batch(self, outputs: Tensor) -> None:
        """Ends the present batch."""
        self.outputs.append(outputs)
        self.start_batch()

    def state_dict(self) -> State:
        return {
            "batches": len(self.outputs),
            "steps": self.steps,
            **with_prefix("outputs", {str(batch): tensor for batch, tensor in enumerate(self.outputs)}),
            **({} if self.examples is None else {"examples": self.examples}),
        }

    def load_state_dict(self, state: State) -> None:
        self.outputs = [state[f"outputs.{batch}"] for batch in range(state["batches"])]
        self.steps = state["steps"]
        self.examples = state.get("examples")


class FinalMeasurement:
    """Measures a model in evaluation mode, and with dropout masks, crops and attacks if the recipe asks for them. A
    resumed run continues where it was."""

    def __init__(self, plan: Plan, data: Data) -> None:
        evaluation = plan.recipe.evaluation
        attack = plan.recipe.objective.adversarial
        self.plan = plan
        self.data = data
        self.names: list[SplitName] = ["test"]
        """The measurements to make, in order."""
        self.names += ["test_monte_carlo"] if evaluation.monte_carlo_samples else []
        self.names += ["test_crops"] if evaluation.crops is not None else []
        self.names += ["test_adversarial"] if attack is not None else []
        self.if_stopped = self.names[:1]
        """The measurements that a run makes which was asked to end while it trained; they take one pass."""
        self.metrics: Metrics = {}
        self.finished: list[SplitName] = []
        self.predicted = PredictedClasses(plan)
        self.units = 0
        """Number of units of work that are done; the caller counts them."""
        self.start_next()

    def start_next(self) -> None:
        self.totals = RunningTotals()
        self.averages = Averages(self.plan.targets)
        self.attacked = AttackedOutputs()

    def never_predicted(self) -> tuple[int, ...]:
        """Returns the classes that the test split has and that were predicted for none of its rows."""
        return self.predicted.missing(self.data.test) if "test" in self.finished else ()

    def left_out(self) -> list[SplitName]:
        """Returns the measurements that are not finished."""
        return [name for name in self.names if name not in self.finished]

    def run(self, model: nn.Sequential, names: Sequence[SplitName]) -> Generator[None, None, None]:
        """Makes those of the named measurements that are not finished. Yields after each batch, pass, crop or step of
        an attack."""
        for name in names:
            if name not in self.finished:
                metrics = yield from self.measure(model, name)
                self.metrics |= metrics
                self.finished.append(name)
                self.start_next()

    def measure(self, model: nn.Sequential, name: SplitName) -> Generator[None, None, Metrics]:
        """Makes one measurement; returns its metrics."""
        evaluation = self.plan.recipe.evaluation
        split = self.data.test
        model.eval()
        # Outputs that exist already are measured like those of a model, which is the identity then.
        identity = nn.Identity()
        match name:
            case "test":
                counted = self.predicted.of(model)
                return (yield from measure(self.plan, self.data, counted, split, name, self.totals))
            case "test_monte_carlo":
                yield from monte_carlo(self.plan, model, split, self.averages)
            case "test_crops":
                assert evaluation.crops is not None
                yield from over_crops(self.plan, evaluation.crops, model, split, self.averages)
            case _:
                attack = self.plan.recipe.objective.adversarial
                assert attack is not None
                yield from under_attack(self.plan, attack, model, split, self.attacked)
        outputs = torch.cat([item.to(split.targets.device) for item in self.averages.outputs or self.attacked.outputs])
        metrics = yield from measure(self.plan, self.data, identity, Split(outputs, split.targets), name, self.totals)
        if name == "test_monte_carlo":
            spread = "entropy" if self.plan.data.main.task == "classification" else "std"
            metrics[f"{name}_{spread}"] = float(
                torch.cat([item.to(outputs.device) for item in self.averages.uncertainty]).mean()
            )
        return metrics

    def state_dict(self) -> State:
        return {
            # Copies, because a state is written while the measurement continues.
            "metrics": dict(self.metrics),
            "finished": list(self.finished),
            "units": self.units,
            "predicted": self.predicted.classes(),
            **{f"totals.{name}": item for name, item in self.totals.state_dict().items()},
            **{f"averages.{name}": item for name, item in self.averages.state_dict().items()},
            **{f"attacked.{name}": item for name, item in self.attacked.state_dict().items()},
        }

    def load_state_dict(self, state: State) -> None:
        self.metrics = state["metrics"]
        self.finished = state["finished"]
        self.units = state["units"]
        # States of earlier versions do not have it.
        self.predicted.add(state.get("predicted", []))
        self.totals.load_state_dict(strip_prefix("totals", state))
        self.averages.load_state_dict(strip_prefix("averages", state))
        self.attacked.load_state_dict(strip_prefix("attacked", state))


def under_attack(
    plan: Plan, spec: Adversarial, model: nn.Sequential, split: Split, attacked: AttackedOutputs
) -> Generator[None, None, None]:
    """Computes the outputs of a whole model for adversarial examples; `attacked` may have the first steps already.
    Yields after each step of the attack on a batch, since there may be a hundred steps."""
    attack = Attack(spec, plan, model, measured_objective(plan, model), purpose="test_adversary")
    # The attack changes normalised inputs, so the first layer is applied once, before it.
    normalize, *layers = model
    after_normalization = nn.Sequential(*layers)
    # The number of the batch takes the place of the step as the seed of a random start.
    batches = islice(enumerate(split.batches(BATCH_ROWS)), len(attacked.outputs), None)
    for batch, (rows, targets) in batches:
        inputs = normalize(rows)
        examples = None if attacked.examples is None else attacked.examples.to(inputs.device)
        for changed in attack.steps(
            after_normalization, inputs, targets, batch, taken=attacked.steps, examples=examples
        ):
            attacked.take_step(changed)
            yield
        assert attacked.examples is not None
        with torch.inference_mode():
            attacked.end_batch(after_normalization(attacked.examples.to(inputs.device)))
