"""The loop: what it tells, when it ends, and that it computes what a loop written by hand computes."""

import json
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.small_trainings import (
    DIABETES,
    DIGITS_CNN,
    IRIS,
    Document,
    epochs_of,
    make_training,
    measure_split,
    run_to_end,
)
from worker.evaluation.evaluate import Metrics
from worker.training.events import EpochLog, Finished, NonFinite
from worker.training.metrics import StepLog

GOLDEN = Path(__file__).parent / "golden"


def test_steps_and_epochs_are_logged_in_order_without_gaps() -> None:
    logged = run_to_end(make_training(IRIS)).logged
    wanted = []
    for epoch in (1, 2, 3):
        wanted += [{"epoch": epoch, "step": 3 * epoch - rest} for rest in (2, 1, 0)]
        wanted += [{"epoch": epoch, "step": 3 * epoch}]
    assert [{name: item[name] for name in ("epoch", "step")} for item in logged[:-1]] == wanted
    assert logged[-1]["ending"] == "epochs_done"


def test_the_same_recipe_is_the_same_run_and_a_seed_is_another() -> None:
    first, again, other = (run_to_end(make_training({**DIGITS_CNN, "seed": seed})) for seed in (0, 0, 1))
    assert first == again
    assert first.weights["head.weight"] != other.weights["head.weight"]


def test_a_loop_written_by_hand_learns_the_same() -> None:
    document: Document = {**IRIS, "norm": "batch_norm", "regularizer": {"type": "l2", "coefficient": 0.01}}
    training = make_training(document)
    data = training.data
    model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    # The names differ, the order does not; the first two are the statistics of the inputs.
    initial = list(training.model.state_dict().values())[2:]
    model.load_state_dict(dict(zip(model.state_dict(), [value.clone() for value in initial], strict=True)))
    penalised = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    groups: list[dict[str, Any]] = [{"params": penalised, "weight_decay": 0.01}, {"params": others}]
    adam = torch.optim.Adam(groups, lr=1e-3)
    losses = []
    for epoch in range(3):
        for rows in torch.split(training.batches.order(epoch), 32):
            inputs = (data.train.inputs[rows] - data.train.inputs.mean(0)) / data.train.inputs.std(0, correction=0)
            adam.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), data.train.targets[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            losses.append(loss.item())
    logged = [item for item in run_to_end(training).logged if "loss" in item]
    assert [item["loss"] for item in logged] == pytest.approx(losses, rel=1e-4)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden_losses(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    training = make_training(golden["recipe"])
    losses = [item.loss for item in training.run() if isinstance(item, StepLog)][: len(golden["losses"])]
    assert losses == pytest.approx(golden["losses"], rel=1e-5)


def test_the_train_metrics_are_means_over_the_epochs_rows() -> None:
    training = make_training({**DIABETES, "batch_size": 100})
    steps: list[StepLog] = []
    sizes = [100, 100, training.plan.sizes.train - 200]
    for item in training.run():
        if isinstance(item, StepLog):
            steps.append(item)
        if isinstance(item, EpochLog):
            mean = sum(step.loss * size for step, size in zip(steps, sizes, strict=True)) / sum(sizes)
            assert item.metrics["train_loss"] == pytest.approx(mean)
            steps = []


def test_a_loss_that_is_not_finite_ends_the_run_at_its_step() -> None:
    training = make_training({**DIGITS_CNN, "norm": None, "optimizer": {"type": "sgd", "lr": 1e3}, "epochs": 9})
    steps: list[StepLog] = []
    with pytest.raises(NonFinite) as caught:
        steps.extend(item for item in training.run() if isinstance(item, StepLog))
    assert [math.isfinite(step.loss) for step in steps] == [True] * (len(steps) - 1) + [False]
    assert steps[-1].step == caught.value.step


def unmeasurable() -> Generator[None, None, Metrics]:
    """A measurement that ends in no number."""
    yield
    return {"validation_loss": math.nan}


def test_a_run_whose_monitor_was_never_finite_has_no_best() -> None:
    training = make_training({**IRIS, "early_stopping": 1})
    training.measure = lambda *_: unmeasurable()  # type: ignore[method-assign]
    epochs = []
    with pytest.raises(NonFinite):
        epochs += [item for item in training.run() if isinstance(item, EpochLog)]
    assert training.epochs_done == 1
    assert training.best_weights is None


def test_the_best_epoch_is_the_one_that_is_kept() -> None:
    training = make_training(
        {**DIGITS_CNN, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 8, "early_stopping": None, "seed": 3}
    )
    epochs = list(epochs_of(training))
    best = min(epochs, key=lambda epoch: epoch.metrics["validation_loss"])
    assert best.epoch < len(epochs) == 8
    assert training.best_weights is not None
    assert measure_split(training, "validation")["validation_loss"] == epochs[-1].metrics["validation_loss"]
    training.model.load_state_dict(training.best_weights)
    assert measure_split(training, "validation")["validation_loss"] == best.metrics["validation_loss"]


def stopped(at: int, *, not_before: int = 1, recipe: Document = IRIS) -> list[Any]:
    """The events of a run that is asked to stop after a step."""
    training = make_training(recipe)
    logged = []
    for item in training.run():
        logged.append(item)
        if training.step == at and training.stop_request.reason is None:
            training.stop("stopped_by_user", not_before=not_before)
    return [item for item in logged if item is not None]


@pytest.mark.parametrize(("at", "not_before", "last"), [(4, 1, 4), (3, 1, 3), (2, 5, 5), (2, 6, 6), (1, 1, 1)])
def test_a_stop_ends_with_a_measured_epoch(at: int, not_before: int, last: int) -> None:
    logged = stopped(at, not_before=not_before)
    steps = [item.step for item in logged if isinstance(item, StepLog)]
    epochs = [item for item in logged if isinstance(item, EpochLog)]
    assert steps == list(range(1, last + 1))
    assert [epoch.epoch for epoch in epochs] == list(range(1, math.ceil(last / 3) + 1))
    assert epochs[-1].step == last
    assert isinstance(logged[-1], Finished)
    assert (logged[-1].ending, logged[-1].last) == ("stopped_by_user", epochs[-1])


def test_a_stop_before_the_first_step_makes_one() -> None:
    training = make_training(IRIS)
    training.stop("time_budget")
    logged = run_to_end(training).logged
    assert [item["step"] for item in logged if "step" in item] == [1, 1]
    assert logged[-1]["ending"] == "time_budget"


def test_a_run_that_ended_by_itself_is_not_called_stopped() -> None:
    training = make_training(IRIS)
    training.stop("stopped_by_user", not_before=1000)
    assert run_to_end(training).logged[-1]["ending"] == "epochs_done"


def test_early_stopping_waits_for_min_epochs() -> None:
    rule = {"type": "patience", "patience": 1, "min_epochs": 7}
    document = {**DIGITS_CNN, "optimizer": {"type": "adam", "lr": 0.3}, "epochs": 30, "early_stopping": rule}
    logged = run_to_end(make_training(document)).logged
    epochs = [item for item in logged if "is_best" in item]
    assert logged[-1]["ending"] == "early_stopped"
    assert any(not epoch["is_best"] for epoch in epochs[:6])
    assert len(epochs) >= 7
