"""The early stopper against a reference that looks at the whole history each time."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakehouse.recipe.evaluation import Monitor
from bakehouse.recipe.read import read_recipe
from bakehouse.recipe.recipe import Recipe
from worker.early_stopping import EarlyStopper

VALUES = st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, math.nan, math.inf, -math.inf]), min_size=1, max_size=30)
MONITORS: list[Monitor] = [
    "validation_loss", "validation_mean_absolute_error", "validation_accuracy", "validation_r2",
]  # fmt: skip
RULES = st.none() | st.fixed_dictionaries(
    {
        "type": st.just("patience"),
        "patience": st.integers(1, 5),
        "min_delta": st.sampled_from([0.0, 0.05, 0.15]),
        "min_epochs": st.integers(0, 12),
    }
)


def recipe(rule: dict[str, float] | None, monitor: Monitor) -> Recipe:
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


@pytest.mark.parametrize("monitor", MONITORS)
@given(values=VALUES, rule=RULES)
def test_best_and_stop_are_those_of_the_whole_history(
    monitor: Monitor, values: list[float], rule: dict[str, float] | None
) -> None:
    stopper = EarlyStopper(recipe(rule, monitor))
    lower_is_better = monitor in ("validation_loss", "validation_mean_absolute_error")
    for epoch, value in enumerate(values, start=1):
        is_best = stopper.observe(epoch, value)
        min_delta = rule["min_delta"] if rule else 0.0
        bests = best_epochs(values[:epoch], min_delta=min_delta, lower_is_better=lower_is_better)
        best = bests[-1] if bests else 0
        assert is_best == (best == epoch)
        assert (stopper.best_epoch, stopper.epochs_since_best) == (best, epoch - best)
        is_over = rule is not None and epoch - best >= rule["patience"] and epoch >= rule["min_epochs"]
        assert stopper.is_over(epoch) == is_over


@given(values=VALUES, rule=RULES, cut=st.integers(0, 30))
def test_a_state_of_json_goes_on_as_if_nothing_had_happened(
    values: list[float], rule: dict[str, float] | None, cut: int
) -> None:
    whole, first, second = (EarlyStopper(recipe(rule, "validation_loss")) for _ in range(3))
    for epoch, value in enumerate(values[:cut], start=1):
        whole.observe(epoch, value)
        first.observe(epoch, value)
    second.load_state(json.loads(json.dumps(first.state(), allow_nan=False)))
    for epoch, value in enumerate(values[cut:], start=cut + 1):
        assert whole.observe(epoch, value) == second.observe(epoch, value)
        assert whole.is_over(epoch) == second.is_over(epoch)
    assert whole.state() == second.state()


def test_a_tie_is_no_improvement() -> None:
    rule: dict[str, Any] = {"type": "patience", "patience": 2}
    stopper = EarlyStopper(recipe(rule, "validation_accuracy"))
    assert [stopper.observe(epoch, 0.9) for epoch in (1, 2, 3)] == [True, False, False]
    assert stopper.is_over(3)
