"""Whitening against its definition: W is symmetric, positive, and W (C + epsilon I) W = I."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.problems import RecipeInvalid
from tests.small_trainings import (
    DIGITS_CNN,
    IRIS,
    SOURCES,
    Document,
    make_small_plan,
    make_training,
    run_to_end,
    train_source,
)
from worker.data.dataset import Data
from worker.data.whitening import whitening
from worker.model.build import build_model
from worker.model.modules import Whiten
from worker.objective.adversarial import Attack
from worker.objective.targets import training_objective
from worker.training.training import Training

SEQUENCES: Document = {"dataset": "digits_sequence", "architecture": {"type": "rnn", "hidden_size": 8}, "epochs": 1}
ROWS: Document = {**IRIS, "dataset": "wine"}


def whitened(document: Document, **fields: object) -> Document:
    dataset = document["dataset"] if isinstance(document["dataset"], dict) else {"id": document["dataset"]}
    return {**document, "dataset": {**dataset, "normalization": "whiten", **fields}}


def centred(data: Data, inputs: Tensor) -> np.ndarray:
    """By NumPy: each feature, or each pixel, about its mean over the training rows, in units of its column or channel;
    one row for each that is whitened."""
    train, x = (each.double().numpy() for each in (data.train.inputs, inputs))
    axes = (0, 1) if x.ndim == 3 else 0
    mean = train.mean(axes)
    spread = (train - mean).std((0, 2, 3), keepdims=True)[0] if x.ndim == 4 else train.std(axes)
    z = (x - mean) / np.where(spread == 0, np.inf, spread)
    return np.asarray(z.reshape(-1, x.shape[-1]) if x.ndim == 3 else z.reshape(len(x), -1))


@pytest.mark.parametrize("epsilon", [1e-5, 1e-2, 1.0])
@pytest.mark.parametrize("document", [ROWS, DIGITS_CNN, SEQUENCES], ids=["rows", "pictures", "sequences"])
def test_inputs_are_multiplied_by_the_inverse_root_of_their_covariance(document: Document, epsilon: float) -> None:
    training = make_training(whitened(document, whitening_epsilon=epsilon))
    data, layer = training.data, training.model[0]
    assert isinstance(layer, Whiten)
    z, matrix = centred(data, data.train.inputs), layer.matrix.double().numpy()
    covariance = np.cov(z.T, bias=True)
    identity = np.eye(len(covariance))
    np.testing.assert_array_equal(matrix, matrix.T)
    assert (np.linalg.eigvalsh(matrix) > 0).all()
    np.testing.assert_allclose(matrix @ (covariance + epsilon * identity) @ matrix, identity, atol=2e-3)
    for split in (data.train, data.test):
        found = layer(split.inputs).double().numpy().reshape(-1, len(matrix))
        np.testing.assert_allclose(found, centred(data, split.inputs) @ matrix, atol=2e-3)
    white = layer(data.train.inputs).double().numpy().reshape(-1, len(matrix))
    wanted = covariance @ np.linalg.inv(covariance + epsilon * identity)
    np.testing.assert_allclose(np.cov(white.T, bias=True), wanted, atol=2e-3)


def test_the_matrix_is_the_same_chunk_by_chunk() -> None:
    x = np.random.default_rng(0).normal(size=(3000, 3)) @ np.array([[1, 2, 0], [0, 1, 3], [0, 0, 1]])
    mean = x.mean(0)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    wanted = (vectors / np.sqrt(values + 0.1)) @ vectors.T
    found = whitening(x, mean, np.ones(3), epsilon=0.1).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_statistics_are_of_the_training_rows_that_a_bootstrap_draws() -> None:
    training = make_training(whitened(ROWS, bootstrap=True))
    z = centred(training.data, training.data.train.inputs)
    white = training.batches.split.inputs.double().numpy()
    np.testing.assert_allclose(np.cov(white.T, bias=True), np.eye(z.shape[1]), atol=5e-3)


def script(training: Training, folder: Path) -> nn.Module:
    save_file(training.best_weights or {}, folder / "best.safetensors")
    scope: dict[str, Any] = {}
    exec(pytorch_code(training.plan, str(folder / "best.safetensors")), scope)  # noqa: S102 - running it is what is tested
    model = scope["model"]
    assert isinstance(model, nn.Module)
    return model


@pytest.mark.parametrize("document", [ROWS, DIGITS_CNN, SEQUENCES], ids=["rows", "pictures", "sequences"])
def test_the_exported_script_whitens_with_the_same_bits(document: Document, tmp_path: Path) -> None:
    training = make_training(whitened(document))
    run_to_end(training)
    model = script(training, tmp_path)
    # Training keeps convolutions so; another layout rounds otherwise.
    model = model.to(memory_format=torch.channels_last) if document is DIGITS_CNN else model  # type: ignore[call-overload]
    training.model.load_state_dict(training.best_weights or {})
    with torch.inference_mode():
        inputs = training.data.test.inputs
        assert torch.equal(model(inputs), training.model.eval()(inputs))


ATTACKED: Document = {"adversarial": {"epsilon": 0.05, "steps": 3, "random_start": True}}


@pytest.mark.parametrize(
    "fields",
    [
        {"objective": ATTACKED},
        {"augmentation": ["random_crop", "input_noise", "cutout"]},
        {"augmentation": ["mixup"], "dropout": 0.1},
        {"curriculum": "curriculum", "evaluation": {"statistics": "population"}},
    ],
)
def test_what_speaks_of_normalised_units_works_on_whitened_pictures(fields: Document) -> None:
    outcome = run_to_end(make_training(whitened({**DIGITS_CNN, **fields, "epochs": 1})))
    assert outcome.diverged_at is None


def test_an_attack_moves_no_whitened_number_by_more_than_epsilon() -> None:
    training = make_training(whitened({**DIGITS_CNN, "objective": ATTACKED}))
    inputs, targets = training.batches.split.inputs[:9], training.batches.split.targets[:9]
    assert training.plan.recipe.objective.adversarial is not None
    attack = Attack(
        training.plan.recipe.objective.adversarial,
        training.plan,
        training.model,
        training_objective(training.plan),
        purpose="adversary",
    )
    moved = attack(training.take_step.predict, inputs, targets, 0)
    distance = (moved - inputs).abs()
    assert moved.dtype == torch.float32
    assert float(distance.max()) == pytest.approx(0.05, rel=1e-4)
    assert float((distance > 0.049).double().mean()) > 0.1


def test_transfer_takes_the_matrix_over() -> None:
    source = train_source(whitened(DIGITS_CNN, whitening_epsilon=0.1))
    document = {**DIGITS_CNN, "pretraining": {"type": "transfer", "checkpoint": source}, "seed": 3}
    # Fewer training rows, whose own matrix would be another.
    document = {**document, "dataset": {"id": "digits", "split_seed": 5, "validation_fraction": 0.95}, "batch_size": 32}
    training = make_training(document)
    assert training.plan.recipe.dataset.normalization == "whiten"
    assert training.plan.recipe.dataset.whitening_epsilon == 0.1
    weights = SOURCES[source["sha256"]].weights
    for name in ("normalize.shift", "normalize.scale", "normalize.matrix"):
        assert torch.equal(training.weights()[name], weights[name])
    run_to_end(training)
    with pytest.raises(RecipeInvalid, match="with the same epsilon"):
        make_small_plan({**document, "dataset": {"id": "digits", "whitening_epsilon": 0.2}})


@pytest.mark.parametrize("base", [DIGITS_CNN, ROWS, SEQUENCES], ids=["pictures", "rows", "sequences"])
@pytest.mark.parametrize(
    ("student", "teacher"), [("whiten", "standardize"), ("min_max", "whiten"), ("whiten", "whiten")]
)
def test_a_teacher_sees_its_own_inputs_whatever_the_students_are(base: Document, student: str, teacher: str) -> None:
    def normalized(kind: str, seed: int) -> Document:
        spelt = base["dataset"] if isinstance(base["dataset"], dict) else {"id": base["dataset"]}
        return {**base, "epochs": 1, "dataset": {**spelt, "normalization": kind, "split_seed": seed}}

    named = train_source(normalized(teacher, 1))
    training = make_training({**normalized(student, 2), "objective": {"distillation": {"teacher": named}}})
    whole = build_model(training.plan.checkpoints[named["sha256"]])
    whole.load_state_dict(SOURCES[named["sha256"]].weights)
    inputs = training.data.train.inputs[:40]
    assert training.take_step.teacher is not None
    with torch.inference_mode():
        answers, wanted = training.take_step.teacher.logits(training.model[0](inputs)), whole.eval()(inputs)
    torch.testing.assert_close(answers, wanted, rtol=5e-3, atol=5e-3)
