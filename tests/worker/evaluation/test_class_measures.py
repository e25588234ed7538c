"""Balanced accuracy, F1 and AUROC against scikit-learn."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from torch import Tensor

from bakehouse.plan.targets import Target
from bakehouse.recipe.evaluation import CLASS_MEASURES
from bakehouse.recipe.problems import RecipeInvalid
from tests.small_trainings import (
    DIGITS_CNN,
    IRIS,
    exhaust,
    load_small_data,
    make_small_plan,
    make_training,
    measure_split,
    resume_to_end,
    run_to_end,
    stop_after,
)
from tests.targets import make_targets
from worker.data.batches import BATCH_ROWS
from worker.data.dataset import Split, Unit
from worker.evaluation.evaluate import Metrics, RunningTotals, SplitName, evaluate

ALL = {"evaluation": {"metrics": list(CLASS_MEASURES)}}


def measured(logits: Tensor, labels: Tensor, *losses: str, name: SplitName = "test") -> Metrics:
    """Returns the metrics of a model that gives its inputs back."""
    loss: Any = losses[0] if losses else "cross_entropy"
    classes = 2 if loss == "binary_cross_entropy" else logits.shape[1]
    return metrics_of(make_targets((loss, classes, 1.0)), logits, labels, name)


def metrics_of(targets: tuple[Target, ...], logits: Tensor, labels: Tensor, name: SplitName = "test") -> Metrics:
    for target in targets:
        object.__setattr__(target, "class_measures", CLASS_MEASURES if target.classes else ())
    split = Split(logits, labels)
    units = (Unit(),) * len(targets)
    return exhaust(
        evaluate(torch.nn.Identity(), split, name, targets=targets, units=units, totals=RunningTotals())
    )[1]  # fmt: skip


def expected(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """Returns what scikit-learn says; of AUROC only if every class has a row."""
    probabilities = (logits.double() - logits.double().logsumexp(1, keepdim=True)).exp()
    predicted, true = logits.argmax(1).numpy(), labels.numpy()
    with warnings.catch_warnings():
        # Predicted classes without a row are left out, with a warning.
        warnings.simplefilter("ignore")
        found = {
            "test_balanced_accuracy": pytest.approx(balanced_accuracy_score(true, predicted), rel=1e-12),
            "test_f1": pytest.approx(f1_score(true, predicted, average="macro"), rel=1e-12),
        }
    if len(set(true.tolist())) == logits.shape[1]:
        found["test_auroc"] = pytest.approx(one_versus_rest(true, probabilities.numpy()), rel=1e-12)
    return found


def one_versus_rest(true: NDArray[Any], probabilities: NDArray[Any]) -> float:
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(true, probabilities[:, 1]))
    return float(roc_auc_score(true, probabilities, multi_class="ovr", average="macro"))


@st.composite
def outputs_and_labels(draw: st.DrawFn) -> tuple[Tensor, Tensor]:
    """Draws logits of few values, so that many scores are equal, and labels among which classes may be missing."""
    classes = draw(st.integers(2, 5))
    rows = draw(st.integers(2, 40))
    whole = st.integers(-2, 2)
    logits = draw(st.lists(st.lists(whole, min_size=classes, max_size=classes), min_size=rows, max_size=rows))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=rows, max_size=rows))
    return torch.tensor(logits).float(), torch.tensor(labels)


@given(outputs_and_labels())
def test_metrics_are_those_of_scikit_learn(drawn: tuple[Tensor, Tensor]) -> None:
    logits, labels = drawn
    metrics = measured(logits, labels)
    for name, value in expected(logits, labels).items():
        assert metrics[name] == value
    assert ("test_auroc" in metrics) == (len(set(labels.tolist())) > 1)


@given(outputs_and_labels())
def test_a_single_output_gives_the_metrics_of_two(drawn: tuple[Tensor, Tensor]) -> None:
    logits, labels = drawn[0][:, :1], drawn[1] % 2
    both = measured(torch.cat((torch.zeros_like(logits), logits), 1), labels)
    alone = measured(logits, labels, "binary_cross_entropy")
    for measure in CLASS_MEASURES:
        assert alone.get(f"test_{measure}") == both.get(f"test_{measure}")


def test_batches_add_up() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2 * BATCH_ROWS + 3, 4), torch.randint(4, (2 * BATCH_ROWS + 3,))
    metrics = measured(logits, labels)
    assert {name: metrics[name] for name in expected(logits, labels)} == expected(logits, labels)


def test_a_class_that_the_split_does_not_have_is_left_out_of_the_areas() -> None:
    logits, labels = torch.randn(30, 3), torch.tensor([0, 2]).repeat(15)
    probabilities = logits.double().softmax(1)[:, [0, 2]].numpy()
    areas = [
        roc_auc_score(labels.numpy() == index, column) for index, column in zip((0, 2), probabilities.T, strict=True)
    ]
    assert measured(logits, labels)["test_auroc"] == pytest.approx(np.mean(areas))


def test_rows_of_one_class_have_no_area() -> None:
    metrics = measured(torch.eye(3), torch.tensor([1, 1, 1]))
    assert "test_auroc" not in metrics
    assert metrics["test_balanced_accuracy"] == pytest.approx(1 / 3)
    assert metrics["test_f1"] == pytest.approx((0 + 0.5 + 0) / 3)


def test_a_score_that_is_no_number_gives_none() -> None:
    assert np.isnan(measured(torch.tensor([[0.0, np.nan], [1.0, 0.0]]), torch.tensor([0, 1]))["test_auroc"])


def test_every_target_has_its_own_and_rows_without_a_label_do_not_count() -> None:
    torch.manual_seed(1)
    targets = make_targets(("cross_entropy", 3, 1.0), ("squared_error", 0, 1.0), ("binary_cross_entropy", 2, 1.0))
    logits = torch.randn(50, 5)
    main, second = torch.randint(3, (50,)), torch.randint(2, (50,))
    labels = torch.stack((main, torch.zeros(50), second), 1).float()
    labels[:20, 2] = torch.nan
    metrics = metrics_of(targets, logits, labels)
    first = expected(logits[:, :3], main)
    both = torch.cat((torch.zeros(30, 1), logits[20:, 4:]), 1)
    further = {name.replace("test_", "test_t2_"): value for name, value in expected(both, second[20:]).items()}
    assert {name: metrics[name] for name in first | further} == first | further
    assert not any("t1_f1" in name for name in metrics)


def test_diagnostics_measure_only_what_they_did() -> None:
    assert set(measured(torch.eye(3), torch.tensor([0, 1, 2]), name="train_clean")) == {
        "train_clean_loss", "train_clean_accuracy"
    }  # fmt: skip


def test_a_recipe_that_asks_for_none_has_none_and_a_monitor_is_measured_without_being_listed() -> None:
    plain = measure_split(make_training(IRIS), "validation")
    assert set(plain) == {"validation_loss", "validation_accuracy"}
    listed = measure_split(make_training({**IRIS, **ALL}), "validation")
    assert {name: listed[name] for name in plain} == plain
    assert set(listed) - set(plain) == {f"validation_{measure}" for measure in CLASS_MEASURES}
    monitored = measure_split(make_training({**IRIS, "evaluation": "validation_f1"}), "test")
    assert set(monitored) == {"test_loss", "test_accuracy", "test_f1"}


def test_the_best_epoch_is_that_of_the_highest_value() -> None:
    training = make_training({**IRIS, "evaluation": "validation_auroc", "epochs": 4})
    outcome = run_to_end(training)
    values = {
        event["epoch"]: event["metrics"]["validation_auroc"] for event in outcome.logged if "is_best" in event
    }  # fmt: skip
    assert training.stopper.best_epoch == max(values, key=lambda epoch: values[epoch])
    assert "test_auroc" in outcome.logged[-1]["metrics"]


def test_a_run_that_resumes_within_a_measurement_has_the_same_metrics() -> None:
    document = {**DIGITS_CNN, **ALL, "norm": "none", "epochs": 1}
    whole = run_to_end(make_training(document))
    # Three steps, and then 1,294 validation rows in 11 batches.
    for unit in (5, 10, 16):
        files, logged = stop_after(document, unit)
        assert resume_to_end(document, files, logged) == whole


def test_an_area_that_the_validation_rows_do_not_have_is_refused_as_the_monitor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = make_small_plan({**IRIS, "evaluation": "validation_auroc"})
    data = load_small_data(plan)
    monkeypatch.setattr("worker.data.dataset.read_splits", lambda *_: [
        data.train, Split(data.validation.inputs, torch.ones_like(data.validation.targets)), data.test
    ])  # fmt: skip
    with pytest.raises(RecipeInvalid, match="have one class, so that they have no auroc"):
        load_small_data(plan)
