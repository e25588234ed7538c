"""The rows that diagnostics look at."""

import torch

from tests.small_trainings import DIGITS_CNN, IRIS, Document, make_training
from worker.diagnostics.probe import Probe


def probe_of(document: Document, rows: int) -> Probe:
    training = make_training(document)
    return Probe(training.plan, training.data, training.batches, rows)


def test_rows_are_a_function_of_the_seed_and_all_different() -> None:
    first, again, other = (probe_of({**DIGITS_CNN, "seed": seed}, 100) for seed in (0, 0, 1))
    assert torch.equal(first.rows, again.rows)
    assert not torch.equal(first.rows, other.rows)
    assert len(set(first.rows.tolist())) == 100


def test_more_rows_than_there_are_is_all() -> None:
    probe = probe_of(DIGITS_CNN, 10_000)
    assert sorted(probe.rows.tolist()) == list(range(144))
    assert probe.split() is probe.data.train


def test_batches_are_at_most_as_large_as_in_training_and_nearly_equal() -> None:
    assert [len(part) for part in probe_of({**DIGITS_CNN, "batch_size": 24}, 100).parts] == [20] * 5
    assert [len(part) for part in probe_of({**DIGITS_CNN, "batch_size": 14}, 79).parts] == [14, 13, 13, 13, 13, 13]


def test_draws_are_its_own_the_same_for_an_epoch_and_new_in_the_next() -> None:
    training = make_training(DIGITS_CNN)
    probe = Probe(training.plan, training.data, training.batches, 64)
    first, again, later = (next(probe.training_batches(epoch, mixed=True)) for epoch in (1, 1, 2))
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, later.inputs)
    assert len({first.seed, later.seed}) == 2
    assert training.batches.augmentation_seeds is not probe.batches.augmentation_seeds


def test_without_augmentation_training_batches_are_the_normalised_rows() -> None:
    training = make_training(IRIS)
    probe = Probe(training.plan, training.data, training.batches, 30)
    [batch] = probe.training_batches(1, mixed=True)
    [stored] = probe.clean_inputs()
    assert torch.equal(batch.inputs, training.model[0](stored))
    assert torch.equal(batch.targets, probe.targets())


def test_rows_are_mixed_only_where_a_loss_is_taken() -> None:
    probe = probe_of({**DIGITS_CNN, "augmentation": "mixup"}, 64)
    [plain], [mixed] = (list(probe.training_batches(1, mixed=mixed)) for mixed in (False, True))
    assert plain.targets.ndim == 1
    assert mixed.targets.ndim == 2
