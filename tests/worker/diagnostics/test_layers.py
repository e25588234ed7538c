"""Diagnostics of single layers, compared with the layers themselves."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.small_trainings import DIGITS_CNN, IRIS, Document, make_training, run_to_end
from tests.worker.diagnostics.test_diagnostics import diagnosed
from worker.training.training import Training

INPUT: Document = {"dropout": {"type": "dropout", "rate": 0.5, "placement": "input"}}
NORMED: Document = {**IRIS, "norm": "batch_norm", "epochs": 40, "early_stopping": None}


def trained(document: Document) -> Training:
    """A training after its last epoch."""
    training = make_training(document)
    run_to_end(training)
    training.model.eval()
    return training


def outputs_of(training: Training, name: str) -> Tensor:
    """The outputs of a layer for the training split in evaluation mode."""
    found: list[Tensor] = []
    layer = training.model.get_submodule(name)
    hook = layer.register_forward_hook(lambda *parts: found.append(parts[2]))
    with torch.no_grad():
        training.model(training.data.train.inputs)
    hook.remove()
    return found[0].double()


def test_the_shift_is_the_layers_variance_against_its_inputs() -> None:
    training = trained({**NORMED, **INPUT})
    norm = training.model.get_submodule("hidden1.norm")
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_var is not None
    real = outputs_of(training, "hidden1.linear").var(0, correction=1).mean()
    moving = norm.running_var.double().mean()
    found = diagnosed({**NORMED, **INPUT}, "variance_shift")["variance_shift"]
    assert found["layers"] == ["hidden1.norm"]
    assert found["moving"] == pytest.approx([float(moving)], rel=1e-6)
    assert found["real"] == pytest.approx([float(real)], rel=1e-5)
    assert found["ratio"] == pytest.approx([float(max(real / moving, moving / real))], rel=1e-5)
    assert found["worst_ratio"] == found["ratio"][0]


def test_dropout_before_the_norm_shifts_it_and_population_statistics_do_not() -> None:
    plain, shifted = (diagnosed({**NORMED, **more}, "variance_shift")["variance_shift"] for more in ({}, INPUT))
    population: Document = {**NORMED, **INPUT, "evaluation": {"statistics": "population"}}
    mended = diagnosed(population, "variance_shift")["variance_shift"]
    assert plain["worst_ratio"] < 1.2 < 1.5 < shifted["worst_ratio"]
    assert mended["worst_ratio"] == pytest.approx(1.0, abs=1e-5)


def test_batch_renorm_keeps_deviations() -> None:
    document: Document = {**DIGITS_CNN, "norm": {"type": "batch_renorm", "momentum": 0.5}}
    training = trained(document)
    std = training.model.state_dict()["stage1.conv1.norm.running_std"].double()
    found = diagnosed(document, "variance_shift")["variance_shift"]
    assert found["moving"] == pytest.approx([float(std.square().mean())], rel=1e-6)


@pytest.mark.parametrize(("activation", "least"), [("sigmoid", 0.01), ("tanh", 0.04)])
def test_saturated_outputs_are_counted(activation: str, least: float) -> None:
    architecture = {"type": "mlp", "hidden": [8, 8], "activation": activation}
    document: Document = {**IRIS, "architecture": architecture, "optimizer": {"type": "sgd", "lr": 5.0}}
    training = trained(document)
    shares = []
    for name in ("hidden1.activation", "hidden2.activation"):
        outputs = outputs_of(training, name)
        slope = outputs * (1 - outputs) if activation == "sigmoid" else 1 - outputs.square()
        shares.append(float((slope < least).double().mean()))
    found = diagnosed(document, "saturation")["saturation"]
    assert found["layers"] == ["hidden1.activation", "hidden2.activation"]
    assert found["saturated"] == pytest.approx(shares, abs=0.01)
    assert max(shares) > 0


def sparsity_of(training: Training) -> dict[str, Any]:
    """The sparsity at the end of the first epoch."""
    logged = (item for item in training.run() if item is not None)
    values: dict[str, Any] = next(item.values for item in logged if getattr(item, "name", "") == "sparsity")  # type: ignore[union-attr]
    return values


def test_exact_zeros_are_counted() -> None:
    zeros = {**IRIS, "regularizer": {"type": "l1", "coefficient": 1000.0}, "diagnostics": "sparsity"}
    found = sparsity_of(make_training(zeros))
    assert found["layers"] == ["hidden1.linear", "head"]
    assert found["zero_weights"] == [1.0, 1.0]
    assert found["zero_weights_in_all"] == 1.0
    assert found["activations"] == ["hidden1.activation"]
    assert found["dead_units"][0] == found["zero_activations"][0]


def test_units_that_never_fire_are_dead() -> None:
    training = make_training({**IRIS, "diagnostics": "sparsity", "optimizer": {"type": "sgd", "lr": 1e-9}})
    layer = training.model.get_submodule("hidden1.linear")
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.bias[:2] = -1e3
        layer.bias[2:] = 1e3
        layer.weight[0, :3] = 0.0
    found = sparsity_of(training)
    assert found["dead_units"] == [0.25]
    assert found["zero_activations"] == [0.25]
    assert found["zero_weights"] == [pytest.approx(3 / 32, abs=0.05), 0.0]


def test_channels_of_maps_are_units() -> None:
    training = make_training(
        {**DIGITS_CNN, "norm": None, "diagnostics": "sparsity", "optimizer": {"type": "sgd", "lr": 1e-9}}
    )
    layer = training.model.get_submodule("stage1.conv1.conv")
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        assert layer.bias is not None
        layer.bias[0] = -1e3
        layer.bias[1:] = 1e3
    assert sparsity_of(training)["dead_units"] == [0.125]
