"""What a teacher's probabilities add, against NumPy in float64."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from tests.small_trainings import (
    DIGITS_CNN,
    IRIS,
    SOURCES,
    Document,
    bits,
    loss_of,
    make_training,
    run_to_end,
    train_source,
)
from worker.model.build import build_model
from worker.model.modules import Normalize
from worker.objective.distillation import divergence, soft_cross_entropy
from worker.objective.teacher import Teacher, affine_between, class_logits
from worker.training.training import Training

Floats = NDArray[np.float64]
TEACHER: Document = {**DIGITS_CNN, "norm": "batch_norm", "dropout": 0.2}
STUDENT: Document = {**DIGITS_CNN, "architecture": {"type": "mlp", "hidden": [8]}, "dropout": None}
PATIENTS_OF_TWO_KINDS: Document = {**IRIS, "dataset": "breast_cancer"}


@cache
def teacher() -> Document:
    return train_source(TEACHER)


def student(**settings: Any) -> Document:
    return {**STUDENT, "objective": {"distillation": {"teacher": teacher(), **settings}}}


def teacher_in(training: Training) -> Teacher:
    assert training.take_step.teacher is not None
    return training.take_step.teacher


def softmax(logits: Floats) -> Floats:
    powers: Floats = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


drawn = given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 9), temperature=st.floats(0.5, 20))


@drawn
def test_the_divergence_and_its_gradient(seed: int, classes: int, temperature: float) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = 3 * random.normal(size=(2, 7, classes))
    outputs = torch.from_numpy(ours).requires_grad_()
    found = divergence(outputs, torch.from_numpy(theirs), temperature)
    p_s, p_t = softmax(ours / temperature), softmax(theirs / temperature)
    assert found.item() == pytest.approx(temperature**2 * (p_t * np.log(p_t / p_s)).sum(1).mean(), rel=1e-6, abs=1e-9)
    [gradient] = torch.autograd.grad(found, outputs)
    np.testing.assert_allclose(gradient.numpy(), temperature * (p_s - p_t) / 7, atol=1e-9)


@drawn
def test_the_soft_cross_entropy_has_no_factor(seed: int, classes: int, temperature: float) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = 3 * random.normal(size=(2, 7, classes))
    outputs = torch.from_numpy(ours).requires_grad_()
    found = soft_cross_entropy(outputs, torch.from_numpy(theirs), temperature)
    p_s, p_t = softmax(ours / temperature), softmax(theirs / temperature)
    assert found.item() == pytest.approx(-(p_t * np.log(p_s)).sum(1).mean(), rel=1e-6)
    [gradient] = torch.autograd.grad(found, outputs)
    np.testing.assert_allclose(gradient.numpy(), (p_s - p_t) / temperature / 7, atol=1e-9)


def test_nothing_is_left_to_learn_from_oneself() -> None:
    logits = torch.randn(5, 4, dtype=torch.float64)
    assert float(divergence(logits, logits, 4.0)) == pytest.approx(0, abs=1e-12)


def test_one_logit_is_that_of_class_1_against_0() -> None:
    logits = torch.randn(5, 1, dtype=torch.float64)
    torch.testing.assert_close(class_logits(logits).softmax(1)[:, 1:], logits.sigmoid())


def test_the_loss_is_that_of_labels_and_teacher() -> None:
    training = make_training(student(temperature=3, weight=0.3))
    inputs, targets = next(training.batches.from_step(0))
    outputs, loss = loss_of(training, inputs, targets)
    teacher_logits = teacher_in(training).logits(inputs).double().numpy() / 3
    student_logits = outputs.detach().double().numpy()
    labels = -np.log(softmax(student_logits))[np.arange(len(student_logits)), targets.numpy()].mean()
    soft = (softmax(teacher_logits) * np.log(softmax(teacher_logits) / softmax(student_logits / 3))).sum(1).mean()
    assert loss.item() == pytest.approx(0.7 * labels + 0.3 * 9 * soft, rel=1e-5)


@pytest.mark.parametrize("normalization", ["standardize", "min_max", "none"])
def test_a_teacher_sees_inputs_in_its_own_normalization(normalization: str) -> None:
    document = student()
    training = make_training({**document, "dataset": {**document["dataset"], "normalization": normalization}})
    source = SOURCES[teacher()["sha256"]]
    whole = build_model(source.plan)
    whole.load_state_dict(source.weights)
    stored = training.data.train.inputs[:20]
    wanted = whole.eval()(stored).detach()
    torch.testing.assert_close(teacher_in(training).logits(training.model[0](stored)), wanted, rtol=1e-4, atol=1e-4)


def test_a_column_that_is_constant_here_is_what_it_is_here() -> None:
    ours, theirs = Normalize((2,)), Normalize((2,))
    ours.shift.copy_(torch.tensor([3.0, 7.0]))
    ours.scale.copy_(torch.tensor([2.0, 0.0]))
    theirs.shift.copy_(torch.tensor([1.0, 2.0]))
    theirs.scale.copy_(torch.tensor([0.5, 4.0]))
    stored = torch.tensor([[5.0, 7.0], [-1.0, 7.0]])
    factor, offset = affine_between(ours, theirs)
    torch.testing.assert_close(ours(stored) * factor + offset, theirs(stored))


def test_equal_normalizations_change_no_bit() -> None:
    ours = Normalize((3,))
    ours.shift.copy_(torch.tensor([0.1, 0.2, 1e6]))
    ours.scale.copy_(torch.tensor([0.3, 7.0, 0.0]))
    factor, offset = affine_between(ours, ours)
    inputs = ours(torch.randn(9, 3) + ours.shift)
    assert torch.equal(inputs * factor + offset, inputs)


def test_a_teacher_learns_nothing_and_is_no_part_of_the_model() -> None:
    training = make_training(student())
    found = teacher_in(training)
    before = bits(found.model.state_dict())
    run_to_end(training)
    assert bits(found.model.state_dict()) == before == bits(SOURCES[teacher()["sha256"]].weights)
    assert not any(module.training for module in found.model.modules())
    assert not any(parameter.requires_grad for parameter in found.model.parameters())
    assert sum(parameter.numel() for parameter in training.take_step.parameters) == training.plan.estimate.parameters


def test_a_teacher_alone_makes_the_labels_unseen() -> None:
    training = make_training(student(weight=1))
    inputs, targets = next(training.batches.from_step(0))
    losses = [loss_of(training, inputs, labels)[1].item() for labels in (targets, targets.flip(0))]
    assert losses[0] == losses[1]


def test_a_student_comes_near_to_its_teacher() -> None:
    document = {**student(weight=1, temperature=2), "epochs": 20, "optimizer": {"type": "adam", "lr": 0.01}}
    training = make_training(document)
    rows = training.model[0](training.data.validation.inputs[:200])
    teacher_logits = teacher_in(training).logits(rows)

    def distance() -> float:
        with torch.no_grad():
            return float(divergence(training.take_step.trained_layers.eval()(rows), teacher_logits, 2.0))

    before = distance()
    run_to_end(training)
    assert distance() < before / 4


@pytest.mark.parametrize(("mine", "theirs"), [("binary_cross_entropy", None), (None, "binary_cross_entropy")])
def test_two_classes_may_have_one_output_or_two(mine: str | None, theirs: str | None) -> None:
    source = train_source({**PATIENTS_OF_TWO_KINDS, "objective": {"loss": theirs}})
    document = {**PATIENTS_OF_TWO_KINDS, "objective": {"loss": mine, "distillation": {"teacher": source}}}
    logged = run_to_end(make_training(document)).logged
    assert logged[-1]["ending"] == "epochs_done"


def test_with_an_adversary_the_teachers_logits_are_of_the_clean_inputs() -> None:
    document = student()
    training = make_training({**document, "objective": {**document["objective"], "adversarial": {"weight": 1}}})
    inputs, targets = next(training.batches.from_step(0))
    found, seen = teacher_in(training), []

    def logits(rows: Tensor) -> Tensor:
        seen.append(rows)
        return Teacher.logits(found, rows)

    found.logits = logits  # type: ignore[method-assign, assignment]
    loss_of(training, inputs, targets)
    assert len(seen) == 1
    assert torch.equal(seen[0], inputs)


def test_a_teacher_of_several_targets_is_asked_for_the_first() -> None:
    source = train_source({**TEACHER, "objective": {"tasks": ["parity"]}})
    training = make_training({**STUDENT, "objective": {"distillation": {"teacher": source}}})
    inputs, _ = next(training.batches.from_step(0))
    found = teacher_in(training)
    whole = nn.Sequential(*list(found.model)[1:])
    torch.testing.assert_close(found.logits(inputs), found.outputs_of(whole, inputs)[:, :10])


def test_in_16_bits() -> None:
    logged = run_to_end(make_training({**student(), "precision": "bfloat16", "epochs": 1})).logged
    assert np.isfinite(logged[-1]["metrics"]["test_loss"])
