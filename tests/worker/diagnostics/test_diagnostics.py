"""Diagnostics against numbers computed by hand; above all, that they change nothing."""

from typing import Any, get_args

import numpy as np
import pytest
import torch

from bakehouse.recipe.diagnostics import AnyDiagnostic
from tests.small_trainings import (
    DIABETES,
    DIGITS_CNN,
    IRIS,
    Document,
    epochs_of,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
)
from worker.diagnostics.diagnostics import Diagnostics
from worker.training.events import DiagnosticLog

KINDS = {kind.model_fields["type"].default: kind for kind in get_args(AnyDiagnostic)}
EVERY = list(KINDS)
WITHOUT_SIGMOID = [name for name in EVERY if name != "saturation"]
WITHOUT_STATISTICS = [name for name in WITHOUT_SIGMOID if name != "variance_shift"]
TANH: Document = {"architecture": {"type": "cnn", "channels": [4], "hidden": [], "activation": "tanh"}}
NORMS = ["batch_norm", "batch_renorm", "cross_iteration_batch_norm", "layer_norm", "instance_norm", "group_norm"]
DROPOUTS: list[Any] = [
    "dropout", "vanilla_dropout", "spatial_dropout", "gaussian_dropout", "uout", "gaussian_noise",
    {"type": "drop_connect", "placement": "classifier"},
]  # fmt: skip
SLOW: Document = {"type": "batch_norm", "momentum": 0.01}


def diagnosed(document: Document, *names: str, rows: int | str = "all") -> dict[str, dict[str, Any]]:
    """The values of the diagnostics at the end of the last epoch."""
    diagnostics = [{"type": name, "rows": rows} for name in names]
    events = make_training({**document, "diagnostics": diagnostics}).run()
    return {item.name: item.values for item in events if isinstance(item, DiagnosticLog)}


@pytest.mark.parametrize(
    "document",
    [
        {**DIGITS_CNN, **TANH, "diagnostics": EVERY},
        *[
            {
                **DIGITS_CNN,
                "norm": norm,
                "dropout": dropout,
                "augmentation": "cutmix",
                "diagnostics": WITHOUT_STATISTICS,
            }
            for norm, dropout in zip(["batch_norm", *NORMS], DROPOUTS, strict=True)
        ],
        {**DIGITS_CNN, "norm": "batch_renorm", "diagnostics": WITHOUT_SIGMOID},
        {**DIGITS_CNN, "evaluation": {"statistics": "population"}, "diagnostics": WITHOUT_SIGMOID},
        {**DIGITS_CNN, "objective": {"adversarial": {"steps": 2}}, "precision": "bfloat16", "diagnostics": "clean_gap"},
        {**IRIS, "dropout": "drop_connect", "regularizer": "weight_noise", "diagnostics": WITHOUT_STATISTICS},
        {**DIGITS_CNN, "objective": {"tasks": "parity"}, "diagnostics": WITHOUT_SIGMOID},
        {**DIABETES, "dropout": 0.3, "diagnostics": ["train_eval_gap", "gradient_norms", "clean_gap"]},
    ],
    ids=lambda document: " ".join(map(str, (document.get("norm"), document.get("dropout")))),
)
def test_diagnostics_change_nothing_of_training(document: Document) -> None:
    without, outcome = run_to_end(make_training({**document, "diagnostics": []})), run_to_end(make_training(document))
    names = [item["name"] for item in outcome.logged if "values" in item]
    epochs = sum("is_best" in item for item in outcome.logged)
    assert len(names) == epochs * len(set(names)) > 0
    assert tuple(item for item in outcome.logged if "values" not in item) == without.logged
    assert outcome.weights == without.weights
    assert outcome.best_weights == without.best_weights
    for state in (outcome.state, without.state):
        # These parts hold what the diagnostics found.
        del state["parts"]["drift"], state["parts"]["history"]
    assert outcome.state == without.state


@pytest.mark.parametrize(
    "document",
    [
        {**DIGITS_CNN, **TANH},
        {**DIGITS_CNN, "norm": {"type": "cross_iteration_batch_norm"}, "regularizer": "weight_noise"},
        {**DIGITS_CNN, "objective": {"adversarial": {"steps": 2}}, "augmentation": ["mixup", "input_noise"]},
        {**IRIS, "dropout": "drop_connect", "evaluation": {"monte_carlo_samples": 2}},
    ],
)
def test_what_the_verdict_needs_changes_nothing_of_training(
    document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = run_to_end(make_training(document))
    assert measured.state["parts"]["history"]["first_gradients"]["first_to_last"] > 0
    monkeypatch.setattr(Diagnostics, "of_first_epoch", lambda _: {})
    monkeypatch.setattr(Diagnostics, "for_verdict", lambda _: {})
    without = run_to_end(make_training(document))
    del measured.state["parts"]["history"], without.state["parts"]["history"]
    assert measured == without


def test_gradients_are_measured_after_the_first_epoch_where_there_are_several_layers() -> None:
    deep = make_training({**IRIS, "epochs": 2})
    first, second = epochs_of(deep)
    assert (first.epoch, second.epoch) == (1, 2)
    [values] = diagnosed({**IRIS, "epochs": 1}, "gradient_norms", rows=IRIS["batch_size"]).values()
    assert deep.history.first_gradients == values
    linear = make_training({**IRIS, "architecture": "linear", "epochs": 2})
    run_to_end(linear)
    assert linear.history.first_gradients == {}


def test_no_gradients_are_measured_after_an_epoch_that_is_the_only_one() -> None:
    training = make_training({**IRIS, "epochs": 1})
    run_to_end(training)
    assert training.history.first_gradients == {}


@pytest.mark.parametrize("unit", range(4, 75, 10))
def test_a_run_killed_anywhere_logs_each_diagnostic_once_with_the_same_values(unit: int) -> None:
    document: Document = {**DIGITS_CNN, **TANH, "diagnostics": [{"type": name, "rows": 80} for name in EVERY]}
    assert resume_to_end(document, *stop_after(document, unit)) == run_to_end(make_training(document))


def test_diagnostics_follow_their_epoch_in_the_order_of_the_recipe() -> None:
    names = ["sparsity", "clean_gap"]
    logged = run_to_end(make_training({**IRIS, "diagnostics": names, "epochs": 2})).logged
    marks = [item.get("name") or ("epoch" if "is_best" in item else "step") for item in logged[:-1]]
    assert marks == [*["step"] * 3, "epoch", *names] * 2
    places = [(item["epoch"], item["step"]) for item in logged if "values" in item]
    assert places == [(1, 3)] * 2 + [(2, 6)] * 2


def test_what_is_drawn_is_measured() -> None:
    found = diagnosed({**DIGITS_CNN, **TANH, "epochs": 2}, *EVERY)
    for name, kind in KINDS.items():
        assert kind.charts or name == "variance_shift", name
        for chart in kind.charts:
            layers = None if chart.layers is None else len(found[name][chart.layers])
            measured = [found[name][value] for value in chart.values]
            assert all((len(value) if isinstance(value, list) else None) == layers for value in measured), chart


def test_without_anything_random_both_modes_are_one() -> None:
    found = diagnosed({**IRIS, "norm": "layer_norm"}, "train_eval_gap", "inconsistent_samples", "clean_gap")
    gap = found["train_eval_gap"]
    assert gap["train_mode_loss"] == gap["eval_mode_loss"]
    assert found["inconsistent_samples"]["only_in_training"] == found["inconsistent_samples"]["only_in_evaluation"] == 0
    assert found["clean_gap"]["gap"] == pytest.approx(0, abs=1e-6)
    assert found["clean_gap"]["train_clean_loss"] == pytest.approx(gap["eval_mode_loss"], rel=1e-6)


def test_both_diagnostics_show_the_gap_of_a_batch_norm_that_lags() -> None:
    found = diagnosed({**DIGITS_CNN, "norm": SLOW, "epochs": 8}, "train_eval_gap", "inconsistent_samples")
    gap, samples = found["train_eval_gap"], found["inconsistent_samples"]
    assert gap["eval_mode_loss"] > gap["train_mode_loss"]
    assert samples["only_in_training"] > 0
    shares = samples["only_in_training_share"] - samples["only_in_evaluation_share"]
    assert gap["train_mode_accuracy"] - gap["eval_mode_accuracy"] == pytest.approx(shares)
    assert samples["only_in_training"] == round(samples["only_in_training_share"] * samples["rows"])
    assert len(samples["only_in_training_rows"]) == min(20, samples["only_in_training"])


def test_diagnostics_of_a_regression_are_in_the_units_of_the_data() -> None:
    found = diagnosed({**DIABETES, "dropout": 0.2}, "train_eval_gap", "clean_gap")
    assert found["train_eval_gap"]["eval_mode_mean_absolute_error"] > 20
    assert found["clean_gap"]["train_objective"] == pytest.approx(found["train_eval_gap"]["train_mode_loss"], rel=0.2)


def test_smoothing_is_what_the_clean_gap_is_made_of() -> None:
    document: Document = {**IRIS, "objective": {"label_smoothing": 0.3}}
    training = make_training(document)
    list(training.run())
    split = training.data.train
    with torch.inference_mode():
        logs = training.model.eval()(split.inputs).double().log_softmax(1)
    clean = -float(logs[torch.arange(len(logs)), split.targets].mean())
    smooth = 0.7 * clean - 0.3 * float(logs.mean())
    found = diagnosed(document, "clean_gap")["clean_gap"]
    assert found["train_clean_loss"] == pytest.approx(clean, rel=1e-5)
    assert found["train_objective"] == pytest.approx(smooth, rel=1e-5)
    assert found["gap"] == pytest.approx(smooth - clean, rel=1e-3)


def test_gradient_norms_are_those_of_the_mean_gradient() -> None:
    document: Document = {**IRIS, "architecture": {"type": "mlp", "hidden": [8, 8]}}
    found = diagnosed(document, "gradient_norms")["gradient_norms"]
    training = make_training(document)
    list(training.run())
    split = training.data.train
    normalize, *layers = training.model
    model = torch.nn.Sequential(*layers).double()
    named = dict(training.model.named_parameters())
    loss = torch.nn.functional.cross_entropy(model(normalize(split.inputs).double()), split.targets)
    gradients = torch.autograd.grad(loss, [named[f"{name}.weight"] for name in found["layers"]])
    lengths = [float(gradient.norm()) for gradient in gradients]
    assert found["layers"] == ["hidden1.linear", "hidden2.linear", "head"]
    assert found["norms"] == pytest.approx(lengths, rel=1e-3)
    assert found["first_to_last"] == pytest.approx(lengths[0] / lengths[-1], rel=1e-3)


def test_frozen_layers_have_no_gradient_norm() -> None:
    training = make_training({**IRIS, "diagnostics": "gradient_norms"})
    training.model.get_submodule("hidden1").requires_grad_(False)
    assert training.diagnostics is not None
    logged = [item for item in training.run() if isinstance(item, DiagnosticLog)]
    assert logged[-1].values["layers"] == ["head"]
    assert np.isfinite(logged[-1].values["norms"]).all()
