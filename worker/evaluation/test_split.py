"""Evaluates the best weights on the test split, once per run."""

from collections.abc import Generator

import torch
from torch import Tensor, nn

from bakehouse.plan.plan import Plan
from bakehouse.recipe.objective import Adversarial
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Split
from worker.evaluation.crops import over_crops
from worker.evaluation.evaluate import Measure, Metrics
from worker.evaluation.monte_carlo import monte_carlo
from worker.objective.adversarial import Attack
from worker.objective.targets import measured_objective


def evaluate_test_split(
    plan: Plan, model: nn.Sequential, split: Split, measure: Measure
) -> Generator[None, None, Metrics]:
    """Measures the model in evaluation mode, and with dropout masks, crops and attacks if the recipe asks for them."""
    evaluation = plan.recipe.evaluation
    metrics = yield from measure(model.eval(), split, "test")
    if evaluation.monte_carlo_samples:
        outputs, uncertainty = yield from monte_carlo(plan, model, split.inputs)
        # The outputs exist already, so the identity takes the place of the model, here and below.
        metrics |= yield from measure(nn.Identity(), Split(outputs, split.targets), "test_monte_carlo")
        name = "entropy" if plan.data.main.task == "classification" else "std"
        metrics[f"test_monte_carlo_{name}"] = float(uncertainty.mean())
    if evaluation.crops is not None:
        outputs = yield from over_crops(plan, evaluation.crops, model, split.inputs)
        metrics |= yield from measure(nn.Identity(), Split(outputs, split.targets), "test_crops")
    if (attack := plan.recipe.objective.adversarial) is not None:
        outputs = yield from under_attack(plan, attack, model, split)
        metrics |= yield from measure(nn.Identity(), Split(outputs, split.targets), "test_adversarial")
    return metrics


def under_attack(plan: Plan, spec: Adversarial, model: nn.Sequential, split: Split) -> Generator[None, None, Tensor]:
    """Returns the outputs of a whole model for adversarial examples. Yields after each step of the attack on a batch,
    since there may be a hundred steps."""
    attack = Attack(spec, plan, model, measured_objective(plan, model), purpose="test_adversary")
    # The attack changes normalised inputs, so the first layer is applied once, before it.
    normalize, *layers = model
    after_normalization = nn.Sequential(*layers)
    outputs = []
    # The number of the batch takes the place of the step as the seed of a random start.
    for batch, (rows, targets) in enumerate(split.batches(BATCH_ROWS)):
        for examples in attack.steps(after_normalization, normalize(rows), targets, batch):  # noqa: B007 - the last one counts
            yield
        with torch.inference_mode():
            outputs.append(after_normalization(examples))
    return torch.cat(outputs)
