"""Rows that stay on disk train to the same bits as rows in memory."""

import mmap
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from bakehouse.data.loading import StoredInputs
from tests.small_trainings import (
    DIABETES,
    DIGITS_CNN,
    IRIS,
    MIXED,
    Document,
    load_small_data,
    make_small_plan,
    make_training,
    resume_to_end,
    run_to_end,
    stop_after,
)
from worker.data.rows import MappedRows

DIGITS = {"id": "digits", "validation_fraction": 0.9}
BLOCKS: Document = {**DIGITS_CNN, "dataset": {**DIGITS, "shuffle": {"type": "blocks", "rows": 10, "mixed": 3}}}
EVERYTHING = {
    **DIGITS_CNN,
    "dataset": {**DIGITS, "bootstrap": True, "normalization": "min_max"},
    "evaluation": {"statistics": "population", "monte_carlo_samples": 2, "crops": {"scales": [9]}},
    "diagnostics": [{"type": "clean_gap", "rows": 20}],
}


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakehouse.plan.data_bytes.MAPPED_BYTES", 0)


@pytest.mark.parametrize(
    "document",
    [
        BLOCKS,
        EVERYTHING,
        {**DIGITS_CNN, "dataset": {**DIGITS, "normalization": "whiten"}, "curriculum": "curriculum"},
        {**DIABETES, "dataset": {"id": "diabetes", "normalization": "min_max", "folds": 3, "fold": 1}},
        MIXED,
        {**IRIS, "dataset": {"id": "digits_sequence", "validation_fraction": 0.9}, "architecture": "rnn"},
    ],
)
def test_rows_on_disk_train_to_the_same_bits(document: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = run_to_end(make_training(document))
    monkeypatch.setattr("bakehouse.plan.data_bytes.MAPPED_BYTES", 0)
    training = make_training(document)
    assert not any(isinstance(split.source, Tensor) for split in (training.data.train, training.data.test))
    assert run_to_end(training) == wanted


@pytest.mark.usefixtures("on_disk")
def test_a_run_in_blocks_is_resumed_exactly() -> None:
    files, logged = stop_after(BLOCKS, 3)
    assert resume_to_end(BLOCKS, files, logged) == run_to_end(make_training(BLOCKS))


@pytest.mark.usefixtures("on_disk")
def test_no_row_is_copied_before_it_is_taken() -> None:
    source = load_small_data(make_small_plan(DIGITS_CNN)).train.source
    assert isinstance(source, MappedRows)
    assert isinstance(source.stored, StoredInputs)
    assert isinstance(source.stored.stored.base, np.memmap)
    assert not source.stored.stored.flags.writeable


@pytest.mark.usefixtures("on_disk")
def test_rows_are_read_ahead_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def madvise(begin: object, size: object, advice: int) -> None:
        assert advice == mmap.MADV_WILLNEED
        asked.append((int(begin.value), int(size.value)))  # type: ignore[attr-defined]

    monkeypatch.setattr("worker.data.rows.LIBC", SimpleNamespace(madvise=madvise))
    monkeypatch.setattr("worker.data.rows.MAX_GAP", 0)
    training = make_training(BLOCKS)
    source = training.data.train.source
    assert isinstance(source, MappedRows)
    assert isinstance(source.stored, StoredInputs)
    address = source.stored.stored.ctypes.data
    size = source.stored.row_bytes
    source.read_ahead(torch.tensor([7, 3, 3]))
    places = [address + int(source.numbers[row]) * size for row in (3, 7)]
    assert [begin for begin, _ in asked] == [place // mmap.PAGESIZE * mmap.PAGESIZE for place in places]
    assert [begin + length for begin, length in asked] == [place + size for place in places]
    asked.clear()
    for _ in training.batches.from_step(0):
        pass
    # Each of the 144 rows once.
    assert len(asked) == 144


@pytest.mark.usefixtures("on_disk")
def test_many_rows_are_asked_for_by_requests_that_the_system_reads_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    source = load_small_data(make_small_plan(DIGITS_CNN)).train.source
    assert isinstance(source, MappedRows)
    assert isinstance(source.stored, StoredInputs)
    asked: list[tuple[int, int]] = []

    def madvise(begin: object, size: object, _: int) -> None:
        asked.append((int(begin.value), int(size.value)))  # type: ignore[attr-defined]

    monkeypatch.setattr("worker.data.rows.LIBC", SimpleNamespace(madvise=madvise))
    monkeypatch.setattr("worker.data.rows.REQUEST_BYTES", mmap.PAGESIZE)
    source.read_ahead(torch.arange(len(source)))
    assert len(asked) > 2
    assert max(size for _, size in asked) == mmap.PAGESIZE
    address = source.stored.stored.ctypes.data
    end = address + (int(source.numbers[-1]) + 1) * source.stored.row_bytes
    assert [begin + size for begin, size in asked] == [*(begin for begin, _ in asked[1:]), end]


@pytest.mark.usefixtures("on_disk")
def test_rows_that_memory_does_not_hold_are_asked_for_ahead_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {**DIGITS_CNN, "dataset": DIGITS}
    wanted = run_to_end(make_training(document))
    asked: list[int] = []

    def madvise(_: object, __: object, advice: int) -> None:
        asked.append(advice)

    monkeypatch.setattr("worker.data.rows.LIBC", SimpleNamespace(madvise=madvise))
    for _ in make_training(document).batches.from_step(0):
        pass
    assert asked == []
    monkeypatch.setattr("worker.data.rows.system_memory", lambda: 0)
    monkeypatch.setattr("worker.data.rows.AHEAD_BYTES", 5000)
    monkeypatch.setattr("worker.data.rows.MAX_GAP", 0)
    training = make_training(document)
    for _ in training.batches.from_step(0):
        pass
    source = training.data.train.source
    assert isinstance(source, MappedRows)
    assert asked[0] == mmap.MADV_RANDOM
    # Neighbours in the file are asked for together.
    assert len(source) // 2 < asked.count(mmap.MADV_WILLNEED) <= len(source)
    asked.clear()
    for _ in training.data.test.batches(20):
        pass
    assert mmap.MADV_WILLNEED in asked
    assert run_to_end(make_training(document)) == wanted
