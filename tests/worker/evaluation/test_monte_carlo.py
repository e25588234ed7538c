"""The mean over masks against masks that are written out."""

from itertools import product

import numpy as np
import pytest
import torch

from bakehouse.recipe.objective import Loss
from tests.small_trainings import DIABETES, DIGITS_CNN, IRIS, Document, make_training, run_to_end
from tests.targets import make_targets
from worker.evaluation.averaging import Mean, Means
from worker.model.modules import Dropout


def mean_of(loss: Loss, answers: torch.Tensor) -> Mean:
    """Of answers (T, N, k)."""
    mean = Mean(loss)
    for answer in answers:
        mean.add(answer)
    return mean


def test_probabilities_are_averaged_not_logits() -> None:
    answers = 3 * torch.randn(5, 7, 4)
    mean = mean_of("cross_entropy", answers)
    wanted = answers.double().softmax(2).mean(0).numpy()
    assert mean.outputs().softmax(1).numpy() == pytest.approx(wanted, rel=1e-5)
    assert mean.uncertainty().numpy() == pytest.approx(-(wanted * np.log(wanted)).sum(1), rel=1e-9)


def test_a_single_logit_is_that_of_class_1() -> None:
    answers = 3 * torch.randn(5, 7, 1)
    mean = mean_of("binary_cross_entropy", answers)
    wanted = answers.double().sigmoid().mean(0).numpy()
    entropy = -(wanted * np.log(wanted) + (1 - wanted) * np.log(1 - wanted))[:, 0]
    assert mean.outputs().sigmoid().numpy() == pytest.approx(wanted, rel=1e-5)
    assert mean.uncertainty().numpy() == pytest.approx(entropy, rel=1e-9)


def test_values_are_averaged_and_their_uncertainty_is_the_standard_deviation() -> None:
    answers = 100 + torch.randn(6, 7, 1)
    mean = mean_of("squared_error", answers)
    values = answers[..., 0].double().numpy()
    assert mean.outputs()[:, 0].numpy() == pytest.approx(values.mean(0), rel=1e-6)
    assert mean.uncertainty().numpy() == pytest.approx(values.std(0), rel=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "poisson"])
def test_outputs_that_count_several_times_are_the_same_outputs_again(loss: Loss) -> None:
    first, second = torch.randn(2, 7, 3)
    again, counted = mean_of(loss, torch.stack([first, first, first, second])), Mean(loss)
    counted.add(first, times=3)
    counted.add(second)
    torch.testing.assert_close(counted.outputs(), again.outputs())
    torch.testing.assert_close(counted.uncertainty(), again.uncertainty())


def test_outputs_far_from_each_other_lose_nothing() -> None:
    mean = mean_of("cross_entropy", torch.tensor([[[200.0, -200.0]], [[-200.0, 200.0]]]))
    assert mean.outputs().softmax(1).tolist() == [[0.5, 0.5]]
    assert mean.uncertainty().item() == pytest.approx(np.log(2))


def test_each_target_has_its_own_mean() -> None:
    answers = torch.randn(4, 5, 3)
    means = Means(make_targets(("cross_entropy", 2, 1.0), ("squared_error", 0, 1.0)))
    for answer in answers:
        means.add(answer)
    assert means.outputs()[:, 2].numpy() == pytest.approx(answers[..., 2].mean(0).numpy(), rel=1e-5)
    assert means.outputs()[:, :2].softmax(1).numpy() == pytest.approx(
        answers[..., :2].softmax(2).mean(0).numpy(), rel=1e-5
    )


DROPPED: Document = {
    **IRIS,
    "architecture": {"type": "mlp", "hidden": [3]},
    "dropout": {"type": "dropout", "rate": 0.5, "placement": "input"},
    "epochs": 1,
}


def ended(document: Document, samples: int) -> dict[str, float]:
    """The metrics at the end of a run with so many passes."""
    outcome = run_to_end(make_training({**document, "evaluation": {"monte_carlo_samples": samples}}))
    metrics: dict[str, float] = outcome.logged[-1]["metrics"]
    return metrics


def test_many_passes_come_to_the_mean_over_all_masks() -> None:
    metrics = ended(DROPPED, 1000)
    training = make_training(DROPPED)
    run_to_end(training)
    assert training.best_weights is not None
    training.model.load_state_dict(training.best_weights)
    normalize, rest = training.model[0], training.model[2:]
    assert [type(layer) for layer in training.model][1] is Dropout
    with torch.inference_mode():
        inputs = normalize(training.data.test.inputs)
        masks = 2.0 * torch.tensor(list(product((0.0, 1.0), repeat=4)))
        probabilities = torch.stack([rest(inputs * mask).double().softmax(1) for mask in masks]).mean(0)
    targets = training.data.test.targets
    loss = -probabilities[torch.arange(len(targets)), targets].log().mean()
    assert metrics["test_monte_carlo_loss"] == pytest.approx(float(loss), abs=0.01)
    entropy = float(torch.special.entr(probabilities).sum(1).mean())
    assert metrics["test_monte_carlo_entropy"] == pytest.approx(entropy, abs=0.01)
    assert metrics["test_loss"] != metrics["test_monte_carlo_loss"]


def test_norms_evaluate_while_dropout_trains() -> None:
    training = make_training({**DIGITS_CNN, "evaluation": {"monte_carlo_samples": 2}, "epochs": 1})
    outcome = run_to_end(training)
    assert outcome == run_to_end(make_training(training.plan.recipe.canonical()))
    plain = run_to_end(make_training({**DIGITS_CNN, "epochs": 1}))
    assert (outcome.weights, outcome.best_weights) == (plain.weights, plain.best_weights)


def test_masks_of_weights_are_drawn_too() -> None:
    document: Document = {**IRIS, "dropout": "drop_connect", "epochs": 1}
    metrics = ended(document, 20)
    assert metrics["test_monte_carlo_loss"] != metrics["test_loss"]


def test_a_regression_has_a_standard_deviation_of_its_values() -> None:
    metrics = ended({**DIABETES, "dropout": 0.5, "epochs": 1}, 30)
    names = {name for name in metrics if "monte_carlo" in name}
    assert names == {
        f"test_monte_carlo_{name}" for name in ("loss", "mean_absolute_error", "r2", "root_mean_squared_error", "std")
    }
    assert 0 < metrics["test_monte_carlo_std"] < 100
