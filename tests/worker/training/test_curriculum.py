"""Which rows are learnt from, and when."""

from collections import deque
from collections.abc import Generator
from functools import partial
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from bakehouse.recipe.curriculum import Curriculum
from tests.small_trainings import (
    SOURCES,
    Document,
    load_small_data,
    make_small_plan,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
    train_source,
)
from worker.data.batches import draw_passes
from worker.training.curriculum import Pacing, SelfPacing, interleave, share
from worker.training.events import EpochLog, Finished
from worker.training.training import Training

Floats = NDArray[np.float64]

ROWS: Document = {"dataset": "iris", "architecture": "linear", "batch_size": 32, "epochs": 10}
CLASSES: Document = {**ROWS, "dataset": {"id": "digits", "validation_fraction": 0.9}}
NUMBERS: Document = {**ROWS, "dataset": "diabetes"}


@pytest.mark.parametrize(
    ("pacing", "wanted"),
    [
        ("linear", [0.2, 0.4, 0.6, 0.8, 1.0]),
        ("root", [0.2, np.sqrt(0.28), np.sqrt(0.52), np.sqrt(0.76), 1.0]),
        # Two rises: at half of the pacing and at its end.
        ("step", [0.2, 0.2, 0.6, 0.6, 1.0]),
    ],
)
def test_the_share_grows_as_its_pacing_says(pacing: str, wanted: list[float]) -> None:
    spec = Curriculum.model_validate({"pacing": pacing, "start": 0.2, "steps": 2 if pacing == "step" else None})
    assert [share(spec, over) for over in (0, 0.25, 0.5, 0.75, 1)] == pytest.approx(wanted)


def ranked(rows: int) -> Generator[None, None, Tensor]:
    yield
    return torch.arange(rows)


@given(
    pacing=st.sampled_from(["linear", "root", "step"]),
    start=st.floats(0.001, 1),
    until=st.floats(0.01, 1),
    steps=st.integers(1, 500),
    rows=st.integers(1, 300),
)
def test_the_count_never_falls_and_ends_with_all(
    pacing: str, start: float, until: float, steps: int, rows: int
) -> None:
    spec = Curriculum.model_validate({"pacing": pacing, "start": start, "until": until, "steps": 4})
    pace = Pacing(spec, steps, partial(ranked, rows))
    deque(pace.begin(nn.Identity(), 0), maxlen=0)
    counts = [pace.count(step) for step in range(steps + 1)]
    assert counts == sorted(counts)
    assert 1 <= counts[0] <= start * rows + 1
    assert all(count == rows for step, count in enumerate(counts) if step >= until * steps)


@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=9), rows=st.integers(1, 200), batch=st.integers(1, 30))
def test_passes_are_permutations_of_what_may_be_learnt_when_they_begin(sizes: list[int], rows: int, batch: int) -> None:
    def subset(step: int) -> Tensor:
        return torch.arange(sizes[min(step - 7, len(sizes) - 1)])

    drawn = draw_passes(rows, subset, step=7, batch_size=batch, generator=torch.Generator().manual_seed(0)).tolist()
    assert len(drawn) == rows
    taken = 0
    while taken < rows:
        size = len(subset(7 + taken // batch))
        begun = drawn[taken : taken + size]
        assert len(set(begun)) == len(begun)
        assert set(begun) <= set(range(size))
        taken += size


@given(counts=st.lists(st.integers(1, 30), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_balanced_rows_keep_the_shares_of_their_classes(counts: list[int], seed: int) -> None:
    groups = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed))
    mixed = interleave(order, groups)
    assert sorted(mixed.tolist()) == list(range(len(groups)))
    for group, count in enumerate(counts):
        assert mixed[groups[mixed] == group].tolist() == order[groups[order] == group].tolist()
        seen = (groups[mixed] == group).cumsum(0).double()
        ideal = torch.arange(1, len(groups) + 1) * count / len(groups)
        # A class is at most half a row off its share, and so is each of the others.
        assert float((seen - ideal).abs().max()) <= 0.5 + len(counts) / 2 * count / len(groups) + 1e-6


def ranking_of(training: Training) -> NDArray[np.int64]:
    """As it is before the first epoch."""
    assert isinstance(training.curriculum, Pacing)
    deque(training.curriculum.begin(training.model, 0), maxlen=0)
    return training.curriculum.ranking.numpy()


@pytest.mark.parametrize("document", [CLASSES, NUMBERS])
def test_distances_are_those_of_the_normalised_rows_to_the_mean_of_their_class(document: Document) -> None:
    plan = make_small_plan(document)
    data = load_small_data(plan)
    training = make_training({**document, "curriculum": {"type": "curriculum", "balanced": False}})
    ranking = ranking_of(training)
    x = ((data.train.inputs - data.shift) * data.scale).flatten(1).double().numpy()
    y = data.train.targets.numpy() if plan.data.main.task == "classification" else np.zeros(len(x))
    means = np.stack([x[y == label].mean(0) for label in np.unique(y)])
    distances = np.sqrt(((x - means[np.searchsorted(np.unique(y), y)]) ** 2).sum(1))
    np.testing.assert_allclose(distances[ranking], np.sort(distances), rtol=1e-12)


def test_a_teacher_ranks_rows_by_its_own_loss() -> None:
    learnt = train_source({**CLASSES, "architecture": "mlp", "optimizer": {"type": "adam", "lr": 0.01}})
    scorer = {"type": "teacher", "teacher": learnt}
    training = make_training({**CLASSES, "curriculum": {"type": "curriculum", "scorer": scorer, "balanced": False}})
    ranking = ranking_of(training)
    weights = SOURCES[learnt["sha256"]].weights
    x = (
        ((training.data.train.inputs - weights["normalize.shift"]) * weights["normalize.scale"])
        .flatten(1)
        .double()
        .numpy()
    )
    numbers = {name: tensor.double().numpy() for name, tensor in weights.items()}
    for name in sorted({name.split(".")[0] for name in weights if name.startswith("hidden")}):
        x = np.maximum(x @ numbers[f"{name}.linear.weight"].T + numbers[f"{name}.linear.bias"], 0)
    logits = x @ numbers["head.weight"].T + numbers["head.bias"]
    penalized_parameters = logits[np.arange(len(x)), training.data.train.targets.numpy()]
    losses = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1) - penalized_parameters
    np.testing.assert_allclose(losses[ranking], np.sort(losses), rtol=1e-3, atol=1e-5)


def rows_of(training_order: Tensor) -> list[int]:
    found: list[int] = training_order.tolist()
    return found


def test_epochs_learn_from_the_easiest_rows_evenly_and_keep_their_length() -> None:
    document = {**ROWS, "curriculum": {"type": "curriculum", "pacing": "step", "steps": 1, "start": 0.25, "until": 0.5}}
    training, plain = make_training(document), make_training(ROWS)
    count = training.plan.sizes.train
    easiest = set(ranking_of(training)[: -(-count // 4)].tolist())
    for epoch in range(10):
        order = rows_of(training.batches.order(epoch))
        assert len(order) == count
        if epoch < 5:
            times = [order.count(row) for row in easiest]
            assert sum(times) == count
            assert max(times) - min(times) <= 1
        else:
            assert order == rows_of(plain.batches.order(epoch))
    sizes = [len(targets) for _, targets in training.batches.from_step(0)]
    assert sizes == [len(targets) for _, targets in plain.batches.from_step(0)]
    run_to_end(training)
    assert training.step == training.plan.steps


def test_without_a_curriculum_every_step_may_learn_from_all_rows() -> None:
    training = make_training(ROWS)
    rows = training.plan.sizes.train
    assert training.batches.subset(0).tolist() == list(range(rows))
    assert sorted(training.batches.order(0).tolist()) == list(range(rows))


def losses_in_numpy(weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Floats:
    """Of softmax regression."""
    numbers = {name: tensor.double().numpy() for name, tensor in weights.items()}
    x = (inputs.double().numpy() - numbers["normalize.shift"]) * numbers["normalize.scale"]
    logits = x @ numbers["head.weight"].T + numbers["head.bias"]
    logits -= logits.max(1, keepdims=True)
    found: Floats = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(x)), targets.numpy()]
    return found


@pytest.mark.parametrize("balanced", [False, True])
def test_self_paced_rows_are_those_below_a_growing_lambda(balanced: bool) -> None:
    spec = {"type": "self_paced", "start": 0.4, "growth": 1.2, "warmup_epochs": 1, "until": 0.6, "balanced": balanced}
    training = make_training({**ROWS, "curriculum": spec})
    inputs, targets = training.data.train.inputs, training.data.train.targets
    groups = targets.numpy() if balanced else np.zeros(len(targets), dtype=int)
    measured, penalized_parameters = 0, []
    first: dict[int, float] = {}
    weights = training.weights()
    for logged in training.run():
        if not isinstance(logged, EpochLog):
            continue
        assert isinstance(training.curriculum, SelfPacing)
        epoch, taken = logged.epoch - 1, training.curriculum.taken.numpy()
        wanted = np.ones(len(targets), dtype=bool)
        if 1 <= epoch < 6:
            losses = losses_in_numpy(weights, inputs, targets)
            for group in np.unique(groups):
                own = groups == group
                least = np.sort(losses[own])[int(np.ceil(0.4 * own.sum())) - 1]
                first.setdefault(group, least)
                wanted[own] = losses[own] <= max(first[group] * 1.2 ** (epoch - 1), least) + 1e-6
            measured += 1
        assert (taken == wanted).mean() > 0.99
        penalized_parameters.append(int(taken.sum()))
        weights = training.weights()
    assert measured == 5
    assert penalized_parameters[0] == penalized_parameters[-1] == len(targets)
    assert 0.4 * len(targets) <= penalized_parameters[1] < 0.45 * len(targets)


def test_a_teacher_is_asked_between_steps() -> None:
    learnt = train_source(CLASSES)
    scorer = {"type": "teacher", "teacher": learnt}
    training = make_training({**CLASSES, "curriculum": {"type": "curriculum", "scorer": scorer}})
    assert next(training.run()) is None
    assert training.step == 0


@pytest.mark.parametrize("unit", [1, 2, 3, 4, 6, 9, 14])
def test_self_paced_goes_on_with_the_same_rows(unit: int) -> None:
    spec = {"type": "self_paced", "warmup_epochs": 0, "start": 0.3}
    document = {**CLASSES, "epochs": 3, "batch_size": 40, "curriculum": spec}
    assert resume_to_end(document, *stop_after(document, unit)) == run_to_end(make_training(document))


def test_losses_are_measured_between_steps() -> None:
    """A run can be paused meanwhile; after it resumes, it measures all losses again."""
    training = make_training({**CLASSES, "curriculum": {"type": "self_paced", "warmup_epochs": 0}})
    list(islice(training.run(), 1))
    assert isinstance(training.curriculum, SelfPacing)
    assert (training.step, training.curriculum.epoch) == (0, -1)


def test_rows_without_a_finite_loss_are_the_hardest() -> None:
    training = make_training({**ROWS, "curriculum": {"type": "self_paced", "warmup_epochs": 0, "balanced": False}})
    pacing = training.curriculum
    assert isinstance(pacing, SelfPacing)
    losses = torch.arange(len(pacing.taken), dtype=torch.float64)
    losses[3] = torch.inf
    assert not pacing.easy_rows(losses, 0)[3]
    assert pacing.easy_rows(torch.full_like(losses, torch.inf), 0).all()


def test_a_run_may_be_stopped_while_its_rows_are_measured() -> None:
    training = make_training({**CLASSES, "curriculum": {"type": "self_paced", "warmup_epochs": 0}})
    for event in training.run():
        if event is None and training.last is not None and training.step == training.last.step:
            training.stop("stopped_by_user")
    assert isinstance(event, Finished)
    assert (event.ending, training.epochs_done) == ("stopped_by_user", 1)
