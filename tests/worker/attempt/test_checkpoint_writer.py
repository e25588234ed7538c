"""When the checkpoint writer writes which files, by a clock that the test sets."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest
import torch

from bakehouse.runs.artifacts import Artifacts, StoredCheckpoint
from bakehouse.runs.commands import Command, PublishCheckpoint, PublishResume
from bakehouse.runs.errors import StorageFull
from bakehouse.runs.record import new_run_id
from tests.plan.cards import columns_card, image_card, planned
from tests.small_trainings import IRIS, MIXED, make_small_plan, make_training
from worker.attempt.checkpoint_writer import (
    FIRST_RESUME_SECONDS,
    MAX_SHARE,
    RESUME_EVERY_SECONDS,
    Candidate,
    CheckpointWriter,
    describe,
)
from worker.attempt.record_writer import RecordWriter
from worker.attempt.snapshot import Snapshot, read_environment, snapshot

RUN_ID = new_run_id()


class FakeRecordWriter:
    """Keeps the commands that it is given, in order; a flush is None."""

    nonce = "first"

    def __init__(self) -> None:
        self.commands: list[Command | None] = []
        self.gate = Event()
        self.gate.set()

    def send(self, command: Command) -> None:
        self.gate.wait(10)
        self.commands.append(command)

    post = send

    def flush(self) -> None:
        self.commands.append(None)

    def bests(self) -> list[int]:
        return [item.checkpoint.epoch for item in self.commands if isinstance(item, PublishCheckpoint) and item.best]


class Clock:
    """Stands in for `monotonic`: its seconds change only by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("worker.attempt.checkpoint_writer.monotonic", clock)
    return clock


@pytest.fixture
def sent() -> FakeRecordWriter:
    return FakeRecordWriter()


@pytest.fixture
def checkpoint_writer(tmp_path: Path, sent: FakeRecordWriter, clock: Clock) -> Iterator[CheckpointWriter]:
    checkpoint_writer = CheckpointWriter(make_small_plan(IRIS), RUN_ID, Artifacts(tmp_path), cast(RecordWriter, sent))
    yield checkpoint_writer
    checkpoint_writer.close()


def a_candidate(epoch: int) -> Candidate:
    return Candidate(epoch, {"validation_loss": 1 / epoch}, {"head.weight": torch.full((2,), float(epoch))})


def offer(checkpoint_writer: CheckpointWriter, epoch: int) -> None:
    checkpoint_writer.offer(a_candidate(epoch))


def a_snapshot() -> Snapshot:
    return snapshot(make_training(IRIS), {})


def test_the_newest_of_several_bests_in_a_second_is_written(
    checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter, clock: Clock
) -> None:
    offer(checkpoint_writer, 1)
    checkpoint_writer.write_due_best()
    checkpoint_writer.wait()
    for epoch in (2, 3, 4):
        offer(checkpoint_writer, epoch)
        clock.now += 0.3
        checkpoint_writer.write_due_best()
    assert sent.bests() == [1]
    clock.now += 0.3
    checkpoint_writer.write_due_best()
    checkpoint_writer.wait()
    assert sent.bests() == [1, 4]


def test_one_checkpoint_is_written_at_a_time(
    checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter, clock: Clock
) -> None:
    sent.gate.clear()
    offer(checkpoint_writer, 1)
    checkpoint_writer.write_due_best()
    offer(checkpoint_writer, 2)
    clock.now += 100
    checkpoint_writer.write_due_best()
    assert checkpoint_writer.is_busy()
    assert not checkpoint_writer.resume_is_due()
    sent.gate.set()
    checkpoint_writer.wait()
    assert sent.bests() == [1]
    checkpoint_writer.finish()
    assert sent.bests() == [1, 2]


def test_a_resume_state_is_published_after_the_waiting_best_and_the_log(
    checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter, tmp_path: Path
) -> None:
    offer(checkpoint_writer, 5)
    checkpoint_writer.start_resume(a_snapshot)
    checkpoint_writer.wait()
    assert sent.bests() == [5]
    assert sent.commands[1:] == [None, PublishResume("first", 0)]
    found = Artifacts(tmp_path).newest_resume(RUN_ID).state
    assert found is not None
    assert read_environment(found.files) == {}


def test_the_last_weights_come_after_the_best(checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter) -> None:
    offer(checkpoint_writer, 2)
    checkpoint_writer.finish(a_candidate(3))
    published = [item for item in sent.commands if isinstance(item, PublishCheckpoint)]
    assert [(item.checkpoint.epoch, item.checkpoint.roles) for item in published] == [(2, ("best",)), (3, ("last",))]


def test_last_weights_that_are_the_best_too_are_one_checkpoint(
    checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter
) -> None:
    offer(checkpoint_writer, 3)
    written = checkpoint_writer.finish(a_candidate(3))
    [published] = [item for item in sent.commands if isinstance(item, PublishCheckpoint)]
    assert published.checkpoint.roles == ("best", "last")
    assert written == dict.fromkeys(("best", "last"), published.checkpoint.sha256)
    assert published.best is not None


def test_the_best_weights_are_published_even_if_the_last_ones_cannot_be_written(
    checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Artifacts.write_checkpoint

    def write(artifacts: Artifacts, run_id: str, weights: bytes, manifest: Mapping[str, Any]) -> StoredCheckpoint:
        if manifest["epoch"] == 3:
            raise StorageFull
        return original(artifacts, run_id, weights, manifest)

    monkeypatch.setattr(Artifacts, "write_checkpoint", write)
    offer(checkpoint_writer, 2)
    with pytest.raises(StorageFull):
        checkpoint_writer.finish(a_candidate(3))
    assert sent.bests() == [2]


def due_times(
    checkpoint_writer: CheckpointWriter, clock: Clock, take: Callable[[], Snapshot], *, until: float
) -> list[float]:
    """The times at which resume states are taken, with a check every half second."""
    start, times = clock.now, []
    while clock.now < start + until:
        clock.now += 0.5
        if checkpoint_writer.resume_is_due():
            times.append(clock.now - start)
            checkpoint_writer.start_resume(take)
            checkpoint_writer.wait()
    return times


def test_states_are_taken_often_at_first_and_then_every_half_minute(
    checkpoint_writer: CheckpointWriter, clock: Clock
) -> None:
    times = due_times(checkpoint_writer, clock, a_snapshot, until=130)
    assert times[:5] == list(FIRST_RESUME_SECONDS)
    assert times[5:] == [16 + n * RESUME_EVERY_SECONDS for n in (1, 2, 3)]


def test_slow_states_take_no_more_than_their_share_of_the_time(
    checkpoint_writer: CheckpointWriter, clock: Clock
) -> None:
    def take() -> Snapshot:
        clock.now += 3
        return a_snapshot()

    times = due_times(checkpoint_writer, clock, take, until=1000)
    assert len(times) <= 1 + 1000 * MAX_SHARE / 3
    assert len(times) >= 8


def test_an_error_of_the_background_write_is_raised_in_the_training_thread(
    checkpoint_writer: CheckpointWriter, sent: FakeRecordWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(_: Command) -> None:
        raise OSError("no room")

    monkeypatch.setattr(sent, "send", send)
    offer(checkpoint_writer, 1)
    checkpoint_writer.write_due_best()
    with pytest.raises(OSError, match="no room"):
        checkpoint_writer.wait()


def test_weights_have_the_same_digest_under_any_name() -> None:
    one, other = (make_small_plan({**IRIS, "name": name, "labels": {"for": name}}) for name in ("one", "other"))
    assert describe(one, 3) == describe(other, 3) != describe(one, 4)


def test_weights_say_how_a_row_becomes_numbers() -> None:
    inputs = json.loads(describe(make_small_plan(MIXED), 1))["inputs"]
    assert inputs["columns"] == ["age", "dogs", "night", "fare", "city", "left"]
    assert inputs["encoding"]["columns"][2:4] == [
        {"name": "night", "kind": "boolean", "classes": ["no", "yes"]},
        {"name": "fare", "kind": "category", "classes": ["first", "second", "third"]},
    ]
    assert inputs["encoding"]["columns"][5] == {"name": "left", "kind": "date", "form": "year first"}
    assert len(inputs["encoding"]["features"]) == 57


def test_weights_say_what_their_inputs_are() -> None:
    table = planned({"dataset": {"id": "houses", "target": "price"}}, columns_card())
    assert json.loads(describe(table, 1))["inputs"] == {"kind": "table", "shape": [2], "columns": ["rooms", "area"]}
    pictures = image_card(side=8).model_copy(update={"format": "pictures", "shape": (3, 8, 9)})
    assert json.loads(describe(planned({}, pictures), 1))["inputs"] == {
        "kind": "image",
        "shape": [3, 8, 9],
        "pictures": {"mode": "RGB", "width": 9, "height": 8, "resample": "bilinear"},
    }
    assert json.loads(describe(make_small_plan(IRIS), 1))["inputs"] == {"kind": "table", "shape": [4]}
