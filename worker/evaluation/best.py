"""What is measured once, of the best weights, on the test split."""

from collections.abc import Generator

from torch import nn

from bakehouse.plan.plan import Plan
from worker.dataset import Split
from worker.evaluation.crops import over_crops
from worker.evaluation.measuring import Measure, Metrics
from worker.evaluation.monte_carlo import monte_carlo
from worker.objective.adversarial import under_attack


def measured_once(plan: Plan, model: nn.Sequential, split: Split, measure: Measure) -> Generator[None, None, Metrics]:
    """As the model is used; then over masks, over crops and under attack, where the recipe asks for it."""
    evaluation = plan.recipe.evaluation
    metrics = yield from measure(model.eval(), split, "test")
    if evaluation.monte_carlo_samples:
        outputs, uncertainty = yield from monte_carlo(plan, model, split.inputs)
        metrics |= yield from measure(nn.Identity(), Split(outputs, split.targets), "test_monte_carlo")
        name = "entropy" if plan.data.task == "classification" else "std"
        metrics[f"test_monte_carlo_{name}"] = float(uncertainty.mean())
    if evaluation.crops is not None:
        outputs = yield from over_crops(plan, evaluation.crops, model, split.inputs)
        metrics |= yield from measure(nn.Identity(), Split(outputs, split.targets), "test_crops")
    if (attack := plan.recipe.objective.adversarial) is not None:
        outputs = yield from under_attack(plan, attack, model, split)
        metrics |= yield from measure(nn.Identity(), Split(outputs, split.targets), "test_adversarial")
    return metrics
