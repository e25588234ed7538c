"""What holds for every variant of every ingredient, in a small recipe that it fits."""

import math
from functools import cache
from pathlib import Path

import pytest
import torch

from bakehouse.plan.layers import (
    Conv,
    Denormalize,
    DropConnect,
    Embed,
    EncodeColumns,
    Linear,
    Norm,
    Normalize,
    Recurrent,
    walk,
)
from bakehouse.plan.plan import Plan
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm
from tests.plan.test_script import run_script
from tests.small_trainings import Outcome, bits, make_training, measure_split, resume_to_end, run_to_end, stop_after
from tests.worker.device_waits import CopiesToDevice, ReadsOfDevice
from tests.worker.variants import recipes
from worker.model.build import build_model
from worker.training.training import Training

MIDDLE = 5
"""Units of work: within the first validation, or just before it."""


GROUPS_SAMPLES = {
    "augmentation:rand_augment",
    "augmentation:trivial_augment",
    "augmentation:trivial_augment:space=rand_augment",
}
"""Recipes that compute samples with the same change together, and so have to read how many there are."""
RECIPES = recipes()
# All tests of a recipe one after the other: processes that share the tests out then train each but once.
in_turn = pytest.mark.parametrize("name", RECIPES, scope="module")


def planned_names(plan: Plan) -> set[str]:
    """The tensors that the layers of a plan have."""
    names: set[str] = set()
    for name, layer in walk(plan.root):
        match layer:
            case Normalize():
                own = ["shift", "scale", "matrix"] if layer.whitens else ["shift", "scale"]
            case EncodeColumns():
                own = ["shift", "scale", "fill", "matrix"] if layer.whitens else ["shift", "scale", "fill"]
            case Embed(blocks=blocks):
                own = [f"weight{number}" for number in range(len(blocks))]
            case Denormalize():
                own = ["mean", "std"]
            case Linear(bias=bias) | Conv(bias=bias) | DropConnect(bias=bias):
                own = ["weight", "bias"] if bias else ["weight"]
            case Recurrent(biases=biases):
                own = ["weight_ih_l0", "weight_hh_l0", *biases]
            case Norm(spec=spec):
                own = list(spec.learned(layer.input))
                moving = isinstance(spec, BatchNorm | CrossIterationBatchNorm)
                own += ["running_mean", "running_var", "num_batches_tracked"] if moving else []
                own += ["running_mean", "running_std", "num_batches_tracked"] if isinstance(spec, BatchRenorm) else []
            case _:
                own = []
        names |= {f"{name}.{tensor}" for tensor in own}
    return names


@cache
def whole(name: str) -> tuple[Training, Outcome]:
    """The recipe, trained without an interruption."""
    training = make_training(RECIPES[name])
    return training, run_to_end(training)


@in_turn
def test_what_is_built_is_what_was_planned(name: str) -> None:
    training = make_training(RECIPES[name])
    assert set(training.model.state_dict()) == planned_names(training.plan)
    assert sum(parameter.numel() for parameter in training.model.parameters()) == training.plan.estimate.parameters
    trained = [parameter for parameter in training.model.parameters() if parameter.requires_grad]
    assert len(training.take_step.parameters) == len(set(training.take_step.parameters)) == len(trained)
    rows = training.data.test.inputs[:3]
    with torch.inference_mode():
        assert training.model.eval()(rows).shape == (3, training.plan.outputs)


@pytest.mark.parametrize("name", [name for name in RECIPES if name not in GROUPS_SAMPLES])
def test_no_step_waits_for_the_device(name: str) -> None:
    training = make_training(RECIPES[name])
    for _ in training.begin_epoch():
        pass
    batches = training.batches.from_step(0)
    # The first step makes what is made once, such as the order of the epoch and the optimizer's state.
    training.update(*next(batches))
    with ReadsOfDevice() as reads, CopiesToDevice() as copies:
        training.update(*next(batches))
    assert reads.found | copies.found == set()


@in_turn
def test_the_exported_script_computes_the_same_bits(name: str, tmp_path: Path) -> None:
    training, _ = whole(name)
    # Not the trained model itself, whose convolutions are channels-last and sum in another order.
    model = build_model(training.plan).eval()
    model.load_state_dict(training.weights())
    loaded = run_script(training.plan, tmp_path, model.state_dict())
    rows = training.data.test.inputs[:3]
    assert list(loaded.state_dict()) == list(model.state_dict())
    with torch.inference_mode():
        assert torch.equal(loaded(rows), model(rows))


@in_turn
def test_it_trains_and_every_number_is_finite(name: str) -> None:
    training = make_training(RECIPES[name])
    before = bits(training.weights())
    assert any(item is not None for item in training.run())
    assert bits(training.weights()) != before
    _, outcome = whole(name)
    assert outcome.diverged_at is None
    assert outcome.logged[-1]["ending"] in ("epochs_done", "early_stopped")
    numbers = [value for item in outcome.logged for value in [*item.values(), *item.get("metrics", {}).values()]]
    assert all(math.isfinite(value) for value in numbers if isinstance(value, float))


@in_turn
def test_killed_in_the_middle_it_ends_with_the_same_bits(name: str) -> None:
    assert resume_to_end(RECIPES[name], *stop_after(RECIPES[name], MIDDLE)) == whole(name)[1]


@in_turn
def test_the_best_weights_reproduce_their_metrics_and_measuring_changes_nothing(name: str) -> None:
    trained, outcome = whole(name)
    fresh = make_training(RECIPES[name])
    best = next(
        item for item in outcome.logged if item.get("epoch") == trained.stopper.best_epoch and "is_best" in item
    )
    assert trained.best_weights is not None
    fresh.model.load_state_dict(trained.best_weights)
    before = bits(fresh.weights())
    first = measure_split(fresh, "validation")
    torch.manual_seed(1)
    assert measure_split(fresh, "validation") == first
    assert bits(fresh.weights()) == before
    assert first == {key: value for key, value in best["metrics"].items() if key.startswith("validation")}
    assert measure_split(fresh, "test").items() <= outcome.logged[-1]["metrics"].items()
