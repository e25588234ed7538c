"""The early stopper against references that look at the whole history each time."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.early_stopping import EarlyStopper
from bakehouse.recipe.evaluation import Monitor
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from tests.small_trainings import DIGITS_CNN, make_training, resume_to_end, run_to_end, stop_after

VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, math.nan, math.inf, -math.inf]), min_size=1, max_size=30)
MONITORS: list[Monitor] = [
    "validation_loss", "validation_mean_absolute_error", "validation_accuracy", "validation_r2",
]  # fmt: skip
Rule = dict[str, Any]
MIN_EPOCHS = st.integers(0, 12)
PATIENCE = st.none() | st.fixed_dictionaries(
    {
        "type": st.just("patience"),
        "patience": st.integers(1, 5),
        "min_delta": st.sampled_from([0.0, 0.05, 0.15]),
        "min_epochs": MIN_EPOCHS,
    }
)
GL: st.SearchStrategy[Rule] = st.fixed_dictionaries(
    {"type": st.just("generalization_loss"), "alpha": st.sampled_from([1.0, 100.0, 250.0]), "min_epochs": MIN_EPOCHS}
)
PQ: st.SearchStrategy[Rule] = st.fixed_dictionaries(
    {
        "type": st.just("progress_quotient"),
        "alpha": st.sampled_from([0.1, 1.0, 3.0]),
        "strip_length": st.integers(1, 4),
        "min_epochs": MIN_EPOCHS,
    }
)
UP: st.SearchStrategy[Rule] = st.fixed_dictionaries(
    {
        "type": st.just("successive_increases"),
        "strips": st.integers(1, 3),
        "strip_length": st.integers(1, 3),
        "min_epochs": MIN_EPOCHS,
    }
)
TRAIN_LOSSES = st.lists(st.sampled_from([0.0, 0.1, 0.101, 0.2, 0.3]), min_size=30, max_size=30)


def recipe(rule: Rule | None, monitor: Monitor) -> Recipe:
    document: dict[str, Any] = {"dataset": "iris", "architecture": "mlp", "early_stopping": rule, "evaluation": monitor}
    return read_recipe(document)


def best_epochs(values: list[float], *, min_delta: float, lower_is_better: bool) -> list[int]:
    """The epochs that were the best when they came: the first finite one, and each that beats the latest of them."""
    found: list[int] = []
    for epoch, value in enumerate(values, start=1):
        if not math.isfinite(value):
            continue
        gain = math.inf if not found else values[found[-1] - 1] - value
        if found and not lower_is_better:
            gain = -gain
        if gain > min_delta:
            found.append(epoch)
    return found


def stopper_of(rule: Rule | None, monitor: Monitor) -> EarlyStopper:
    return EarlyStopper(recipe(rule, monitor).early_stopping, monitor=monitor)


@pytest.mark.parametrize("monitor", MONITORS)
@given(values=VALUES, rule=PATIENCE)
def test_best_and_stop_are_those_of_the_whole_history(monitor: Monitor, values: list[float], rule: Rule | None) -> None:
    stopper = stopper_of(rule, monitor)
    lower_is_better = monitor in ("validation_loss", "validation_mean_absolute_error")
    for epoch, value in enumerate(values, start=1):
        is_best = stopper.observe(epoch, value, train_loss=1.0)
        min_delta = rule["min_delta"] if rule else 0.0
        bests = best_epochs(values[:epoch], min_delta=min_delta, lower_is_better=lower_is_better)
        best = bests[-1] if bests else 0
        assert is_best == (best == epoch)
        assert (stopper.best_epoch, stopper.epochs_since_best) == (best, epoch - best)
        is_over = rule is not None and epoch - best >= rule["patience"] and epoch >= rule["min_epochs"]
        assert stopper.is_over(epoch) == is_over


@given(values=VALUES, train_losses=TRAIN_LOSSES, rule=PATIENCE | GL | PQ | UP, cut=st.integers(0, 30))
def test_a_state_of_json_goes_on_as_if_nothing_had_happened(
    values: list[float], train_losses: list[float], rule: Rule | None, cut: int
) -> None:
    whole, first, second = (stopper_of(rule, "validation_loss") for _ in range(3))
    epochs = list(enumerate(zip(values, train_losses, strict=False), start=1))
    for epoch, (value, train_loss) in epochs[:cut]:
        whole.observe(epoch, value, train_loss=train_loss)
        first.observe(epoch, value, train_loss=train_loss)
    second.load_state_dict(json.loads(json.dumps(first.state_dict(), allow_nan=False)))
    if epochs[:cut]:
        assert whole.is_over(len(epochs[:cut])) == second.is_over(len(epochs[:cut]))
    for epoch, (value, train_loss) in epochs[cut:]:
        logged = [stopper.observe(epoch, value, train_loss=train_loss) for stopper in (whole, second)]
        assert logged[0] == logged[1]
        assert whole.is_over(epoch) == second.is_over(epoch)
    assert whole.state_dict() == second.state_dict()


def test_a_tie_is_no_improvement() -> None:
    rule: dict[str, Any] = {"type": "patience", "patience": 2}
    stopper = stopper_of(rule, "validation_accuracy")
    assert [stopper.observe(epoch, 0.9, train_loss=1.0) for epoch in (1, 2, 3)] == [True, False, False]
    assert stopper.is_over(3)


def worst_if_not_finite(value: float) -> float:
    return value if math.isfinite(value) else math.inf


def generalization_loss(values: list[float]) -> float:
    """100 (E(t) / min E - 1) over the whole history."""
    finite = [value for value in values if math.isfinite(value)]
    return 100 * (worst_if_not_finite(values[-1]) / min(finite) - 1) if finite else 0.0


def gl(rule: Rule, values: list[float], _: list[float]) -> bool:
    return generalization_loss(values) > float(rule["alpha"])


def pq(rule: Rule, values: list[float], train_losses: list[float]) -> bool:
    length = rule["strip_length"]
    strip = np.array(train_losses[-length:])
    if len(values) % length:
        return False
    lost = generalization_loss(values)
    # GL / P > alpha, where P may be 0 or infinite.
    if len(set(strip)) == 1:
        return lost > 0
    return bool(strip.min() > 0 and lost / (1000 * (strip.sum() / (length * strip.min()) - 1)) > rule["alpha"])


def up(rule: Rule, values: list[float], _: list[float], strips: int | None = None) -> bool:
    """As the paper has it: UP of s is UP of s - 1 a strip ago, and a rise since."""
    strips, length = rule["strips"] if strips is None else strips, rule["strip_length"]
    if strips == 0:
        return True
    if len(values) % length or len(values) < 2 * length:
        return False
    rose = worst_if_not_finite(values[-1]) > worst_if_not_finite(values[-1 - length])
    return rose and up(rule, values[:-length], _, strips - 1)


@pytest.mark.parametrize(("rules", "is_met"), [(GL, gl), (PQ, pq), (UP, up)], ids=["GL", "PQ", "UP"])
@given(data=st.data(), values=VALUES, train_losses=TRAIN_LOSSES)
def test_the_criteria_of_prechelt(
    rules: st.SearchStrategy[Rule],
    is_met: Callable[[Rule, list[float], list[float]], bool],
    data: st.DataObject,
    values: list[float],
    train_losses: list[float],
) -> None:
    rule = data.draw(rules)
    stopper = stopper_of(rule, "validation_loss")
    for epoch, value in enumerate(values, start=1):
        stopper.observe(epoch, value, train_loss=train_losses[epoch - 1])
        wanted = is_met(rule, values[:epoch], train_losses[:epoch]) and epoch >= rule["min_epochs"]
        assert stopper.is_over(epoch) == wanted


def stops_after(rule: Rule, values: list[float], *, train_losses: list[float], monitor: Monitor) -> int | None:
    stopper = stopper_of(rule, monitor)
    for epoch, (value, train_loss) in enumerate(zip(values, train_losses, strict=True), start=1):
        stopper.observe(epoch, value, train_loss=train_loss)
        if stopper.is_over(epoch):
            return epoch
    return None


@pytest.mark.parametrize(
    ("rule", "values", "wanted"),
    [
        ({"type": "generalization_loss", "alpha": 9}, [2.0, 1.0, 1.08, 1.1, 5.0], 4),
        ({"type": "generalization_loss", "alpha": 9, "min_epochs": 5}, [2.0, 1.0, 1.08, 1.1, 1.0], None),
        ({"type": "generalization_loss"}, [0.5, 0.0, 0.0, 1e-9], 4),
        # Training gains 500 per mille a strip at first and nothing later.
        ({"type": "progress_quotient", "alpha": 0.1, "strip_length": 2}, [1.0, 1.4, 1.4, 1.4, 1.4, 1.4], 4),
        ({"type": "successive_increases", "strips": 2, "strip_length": 2}, [1, 1, 9, 2, 0, 3], 6),
        ({"type": "successive_increases", "strips": 1, "strip_length": 3}, [1, 1, 1, 9, 9, 1], None),
    ],
)
def test_tables(rule: Rule, values: list[float], wanted: int | None) -> None:
    train_losses = [2.0, 1.0, 0.9, 0.9, 0.9, 0.9][: len(values)]
    assert stops_after(rule, values, train_losses=train_losses, monitor="validation_loss") == wanted


def test_successive_increases_of_an_accuracy_are_losses_of_it() -> None:
    rule = {"type": "successive_increases", "strips": 2, "strip_length": 1}
    found = stops_after(rule, [0.5, 0.6, 0.5, 0.4], train_losses=[1.0] * 4, monitor="validation_accuracy")
    assert found == 4


@pytest.mark.parametrize(
    "rule",
    [
        {"type": "generalization_loss", "alpha": 10, "min_epochs": 3},
        {"type": "progress_quotient", "alpha": 0.05, "strip_length": 2},
        {"type": "successive_increases", "strips": 1, "strip_length": 2},
    ],
)
def test_a_run_stops_at_the_same_epoch_wherever_it_was_killed(rule: Rule) -> None:
    document = {**DIGITS_CNN, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 30, "early_stopping": rule}
    whole = run_to_end(make_training(document))
    assert whole.logged[-1]["ending"] == "early_stopped"
    units = len(list(make_training(document).run()))
    for unit in (units // 3, units // 2, units - 4, units - 1):
        assert resume_to_end(document, *stop_after(document, unit)) == whole
