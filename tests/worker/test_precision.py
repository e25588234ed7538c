"""Numbers that float32 cannot tell apart, from files to metrics, checkpoints and the exported script."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from bakehouse.data.packed_folders import read_card
from bakehouse.data.packing import pack
from bakehouse.plan.plan import Plan, make_plan
from bakehouse.plan.script import pytorch_code
from bakehouse.recipe.checkpoint import checkpoints_in
from bakehouse.recipe.read import read_recipe
from tests.small_trainings import DEVICE, Document, measure_split, run_to_end
from worker.attempt.snapshot import restore, snapshot, to_files
from worker.data.dataset import load_data
from worker.training.training import Training

ROWS = 600
MILLISECONDS, SECONDS, PHONES = (1_700_000_000_000, 60_000), (1_700_000_000, 300), (4_915_112_300_000, 8000)


def table(folder: Path, base: int, extent: int) -> Path:
    """A packed table of a number with a large offset, noise, and the half that the number is in."""
    random = np.random.default_rng(0)
    numbers, noise = base + random.integers(0, extent, ROWS), random.normal(size=ROWS)
    lines = [
        f"{number},{extra:.3f},{'late' if number - base >= extent / 2 else 'early'}"
        for number, extra in zip(numbers, noise, strict=True)
    ]
    return packed(folder, "log.csv", "\n".join(["number,noise,label", *lines]))


def packed(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    pack("mine", folder / name, folder / "packed")
    return folder / "packed"


def arrays(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "mine.npz", **arrays)
    pack("mine", folder / "mine.npz", folder / "packed")
    return folder / "packed"


def plan_of(folder: Path, document: Document, sources: dict[str, Training]) -> Plan:
    recipe = read_recipe({"dataset": "mine", "architecture": {"type": "mlp", "hidden": [16]}, "epochs": 60, **document})
    plans = {digest: training.plan for digest, training in sources.items()}
    return make_plan(recipe, read_card(folder), plans)


def training_on(folder: Path, document: Document, sources: dict[str, Training] | None = None) -> Training:
    plan = plan_of(folder, document, sources or {})
    named = {item.digest for item in checkpoints_in(plan.recipe).values()}
    weights = {digest: sources[digest].best_weights or {} for digest in named} if sources else {}
    return Training(plan, load_data(plan, folder, DEVICE), DEVICE, weights)


def script(training: Training, folder: Path) -> nn.Module:
    """The exported script beside the file of the best weights."""
    assert training.best_weights is not None
    safetensors.torch.save_file(training.best_weights, folder / "best.safetensors")
    scope: dict[str, Any] = {}
    exec(pytorch_code(training.plan, str(folder / "best.safetensors")), scope)  # noqa: S102 - running it is what is tested
    model = scope["model"]
    assert isinstance(model, nn.Module)
    return model


def assert_script_gives_the_same_bits(training: Training, folder: Path) -> torch.Tensor:
    """Of the best model's outputs for the test split; the outputs."""
    model = script(training, folder)
    training.model.load_state_dict(training.best_weights or {})
    with torch.inference_mode():
        inputs = training.data.test.inputs
        outputs: torch.Tensor = training.model.eval()(inputs)
        assert torch.equal(model(inputs), outputs)
    return outputs


@pytest.mark.parametrize(("base", "extent"), [MILLISECONDS, SECONDS, PHONES], ids=["log_ms", "log_s", "phone"])
def test_a_number_with_a_large_offset_is_learnt_as_scikit_learn_learns_it(
    tmp_path: Path, base: int, extent: int
) -> None:
    training = training_on(table(tmp_path, base, extent), {"dataset": {"id": "mine", "target": "label"}})
    accuracy = run_to_end(training).logged[-1]["metrics"]["test_accuracy"]
    train, test = training.data.train, training.data.test
    peer = make_pipeline(StandardScaler(), LogisticRegression()).fit(train.inputs.numpy(), train.targets.numpy())
    wanted = peer.score(test.inputs.numpy(), test.targets.numpy())
    assert wanted > 0.95
    assert accuracy >= wanted - 0.02
    outputs = assert_script_gives_the_same_bits(training, tmp_path)
    assert float((outputs.argmax(1) == test.targets).double().mean()) == accuracy


def test_inputs_are_standardised_in_64_bits(tmp_path: Path) -> None:
    training = training_on(table(tmp_path, *MILLISECONDS), {"dataset": {"id": "mine", "target": "label"}})
    x = training.data.train.inputs.numpy()
    assert x.dtype == np.float64
    found = torch.cat([inputs for inputs, _ in training.batches.gather(torch.arange(len(x)))])
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), (x - x.mean(0)) / x.std(0), atol=1e-6)
    assert training.weights()["normalize.shift"].dtype == torch.float64


def test_a_run_that_is_resumed_ends_with_the_bits_of_one_that_was_not(tmp_path: Path) -> None:
    folder = table(tmp_path, *MILLISECONDS)
    document = {"dataset": {"id": "mine", "target": "label"}, "dropout": 0.1, "epochs": 4}
    whole = run_to_end(training_on(folder, document))
    halfway, logged = training_on(folder, document), []
    for event in halfway.run():
        logged += [] if event is None else [event]
        if halfway.epochs_done == 2:
            break
    logged += halfway.read()
    resumed = training_on(folder, document)
    restore(resumed, to_files(snapshot(halfway, {})))
    assert run_to_end(resumed, tuple(logged)) == whole


def times_of(x: Any) -> Any:
    """Milliseconds within about two minutes, linear in three numbers but for noise."""
    noise = np.random.default_rng(1).normal(size=len(x))
    return MILLISECONDS[0] + np.round(20_000 * x @ np.array([0.5, -0.3, 0.2]) + 200 * noise)


def test_targets_with_a_large_offset_are_learnt_and_reported_in_their_units(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    document = {"evaluation": {"monte_carlo_samples": 5}, "dropout": 0.01}
    training = training_on(arrays(tmp_path, x=x, y=times_of(x)), document)
    metrics = run_to_end(training).logged[-1]["metrics"]
    targets = training.data.test.targets.numpy()
    outputs = assert_script_gives_the_same_bits(training, tmp_path).numpy()[:, 0]
    assert metrics["test_r2"] > 0.98
    assert metrics["test_r2"] == pytest.approx(1 - np.mean((outputs - targets) ** 2) / targets.var(), rel=1e-6)
    assert metrics["test_mean_absolute_error"] == pytest.approx(np.abs(outputs - targets).mean(), rel=1e-6)
    assert metrics["test_monte_carlo_r2"] > 0.98
    assert 0 < metrics["test_monte_carlo_std"] < 5000
    assert float(training.weights()["denormalize.mean"]) == training.data.train.targets.mean()


def test_a_further_target_with_a_large_offset_keeps_its_units_beside_classes(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    folder = arrays(tmp_path, x=x, y=(x[:, 0] > 0).astype(int), y_time=times_of(x))
    training = training_on(folder, {"objective": {"tasks": ["time"]}})
    metrics = run_to_end(training).logged[-1]["metrics"]
    outputs, targets = assert_script_gives_the_same_bits(training, tmp_path), training.data.test.targets
    error = (outputs[:, 2] - targets[:, 1]).abs().mean()
    assert metrics["test_time_r2"] > 0.98
    assert metrics["test_time_mean_absolute_error"] == pytest.approx(float(error), rel=1e-6)
    assert metrics["test_accuracy"] > 0.9
    assert measure_split(training, "test").items() <= metrics.items()


def halves(x: Any) -> Any:
    """Whether the first number of a sample is above its middle."""
    first = x.reshape(len(x), -1)[:, 0]
    return (first > np.median(first)).astype(int)


@pytest.mark.parametrize(
    ("shape", "axes", "document"),
    [
        ((120, 5, 2), (0, 1), {"architecture": {"type": "rnn", "hidden_size": 8}}),
        ((120, 2, 6, 6), (0, 2, 3), {}),
        ((120, 2, 6, 6), (0, 2, 3), {"augmentation": ["affine", "random_crop", "rand_augment", "input_noise"]}),
        ((120, 2, 6, 6), (0, 2, 3), {"augmentation": ["scale_crop", "color_jitter", "cutmix"]}),
        ((120, 2, 6, 6), (0, 2, 3), {"objective": {"adversarial": {"epsilon": 0.05, "steps": 2}}}),
        ((120, 2, 6, 6), (0, 2, 3), {"evaluation": {"crops": {"scales": [8]}}}),
        ((120, 3), (0,), {"augmentation": ["mixup", "input_noise"], "objective": {"adversarial": 0.1}}),
    ],
)
def test_sequences_pictures_and_what_changes_them_keep_64_bits(
    tmp_path: Path, shape: tuple[int, ...], axes: tuple[int, ...], document: Document
) -> None:
    x = np.random.default_rng(0).normal(size=shape) + 1e9
    kind = {2: "table", 3: "sequence", 4: "image"}[len(shape)]
    training = training_on(arrays(tmp_path, x=x, y=halves(x), kind=kind), {**document, "epochs": 2})
    train = training.data.train.inputs
    normalised = training.model[0](train)
    exact = train.numpy()
    wanted = (exact - exact.mean(axes, keepdims=True)) / exact.std(axes, keepdims=True)
    np.testing.assert_allclose(normalised.numpy(), wanted, atol=2e-6)
    [(inputs, _), *_] = training.batches.from_step(0)
    assert inputs.dtype == torch.float32
    assert float(inputs.abs().max()) < 40
    outcome = run_to_end(training)
    assert outcome.diverged_at is None
    assert_script_gives_the_same_bits(training, tmp_path)


def saved(training: Training) -> tuple[Document, dict[str, Training]]:
    """How a recipe names the best weights, and where they are found."""
    run_to_end(training)
    digest = hashlib.sha256(safetensors.torch.save(training.best_weights or {})).hexdigest()
    named = {"run": "run_source222222", "epoch": training.stopper.best_epoch, "sha256": digest}
    return named, {digest: training}


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_transfer_takes_over_64_bits_into_a_set_that_does_not_need_them(tmp_path: Path, offset: float) -> None:
    x = np.random.default_rng(0).normal(size=(ROWS, 3)) + 1e9
    times = times_of(x - 1e9)
    (tmp_path / "source").mkdir()
    (tmp_path / "here").mkdir()
    named, sources = saved(training_on(arrays(tmp_path / "source", x=x, y=times), {}))
    here = arrays(tmp_path / "here", x=x - 1e9 + offset, y=np.round(times - MILLISECONDS[0]))
    document = {"pretraining": {"type": "transfer", "checkpoint": named, "layers": "all"}, "epochs": 1}
    training = training_on(here, document, sources)
    weights = training.weights()
    source = next(iter(sources.values())).best_weights or {}
    for name in ("normalize.shift", "normalize.scale", "denormalize.mean", "denormalize.std"):
        assert weights[name].dtype == torch.float64
        assert torch.equal(weights[name], source[name])
    assert np.isfinite(run_to_end(training).logged[-1]["metrics"]["test_loss"])
    assert_script_gives_the_same_bits(training, tmp_path)


def test_a_teacher_and_a_scorer_are_asked_in_64_bits(tmp_path: Path) -> None:
    folder = table(tmp_path, *MILLISECONDS)
    document: Document = {"dataset": {"id": "mine", "target": "label"}}
    named, sources = saved(training_on(folder, document))
    curriculum = {"type": "curriculum", "scorer": {"type": "teacher", "teacher": named}}
    objective = {"distillation": {"teacher": named}}
    student = training_on(folder, {**document, "objective": objective, "curriculum": curriculum}, sources)
    inputs, source = student.data.test.inputs, next(iter(sources.values()))
    source.model.load_state_dict(source.best_weights or {})
    assert student.take_step.teacher is not None
    with torch.inference_mode():
        answers = student.take_step.teacher.logits(student.model[0](inputs))
        torch.testing.assert_close(answers, source.model.eval()(inputs), rtol=1e-4, atol=1e-4)
    assert run_to_end(student).logged[-1]["metrics"]["test_accuracy"] > 0.95
