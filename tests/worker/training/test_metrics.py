"""The metrics of training steps: which steps are logged, and that sums do not depend on when they are read."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.targets import make_targets
from worker.training.metrics import BLOCK_STEPS, EpochMetrics, SingleTargetMetrics, is_logged


def test_every_step_is_logged_at_first_and_ever_fewer_later() -> None:
    logged = [step for step in range(1, 5000) if is_logged(step)]
    assert logged[:256] == list(range(1, 257))
    assert logged[256:384] == list(range(258, 513, 2))
    assert logged[384:512] == list(range(516, 1025, 4))
    assert [step for step in logged if step > 4096] == list(range(4128, 5000, 32))


def test_a_million_steps_are_about_1800_entries() -> None:
    assert 1700 < sum(map(is_logged, range(1, 1_000_001))) < 1900


def of_classes(loss_scale: float = 1.0) -> EpochMetrics:
    [target] = make_targets(("cross_entropy", 2, 1.0))
    return EpochMetrics(SingleTargetMetrics(target), loss_scale=loss_scale)


def of_numbers() -> EpochMetrics:
    [target] = make_targets(("squared_error", 0, 1.0))
    return EpochMetrics(SingleTargetMetrics(target), loss_scale=1.0)


def filled(epoch_metrics: EpochMetrics, reads: set[int], losses: list[float]) -> list[tuple[int, float]]:
    """Steps of two rows each, the first of which is right; read after the steps in `reads` and after the last."""
    found = []
    for step, loss in enumerate(losses, start=1):
        epoch_metrics.add(torch.tensor(loss), torch.eye(2), torch.tensor([0, 0]))
        if step in reads:
            found += epoch_metrics.read(step)
    return found + epoch_metrics.read(len(losses))


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=30), st.sets(st.integers(1, 30)))
def test_reading_often_or_once_gives_the_same_bits(losses: list[float], reads: set[int]) -> None:
    often, once = (of_classes(loss_scale=4.0) for _ in range(2))
    assert filled(often, reads, losses) == filled(once, set(), losses)
    assert often.metrics() == once.metrics()
    assert once.metrics()["train_loss"] == pytest.approx(4 * math.fsum(losses) / len(losses))
    assert once.metrics()["train_accuracy"] == 0.5


def test_the_means_are_over_rows_and_not_over_batches() -> None:
    epoch_metrics = of_classes()
    epoch_metrics.add(torch.tensor(1.0), torch.eye(3), torch.tensor([0, 1, 2]))
    epoch_metrics.add(torch.tensor(5.0), torch.eye(3)[:1], torch.tensor([0]))
    epoch_metrics.read(2)
    assert epoch_metrics.metrics() == {"train_loss": 2.0, "train_accuracy": 1.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_step_after_a_divergence_is_logged(bad: float) -> None:
    epoch_metrics = of_numbers()
    logged = filled(epoch_metrics, set(), [1.0, 2.0, bad, 3.0])
    assert [step for step, _ in logged] == [1, 2, 3]
    assert epoch_metrics.diverged_at == 3


def test_it_is_time_to_read_after_a_block_of_steps_and_after_the_first_step() -> None:
    epoch_metrics = of_numbers()
    assert epoch_metrics.is_due()
    for _ in range(BLOCK_STEPS):
        epoch_metrics.add(torch.tensor(1.0), torch.eye(1), torch.tensor([0]))
    assert epoch_metrics.is_due()


def test_a_restored_state_gives_the_metrics_of_the_whole_epoch() -> None:
    whole, first, second = (of_classes() for _ in range(3))
    filled(whole, set(), [0.1, 0.2, 0.3])
    filled(first, set(), [0.1, 0.2])
    second.load_state_dict(first.state_dict())
    filled(second, set(), [0.3])
    assert second.metrics() == whole.metrics()


def test_a_single_logit_is_that_of_class_1() -> None:
    epoch_metrics = of_classes()
    epoch_metrics.add(torch.tensor(1.0), torch.tensor([[2.0], [-2.0], [0.1], [-0.1]]), torch.tensor([1, 0, 0, 1]))
    epoch_metrics.read(1)
    assert epoch_metrics.metrics()["train_accuracy"] == 0.5
