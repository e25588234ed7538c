"""Learning rates by step, with a peak of 1."""

import json
import math
import warnings
from itertools import islice
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.small_trainings import (
    DIGITS_CNN,
    IRIS,
    make_small_plan,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
)
from worker.training.schedule import Schedule, cosine

# 96 training rows in batches of 32.
RECIPE = {**IRIS, "epochs": 10, "optimizer": {"type": "sgd", "lr": 1.0}}
PER_EPOCH, STEPS = 3, 30


def rates(**fields: Any) -> list[float]:
    rate = Schedule(make_small_plan({**RECIPE, "schedule": fields}))
    return [rate(step) for step in range(STEPS)]


def test_the_recipe_has_the_steps_that_the_tables_below_are_for() -> None:
    plan = make_small_plan(RECIPE)
    assert (plan.steps_per_epoch, plan.steps) == (PER_EPOCH, STEPS)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"type": "constant"}, [1.0] * 30),
        ({"type": "constant", "warmup_epochs": 2}, [n / 6 for n in range(1, 7)] + [1.0] * 24),
        ({"type": "constant", "warmup_epochs": 0.5}, [1 / 2] + [1.0] * 29),
        ({"type": "constant", "warmup_epochs": 0.1}, [1.0] * 30),
        ({"type": "step", "step_size": 4, "gamma": 0.1}, [1.0] * 12 + [0.1] * 12 + [0.01] * 6),
        ({"type": "step", "step_size": 1, "gamma": 0.5}, [0.5**epoch for epoch in range(10) for _ in range(3)]),
        (
            {"type": "step", "step_size": 4, "gamma": 0.1, "warmup_epochs": 1},
            [1 / 3, 2 / 3] + [1.0] * 10 + [0.1] * 12 + [0.01] * 6,
        ),
        ({"type": "multi_step"}, [1.0] * 15 + [0.1] * 6 + [0.01] * 9),
        (
            {"type": "multi_step", "milestones": [2, 3, 8], "gamma": 0.5},
            [1.0] * 6 + [0.5] * 3 + [0.25] * 15 + [0.125] * 6,
        ),
        ({"type": "multi_step", "milestones": 11}, [1.0] * 30),
        ({"type": "multi_step", "milestones": [1], "warmup_epochs": 2}, [n / 6 for n in range(1, 7)] + [0.1] * 24),
    ],
)
def test_tables(fields: dict[str, Any], wanted: list[float]) -> None:
    assert rates(**fields) == pytest.approx(wanted)


def test_a_cosine_falls_from_lr_to_eta_min() -> None:
    assert cosine(2.0, 0.5, 0.0) == 2.0
    assert cosine(2.0, 0.5, 0.5) == pytest.approx(1.25)
    assert cosine(2.0, 0.5, 1.0) == pytest.approx(0.5)
    found = rates(type="cosine", eta_min=0.2)
    assert found[0] == 1.0
    assert found[15] == pytest.approx(0.6)
    assert found == sorted(found, reverse=True)
    assert 0.2 < found[-1] < 0.21


def test_a_cosine_begins_where_the_warm_up_ends() -> None:
    found = rates(type="cosine", warmup_epochs=4)
    assert found[:12] == pytest.approx([n / 12 for n in range(1, 13)])
    assert found[12:] == pytest.approx([(1 + math.cos(math.pi * n / 18)) / 2 for n in range(18)])


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("share", [0.3, 0.31, 0.9])
def test_one_cycle_is_torchs(strategy: str, share: float) -> None:
    fields = {"pct_start": share, "anneal_strategy": strategy, "div_factor": 10.0, "final_div_factor": 100.0}
    sgd = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(sgd, 1.0, total_steps=STEPS, cycle_momentum=False, **fields)  # type: ignore[arg-type]
    wanted = []
    for _ in range(STEPS):
        wanted.append(theirs.get_last_lr()[0])
        with warnings.catch_warnings():
            # No gradients: it is the rates that are compared.
            warnings.simplefilter("ignore", UserWarning)
            theirs.step() if len(wanted) < STEPS else None
    assert rates(type="one_cycle", **fields) == pytest.approx(wanted)


def test_one_cycle_rises_to_lr_and_falls_below_where_it_began() -> None:
    found = rates(type="one_cycle")
    assert (found[0], found[8], found[29]) == pytest.approx((1 / 25, 1.0, 1 / 25e4))
    assert found[:9] == sorted(found[:9])
    assert found[8:] == sorted(found[8:], reverse=True)


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [32, 96])
def test_one_cycle_fits_the_shortest_runs(epochs: int, batch_size: int) -> None:
    for share in (0.01, 1 / 3, 0.5, 0.99):
        spec = {"type": "one_cycle", "pct_start": share}
        plan = make_small_plan({**RECIPE, "epochs": epochs, "batch_size": batch_size, "schedule": spec})
        assert all(0 < Schedule(plan)(step) <= 1 for step in range(plan.steps))


def listening(monitor: str = "validation_loss", **fields: Any) -> Schedule:
    plan = make_small_plan({**RECIPE, "schedule": {"type": "plateau", **fields}, "evaluation": monitor})
    return Schedule(plan)


def counts(schedule: Schedule, values: list[float]) -> list[int]:
    """The drops after each epoch."""
    found = []
    for value in values:
        schedule.observe(value)
        found.append(schedule.drops)
    return found


@pytest.mark.parametrize(
    ("fields", "values", "wanted"),
    [
        ({"patience": 2}, [3, 2, 2, 2, 2, 2, 1, 1, 1], [0, 0, 0, 1, 1, 2, 2, 2, 3]),
        ({"patience": 1}, [1, 2, 3, 0.5, 0.6], [0, 1, 2, 2, 3]),
        ({"patience": 2, "min_delta": 0.5}, [3, 2.6, 2.5, 2.4, 1.9], [0, 0, 1, 1, 1]),
        ({"patience": 2}, [math.nan, math.inf, -math.inf, 1, 0.9], [0, 1, 1, 1, 1]),
        ({"patience": 2, "monitor": "validation_accuracy"}, [0.5, 0.6, 0.6, 0.5, 0.7], [0, 0, 0, 1, 1]),
    ],
)
def test_a_plateau_is_so_many_epochs_without_an_improvement(
    fields: dict[str, Any], values: list[float], wanted: list[int]
) -> None:
    assert counts(listening(**fields), values) == wanted


def test_each_plateau_drops_the_rate_but_not_below_its_least() -> None:
    plan = make_small_plan(
        {**RECIPE, "schedule": {"type": "plateau", "patience": 1, "min_lr": 5e-3, "warmup_epochs": 1}}
    )
    rate = Schedule(plan)
    found = []
    for _ in range(5):
        found.append(rate(20))
        rate.observe(1.0)
    assert found == pytest.approx([1.0, 1.0, 0.1, 0.01, 5e-3])
    assert [rate(step) for step in range(4)] == pytest.approx([1 / 3, 2 / 3, 1.0, 5e-3])


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, math.nan]), max_size=20), st.integers(0, 20))
def test_a_plateaus_state_of_json_goes_on_as_if_nothing_had_happened(values: list[float], cut: int) -> None:
    whole, first, second = (listening(patience=2) for _ in range(3))
    wanted = counts(whole, values)
    begun = counts(first, values[:cut])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert begun + counts(second, values[cut:]) == wanted


PLATEAUS = {
    **DIGITS_CNN,
    "optimizer": {"type": "adam", "lr": 0.1},
    "schedule": {"type": "plateau", "patience": 2, "min_delta": 10.0, "factor": 0.5},
    "epochs": 8,
    "early_stopping": None,
}


def test_a_run_whose_rate_drops_ends_with_the_same_bits_wherever_it_was_killed() -> None:
    whole = run_to_end(make_training(PLATEAUS))
    lrs = [item["lr"] for item in whole.logged if "is_best" in item]
    assert lrs == sorted(lrs, reverse=True)
    assert len(set(lrs)) > 2
    units = len(list(islice(make_training(PLATEAUS).run(), 1000)))
    for unit in range(3, units, 11):
        assert resume_to_end(PLATEAUS, *stop_after(PLATEAUS, unit)) == whole
