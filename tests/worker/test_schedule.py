"""Learning rates by step, with a peak of 1."""

import math
from typing import Any

import pytest

from tests.worker.tiny import FLOWERS, planned
from worker.schedule import cosine, schedule

# 96 training rows in batches of 32.
RECIPE = {**FLOWERS, "epochs": 10, "optimizer": {"type": "sgd", "lr": 1.0}}
PER_EPOCH, STEPS = 3, 30


def rates(**fields: Any) -> list[float]:
    rate = schedule(planned({**RECIPE, "schedule": fields}))
    return [rate(step) for step in range(STEPS)]


def test_the_recipe_has_the_steps_that_the_tables_below_are_for() -> None:
    plan = planned(RECIPE)
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
