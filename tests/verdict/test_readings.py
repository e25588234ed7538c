"""Each diagnostic says in a sentence what it found, what is usual and what to change."""

from typing import Any, get_args

import pytest

from bakehouse.recipe.diagnostics import AnyDiagnostic
from bakehouse.verdict.readings import READERS, read_diagnostic

Values = dict[str, Any]

SHIFT: Values = {"layers": ["a.norm", "b.norm"], "moving": [1.0, 2.0], "real": [1.0, 1.0], "ratio": [1.0, 2.0]}
GAP: Values = {
    "train_mode_loss": 0.3, "train_mode_accuracy": 0.9, "eval_mode_loss": 0.6, "eval_mode_accuracy": 0.8, "rows": 512
}  # fmt: skip
FLIPS: Values = {"rows": 1000, "only_in_training_share": 0.05, "only_in_evaluation_share": 0.01}
DRIFT: Values = {"layers": ["a", "b"], "mean_drift": [0.1, 3.0], "variance_ratio": [0.2, 1.0]}
SPARSE: Values = {"zero_weights_in_all": 0.25, "activations": ["a.activation"], "dead_units": [0.75]}
GRADIENTS: Values = {"layers": ["a", "head"], "norms": [0.001, 1.0], "first_to_last": 0.001}

UNUSUAL = [
    ("variance_shift", SHIFT, ("b.norm", "2", "too small", "population", "1.75")),
    ("variance_shift", {**SHIFT, "moving": [1.0, 0.5]}, ("too large",)),
    ("variance_shift", {**SHIFT, "ratio": [1.0, None]}, ("never vary",)),
    ("train_eval_gap", GAP, ("0.3 in training mode and 0.6", "90.0%", "80.0%", "behind the last norm")),
    ("train_eval_gap", {**GAP, "eval_mode_loss": None}, ("not finite",)),
    ("inconsistent_samples", FLIPS, ("5.0%", "1.0%", "2.0%")),
    ("saturation", {"layers": ["a"], "saturated": [0.9]}, ("90.0% of the outputs of a", "relu")),
    ("gradient_norms", GRADIENTS, ("0.001 times", "0.1 to 10", "vanishes")),
    ("gradient_norms", {**GRADIENTS, "first_to_last": 40.0}, ("explodes",)),
    ("gradient_norms", {**GRADIENTS, "first_to_last": None}, ("head is 0 or not finite",)),
    ("activation_drift", DRIFT, ("inputs of b moved by 3", "those of a changed to 0.2")),
    ("sparsity", SPARSE, ("25.0%", "75.0% of the units of a.activation", "leaky_relu")),
    ("clean_gap", {"train_objective": 0.2, "train_clean_loss": 0.5, "gap": -0.3}, ("0.2", "0.5", "variance shift")),
    ("clean_gap", {"train_objective": None, "train_clean_loss": None, "gap": None}, ("not finite",)),
]  # fmt: skip
USUAL = [
    ("variance_shift", {**SHIFT, "ratio": [1.0, 1.1]}, ("1.1", "is usual")),
    ("train_eval_gap", {**GAP, "eval_mode_loss": 0.25, "eval_mode_accuracy": 0.95}, ("0.25",)),
    ("train_eval_gap", {"train_mode_loss": 0.3, "eval_mode_loss": 0.2}, ("0.2",)),
    ("inconsistent_samples", {**FLIPS, "only_in_training_share": 0.01}, ("1.0%",)),
    ("inconsistent_samples", {**FLIPS, "only_in_evaluation_share": 0.09}, ("both directions",)),
    ("saturation", {"layers": ["a"], "saturated": [0.1]}, ("10.0%",)),
    ("saturation", {"layers": [], "saturated": []}, ("no sigmoid or tanh",)),
    ("gradient_norms", {**GRADIENTS, "first_to_last": 2.0}, ("2 times",)),
    ("activation_drift", {"layers": ["a"], "mean": [0.0], "variance": [1.0]}, ("second epoch",)),
    ("activation_drift", {**DRIFT, "mean_drift": [0.1, 0.2], "variance_ratio": [0.9, 1.0]}, ("0.2",)),
    ("sparsity", {**SPARSE, "dead_units": [0.5]}, ("50.0% of the units",)),
    ("sparsity", {**SPARSE, "activations": [], "dead_units": []}, ("25.0%",)),
    ("clean_gap", {"train_objective": 0.9, "train_clean_loss": 0.5, "gap": 0.4}, ("compare the validation loss",)),
    ("hints", {"layer": "a", "loss": 0.5, "losses": [1.0, None]}, ("loss 0.5", "losses 1 None")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "says"), UNUSUAL)
def test_an_unusual_diagnostic_is_marked_and_says_what_to_change(
    name: str, values: Values, says: tuple[str, ...]
) -> None:
    reading = read_diagnostic(name, values, epoch=5)
    assert reading.mark == "!"
    assert [text for text in says if text not in reading.text] == []


@pytest.mark.parametrize(("name", "values", "says"), USUAL)
def test_a_usual_diagnostic_says_so(name: str, values: Values, says: tuple[str, ...]) -> None:
    reading = read_diagnostic(name, values, epoch=5)
    assert reading.mark == "ok"
    assert [text for text in says if text not in reading.text] == []


def test_in_the_first_epoch_moving_averages_lag() -> None:
    assert "simply lag" in read_diagnostic("variance_shift", SHIFT, epoch=1).text


def test_every_diagnostic_of_a_recipe_has_a_sentence() -> None:
    assert set(READERS) == {kind.model_fields["type"].default for kind in get_args(AnyDiagnostic)}
