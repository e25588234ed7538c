"""Stage 1 of FitNets, and what it leaves to the run."""

import math
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bakehouse.plan.sources.hints import hidden_layers
from tests.small_trainings import (
    DIABETES,
    DIGITS_CNN,
    SOURCES,
    Document,
    Outcome,
    bits,
    loss_of,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
    train_source,
)
from worker.model.modules import Maxout
from worker.objective.criterion import hint_weights
from worker.training.events import DiagnosticLog, NonFinite
from worker.training.hints import HintStage, behind_normalization
from worker.training.training import Training

TEACHER: Document = {**DIGITS_CNN, "architecture": {"type": "cnn", "channels": [6, 8], "hidden": [16]}}
DEEP = {"type": "fitnet", "stages": [[4, 4], [4, 4]], "hidden": 8}
STAGE_UNITS = 3 * (3 + 13)
"""Three epochs of three steps and thirteen batches of validation with one to tell."""


@cache
def teacher() -> Document:
    return train_source(TEACHER)


def student(hints: Document | None = None, **parts: Any) -> Document:
    named = {"type": "hints", "teacher": teacher(), "hint_layer": 1, "guided_layer": 2, "epochs": 3}
    return {**DIGITS_CNN, "architecture": DEEP, "pretraining": {**named, **(hints or {})}, **parts}


def stage_of(training: Training) -> HintStage:
    assert len(training.hints) == 1
    return training.hints[0]


def through_stage_1(training: Training) -> list[DiagnosticLog]:
    """Up to the first step of the run."""
    logged = []
    for event in training.run():
        if isinstance(event, DiagnosticLog):
            logged.append(event)
        if stage_of(training).is_finished:
            break
    return logged


@cache
def whole() -> Outcome:
    return run_to_end(make_training(student()))


def test_the_hint_is_learnt_and_logged() -> None:
    logged = through_stage_1(make_training(student({"epochs": 6})))
    assert [(log.name, log.epoch, log.step) for log in logged] == [("hints", epoch, 3 * epoch) for epoch in range(1, 7)]
    losses = [log.values["hint_loss"] for log in logged]
    assert losses[-1] < losses[0] / 2
    assert all(set(log.values) == {"hint_loss", "validation_hint_loss"} for log in logged)


def test_only_layers_up_to_the_guided_one_move() -> None:
    training = make_training(student())
    before = training.weights()
    through_stage_1(training)
    moved = {name for name, tensor in training.weights().items() if not torch.equal(tensor, before[name])}
    guided = ("stage1.conv1.", "stage1.conv2.")
    learned = {name for name in before if name.startswith(guided) and not name.endswith("num_batches_tracked")}
    assert moved == learned
    assert any("running_mean" in name for name in moved)


def test_the_teacher_does_not_move() -> None:
    training = make_training(student())
    assert training.take_step.teacher is not None
    run_to_end(training)
    assert bits(training.take_step.teacher.model.state_dict()) == bits(SOURCES[teacher()["sha256"]].weights)


def test_the_loss_is_half_the_squared_distance_of_a_row() -> None:
    training = make_training(student())
    stage, inputs = stage_of(training), training.model[0](training.data.train.inputs[:11])
    assert training.take_step.teacher is not None
    stage.guided.eval()
    logged = SOURCES[teacher()["sha256"]]
    told_model = training.take_step.teacher.model
    wanted_hint = said_by(told_model, "stage1.conv1.activation", training.data.train.inputs[:11])
    said = stage.regressor(said_by(training.model.eval(), "stage1.conv2.activation", training.data.train.inputs[:11]))
    distance = (wanted_hint - said).detach().double().numpy()
    assert stage.loss(inputs).item() == pytest.approx((distance**2).sum((1, 2, 3)).mean() / 2, rel=1e-4)
    assert logged.plan.root.output == (10,)


def said_by(model: nn.Module, name: str, stored: Tensor) -> Tensor:
    """What a module says when the whole model is asked."""
    caught: list[Tensor] = []
    handle = model.get_submodule(name).register_forward_hook(lambda _, __, outputs: caught.append(outputs))
    model(stored)
    handle.remove()
    return caught[0]


ARCHITECTURES: list[Document] = [
    {"type": "cnn", "channels": [4, 4]}, DEEP, {"type": "resnet", "depth": 8},
    {"type": "resnext", "depth": 11, "cardinality": 2, "width": 4}, {"type": "mlp", "hidden": [5, 4]},
]  # fmt: skip
PREACTIVATED: list[Document] = [
    {"type": "preresnet", "depth": 11, "block": "bottleneck"}, {"type": "wide_resnet", "depth": 10, "width": 1},
    {"type": "densenet", "depth": 10, "growth_rate": 4},
]  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "norm"),
    [(architecture, norm) for architecture in ARCHITECTURES for norm in ("none", "cross_iteration_batch_norm")]
    + [(architecture, "batch_norm") for architecture in PREACTIVATED],
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
def test_the_layers_up_to_any_say_what_they_say_in_the_model(architecture: Document, norm: str) -> None:
    training = make_training({**DIGITS_CNN, "architecture": architecture, "norm": norm})
    stored = training.data.train.inputs[:3]
    model = training.model.eval()
    inputs = model[0](stored)
    with torch.inference_mode():
        for layer in hidden_layers(training.plan.root):
            part = behind_normalization(model, layer.name)
            assert torch.equal(part(inputs), said_by(model, layer.name, stored))
            shared = {id(parameter) for parameter in model.parameters()}
            assert {id(parameter) for parameter in part.parameters()} <= shared


def test_the_best_weights_on_validation_are_kept() -> None:
    # With this seed, the last epoch is not the best.
    training = make_training({**student({"epochs": 8, "lr": 0.05, "patience": 8}), "seed": 1})
    stage, losses, regressors = stage_of(training), [], []
    for event in training.run():
        if isinstance(event, DiagnosticLog):
            losses.append(event.values["validation_hint_loss"])
            regressors.append({name: tensor.clone() for name, tensor in stage.regressor.state_dict().items()})
        if stage.is_finished:
            break
    best = int(np.argmin(losses))
    assert losses[best] < losses[-1]
    stage.regressor.load_state_dict(regressors[best])
    assert loss_on_validation(stage) == pytest.approx(losses[best], rel=1e-6)


def loss_on_validation(stage: HintStage) -> float:
    """Of the present weights."""
    measuring = stage.measure()
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            return float(end.value)


def test_patience_ends_it() -> None:
    training = make_training(student({"epochs": 50, "lr": 3.0, "patience": 2}))
    logged = through_stage_1(training)
    losses = [log.values["validation_hint_loss"] for log in logged]
    assert len(logged) < 50
    assert len(losses) - 1 - int(np.argmin(losses)) == 2


def test_counters_of_norms_start_from_0_with_the_run() -> None:
    training = make_training(student(norm="batch_renorm"))
    through_stage_1(training)
    counts = [int(tensor) for name, tensor in training.model.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts == [0] * len(counts) != []


def test_its_steps_and_epochs_are_not_the_runs() -> None:
    steps = [item["step"] for item in whole().logged if "loss" in item]
    assert steps == list(range(1, 7))
    assert [item["epoch"] for item in whole().logged if "is_best" in item] == [1, 2]
    training = make_training(student())
    list(training.run())
    assert (training.step, training.steps_done) == (6, 15)


@pytest.mark.parametrize("unit", [0, 1, 2, 3, 4, 9, 18, 25, 40, 47, 48, 49, 50, 55])
def test_killed_in_either_stage_it_ends_with_the_same_bits(unit: int) -> None:
    assert resume_to_end(student(), *stop_after(student(), unit)) == whole()


@pytest.mark.parametrize(
    "parts",
    [
        {"norm": "cross_iteration_batch_norm", "curriculum": "self_paced"},
        {"norm": "batch_renorm", "objective": {"adversarial": 0.05}},
        {"augmentation": [{"type": "random_crop", "padding": 1}]},
    ],
    ids=str,
)
def test_killed_in_stage_1_of_other_recipes(parts: Document) -> None:
    document = student(**parts)
    assert resume_to_end(document, *stop_after(document, 20)) == run_to_end(make_training(document))


def test_a_run_that_is_asked_to_stop_takes_one_step_after_the_hints() -> None:
    training = make_training(student({"epochs": 1000}))
    events = []
    for event in training.run():
        events.append(event)
        if len(events) == 5:
            training.stop("stopped_by_user")
    assert stage_of(training).step <= 4
    assert training.step == 1


def test_hints_are_finished_if_the_run_has_come_further_before() -> None:
    training = make_training(student())
    training.stop("stopped_by_user", not_before=4)
    list(training.run())
    assert (stage_of(training).epochs_done, training.step) == (3, 4)


def test_a_loss_that_is_not_finite_names_the_learning_rate_of_hints() -> None:
    training = make_training(student())
    stage = stage_of(training)
    next(stage.regressor.parameters()).data.fill_(math.inf)
    with pytest.raises(NonFinite) as failed:
        list(training.run())
    assert failed.value.pointer == "/pretraining/lr"


def test_lambda_falls_from_epoch_to_epoch() -> None:
    plan = make_training(student({"coefficient": 4, "final_coefficient": 1}, epochs=4)).plan
    spec: Any = plan.recipe.pretraining
    assert [hint_weights(spec, plan)(step) for step in range(12)] == [4.0] * 3 + [3.0] * 3 + [2.0] * 3 + [1.0] * 3


def test_stage_2_adds_the_soft_cross_entropy() -> None:
    training = make_training(student({"temperature": 2.0}))
    assert training.take_step.teacher is not None
    inputs, targets = next(training.batches.from_step(0))
    training.take_step.trained_layers.eval()
    outputs, loss = training.take_step.criterion(training.take_step.predict, inputs, targets, 5)
    logged = (training.take_step.teacher.logits(inputs) / 2).softmax(1).double().numpy()
    said = (outputs / 2).log_softmax(1).detach().double().numpy()
    labels = nn.functional.cross_entropy(outputs, targets).item()
    assert loss.item() == pytest.approx(labels - 1.0 * (logged * said).sum(1).mean(), rel=1e-5)


def test_hints_alone_leave_the_runs_loss_as_it_is() -> None:
    training = make_training(student({"coefficient": 0, "final_coefficient": 0}))
    inputs, targets = next(training.batches.from_step(0))
    training.take_step.trained_layers.eval()
    outputs, loss = loss_of(training, inputs, targets)
    assert loss.item() == nn.functional.cross_entropy(outputs, targets).item()


def test_numbers_are_learnt_with_hints_alone() -> None:
    source = train_source({**DIABETES, "architecture": {"type": "mlp", "hidden": [12]}})
    hints = {"type": "hints", "teacher": source, "coefficient": 0, "final_coefficient": 0, "epochs": 2}
    document = {**DIABETES, "architecture": {"type": "mlp", "hidden": [8, 8, 8]}, "pretraining": hints}
    logged = run_to_end(make_training(document)).logged
    assert [item["name"] for item in logged if "name" in item] == ["hints", "hints"]
    assert logged[-1]["ending"] == "epochs_done"


def test_a_hint_of_maxout_has_a_regressor_of_maxout() -> None:
    source = train_source({**DIGITS_CNN, "architecture": DEEP})
    hints = {"type": "hints", "teacher": source, "hint_layer": 2, "guided_layer": 1, "epochs": 1}
    training = make_training({**DIGITS_CNN, "architecture": {"type": "cnn", "channels": [4]}, "pretraining": hints})
    conv, activation = stage_of(training).regressor
    assert isinstance(activation, Maxout)
    assert isinstance(conv, nn.Conv2d)
    assert (conv.out_channels, activation.pieces) == (8, 2)
    assert through_stage_1(training)[0].values["hint_loss"] > 0


def test_a_row_is_a_hint_too() -> None:
    training = make_training(student({"hint_layer": 3, "guided_layer": 4}))
    assert [type(layer).__name__ for layer in stage_of(training).regressor] == ["Flatten", "Linear", "ReLU"]
    assert len(through_stage_1(training)) == 3


def test_stage_1_has_another_order_than_the_run() -> None:
    training = make_training(student(augmentation=None))
    first, own = (next(batches.from_step(0))[0] for batches in (training.batches, stage_of(training).batches))
    assert not torch.equal(first, own)


def test_in_16_bits() -> None:
    assert math.isfinite(through_stage_1(make_training(student(precision="bfloat16")))[-1].values["hint_loss"])


def test_units_are_small() -> None:
    run = make_training(student()).run()
    assert sum(item is None for item in islice(run, STAGE_UNITS)) >= STAGE_UNITS - 4
